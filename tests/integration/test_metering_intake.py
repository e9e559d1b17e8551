"""Intake: the counting identity, duplicates, conflicts, dead letters, quarantine, two at once, nothing lost."""

import json
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.month import Month
from ledger.books import lock_month
from metering import batch, quarantine
from metering.intake import Intake
from metering.store import Counts
from metering.usage import event_by_identity, rederive
from tests.events import NOW, accepted, amended, deleted, gpu, lines, performed, snapshot, take, voided

AT = datetime.fromisoformat(NOW)


def counts(engine) -> dict:
    with engine.connect() as connection:
        found = quarantine.intake_counts(connection)
    assert found["balanced"], found
    return found


def reasons(engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {one.event_id: one.reason for one in quarantine.listed(connection)}


def gpu_seconds(jeongsan, month="2025-11") -> dict:
    rows = jeongsan("usage", "--month", month)["rows"]
    return {(row["project"], row["key"]): row["quantity"] for row in rows if row["meter"] == "gpu"}


BAD = [
    (b'{"specversion":"1.0","id":"x1","source":"/t","type":"gpu.us', "not_json", "JSON"),
    (b"\xff\xfe\x00", "not_json", "JSON"),
    (gpu("b1", gpus="1e400"), "schema", "data.gpus"),
    (gpu("b2", gpus="NaN"), "schema", "data.gpus"),
    (json.dumps(gpu("b3", gpus=0)).replace('"gpus": 0', '"gpus": NaN').encode(), "not_json", "JSON"),
    (gpu("b4", "2025-11-10T00:00:00"), "schema", "data.start"),
    (gpu("b5", "2025-11-10T24:00:00Z"), "schema", "data.start"),
    (gpu("b6", "2025-02-30T00:00:00Z"), "schema", "data.start"),
    (gpu("b7", end="2025-11-09T00:00:00Z"), "schema", "data.end"),
    (gpu("b8", gpus={"n": 1}), "schema", "data.gpus"),
    (b'"a text"', "not_json", "JSON"),
]


def test_ingest__each_bad_record_becomes_a_dead_letter_with_its_bytes_and_stops_nothing(loaded, jeongsan, tmp_path):
    path = tmp_path / "events.jsonl"
    bad = lines(payload for payload, _, _ in BAD)
    written = [lines([gpu(f"g{n}")])[0] for n in range(len(bad) + 1)]
    mixed = [one for pair in zip(written, bad, strict=False) for one in pair] + written[-1:]
    path.write_bytes(b"\n".join(mixed))
    document = jeongsan("ingest", path, now=NOW)
    assert (document["stored"], document["dead_lettered"]) == (len(bad) + 1, len(bad))
    with loaded.connect() as connection:
        rows = connection.execute(text("SELECT record, reason, detail, payload FROM dead_letter ORDER BY record")).all()
    assert [bytes(row.payload) for row in rows] == bad
    assert [row.record for row in rows] == [2 * n + 2 for n in range(len(bad))]
    for row, (_, reason, says) in zip(rows, BAD, strict=True):
        assert row.reason == reason
        assert says in row.detail
    assert counts(loaded)["stored"] == len(bad) + 1


def test_ingest__a_line_of_a_hundred_megabytes_is_one_dead_letter(loaded):
    long = b'{"specversion":"1.0","x":"' + b"a" * 100_000_000
    assert take(loaded, [gpu("a"), long, gpu("b")], AT) == Counts(received=3, stored=2, dead_lettered=1)
    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT length(payload) FROM dead_letter")) == len(long)


def test_ingest__the_same_file_again_is_all_duplicates(loaded, jeongsan, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        b"\n".join(lines([gpu("a"), gpu("a"), performed("w"), accepted("c", "w"), gpu("z", project="P9"), b"{"]))
    )
    first = jeongsan("ingest", path, now=NOW)
    assert [first[name] for name in ("received", "stored", "duplicate", "quarantined", "dead_lettered")] == [
        6,
        3,
        1,
        1,
        1,
    ]
    used = jeongsan("usage", "--month", "2025-11")
    again = jeongsan("ingest", path, now=NOW)
    assert [again[name] for name in ("received", "stored", "duplicate", "quarantined", "dead_lettered")] == [
        6,
        0,
        5,
        0,
        1,
    ]
    assert jeongsan("usage", "--month", "2025-11") == used
    assert counts(loaded) == {
        "received": 12,
        "stored": 3,
        "duplicate": 6,
        "quarantined": 1,
        "dead_lettered": 2,
        "balanced": True,
    }


def test_ingest__a_json_array_is_the_same_as_its_lines(loaded, jeongsan, tmp_path):
    events = [gpu("a"), gpu("b", end="2025-11-10T02:00:00Z"), performed("w")]
    path = tmp_path / "events.json"
    path.write_text(json.dumps(events, indent=2))
    assert jeongsan("ingest", path, now=NOW)["stored"] == 3
    assert take(loaded, events, AT).duplicate == 3


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_ingest__a_file_that_cannot_be_read_is_bad_input_before_anything_is_taken(loaded, jeongsan, tmp_path, name):
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines([gpu("a")])[0])
    jeongsan("ingest", path, tmp_path / name, now=NOW, exit_code=2)
    assert counts(loaded)["received"] == 0


def test_identity__other_content_is_a_conflict_and_the_same_conflict_again_a_duplicate(loaded):
    other = gpu("a", gpus="2")
    assert take(loaded, [gpu("a"), other, gpu("a"), other], AT) == Counts(
        received=4, stored=1, duplicate=2, quarantined=1
    )
    assert take(loaded, [other, gpu("a", gpus="3")], AT) == Counts(received=2, duplicate=1, quarantined=1)
    assert set(reasons(loaded).values()) == {"conflict"}
    assert counts(loaded)["stored"] == 1


def test_identity__what_waits_in_quarantine_is_guarded_too(loaded):
    unknown = gpu("a", project="P9")
    assert take(loaded, [unknown, unknown, gpu("a")], AT) == Counts(received=3, duplicate=1, quarantined=2)
    assert take(loaded, [unknown, gpu("a")], AT) == Counts(received=2, duplicate=2)
    assert counts(loaded)["stored"] == 0


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (gpu("e", project="P9"), "unknown_project"),
        (performed("e", line="L21"), "unknown_line"),
        (gpu("e", "2025-09-14T14:59:59.999999Z", "2025-09-14T15:00:01Z"), "outside_agreement"),
        (gpu("e", "2026-03-31T14:00:00Z", "2026-03-31T15:00:00.000001Z"), "outside_agreement"),
        (snapshot("e", "2026-03-31T15:00:00Z", 1), "outside_agreement"),
        (performed("e", performed="2025-09-14T14:59:59Z"), "outside_agreement"),
        (accepted("e", "nothing"), "ref_missing"),
        (voided("e", "e"), "ref_missing"),
    ],
)
def test_attribution__what_cannot_be_attributed_is_held_with_its_reason(loaded, event, reason):
    assert take(loaded, [event], AT) == Counts(received=1, quarantined=1)
    assert reasons(loaded) == {"e": reason}
    counts(loaded)


def test_attribution__the_agreement_holds_from_its_first_to_its_last_local_instant(loaded):
    events = [
        gpu("a", "2025-09-14T15:00:00Z", "2025-09-14T15:00:01Z"),
        gpu("b", "2026-03-31T14:00:00Z", "2026-03-31T15:00:00Z"),
        deleted("c", "2026-04-10T00:00:00Z"),
    ]
    assert take(loaded, events, AT).stored == 3


def test_attribution__work_outside_all_permits_is_held(loaded, jeongsan, registry_file):
    more = """
[[permit]]
code = "D1"
project = "P1"
hospital = "H1"
kind = "irb"
approved_on = 2025-11-10
expires_on = 2025-11-20
"""
    jeongsan("load", registry_file(more=more), now="2025-09-15T09:00:01+09:00")
    events = [
        performed("in", performed="2025-11-20T14:59:59Z"),
        performed("late", performed="2025-11-20T15:00:00Z"),
        performed("other", line="L12"),
        performed("none", project="P2", line="L21", performed="2025-12-01T00:00:00Z"),
    ]
    assert take(loaded, events, AT).stored == 2
    assert reasons(loaded) == {"late": "no_permit", "other": "no_permit"}


def test_attribution__a_programme_takes_none_after_its_settlement_has_closed_once_it_was_settled(loaded, owner):
    late = datetime(2026, 4, 1, tzinfo=UTC)
    assert take(loaded, [gpu("history")], late).stored == 1
    with owner.begin() as connection:
        lock_month(connection, "V25", Month(2025, 11), late, "test")
    assert take(loaded, [gpu("a")], datetime(2026, 3, 31, 14, 59, tzinfo=UTC)).stored == 1
    assert take(loaded, [gpu("b"), performed("w")], datetime(2026, 3, 31, 15, tzinfo=UTC)).quarantined == 2
    assert set(reasons(loaded).values()) == {"programme_closed"}


LATER = (
    "INSERT INTO project SELECT 'P9', programme, company, tier, title, modalities, channel, closes, 0 FROM project"
    " WHERE code = 'P2'",
    "INSERT INTO agreement SELECT 'A9', 'P9', starts, ends, self_pay_mode, 0, over_limit, signed_at FROM agreement"
    " WHERE code = 'A2'",
    "INSERT INTO agreement_version SELECT 'A9', kind, effective, ends, '{}', '', NULL, NULL, NULL, recorded_at"
    " FROM agreement_version WHERE agreement = 'A2' AND kind = 'signed'",
    "INSERT INTO agreement_line (programme, code, agreement, project, supplier, category, self_pay_bp, starts)"
    " VALUES ('V25', 'L99', 'A1', 'P1', 'H1', 'processing', 1500, '2025-09-15')",
)


def test_retry__stores_what_can_be_attributed_now(loaded, jeongsan, owner):
    held = [gpu("a", project="P9"), gpu("b", project="P8"), performed("w", line="L99"), accepted("c", "w")]
    assert take(loaded, held, AT).quarantined == 4
    with owner.begin() as connection:
        for statement in LATER:
            connection.exec_driver_sql(statement)
    assert jeongsan("quarantine", "retry", now=NOW) == {"stored": 3, "duplicate": 0, "waiting": 1}
    assert reasons(loaded) == {"b": "unknown_project"}
    assert gpu_seconds(jeongsan)["P9", "H100"] == "3600"
    assert counts(loaded)["stored"] == 3
    assert jeongsan("quarantine", "retry", now=NOW)["stored"] == 0
    assert take(loaded, [gpu("a", project="P9")], AT).duplicate == 1


def test_dismiss__is_on_record_and_still_counts(loaded, jeongsan):
    take(loaded, [gpu("a", project="P9")], AT)
    (one,) = jeongsan("quarantine", "list")["events"]
    assert (one["reason"], one["topic"], one["offset"], one["type"]) == ("unknown_project", "test", 1, "gpu.usage")
    jeongsan("quarantine", "dismiss", one["id"], "--reason", "시험 자료", now=NOW)
    assert jeongsan("quarantine", "list")["events"] == []
    assert counts(loaded)["quarantined"] == 1
    assert take(loaded, [gpu("a", project="P9")], AT).duplicate == 1
    jeongsan("quarantine", "dismiss", one["id"], "--reason", "again", now=NOW, exit_code=3)
    jeongsan("quarantine", "dismiss", 999, "--reason", "none", now=NOW, exit_code=2)
    jeongsan("quarantine", "retry", one["id"], now=NOW, exit_code=2)


def test_retry__a_conflict_may_stand_once_what_it_met_was_dismissed(loaded, jeongsan):
    take(loaded, [gpu("a", project="P9"), gpu("a")], AT)
    first, second = jeongsan("quarantine", "list")["events"]
    assert (first["reason"], second["reason"]) == ("unknown_project", "conflict")
    jeongsan("quarantine", "dismiss", first["id"], "--reason", "wrong project", now=NOW)
    assert jeongsan("quarantine", "retry", second["id"], now=NOW)["stored"] == 1
    assert counts(loaded)["quarantined"] == 1


def test_two_at_once__each_event_is_stored_once(loaded, monkeypatch):
    monkeypatch.setattr(batch, "BATCH_RECORDS", 50)
    events = [gpu(f"g{n}") for n in range(400)]
    for n in range(40):
        events[n * 10 : n * 10] = [accepted(f"a{n}", f"w{n}"), performed(f"w{n}"), voided(f"v{n}", f"g{n}")]
    done: list[Counts] = []
    starts = [
        threading.Thread(target=lambda part=part: done.append(take(loaded, part, AT)))
        for part in (events, events[::-1], events)
    ]
    for one in starts:
        one.start()
    for one in starts:
        one.join()
    assert len(done) == 3
    found = counts(loaded)
    assert (found["received"], found["stored"], found["quarantined"]) == (3 * len(events), len(events), 0)
    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT (source_id, event_id)) FROM event")) == len(events)
        assert connection.scalar(text("SELECT sum(quantity) FROM usage_delta")) == 360 * 3_600_000_000 * 1000
        assert rederive(connection, ["P1", "P2"]) == []


def test_a_batch_that_fails_leaves_nothing_and_is_taken_again_whole(loaded, owner, monkeypatch):
    monkeypatch.setattr(batch, "BATCH_RECORDS", 3)
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON intake_batch FOR EACH ROW WHEN (NEW.dead_lettered > 0)"
            " EXECUTE FUNCTION fail()"
        )
    events = [gpu(f"g{n}") for n in range(5)] + [b"{"]
    with pytest.raises((DBAPIError, psycopg.Error), match="disk full"):
        take(loaded, events, AT)
    assert counts(loaded)["stored"] == 3
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER fail ON intake_batch")
    assert take(loaded, events, AT) == Counts(received=6, stored=2, duplicate=3, dead_lettered=1)
    counts(loaded)


def test_duplicates__of_another_process_and_of_an_earlier_batch_are_found(loaded, monkeypatch):
    monkeypatch.setattr(batch, "BATCH_RECORDS", 10)
    events = [gpu(f"g{n}") for n in range(30)]
    take(loaded, events[:15], AT)
    mixed = [events[n // 2] if n % 2 else gpu(f"h{n}") for n in range(40)]
    intake = Intake(loaded)
    assert take(loaded, mixed, AT, intake=intake) == Counts(received=40, stored=25, duplicate=15)
    assert take(loaded, mixed, AT, intake=intake).duplicate == 40
    counts(loaded)


def test_dropped_fields__are_counted_per_source(loaded):
    take(loaded, [gpu("a", patient="Kim"), gpu("b", patient="Lee"), performed("w", name="x")], AT)
    with loaded.connect() as connection:
        rows = connection.execute(
            text("SELECT value, field, count FROM dropped_field JOIN term ON term.id = source_id")
        ).all()
        assert sorted(map(tuple, rows)) == [("/t", "data.name", 1), ("/t", "data.patient", 2)]
        assert "Kim" not in str(connection.execute(text("SELECT * FROM event")).all())


@pytest.mark.parametrize(
    ("table", "column"),
    [("event", "record"), ("seen", "content"), ("usage_delta", "quantity"), ("intake_batch", "received"),
     ("dead_letter", "detail")],
)  # fmt: skip
def test_service_role__cannot_change_or_delete_what_was_taken_in(loaded, table, column):
    take(loaded, [gpu("a"), b"{"], AT)
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"UPDATE {table} SET {column} = {column}"):  # noqa: S608
        with pytest.raises(DBAPIError, match=r"permission denied|append-only"), loaded.begin() as connection:
            connection.exec_driver_sql(statement)


def test_release__counts_as_stored_and_keeps_where_it_came_from(loaded):
    take(loaded, [amended("m", "g", gpus="2"), voided("v", "m")], AT, topic="first")
    assert set(reasons(loaded).values()) == {"ref_missing"}
    take(loaded, [gpu("g")], AT, topic="second")
    assert reasons(loaded) == {}
    found = counts(loaded)
    assert (found["received"], found["stored"], found["quarantined"]) == (3, 3, 0)
    with loaded.connect() as connection:
        reference = event_by_identity(connection, "/t", "v").reference
    assert (reference["topic"], reference["offset"], len(reference["hash"])) == ("first", 2, 64)


def test_archive__a_detached_month_is_still_known_for_duplicates_and_can_come_back(loaded, owner, jeongsan):
    take(loaded, [gpu("a"), gpu("b")], AT)
    with owner.begin() as connection:
        assert connection.scalar(text("SELECT detach_event_partition(202512)")) == "event_p202512"
    again = [gpu("a"), gpu("b", end="2025-11-10T02:00:00Z")]
    assert take(loaded, again, AT + timedelta(days=31)) == Counts(received=2, duplicate=1, quarantined=1)
    assert gpu_seconds(jeongsan) == {("P1", "H100"): "7200"}
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE event ATTACH PARTITION event_p202512 FOR VALUES IN (202512)")
    assert jeongsan("verify", "--deep")["ok"]


def test_archive__a_month_of_an_open_programme_and_the_services_role_are_refused(
    jeongsan, registry_file, engine, owner
):
    registry = registry_file(("settlement_closes_on = 2026-03-31", "settlement_closes_on = 2199-03-31"))
    jeongsan("load", registry, now="2025-09-15T09:00:00+09:00")
    take(engine, [gpu("a")], AT)
    for database, message in ((owner, "V25 is not closed"), (engine, "permission denied")):
        with pytest.raises(DBAPIError, match=message), database.begin() as connection:
            connection.execute(text("SELECT detach_event_partition(202512)"))

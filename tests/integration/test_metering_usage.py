"""Usage: voids, amendments, acceptance in parts, storage; the same whatever the order and the batches."""

import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.month import Month
from metering import batch, quarantine
from metering.intake import Intake
from metering.usage import (
    allocated_usage,
    event_by_identity,
    event_refs,
    freeze_mark,
    last_mark,
    raw_totals,
    rederive,
    rolled_totals,
    stored_usage,
    uncut_storage,
    work_items,
)
from tests.conftest import SHARED
from tests.events import NOW, accepted, amended, deleted, event, gpu, performed, rejected, snapshot, take, voided

AT = datetime.fromisoformat(NOW)
PROJECTS = ["P1", "P2"]
ENDS = dict.fromkeys(PROJECTS, date(2026, 3, 31))
MONTHS = [Month(2025, 9) + n for n in range(7)]
CUTS = [month.first for month in MONTHS]
UNTIL = date(2026, 4, 1)


def shown(engine) -> dict:
    """Everything that the read side says, without sequence numbers; ties hold."""
    with engine.connect() as connection:
        mark = last_mark(connection)
        used = allocated_usage(connection, PROJECTS, mark, UNTIL, CUTS)
        held = stored_usage(connection, ENDS, mark, UNTIL, CUTS)
        items = work_items(connection, PROJECTS, mark)
        assert raw_totals(connection, PROJECTS, mark) == rolled_totals(connection, PROJECTS, mark)
        assert rederive(connection, PROJECTS) == []
        assert uncut_storage(connection, ENDS, mark, UNTIL) == sum(one.quantity for one in held)
    work = {
        one.id: (one.project, one.line, one.quantity_milli, one.rejected_milli, one.performed,
                 [(part.id, part.quantity_milli, part.at) for part in one.acceptances])
        for one in items
    }  # fmt: skip
    return {
        "gpu": {(one.project, one.key, str(Month.of(one.starts))): one.quantity for one in used},
        "storage": {(one.project, one.key, str(Month.of(one.starts))): one.quantity for one in held},
        "work": work,
    }


def hours(count: int) -> int:
    return count * 3_600_000_000 * 1000


def reasons(engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {one.event_id: one.reason for one in quarantine.listed(connection)}


def test_gpu__is_cut_at_the_local_month_to_the_microsecond(loaded):
    take(loaded, [
        gpu("last", "2025-11-30T14:59:59.999999Z", "2025-11-30T15:00:00Z"),
        gpu("first", "2025-11-30T15:00:00Z", "2025-11-30T15:00:00.000001Z"),
        gpu("both", "2025-11-30T14:59:59.999999Z", "2025-11-30T15:00:00.000001Z", gpus="0.460", model="A100"),
    ], AT)  # fmt: skip
    assert shown(loaded)["gpu"] == {
        ("P1", "H100", "2025-11"): 1000, ("P1", "H100", "2025-12"): 1000,
        ("P1", "A100", "2025-11"): 460, ("P1", "A100", "2025-12"): 460,
    }  # fmt: skip


def test_void__takes_usage_out_before_or_after_it_and_only_once(loaded):
    take(loaded, [voided("v1", "a"), gpu("a"), gpu("b"), gpu("c")], AT)
    take(loaded, [voided("v2", "b"), voided("v3", "b")], AT)
    take(loaded, [voided("v4", "a")], AT)
    assert shown(loaded)["gpu"] == {("P1", "H100", "2025-11"): hours(1)}
    assert reasons(loaded) == {}


def test_void__cannot_be_voided_or_amended(loaded):
    take(loaded, [gpu("a"), voided("v", "a")], AT)
    take(loaded, [voided("v2", "v"), amended("m", "v", reason="other")], AT)
    assert reasons(loaded) == {"v2": "void_of_void", "m": "void_of_void"}
    assert shown(loaded)["gpu"] == {}


def test_amendment__replaces_named_fields_in_order_of_intake_and_a_voided_one_no_longer_counts(loaded):
    take(loaded, [gpu("a"), amended("m1", "a", gpus="2", model="A100"), amended("m2", "a", gpus="3")], AT)
    assert shown(loaded)["gpu"] == {("P1", "A100", "2025-11"): hours(3)}
    take(loaded, [voided("v", "m2")], AT)
    assert shown(loaded)["gpu"] == {("P1", "A100", "2025-11"): hours(2)}
    take(loaded, [amended("m3", "a", project="P2"), amended("m4", "m1", fields={"gpus": "5"})], AT)
    assert shown(loaded)["gpu"] == {("P2", "H100", "2025-11"): hours(5)}
    take(loaded, [voided("v2", "a")], AT)
    assert shown(loaded)["gpu"] == {}


def test_amendment__that_waited_keeps_its_place_before_one_that_came_with_the_target(loaded):
    take(loaded, [amended("m1", "a", gpus="2")], AT)
    take(loaded, [amended("m2", "a", gpus="3"), gpu("a")], AT)
    assert shown(loaded)["gpu"] == {("P1", "H100", "2025-11"): hours(3)}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"end": "2025-11-09T00:00:00Z"}, "schema"),
        ({"bytes": 7}, "schema"),
        ({"project": "P9"}, "unknown_project"),
        ({"end": "2026-04-01T00:00:00Z"}, "outside_agreement"),
    ],
)
def test_amendment__that_breaks_schema_or_attribution_is_held_and_says_so(loaded, fields, reason):
    take(loaded, [gpu("a"), amended("m", "a", **fields)], AT)
    assert reasons(loaded) == {"m": reason}
    assert shown(loaded)["gpu"] == {("P1", "H100", "2025-11"): hours(1)}


def test_acceptance__in_parts_and_what_is_too_much_waits_until_there_is_room(loaded):
    take(loaded, [performed("w"), accepted("a1", "w", quantity="6"), rejected("r1", "w", quantity="1.5")], AT)
    take(loaded, [accepted("a2", "w", quantity="2.501"), accepted("a3", "w")], AT)
    assert reasons(loaded) == {"a2": "over_accepted", "a3": "over_accepted"}
    take(loaded, [voided("v", "r1")], AT)
    assert reasons(loaded) == {"a3": "over_accepted"}
    (work,) = shown(loaded)["work"].values()
    assert work[3] == 0
    assert [part[:2] for part in work[5]] == [("a1", 6000), ("a2", 2501)]
    take(loaded, [amended("m", "w", quantity="20")], AT)
    assert reasons(loaded) == {"a3": "over_accepted"}
    take(loaded, [voided("v1", "a1"), voided("v2", "a2")], AT)
    assert reasons(loaded) == {}
    assert [part[:2] for part in shown(loaded)["work"]["w"][5]] == [("a3", 20_000)]


def test_acceptance__of_what_is_no_work_is_held(loaded):
    take(loaded, [gpu("g"), accepted("a", "g")], AT)
    assert reasons(loaded) == {"a": "ref_type"}


def test_void__of_accepted_work_takes_it_out_with_its_acceptances(loaded):
    take(loaded, [performed("w"), accepted("a", "w"), voided("v", "w")], AT)
    assert shown(loaded)["work"] == {}
    assert reasons(loaded) == {}


def test_references__are_released_along_a_chain_in_one_batch(loaded):
    take(loaded, [voided("v", "m"), amended("m", "a", quantity="4"), accepted("a", "w")], AT)
    assert set(reasons(loaded).values()) == {"ref_missing"}
    take(loaded, [performed("w")], AT)
    assert reasons(loaded) == {}
    assert [part[:2] for part in shown(loaded)["work"]["w"][5]] == [("a", 10_000)]


def test_storage__voids_amendments_deletion_and_the_agreements_end(loaded):
    take(loaded, [
        snapshot("s1", "2025-11-05T00:00:00Z", 100),
        snapshot("wrong", "2025-11-06T00:00:00Z", 10**9),
        snapshot("s2", "2025-11-07T00:00:00Z", 300),
        deleted("d", "2025-11-30T15:00:00Z"),
        snapshot("w", "2026-03-31T14:59:59Z", 5, volume="w", **{"class": "cold"}),
    ], AT)  # fmt: skip
    take(loaded, [voided("v", "wrong"), amended("m", "s2", at="2025-11-29T15:00:00Z", bytes=200)], AT)
    day = 86_400_000_000
    start = (24 * day + 15 * day // 24) * 100  # 5 November 00:00Z to 29 November 15:00Z
    assert shown(loaded)["storage"] == {
        ("P1", "standard", "2025-11"): start + day * 200,
        ("P1", "cold", "2026-03"): 5 * 10**6,
    }


def test_mark__later_batches_do_not_count(loaded):
    take(
        loaded,
        [gpu("a"), performed("w"), accepted("c", "w", quantity="4"), snapshot("s", "2025-11-05T00:00:00Z", 7)],
        AT,
    )
    before = shown(loaded)
    with loaded.begin() as connection:
        mark = freeze_mark(connection)
    take(
        loaded,
        [gpu("b"), voided("v", "a"), voided("u", "w"), amended("m", "s", bytes=9), accepted("e", "w", quantity="1")],
        AT,
    )
    assert shown(loaded) != before
    with loaded.connect() as connection:
        used = allocated_usage(connection, PROJECTS, mark, UNTIL, CUTS)
        assert {(one.project, one.key, str(Month.of(one.starts))): one.quantity for one in used} == before["gpu"]
        held = stored_usage(connection, ENDS, mark, UNTIL, CUTS)
        assert sum(one.quantity for one in held) == sum(before["storage"].values())
        (item,) = work_items(connection, PROJECTS, mark)
        assert [part.id for part in item.acceptances] == ["c"]
        assert raw_totals(connection, PROJECTS, mark) == rolled_totals(connection, PROJECTS, mark)


def test_freeze_mark__waits_for_a_running_batch(loaded):
    with loaded.connect() as connection:
        connection.execute(text("SET lock_timeout = '200ms'"))
        with loaded.begin() as running:
            Intake(loaded).write(running, batch.Batch(topic="t", partition=0), AT)
            with pytest.raises(Exception, match="lock timeout"):
                freeze_mark(connection)


def test_rederive__says_where_the_roll_up_is_wrong(loaded, owner):
    take(loaded, [gpu("a")], AT)
    with owner.begin() as connection:
        connection.execute(
            text("INSERT INTO usage_delta SELECT batch_id, project_id, model_id, day, meter, 1 FROM usage_delta")
        )
    with loaded.connect() as connection:
        ((message, reference),) = rederive(connection, PROJECTS)
        assert raw_totals(connection, PROJECTS, 99) != rolled_totals(connection, PROJECTS, 99)
    assert "H100" in message
    assert reference == "usage:P1/gpu/H100/2025-11-10"


def test_event_refs__lead_from_a_figure_to_its_events_and_back(loaded):
    take(
        loaded,
        [
            gpu("a"),
            gpu("b"),
            amended("m", "b", gpus="2"),
            gpu("c"),
            voided("v", "c"),
            gpu("later", "2025-12-02T00:00:00Z", "2025-12-02T01:00:00Z"),
            snapshot("s1", "2025-10-05T00:00:00Z", 1),
            snapshot("s2", "2025-11-05T00:00:00Z", 2),
            deleted("d", "2025-11-06T00:00:00Z"),
        ],
        AT,
    )
    november = (date(2025, 11, 1), date(2025, 12, 1))
    with loaded.connect() as connection:
        mark = last_mark(connection)
        refs = event_refs(connection, "P1", "gpu", "H100", *november, mark, 100)
        assert [one["id"] for one in refs] == ["a", "b", "m"]
        assert {one["topic"] for one in refs} == {"test"}
        assert [one["offset"] for one in refs] == [1, 2, 3]
        stored = event_refs(connection, "P1", "storage", "standard", *november, mark, 100)
        assert [one["id"] for one in stored] == ["s1", "s2", "d"]
        assert [one["id"] for one in event_refs(connection, "P1", "gpu", "H100", *november, mark, 1)] == ["a"]
        found = event_by_identity(connection, "/t", "m")
        assert (found.meters, found.project, found.key, found.first_day) == (("gpu",), "P1", "H100", date(2025, 11, 10))
        held = event_by_identity(connection, "/t", "s1")
        assert (held.meters, held.first_day, held.last_day) == (("storage",), date(2025, 10, 5), date(2025, 11, 5))
        assert event_by_identity(connection, "/t", "none") is None


CASE = [
    gpu("g1"),
    gpu("g2", "2025-11-30T10:00:00Z", "2025-12-02T20:00:00Z", gpus="0.46"),
    gpu("g3", project="P2", model="A100"),
    gpu("g1"),
    gpu("g4"),
    voided("v1", "g1"),
    voided("v2", "g1"),
    amended("m1", "g2", gpus="2"),
    amended("m2", "g3", project="P1"),
    voided("v3", "m2"),
    amended("m3", "g4", start="2025-11-01T00:00:00Z", model="B200"),
    performed("w1", "10"),
    accepted("a1", "w1", quantity="4"),
    accepted("a2", "w1", quantity="5.5"),
    rejected("r1", "w1", quantity="0.5"),
    performed("w2", "7", project="P2", line="L21"),
    accepted("a3", "w2"),
    amended("m4", "w2", quantity="8", performed="2025-11-02T00:00:00Z"),
    performed("w3"),
    accepted("a4", "w3"),
    voided("v4", "a4"),
    accepted("a5", "w3", quantity="3"),
    voided("v5", "w3"),
    amended("m5", "a1", at="2025-12-01T00:00:00Z"),
    voided("v6", "v1"),
    snapshot("s1", "2025-11-05T00:00:00Z", 100),
    snapshot("s2", "2025-11-05T00:00:00Z", 50),
    snapshot("s3", "2025-11-20T00:00:00Z", 70, zone="analysis"),
    deleted("d1", "2025-11-25T00:00:00Z"),
    snapshot("s4", "2025-11-25T00:00:00Z", 900),
    snapshot("s5", "2025-12-24T00:00:00Z", 10),
    snapshot("s6", "2025-11-11T00:00:00Z", 10**6),
    voided("v7", "s6"),
    amended("m6", "d1", at="2025-11-26T00:00:00Z"),
    event("result.exported", "e1", project="P1", at="2025-11-25T00:00:00Z", kind="model", digest="sha256:0"),
]


def clear(engine) -> None:
    """Empties what intake wrote, as the owner without its triggers: each example begins anew."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("event", "seen", "usage_delta", "quarantine", "dead_letter", "intake_batch", "dropped_field"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_usage__does_not_depend_on_the_order_of_arrival_or_the_batches(loaded, owner, rng, size):
    clear(owner)
    take(loaded, CASE, AT)
    expected, waiting = shown(loaded), reasons(loaded)
    assert waiting == {"v6": "void_of_void"}
    clear(owner)
    events = rng.sample(CASE, len(CASE))
    for first in range(0, len(events), size):
        take(loaded, events[first : first + size], AT)
    assert shown(loaded) == expected
    assert reasons(loaded) == waiting
    with loaded.connect() as connection:
        assert quarantine.intake_counts(connection)["balanced"]


def test_real_trace__sums_to_the_known_gpu_seconds(jeongsan, engine, tmp_path):
    data, registry = SHARED / "data", SHARED / "acceptance" / "worked" / "registry.toml"
    if not data.exists():
        pytest.skip("shared/data is not beside the project")
    path = tmp_path / "trace.jsonl"
    with path.open("wb") as file:
        subprocess.run(
            [data / "openb_events", data / "openb_pod_list_default.csv", "2025-09-15T00:00:00+09:00", "P2,P3"],
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    jeongsan("load", registry, now="2025-09-15T09:00:00+09:00")
    document = jeongsan("ingest", path, now="2026-04-01T00:00:00Z")
    assert (document["received"], document["stored"]) == (6203, 6203)
    rows = [row for month in MONTHS for row in jeongsan("usage", "--month", month)["rows"]]
    assert sum(Decimal(row["quantity"]) for row in rows) == Decimal("185294426.97")
    with engine.connect() as connection:
        assert rederive(connection, ["P1", "P2", "P3"]) == []


def test_usage__of_a_running_month_counts_storage_up_to_today(loaded, jeongsan):
    take(loaded, [snapshot("s", "2025-11-10T00:00:00+09:00", 3)], datetime(2025, 11, 11, tzinfo=UTC))
    (row,) = jeongsan("usage", "--month", "2025-11", "--project", "P1", now="2025-11-11T12:00:00+09:00")["rows"]
    assert row == {"project": "P1", "meter": "storage", "key": "v", "quantity": str(3 * 2 * 86_400), "unit": "byte_s"}
    assert jeongsan("usage", "--month", "2025-11", "--project", "P2")["rows"] == []
    jeongsan("usage", "--month", "2025-11", "--project", "P7", exit_code=2)

"""SLURM accounting from the file to the month: hours worked out by hand, corrections, ties, charges."""

from datetime import date, datetime

import pytest
from sqlalchemy import text

from core.month import Month
from metering.sacct import HEADERLESS
from metering.usage import event_by_identity, event_refs, last_mark, raw_totals, rederive, rolled_totals
from tests.events import NOW, amended, take, voided
from tests.sacct import MAP, row

AT = datetime.fromisoformat(NOW)
HEADER = b"JobID|JobIDRaw|Account|Partition|Start|End|Elapsed|AllocTRES|NCPUS|Cluster|NodeList|JobName"


@pytest.fixture
def ingest(loaded, jeongsan, tmp_path):
    """Takes in rows of accounting as a file, with the map of the tests."""

    def call(*rows: bytes, name="jobs.txt", form="sacct", exit_code=0, names=MAP, source=("--source", "/slurm")):
        path, map_path = tmp_path / name, tmp_path / "map.toml"
        path.write_bytes(b"\n".join(rows) + b"\n")
        map_path.write_text(names)
        return jeongsan(
            "ingest", path, "--format", form, *source, "--map", map_path, now=NOW, exit_code=exit_code
        )  # fmt: skip

    return call


def used(jeongsan, month: str) -> dict:
    rows = jeongsan("usage", "--month", month)["rows"]
    return {(row["project"], row["meter"], row["key"]): (row["quantity"], row["unit"]) for row in rows}


def ties(engine) -> None:
    with engine.connect() as connection:
        mark = last_mark(connection)
        assert raw_totals(connection, ["P1", "P2"], mark) == rolled_totals(connection, ["P1", "P2"], mark)
        assert rederive(connection, ["P1", "P2"]) == []


BY_HAND = [
    # 2 GPUs, 8 cores, an hour on either side of the Korean month's end (15:00 UTC)
    row(1, start="2025-11-30T14:00:00", end="2025-11-30T16:00:00", elapsed="02:00:00"),
    # over the month's end of UTC: all of it December in Korea; 1 GPU
    row(2, start="2025-11-30T23:00:00", end="2025-12-01T01:00:00", elapsed="02:00:00", alloctres="cpu=8,gres/gpu=1"),
    # suspended two of six hours, half of the wall time in either month; 4 GPUs, 32 cores
    row(3, start="2025-11-30T12:00:00", end="2025-11-30T18:00:00", elapsed="04:00:00",
        alloctres="cpu=32,gres/gpu=4", account="lab2"),
    # 3 of 7 seconds: floor(3 s × 2 / 7) in November, the rest in December; 3 GPUs, 1 core
    row(4, start="2025-11-30T14:59:58", end="2025-11-30T15:00:05", elapsed="00:00:03", alloctres="cpu=1,gres/gpu=3",
        account="lab2"),
    # no GPU: cores alone, a day and an hour, under the partition's own name
    row(5, start="2025-11-10T00:00:00", end="2025-11-11T01:00:00", elapsed="1-01:00:00", alloctres="cpu=4,mem=8G",
        partition="cpu"),
]  # fmt: skip
NOVEMBER = {
    ("P1", "gpu", "H100"): ("7200", "gpu_s"),
    ("P1", "cpu", "H100"): ("28800", "core_s"),
    ("P1", "cpu", "cpu"): ("360000", "core_s"),
    ("P2", "gpu", "H100"): ("28802.571426", "gpu_s"),
    ("P2", "cpu", "H100"): ("230400.857142", "core_s"),
}
DECEMBER = {
    ("P1", "gpu", "H100"): ("14400", "gpu_s"),
    ("P1", "cpu", "H100"): ("86400", "core_s"),
    ("P2", "gpu", "H100"): ("28806.428574", "gpu_s"),
    ("P2", "cpu", "H100"): ("230402.142858", "core_s"),
}


def test_ingest__hours_by_hand_over_the_month_boundary_at_utc_and_at_kst(loaded, jeongsan, ingest):
    done = ingest(*BY_HAND, form="auto")
    assert (done["received"], done["stored"], done["running"]) == (5, 5, 0)
    assert used(jeongsan, "2025-11") == NOVEMBER
    assert used(jeongsan, "2025-12") == DECEMBER
    ties(loaded)


def test_ingest__with_a_header_the_same_rows_are_duplicates(loaded, jeongsan, ingest):
    ingest(*BY_HAND)
    columns = HEADER.decode().lower().split("|")
    cells = [one.decode().split("|") for one in BY_HAND]
    plain = dict(zip(HEADERLESS, zip(*cells, strict=True), strict=True))
    rows = ["|".join(plain[name][number] for name in columns).encode() for number in range(len(cells))]
    done = ingest(HEADER, *rows, name="header.txt", form="auto")
    assert (done["received"], done["duplicate"]) == (5, 5)
    assert used(jeongsan, "2025-11") == NOVEMBER


def test_ingest__broken_running_and_foreign_rows_go_where_they_belong(loaded, jeongsan, ingest, engine):
    broken = row(2, elapsed="soon")
    done = ingest(
        row(1), broken, row(3, end="Unknown", state="RUNNING"), row(4, account="nobody"),
        row(5, start="Unknown", state="CANCELLED"), row(6, start="2025-09-01T00:00:00", elapsed="00:10:00"), row(1),
    )  # fmt: skip
    found = {name: done[name] for name in ("received", "stored", "duplicate", "quarantined", "dead_lettered")}
    assert found == {"received": 5, "stored": 1, "duplicate": 1, "quarantined": 1, "dead_lettered": 2}
    assert (done["running"], done["unstarted"]) == (1, 1)
    assert jeongsan("intake")["balanced"]
    with engine.connect() as connection:
        letters = connection.execute(text("SELECT record, reason, payload FROM dead_letter ORDER BY record")).all()
    assert [(one.record, one.reason) for one in letters] == [(2, "schema"), (4, "unmapped")]
    assert bytes(letters[0].payload) == broken
    (held,) = jeongsan("quarantine", "list")["events"]
    assert (held["type"], held["reason"], held["offset"]) == ("slurm.job", "outside_agreement", 6)


def test_ingest__after_the_map_is_completed_the_file_can_be_taken_again(loaded, jeongsan, ingest):
    rows = [row(1), row(2, account="lab9", partition="b200"), row(3, elapsed="soon")]
    assert ingest(*rows)["dead_lettered"] == 2
    assert jeongsan("status")["dead_letters"] == {"schema": 1, "unmapped": 1}
    names = MAP.replace("[model]", 'lab9 = "P2"\n[model]') + 'default = "B200"\n'
    done = ingest(*rows, names=names)
    assert (done["stored"], done["duplicate"], done["dead_lettered"]) == (1, 1, 1)
    assert used(jeongsan, "2025-11")["P2", "gpu", "B200"] == ("7200", "gpu_s")
    assert jeongsan("status")["dead_letters"] == {"schema": 2}  # each receipt of the row that still is broken
    assert jeongsan("intake") == {
        "received": 5, "stored": 2, "duplicate": 1, "quarantined": 0, "dead_lettered": 2, "balanced": True,
    }  # fmt: skip


def test_ingest__another_file_leaves_the_dead_letters_of_the_first(loaded, jeongsan, ingest):
    ingest(row(1), row(2, account="lab9"))
    ingest(row(1), row(2), name="other.txt")
    assert jeongsan("status")["dead_letters"] == {"unmapped": 1}


def test_requeued_job__counts_each_start_and_another_end_is_a_conflict(loaded, jeongsan, ingest):
    again = row(1, start="2025-11-10T02:00:00", end="2025-11-10T04:00:00", elapsed="02:00:00")
    assert ingest(row(1), again, row(1))["stored"] == 2
    assert ingest(row(1, end="2025-11-10T00:30:00", elapsed="00:30:00"), name="other.txt")["quarantined"] == 1
    assert used(jeongsan, "2025-11")["P1", "gpu", "H100"] == ("21600", "gpu_s")


def test_quarantined_job__is_released_once_its_project_is_known(loaded, jeongsan, ingest, registry_file):
    assert ingest(row(1), names=MAP.replace('"P1"', '"P3"'))["quarantined"] == 1
    more = """
[[project]]
code = "P3"
programme = "V25"
company = "C2"
tier = "medium"
title = "과제 셋"
modalities = ["imaging"]
channel = "bank"
[[agreement]]
code = "A3"
project = "P3"
starts = 2025-09-15
ends = 2026-03-31
self_pay_mode = "arrears"
over_limit = "hold"
line = [ { code = "L31", supplier = "H2", category = "processing", grant_limit_krw = 1_000_000 } ]
"""
    assert jeongsan("load", registry_file(more=more), now=NOW)["released"] == 1
    assert used(jeongsan, "2025-11")["P3", "cpu", "H100"] == ("28800", "core_s")
    with loaded.connect() as connection:
        assert rederive(connection, ["P3"]) == []


def test_amendment__of_a_job_follows_its_rules(loaded, jeongsan, ingest):
    ingest(row(1), row(2))
    ref = {"source": "/slurm", "id": "1@2025-11-10T00:00:00"}
    void, change, wrong = voided("v", "x"), amended("m", "x", gpu_count=4, elapsed_s=1800), amended("w", "x", gpus="3")
    void["data"]["ref"], change["data"]["ref"] = ref, {**ref, "id": "2@2025-11-10T00:00:00"}
    wrong["data"]["ref"] = change["data"]["ref"]
    longer = amended("l", "x", elapsed_s=3601)
    longer["data"]["ref"] = change["data"]["ref"]
    take(loaded, [void, change, wrong, longer], AT)
    assert used(jeongsan, "2025-11") == {
        ("P1", "gpu", "H100"): ("7200", "gpu_s"), ("P1", "cpu", "H100"): ("14400", "core_s"),
    }  # fmt: skip
    assert {one["event_id"]: one["reason"] for one in jeongsan("quarantine", "list")["events"]} == {
        "w": "schema", "l": "schema",
    }  # fmt: skip
    ties(loaded)


def test_refs__lead_from_both_figures_to_the_job_and_back(loaded, ingest):
    ingest(*BY_HAND)
    with loaded.connect() as connection:
        mark, november = last_mark(connection), (Month(2025, 11).first, Month(2025, 12).first)
        gpu = event_refs(connection, "P1", "gpu", "H100", *november, mark, 10)
        cpu = event_refs(connection, "P1", "cpu", "cpu", *november, mark, 10)
        job = event_by_identity(connection, "/slurm", "5@2025-11-10T00:00:00")
    assert [one["id"] for one in gpu] == ["1@2025-11-30T14:00:00"]
    assert [one["id"] for one in cpu] == ["5@2025-11-10T00:00:00"]
    assert (cpu[0]["topic"][:5], cpu[0]["offset"]) == ("file:", 5)
    assert (job.meters, job.key, job.first_day, job.last_day) == (
        ("cpu",), "cpu", date(2025, 11, 10), date(2025, 11, 11)
    )  # fmt: skip


def test_rederive__says_where_the_roll_up_of_cores_is_wrong(loaded, owner, ingest):
    ingest(row(1))
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE usage_delta DISABLE TRIGGER append_only"))
        connection.execute(text("UPDATE usage_delta SET quantity = quantity + 1 WHERE meter = 1"))
    with loaded.connect() as connection:
        ((message, reference),) = rederive(connection, ["P1"])
    assert "CPU" in message
    assert reference == "usage:P1/cpu/H100/2025-11-10"


def test_month__cores_without_a_price_are_shown_and_stop_nothing(loaded, jeongsan, ingest):
    ingest(*BY_HAND)
    shown = jeongsan("month", "run", "2025-11", "--programme", "V25", now=NOW)
    assert {(one["kind"], one["project"], one["amount_krw"]) for one in shown["charges"] if one["kind"] != "fee"} == {
        ("gpu", "P1", 14_000), ("gpu", "P2", 56_004),
    }  # fmt: skip
    assert shown["differences"] == 0
    (tie,) = [one for one in shown["ties"] if "CPU" in one["name"]]
    assert tie["left"] == tie["right"] == "936003"
    assert jeongsan("verify", "--deep")["ok"]


def test_month__cores_are_charged_from_the_day_on_which_they_have_a_price(loaded, jeongsan, ingest, registry_file):
    more = """
[[price_book]]
code = "OP-2"
supplier = "OP"
effective_from = 2025-12-01
rate = [ { meter = "cpu", unit_price_krw = 100 } ]
"""
    jeongsan("load", registry_file(more=more), now=NOW)
    ingest(*BY_HAND)
    jeongsan("month", "run", "2025-11", "--programme", "V25", now=NOW)
    shown = jeongsan("month", "run", "2025-12", "--programme", "V25", now="2026-01-03T00:00:00+09:00")
    assert {(one["project"], one["key"]): one["amount_krw"] for one in shown["charges"] if one["kind"] == "cpu"} == {
        ("P1", "H100@2025-12-01"): 2_400, ("P2", "H100@2025-12-01"): 6_400,
    }  # fmt: skip
    assert shown["differences"] == 0
    assert jeongsan("balances")["payable:operator"] == -(
        15_400 + 30_800 + 61_604 + 61_613 + 2_640 + 7_040  # with VAT
    )
    assert jeongsan("verify", "--deep")["ok"]
    reference = next(one["id"] for one in shown["charges"] if one["kind"] == "cpu" and one["project"] == "P1")
    events = jeongsan("trace", reference)["events"]
    assert {one["id"].partition("@")[0] for one in events} == {"1", "2"}
    assert reference in jeongsan("trace", f"event:/slurm#{events[0]['id']}")["charges"]


@pytest.mark.parametrize("names", ["[project]\n", "not toml", '[project]\nlab1 = 1\n[models]\na = "b"\n'])
def test_bad_map__is_refused_before_anything_is_taken_in(loaded, jeongsan, ingest, names):
    assert ingest(row(1), names=names, exit_code=2)["messages"]
    assert jeongsan("intake")["received"] == 0


def test_without_a_map__accounting_is_refused(loaded, jeongsan, tmp_path):
    path = tmp_path / "jobs.txt"
    path.write_bytes(row(1))
    assert "--map" in jeongsan("ingest", path, exit_code=2)["messages"][0]

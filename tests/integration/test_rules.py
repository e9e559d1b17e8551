"""Rules of a month's run that the worked case does not touch, each through the commands."""

import json
from datetime import datetime, timedelta

from sqlalchemy import text

from closing.run import STEPS
from tests.driven import CLOSE, World, event, work


def amounts(document):
    return {(row["key"], row["service_month"]): (row["amount_krw"], row["correction"]) for row in document["charges"]
            if row["amount_krw"]}  # fmt: skip


def test_deposit__until_it_is_there_the_whole_supply_is_held_then_charged_as_a_correction(world):
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    world.pay("bank,deposit:P1,9999999", now="2025-11-20T00:00:00Z")
    november = world.run("2025-11")
    assert amounts(november) == {}
    assert november["lines"]["L11"]["held_krw"] == 123_450
    world.pay("bank,deposit:P1,1", now="2025-12-20T00:00:00Z")
    december = world.run("2025-12")
    assert amounts(december)["L11/w1", "2025-11"] == (123_450, True)
    assert december["lines"]["L11"]["held_krw"] == 0
    assert world.balances()["deposit:P1"] == -(10_000_000 - december["lines"]["L11"]["self_pay_krw"])


def test_missing_price__stops_the_run_before_anything_is_posted_and_goes_on_once_loaded(world, jeongsan, tmp_path):
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-11-10T00:00:00Z", end="2025-11-10T01:00:00Z",
                gpus=1, model="B200")  # fmt: skip
    world.ingest(gpu, now=CLOSE["2025-11"])
    refused = world.run("2025-11", exit_code=3)
    assert "P2 · OP · gpu · B200" in refused["messages"][0]
    assert "payable:operator" not in world.balances()
    more = tmp_path / "more.toml"
    more.write_text(
        '[[price_book]]\ncode = "OP-2"\nsupplier = "OP"\neffective_from = 2025-09-01\n'
        'rate = [ { meter = "gpu", model = "B200", unit_price_krw = 11000 } ]\n'
    )
    jeongsan("load", more, now=CLOSE["2025-11"])
    assert amounts(world.run("2025-11"))["B200@2025-09-01", "2025-11"] == (11_000, False)


def test_advance__is_offset_against_later_vouchers_of_the_hospital_and_project(world):
    world.pay("bank,deposit:P1,10000000", "agency,advance:hospital:H1:P1,60000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    november = world.run("2025-11")
    voucher = november["lines"]["L11"]["voucher_krw"]
    assert voucher == 104_932
    balances = world.balances()
    assert "advance:hospital:H1:P1" not in balances
    assert "agency:advance" not in balances
    assert balances["receivable:agency"] == voucher - 60_000
    assert balances["payable:hospital:H1:P1"] == -(123_450 + 12_345) + 60_000


def test_project_end__releases_the_rest_and_a_later_void_goes_to_what_is_available(world, loaded):
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    world.run("2025-11")
    world.run("2025-12")
    after_release = world.balances()
    assert "budget:committed:P1" not in after_release
    world.ingest(event("usage.voided", "v1", ref="w1", reason="twice", author="H1"), now=CLOSE["2026-01"])
    january = world.run("2026-01")
    assert january["lines"]["L11"]["voucher_krw"] == -104_932
    with loaded.connect() as connection:
        reason = connection.scalar(text("SELECT reason FROM charge WHERE key = 'L11/w1' AND amount_krw < 0"))
    assert reason == "취소: twice"
    balances = world.balances()
    assert balances["budget:available"] == after_release["budget:available"] + 104_932
    assert "budget:executed:P1" not in balances
    assert january["differences"] == 0


def test_amendment_after_the_project_has_ended__commits_nothing_any_more(jeongsan, registry_file, tmp_path):
    amended = (
        'line = [\n  { code = "L11"',
        'amendment = [ { effective = 2026-01-05, reason = "증액", limits = { L11 = 240_000_000 } } ]\n'
        'line = [\n  { code = "L11"',
    )
    jeongsan("load", registry_file(amended), now="2025-09-15T09:00:00+09:00")
    world = World(jeongsan, tmp_path)
    for month in ("2025-11", "2025-12"):
        world.run(month)
    after_release = world.balances()
    assert "budget:committed:P1" not in after_release
    january = world.run("2026-01")
    assert (january["state"], january["differences"]) == ("locked", 0)
    assert world.balances() == after_release


def test_verify_deep__derives_a_release_with_the_amendment_of_its_month(jeongsan, registry_file, tmp_path):
    closed = ('channel = "bank"', 'channel = "bank"\ncloses = "2025-11"')
    jeongsan("load", registry_file(closed), now="2025-09-15T09:00:00+09:00")
    world = World(jeongsan, tmp_path)
    world.run("2025-11")
    assert "budget:committed:P2" not in world.balances()
    assert jeongsan("verify", "--deep")["ok"]


def test_amendment__raises_the_commitment_in_the_month_from_which_it_is_in_force(world):
    def committed():
        return world.balances()["budget:committed:P2"]

    assert committed() == 150_000_000
    world.run("2025-11")
    assert committed() == 180_000_000


def test_dry_run_of_every_month__is_what_the_run_books(world, jeongsan):
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), *work("w2", "L21", 7, project="P2"), now=CLOSE["2025-11"])
    for month in ("2025-11", "2025-12"):
        dry = jeongsan("month", "run", month, "--programme", "V25", "--dry-run", now=CLOSE[month])
        booked = world.run(month)
        for part in ("charges", "lines", "matrix", "company", "hospital", "incentive", "budget", "ties", "differences"):
            assert dry[part] == booked[part], part


def test_late_event__goes_to_the_open_month_with_its_own_service_month(world):
    world.run("2025-11")
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-11-30T14:00:00Z", end="2025-11-30T16:00:00Z",
                gpus="0.5", model="H100")  # fmt: skip
    world.ingest(gpu, now=CLOSE["2025-12"])
    assert amounts(world.run("2025-12")) == {
        ("H100@2025-09-01", "2025-11"): (3_500, True),
        ("H100@2025-09-01", "2025-12"): (3_500, False),
    }


def test_event_while_a_run_is_frozen__belongs_to_the_next_month(world, jeongsan):
    jeongsan("month", "run", "2025-11", "--programme", "V25", "--until", "freeze", now=CLOSE["2025-11"])
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-11-10T00:00:00Z", end="2025-11-10T01:00:00Z",
                gpus=1, model="H100")  # fmt: skip
    world.ingest(gpu, now=CLOSE["2025-11"])
    assert amounts(world.run("2025-11")) == {}
    assert amounts(world.run("2025-12")) == {("H100@2025-09-01", "2025-11"): (7_000, True)}


def test_verify_deep__finds_a_roll_up_that_no_raw_event_stands_behind(world, jeongsan, owner):
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-11-10T00:00:00Z", end="2025-11-10T01:00:00Z",
                gpus=1, model="H100")  # fmt: skip
    world.ingest(gpu, now=CLOSE["2025-11"])
    world.run("2025-11")
    assert jeongsan("verify", "--deep")["ok"]
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE usage_delta DISABLE TRIGGER append_only")
        connection.execute(text("UPDATE usage_delta SET quantity = quantity + 1"))
    found = jeongsan("verify", "--deep", exit_code=1)
    assert "raw events against usage" in {one["check"] for one in found["findings"]}


def test_verify__names_the_first_broken_entry(world, jeongsan, owner):
    world.run("2025-11")
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE entry DISABLE TRIGGER append_only")
        connection.execute(text("UPDATE entry SET memo = memo || '!' WHERE number IN (2, 3)"))
    found = jeongsan("verify", exit_code=1)
    assert [one["refs"] for one in found["findings"]] == [["entry:V25/2"]]


def test_difference__stops_the_run_with_exit_code_1_and_locks_nothing(world, jeongsan, owner):
    world.ingest(*work("w1", "L21", 10, project="P2"), now=CLOSE["2025-11"])
    jeongsan("month", "run", "2025-11", "--programme", "V25", "--until", "documents", now=CLOSE["2025-11"])
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE document DISABLE TRIGGER append_only")
        connection.execute(text("UPDATE document SET supply_krw = supply_krw + 1 WHERE kind = 'tax_invoice'"))
    stopped = world.run("2025-11", exit_code=1)
    assert stopped["state"] == "running"
    assert [one["name"] for one in stopped["steps"] if one["state"] == "done"] == list(STEPS[:5])
    assert [tie["name"] for tie in stopped["ties"] if tie["difference"]] == ["문서 ↔ 채권"]
    assert stopped["differences"] == 1


def test_months__are_frozen_at_the_instant_that_is_given(world, engine):
    world.run("2025-11")
    with engine.connect() as connection:
        frozen = connection.scalar(text("SELECT frozen_at FROM month_run"))
    assert frozen - datetime.fromisoformat(CLOSE["2025-11"]) == timedelta(0)


def test_amended_line__moves_the_charge_and_its_vat_to_the_other_hospital(world):
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 1000), now=CLOSE["2025-11"])
    world.run("2025-11")
    moved = event("usage.amended", "m1", ref="w1", reason="wrong line", author="H1", fields={"line": "L12"})
    world.ingest(moved, now=CLOSE["2025-12"])
    december = world.run("2025-12")
    assert amounts(december)["L11/w1", "2025-11"] == (-12_345_000, True)
    assert amounts(december)["L12/w1", "2025-11"] == (1_357_000, True)
    assert (december["lines"]["L11"]["vat_krw"], december["lines"]["L12"]["vat_krw"]) == (-1_234_500, 135_700)
    assert december["hospital"]["H1"]["vat_krw"] == -1_234_500
    assert (december["state"], december["differences"]) == ("locked", 0)


def test_verify__finds_a_published_file_that_was_changed(world, jeongsan, owner):
    world.run("2025-11")
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE published_file DISABLE TRIGGER append_only")
        connection.execute(text("UPDATE published_file SET content = content || '\\x00' WHERE name LIKE '%대사%'"))
    found = jeongsan("verify", exit_code=1)
    assert [one["check"] for one in found["findings"]] == ["published file"]


def test_verify_deep__finds_an_entry_of_a_run_with_other_amounts(world, jeongsan, owner):
    world.ingest(*work("w1", "L21", 10, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    with owner.begin() as connection:
        for table in ("posting", "account"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.execute(
            text(
                "UPDATE posting SET amount_krw = amount_krw + sign(amount_krw) FROM entry"
                " WHERE entry.id = entry_id AND entry.reference = 'run:2025-11:fee:P2'"
            )
        )
    checks = {one["check"] for one in jeongsan("verify", "--deep", exit_code=1)["findings"]}
    assert "entry derived anew" in checks


def test_dry_run__of_a_month_that_was_passed_over_is_refused(world, jeongsan):
    world.run("2025-11")
    now = CLOSE["2025-12"]
    refused = jeongsan("month", "run", "2025-10", "--programme", "V25", "--dry-run", now=now, exit_code=3)
    assert "closed up to 2025-11" in refused["messages"][0]


def test_ingest__says_file_line_and_reason_of_what_was_not_stored(world):
    unknown = event("result.exported", "r1", project="NONE", at="2025-11-10T00:00:00Z", kind="model", digest="d")
    path = world.folder / "bad.jsonl"
    path.write_text('{"specversion":\n' + json.dumps(unknown) + "\n")
    (row,) = world.call("ingest", path, now=CLOSE["2025-11"])["files"]
    assert [(one["line"], one["reason"]) for one in row["dead_letters"]] == [(1, "not_json")]
    assert row["quarantine_reasons"] == {"unknown_project": 1}


def test_init__refuses_a_service_that_owns_its_tables(settings, jeongsan, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", settings.database_owner_url)
    refused = jeongsan("init", exit_code=2)
    assert "owns nothing" in refused["messages"][0]

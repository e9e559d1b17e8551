"""agreement show and held: an agreement as the books know it, and held work with what would free it."""

import openpyxl
import pytest
from click.testing import CliRunner

from portal.cli import main
from reports.wording import HELD
from tests.driven import CLOSE, H2_PRICES, World, work
from tests.integration.test_agreement_life import FIRST


def test_held__names_each_item_and_the_room_that_it_wants_with_those_before_it(jeongsan, world, registry_file):
    cut = FIRST.replace("2025-11-20", "2025-12-05").replace("180_000_000", "100_000")
    jeongsan("load", registry_file((FIRST, f"{FIRST}, {cut}"), more=H2_PRICES), now=CLOSE["2025-11"])
    world.run("2025-11")
    world.ingest(*work("w1", "L21", 98, "2025-12-01", "P2"), *work("w2", "L21", 1, "2025-12-02", "P2"),
                 *work("w3", "L21", 2, "2025-12-03", "P2"), now=CLOSE["2025-12"])  # fmt: skip
    december = world.run("2025-12")
    assert december["lines"]["L21"]["voucher_krw"] == 100_000
    document = jeongsan("held", "--programme", "V25")
    (line,) = document["lines"]
    assert (document["month"], document["held_krw"], line["why"]) == ("2025-12", 101 * 1_357 - 133_334, "grant_limit")
    assert [(one["key"], one["held_krw"], one["frees"]) for one in line["items"]] == [
        ("L21/w2", 1_009, {"limit_krw": 757}), ("L21/w3", 2_714, {"limit_krw": 2_792}),
    ]  # fmt: skip
    raised = FIRST.replace("2025-11-20", "2026-01-05").replace("180_000_000", "100_757")
    amended = registry_file((FIRST, f"{FIRST}, {cut}, {raised}"), more=H2_PRICES)
    jeongsan("load", amended, now=CLOSE["2025-12"])
    world.run("2026-01")
    (line,) = jeongsan("held", "--programme", "V25")["lines"]
    assert [(one["key"], one["held_krw"]) for one in line["items"]] == [("L21/w3", 2_714)]
    assert jeongsan("held", "--programme", "V25", "--month", "2025-12") == document
    assert jeongsan("held", "--programme", "V25", "--month", "2025-11")["lines"] == []


@pytest.mark.parametrize(
    ("limit_krw", "cap_krw", "why", "frees", "said"),
    [
        (100_000, 10_000_000, "grant_limit", {"limit_krw": 2_792}, "지원 한도 초과분 보류"),
        (180_000_000, 133_334, "price_cap", {"price_cap_krw": 3_723}, "사업비 상한 초과분 보류"),
        (100_000, 133_334, "grant_limit", {"limit_krw": 2_792, "price_cap_krw": 3_723}, "지원 한도 초과분 보류"),
    ],
)  # fmt: skip
def test_held__names_what_binds_where_line_and_project_both_have_a_limit(
    jeongsan, registry_file, tmp_path, limit_krw, cap_krw, why, frees, said
):
    limited = FIRST.replace("180_000_000", str(limit_krw))
    capped = ('code = "medium", ', f'code = "medium", price_cap_krw = {cap_krw}, ')
    jeongsan("load", registry_file(capped, (FIRST, limited), more=H2_PRICES), now=CLOSE["2025-11"])
    world = World(jeongsan, tmp_path)
    world.ingest(*work("w1", "L21", 101, "2025-11-10", "P2"), now=CLOSE["2025-11"])
    assert world.run("2025-11")["differences"] == 0
    (line,) = jeongsan("held", "--programme", "V25")["lines"]
    assert (line["held_krw"], line["why"], line["items"][0]["frees"]) == (3_723, why, frees)
    findings = jeongsan("audit", "--month", "2025-11")["findings"]
    assert [one["check"] for one in findings if one["check"].startswith("held")] == [f"held beyond {why}"]
    jeongsan("statements", "2025-11", "--programme", "V25", "--out", tmp_path / "out")
    for kind, code in (("기업", "C2"), ("병원", "H2")):
        (path,) = (tmp_path / "out").glob(f"*{kind}*{code}*.xlsx")
        values = [cell for sheet in openpyxl.load_workbook(path) for row in sheet.values for cell in row]
        assert {one for one in values if one in HELD.values()} == {said}


def test_held__for_want_of_a_deposit_says_how_much_of_it_is_missing(jeongsan, world):
    world.pay("bank,deposit:P1,4000000", "bank,deposit:P1,1", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    jeongsan("held", "--programme", "V25", exit_code=3)
    world.run("2025-11")
    (line,) = jeongsan("held", "--programme", "V25")["lines"]
    assert (line["why"], line["held_krw"]) == ("deposit", 123_450)
    assert [one["frees"] for one in line["items"]] == [{"deposit_krw": 5_999_999}]
    said = CliRunner().invoke(main, ["held", "--programme", "V25", "--lang", "en"]).stdout
    assert "← deposit +5,999,999" in said


def test_show__versions_limits_execution_deposit_and_milestones(jeongsan, world):
    world.pay("bank,deposit:P1,10000007", "agency,advance:hospital:H1:P1,60000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    world.run("2025-11")
    world.pay("agency,payable:hospital:H1:P1,44000", now="2025-12-10T00:00:00Z")
    world.pay("agency,payable:hospital:H1:P1,932", now="2026-04-10T00:00:00Z")
    shown = jeongsan("agreement", "show", "A1", now="2026-04-11T00:00:00Z")
    assert (shown["status"], shown["project"], shown["ends"]) == ("ended", "P1", "2026-03-31")
    assert [(one["kind"], one["effective"]) for one in shown["versions"]] == [("signed", "2025-09-15")]
    line = shown["lines"][0]
    assert (line["limit_krw"], line["executed_krw"], line["left_krw"]) == (250_000_000, 104_932, 249_895_068)
    assert shown["deposit"] == {"agreed_krw": 10_000_000, "paid_krw": 10_000_007, "balance_krw": 9_981_489}
    assert [(one["name"], one["hospital"], one["krw"]) for one in shown["milestones"]] == [
        ("선금", "H1", 60_000), ("중도금", "H1", 44_000), ("잔금", "H1", 932),
    ]  # fmt: skip
    assert shown["hospitals"][0] == {
        "hospital": "H1", "voucher_krw": 104_932, "advance_left_krw": 0, "owed_krw": 123_450 + 12_345 - 104_932,
    }  # fmt: skip
    jeongsan("agreement", "show", "NONE", exit_code=2)


def test_show__a_draft_has_lines_and_nothing_booked(jeongsan, registry_file):
    unsigned = [('code = "A2"', 'code = "A2"\nstatus = "draft"'), (f"amendment = [ {FIRST} ]", "")]
    jeongsan("load", registry_file(*unsigned), now=CLOSE["2025-11"])
    shown = jeongsan("agreement", "show", "A2")
    assert (shown["status"], shown["lines"][0]["limit_krw"]) == ("draft", 150_000_000)
    said = CliRunner().invoke(main, ["agreement", "show", "A2"]).stdout
    assert "초안" in said
    assert "150,000,000" in said

"""Every kind of programme (domain.md §1), as shipped under examples/: loaded, settled for its months, recomputed."""

import pytest

from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"
MONTHS = {
    "voucher-2025": ("MAIDV-2025", ("2025-10", "2025-11")),
    "voucher-2026": ("MAIDV-2026", ("2026-04", "2026-05")),
    "trials-2026": ("MAITRIAL-2026", ("2026-05", "2026-06")),
    "coresearch-2025": ("SEOUL-CORESEARCH-2025", ("2025-06", "2025-07")),
    "dataspace-2026": ("DATASPACE-2026", ("2026-07", "2026-08")),
}
NOW = "2026-09-02T09:00:00+09:00"


def settled(jeongsan, name: str) -> dict[str, dict]:
    """Loads an example, takes its events in and runs its months; what they show, by month."""
    programme, months = MONTHS[name]
    day = f"{months[0]}-01T09:00:00+09:00"
    jeongsan("load", EXAMPLES / "parties.toml", EXAMPLES / f"{name}.toml", now=day)
    answer = jeongsan("ingest", EXAMPLES / f"{name}.jsonl", now=NOW)
    assert (answer["quarantined"], answer["dead_lettered"]) == (0, 0)
    return {month: jeongsan("month", "run", month, "--programme", programme, now=NOW) for month in months}


def paid(jeongsan, tmp_path, name: str, *rows: tuple[str, str, int]) -> dict[str, int]:
    """Imports (channel, account, won) and answers the programme's balances after it."""
    file = tmp_path / "payments.csv"
    lines = [f"{NOW},{channel},{account},{krw},R{number},X" for number, (channel, account, krw) in enumerate(rows)]
    file.write_text("\n".join(["paid_at,channel,account,amount_krw,reference,counterparty", *lines]) + "\n")
    answer = jeongsan("payments", "import", file, now=NOW)
    assert answer["unmatched"] == []
    return jeongsan("balances", "--programme", MONTHS[name][0])


@pytest.mark.parametrize("name", MONTHS)
def test_example__settles_its_months_without_a_difference(jeongsan, name):
    for document in settled(jeongsan, name).values():
        assert (document["state"], document["differences"]) == ("locked", 0), document["ties"]
    assert jeongsan("verify", "--deep")["ok"]


def test_examples__are_all_of_the_folder():
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == {*MONTHS, "parties"}
    assert {path.stem for path in EXAMPLES.glob("*.jsonl")} == set(MONTHS)


def test_metered_line__is_funded_by_the_voucher_and_paid_to_the_operator(jeongsan, tmp_path):
    april, _may = settled(jeongsan, "voucher-2026").values()
    # 8 GPUs for 11 days at 6,500 an hour = 13,728,000, of which 15 % is the company's
    line = {"supply_krw": 13_728_000, "voucher_krw": 11_668_800, "self_pay_krw": 2_059_200, "vat_krw": 1_372_800}
    assert line.items() <= april["lines"]["V26-L19"].items()
    assert april["matrix"]["voucher"]["operator_usage"] == 11_668_800
    assert april["matrix"]["self_pay"]["operator_usage"] == 2_059_200
    (charge,) = [one for one in april["charges"] if one["kind"] == "gpu" and one["project"] == "V26-P1"]
    assert (charge["key"], charge["amount_krw"], charge["vat_krw"]) == ("H200@2026-01-01", 13_728_000, 1_372_800)
    before = jeongsan("balances", "--programme", "MAIDV-2026")
    after = paid(jeongsan, tmp_path, "voucher-2026", ("agency", "payable:operator", 11_668_800))
    for account, krw in (("payable:operator", 11_668_800), ("receivable:agency", -11_668_800)):
        assert after[account] - before[account] == krw


def test_metered_line__over_its_limit_is_held(jeongsan):
    _april, may = settled(jeongsan, "voucher-2026").values()
    # Smax of 30,000,000 at 15 % is 35,294,118; April took 13,728,000 of it
    assert may["lines"]["V26-L19"]["supply_krw"] == 35_294_118 - 13_728_000
    assert may["lines"]["V26-L19"]["held_krw"] == 20_865_882


def test_pass_through__the_operator_owes_the_infrastructure_firm_its_cost_price(jeongsan, tmp_path):
    july, _august = settled(jeongsan, "dataspace-2026").values()
    # 8 GPUs × 175.5 h and 4 × 11 h 15 min 30.5 s at 5,600
    gpu = 1404 * 5600 + 162_122 * 5600 // 3600
    balances = jeongsan("balances", "--programme", "DATASPACE-2026")
    assert balances["payable:infra:DS-GPU"] == -gpu
    assert july["matrix"]["voucher"]["operator_usage"] == 0
    after = paid(jeongsan, tmp_path, "dataspace-2026", ("bank", "payable:infra:DS-GPU", gpu))
    assert "payable:infra:DS-GPU" not in after
    assert after["cash:bank"] == -gpu


def test_grant_to_the_company__is_all_that_the_books_know(jeongsan, tmp_path):
    june, july = settled(jeongsan, "coresearch-2025").values()
    assert june["hospital"] == {}
    assert june["company"] == {code: {"total_krw": 0, "due_krw": 0} for code in ("CR-C1", "CR-C2")}
    assert june["matrix"]["voucher"]["CR-H1"] == 15_050_880
    assert july["lines"]["CR-L11"]["held_krw"] == 2_969_397
    balances = jeongsan("balances", "--programme", "SEOUL-CORESEARCH-2025")
    assert balances["payable:company:CR-P1"] == -47_400_003
    assert not any(code.startswith(("receivable:company", "payable:hospital")) for code in balances)
    after = paid(jeongsan, tmp_path, "coresearch-2025", ("agency", "payable:company:CR-P1", 47_400_003))
    assert "payable:company:CR-P1" not in after
    assert after["receivable:agency"] == balances["receivable:agency"] - 47_400_003


def test_sources__share_every_line_and_sum_to_what_was_executed(jeongsan):
    for document in settled(jeongsan, "coresearch-2025").values():
        for name in ("executed_krw", "executed_month_krw"):
            assert sum(one[name] for one in document["sources"].values()) == document["budget"][name]
    assert document["sources"]["CITY"]["executed_krw"] == 31_138_274  # the odd won of two lines falls to the first code


def test_budget__rolls_all_programmes_up_by_ministry_and_type(jeongsan):
    settled(jeongsan, "coresearch-2025")
    for name in ("voucher-2025", "dataspace-2026"):
        jeongsan("load", EXAMPLES / f"{name}.toml", now="2025-09-20T09:00:00+09:00")
    view = jeongsan("budget", "--month", "2025-12")
    for row in [*view["programmes"], *view["ministries"].values(), *view["types"].values(), view["total"]]:
        assert row["current_krw"] == row["executed_krw"] + row["carried_krw"] + row["left_krw"]
    assert view["total"]["current_krw"] == view["ministries"]["보건복지부"]["current_krw"] == 2_750_000_000
    assert view["types"]["활용"]["executed_krw"] == 62_276_546
    assert view["types"]["수집·구축"]["current_krw"] == 0
    published = view["published"]
    assert sum(published["by_type"].values()) == published["total"] == 8_494
    assert sum(published["by_ministry"].values()) == 8_455

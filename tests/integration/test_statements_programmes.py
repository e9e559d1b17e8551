"""Statements of programmes that differ from the worked case: a check that is not zero would stop the run."""

from io import BytesIO

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from tests.worked import CASE, CLOSE, LOADED, PROGRAMME, needs_case, run

pytestmark = needs_case
OPERATOR_BOOK = '[[price_book]]\ncode = "OP-'


def without_operator(registry: str) -> str:
    for line in (
        'operator = "OP"\n',
        "platform_fee = { rate_bp = 500, monthly_krw = 0 }\n",
        "incentive = { share_bp = 4_000 }\n",
    ):
        registry = registry.replace(line, "")
    return registry[: registry.index(OPERATOR_BOOK)]


def company_pays_and_the_operator_gives_the_pool(registry: str) -> str:
    return (
        registry.replace('over_limit = "hold"', 'over_limit = "company_pays"')
        .replace("incentive = { share_bp = 4_000 }", 'incentive = { monthly_krw = 100_000, source = "operator" }')
        .replace("monthly_krw = 0", "monthly_krw = 50_000")
    )


def project_ends_before_its_corrections(registry: str) -> str:
    return registry.replace('closes = "2025-12"', 'closes = "2025-11"')


def one_company_has_two_projects(registry: str) -> str:
    before = 'code = "P2"\nprogramme = "MAIDV-2025"\ncompany = "C2"'
    return registry.replace(before, before.replace("C2", "C1"))


def no_fee(registry: str) -> str:
    return registry.replace("rate_bp = 500", "rate_bp = 0")


def settled(jeongsan, engine, tmp_path, change) -> dict[str, bytes]:
    """December's workbooks of the worked case under a changed registry, by `title_party`."""
    original = (CASE / "registry.toml").read_text()
    assert change(original) != original
    (tmp_path / "registry.toml").write_text(change(original))
    jeongsan("load", tmp_path / "registry.toml", now=LOADED)
    for month, close in CLOSE.items():
        jeongsan("ingest", CASE / f"events-{month}.jsonl", now=close)
        if (CASE / f"payments-before-{month}.csv").exists():
            jeongsan("payments", "import", CASE / f"payments-before-{month}.csv", now=close)
        document = run(jeongsan, month)
        assert (document["state"], document["differences"]) == ("locked", 0)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, content FROM published_file WHERE month = '2025-12-01'")).all()
    prefix = f"{PROGRAMME}_2025-12_"
    return {row.name.removeprefix(prefix).removesuffix(".xlsx"): bytes(row.content) for row in rows}


@pytest.mark.parametrize(
    "change", [company_pays_and_the_operator_gives_the_pool, project_ends_before_its_corrections, no_fee]
)
def test_statements__of_another_programme_are_ten_workbooks_that_check_to_zero(jeongsan, engine, tmp_path, change):
    assert len(settled(jeongsan, engine, tmp_path, change)) == 10


def test_statements__without_an_operator_come_from_the_agency(jeongsan, engine, tmp_path):
    files = settled(jeongsan, engine, tmp_path, without_operator)
    assert {"대사_KHIS", "지급요청서_KHIS"} <= files.keys()
    assert not any(name.startswith("운영기관") for name in files)
    sheet = load_workbook(BytesIO(files["기업정산서_C1"]))["정산서"]
    assert sheet["B7"].value.startswith("한국보건의료정보원")


def test_project_that_ended__executes_later_corrections_out_of_what_is_available(jeongsan, engine, tmp_path):
    files = settled(jeongsan, engine, tmp_path, project_ends_before_its_corrections)
    sheet = load_workbook(BytesIO(files["예산집행현황_MOHW"]))["과제별"]
    assert [cell.value for cell in sheet["B8:I8"][0]] == [400000000, 0, -364395358, 35604642, 0, 35604642, 0, 0]
    assert [cell.value for cell in sheet["B11:E11"][0]] == [1680000000, 0, 364395358, 2044395358]


def test_company_with_two_projects__has_one_statement_that_names_both(jeongsan, engine, tmp_path):
    files = settled(jeongsan, engine, tmp_path, one_company_has_two_projects)
    assert "기업정산서_C2" not in files
    sheet = load_workbook(BytesIO(files["기업정산서_C1"]))["정산서"]
    assert sheet["G6"].value == "P1 (large), P2 (medium)"
    assert {"플랫폼 이용료 (P1)", "플랫폼 이용료 (P2)"} <= {cell.value for cell in sheet["B"]}


def test_payouts__a_voucher_that_replaces_what_the_company_paid_is_paid_by_the_one_and_given_back_to_the_other(
    jeongsan, engine, tmp_path
):
    settled(jeongsan, engine, tmp_path, company_pays_and_the_operator_gives_the_pool)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO user_account (name, role, created_at) VALUES ('finance-1', 'finance', now())")
        )
    for month in CLOSE:
        made = jeongsan("payouts", "order", month, "--programme", PROGRAMME, "--by", "finance-1")
    ordered = {(one["payer"], one["account"]): one["amount_krw"] for one in made["rows"]}
    assert ordered["agency", "payable:hospital:H02:P2"] == 308_406
    assert ordered["settlement", "payable:hospital:H02:P2"] == -308_406

"""From any figure of the worked case to the events behind it, and back."""

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from reports.lineage import trace
from tests.integration.test_examples import settled as settle_example
from tests.integration.test_statements import references
from tests.worked import PROGRAMME, needs_case, prepare, run

pytestmark = needs_case


@pytest.fixture
def december(jeongsan):
    prepare(jeongsan, "2025-12")
    return run(jeongsan, "2025-12")


def ids(document: dict) -> set[str]:
    return {event["id"] for event in document["events"]}


def test_trace__every_charge_leads_to_its_events(jeongsan, december):
    found = {row["key"]: jeongsan("trace", row["id"]) for row in december["charges"] if not row["correction"]}
    assert ids(found["H100@2025-09-01"]) == {"g1"}
    assert ids(found["standard@2025-09-01"]) == {"s2", "s3"}
    assert ids(found["L11/w10"]) == {"w10", "a10"}
    for row in december["charges"]:
        traced = jeongsan("trace", row["id"])
        assert traced["amount_krw"] == row["amount_krw"]
        assert traced["events"], row["id"]


def test_trace__a_voided_charge_shows_the_void(jeongsan, december):
    row = next(row for row in december["charges"] if row["key"] == "L12/w2")
    assert ids(jeongsan("trace", row["id"])) == {"w2", "a2", "u1"}


def test_trace__a_balance_without_a_month_is_that_of_now(jeongsan, december):
    krw = jeongsan("balances", "--programme", PROGRAMME)["income:platform_fee"]
    assert jeongsan("trace", "balance:income:platform_fee")["amount_krw"] == krw
    assert jeongsan("trace", "balance:income:platform_fee@2025-11")["amount_krw"] != krw


def test_trace__an_event_shows_where_it_came_from_and_leads_back(jeongsan, december):
    document = jeongsan("trace", "event:/worked#g1")
    (event,) = document["events"]
    assert event["topic"].startswith("file:")
    assert event["offset"] == 24
    assert len(event["hash"]) == 64
    assert "charge:2025-12/P1/2025-12/gpu/H100@2025-09-01" in document["charges"]
    assert "charge:2025-11/P1/2025-11/gpu/H100@2025-09-01" in document["charges"]


def test_trace__cells_of_the_published_workbooks(jeongsan, december, tmp_path):
    jeongsan("statements", "2025-12", "--programme", PROGRAMME, "--out", tmp_path)
    book = tmp_path / f"{PROGRAMME}_2025-12_기업정산서_C1.xlsx"
    document = jeongsan("trace", f"{book}!정산서!C11")
    assert document["amount_krw"] == december["lines"]["L11"]["supply_krw"]
    assert ids(document) == {"w10", "a10"}


def test_trace__with_several_programmes_a_cell_means_its_workbooks_and_a_reference_the_one_asked_for(
    jeongsan, tmp_path
):
    for name in ("coresearch-2025", "voucher-2025"):
        settle_example(jeongsan, name)
    reference = "balance:receivable:agency@2025-11"
    for programme in ("SEOUL-CORESEARCH-2025", PROGRAMME):
        owed_krw = jeongsan("balances", "--programme", programme)["receivable:agency"]
        assert jeongsan("trace", reference, "--programme", programme)["amount_krw"] == owed_krw
    jeongsan("trace", reference, "--programme", "NONE", exit_code=2)
    jeongsan("statements", "2025-11", "--programme", PROGRAMME, "--out", tmp_path)
    book = next(tmp_path.glob("*_예산집행현황_*.xlsx"))
    rows = load_workbook(book)["근거"].iter_rows(values_only=True)
    sheet, cells = next(row[:2] for row in rows if row[5] == reference)
    found = jeongsan("trace", f"{book}!{sheet}!{cells.split(':')[0]}")
    assert found["charges"]
    assert all(one.split("/")[1].startswith("V25-") for one in found["charges"])


def test_trace__a_supplier_without_a_charge_in_the_month_is_a_zero_that_can_be_followed(jeongsan, engine):
    settle_example(jeongsan, "coresearch-2025")
    with engine.connect() as connection:
        contents = connection.scalars(text("SELECT content FROM published_file")).all()
        shown = set().union(*(references(bytes(content)) for content in contents))
        for reference in shown:
            assert trace(connection, reference)["ref"] == reference
    assert "matrix:2025-07/voucher/CR-H2" in shown
    jeongsan("trace", "matrix:2025-07/voucher/NONE", exit_code=2)


@pytest.mark.parametrize("up", ["parents", "charges"])
def test_trace__references_of_the_answer_are_references_themselves(jeongsan, december, up):
    document = jeongsan("trace", "line:2025-12/L12")
    assert document["amount_krw"] == december["lines"]["L12"]["supply_krw"]
    for reference in document[up]:
        assert jeongsan("trace", reference)["ref"] == reference


def test_trace__what_is_no_reference_is_said(jeongsan, settings):
    for reference in (
        "nonsense",
        "charge:2025-11/P1",
        "line:2025-11/NONE",
        "entry:X/1",
        "event:/worked#none",
        "none.xlsx!A!B1",
    ):
        jeongsan("trace", reference, exit_code=2)


def test_trace__a_workbook_that_was_changed_after_publishing_is_refused(jeongsan, december, tmp_path):
    jeongsan("statements", "2025-12", "--programme", PROGRAMME, "--out", tmp_path)
    book = tmp_path / f"{PROGRAMME}_2025-12_기업정산서_C1.xlsx"
    book.write_bytes(book.read_bytes() + b"\0")
    refused = jeongsan("trace", f"{book}!정산서!C11", exit_code=2)
    assert "not a published workbook" in refused["messages"][0]

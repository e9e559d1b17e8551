"""The invoice as an Excel workbook: what it shows is what was issued, every figure leads back."""

from io import BytesIO

import pytest
from openpyxl import load_workbook

from billing.invoice_reading import read_invoice
from reports.invoice import invoice_workbook
from tests import worked
from tests.driven import CLOSE, work
from tests.integration.test_invoices import void

AMBER = "00FFF5DC"


def sheets(engine, number):
    with engine.connect() as connection:
        invoice = read_invoice(connection, number)
    content = invoice_workbook(invoice)
    assert content == invoice_workbook(invoice)
    return load_workbook(BytesIO(content))


def texts(sheet):
    return [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None]


def beside(sheet, label):
    """The text of the cell after a label."""
    found = [row[index + 1 :] for row in sheet.iter_rows() for index, cell in enumerate(row) if cell.value == label]
    return next(cell.value for cell in found[0] if cell.value is not None)


@worked.needs_case
def test_workbook__of_the_worked_month_shows_its_items_its_total_in_words_and_how_it_is_paid(jeongsan, engine):
    worked.prepare(jeongsan, "2025-12")
    worked.run(jeongsan, "2025-12")
    book = sheets(engine, "INV-OP-2026-000001")
    assert book.sheetnames == ["청구서", "근거"]
    form = book["청구서"]
    assert beside(form, "수신") == "수요기업 C1 (사업자등록번호 104-85-16761)"
    assert beside(form, "납부할 금액") == "금1,499,609원(금일백사십구만구천육백구원)"
    assert beside(form, "납부 기한") == "2026. 1. 26.(월)"
    assert "99,999,999원까지" in beside(form, "카드")
    rows = [[cell.value for cell in row] for row in form.iter_rows(min_row=14)]
    (total,) = [row for row in rows if row[0] == "합계"]
    assert total[6:9] == [7_834_493, 783_449, 2_567_359]
    assert [row[8] for row in rows if row[0] in ("차감", "납부")] == [-1_067_750, 1_499_609]
    amber = [row[0].row for row in form.iter_rows() if row[0].fill.fgColor.rgb == AMBER]
    assert [form.cell(row, 3).value for row in amber] == ["2025-11", "2025-12", "2025-11", "2025-11"]
    references = [row[5].value for row in book["근거"].iter_rows(min_row=8)]
    for reference in references:
        if reference and not reference.startswith("sum:"):
            assert jeongsan("trace", reference)["ref"] == reference


def test_workbook__of_a_credit_note_says_what_is_given_back_and_how(world, engine):
    world.ingest(*work("w2", "L21", 10, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    world.ingest(void("v", "w2"), now=CLOSE["2025-12"])
    world.run("2025-12")
    form = sheets(engine, "CRN-OP-2026-000001")["청구서"]
    assert form["A2"].value == "차감 청구서"
    assert beside(form, "돌려드릴 금액") == "금5,495원(금오천사백구십오원)"
    assert "가장 오래된 것부터 차감" in beside(form, "처리")
    assert "납부 기한" not in texts(form)
    assert [row[8].value for row in form.iter_rows() if row[0].value == "환급"] == [-5_495]


@pytest.mark.parametrize(("zero", "said"), [(True, "납부할 금액이 없습니다"), (False, "정산 계좌")])
def test_workbook__by_bank_names_the_number_to_write_and_of_zero_asks_for_nothing(world, engine, zero, said):
    world.ingest(*work("w2", "L21", 10, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    number = "INV-OP-2025-000001"
    if zero:
        world.ingest(void("v", "w2"), *work("w3", "L21", 10, "2025-12-10", project="P2"), now=CLOSE["2025-12"])
        world.run("2025-12")
        number = "INV-OP-2026-000001"
    shown = texts(sheets(engine, number)["청구서"])
    assert any(said in one for one in shown)
    assert not any("카드" in one for one in shown)

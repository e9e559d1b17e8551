"""The bulk-issue sheet, read back by position as domain.md §8 writes the positions down."""

from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.utils import column_index_from_string, get_column_letter

from billing.tax_document import Original, TaxForm, TaxItem, TaxParty, document_number, folded
from core.month import Month
from reports.tax_export import new_files
from reports.tax_sheet import FIRST_ROW, LAYOUT, sheet_values, tax_workbook
from tests.tax_forms import form, item

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
WON = st.integers(-(10**14), 10**14)


@st.composite
def parties(draw) -> TaxParty:
    digits = draw(st.integers(0, 10**10 - 1).map(lambda number: f"{number:010d}"))
    names = ("name", "representative", "address", "business_type", "business_item", "email")
    return TaxParty(code="X", brn=f"{digits[:3]}-{digits[3:5]}-{digits[5:]}", **{name: draw(WORDS) for name in names})


@st.composite
def forms(draw) -> TaxForm:
    tax = draw(st.sampled_from(("taxable", "zero", "exempt")))
    day = draw(st.dates(date(2020, 1, 1), date(2099, 12, 31)))
    items = folded(draw(st.lists(items_of(tax, day), min_size=1, max_size=9)))
    original = Original(number="TAX-H01-2024-000009", written_on=day - timedelta(days=40), approval_number="")
    modified = draw(st.sampled_from((None, "01", "02", "03", "04", "05", "06")))
    kind = "invoice_exempt" if tax == "exempt" else "tax_invoice"
    return form(
        *items, number=document_number(kind, draw(st.sampled_from(("H01", "A.b_c-1"))), day.year,
                                       draw(st.integers(1, 10**6))), kind=kind, tax=tax,
        tax_reason="" if tax == "taxable" else draw(WORDS), month=Month.of(day), written_on=day,
        supplier=draw(parties()), recipient=draw(parties()), reason=modified, original=original if modified else None,
    )  # fmt: skip


def items_of(tax: str, day: date):
    return st.builds(
        lambda krw, vat, quantity, price, name, spec, note: TaxItem(
            day=day, name=name, spec=spec, quantity=quantity, unit_price_krw=price, supply_krw=krw,
            vat_krw=vat if tax == "taxable" else 0, note=note,
        ),
        WON, WON, st.none() | st.decimals(Decimal("-9e9"), Decimal("9e9"), places=3), st.none() | st.integers(0, 10**9),
        WORDS, st.just("") | WORDS, st.just("") | WORDS,
    )  # fmt: skip


def at(row: list, letters: str):
    return row[column_index_from_string(letters) - 1]


def party_at(row: list, first: str, emails: int) -> dict:
    start = column_index_from_string(first) - 1
    brn, branch, name, representative, address, business_type, business_item, *rest = row[start : start + 7 + emails]
    assert branch is None
    assert rest[1:] == [None] * (emails - 1)
    return {"brn": f"{brn[:3]}-{brn[3:5]}-{brn[5:]}", "name": name, "representative": representative,
            "address": address, "business_type": business_type, "business_item": business_item,
            "email": rest[0]}  # fmt: skip


def items_at(row: list, written_on: date, exempt: bool) -> list[TaxItem]:
    found = []
    for first in ("W", "AE", "AM", "AU"):
        start = column_index_from_string(first) - 1
        day, name, spec, quantity, price, supply, tax, note = row[start : start + 8]
        if day is not None:
            assert (tax is None) == exempt
            found.append(
                TaxItem(day=written_on.replace(day=int(day)), name=name, spec=spec or "", quantity=quantity,
                        unit_price_krw=price, supply_krw=supply, vat_krw=tax or 0, note=note or "")
            )  # fmt: skip
    return found


def named(party: TaxParty) -> dict:
    names = ("brn", "name", "representative", "address", "business_type", "business_item", "email")
    return {name: getattr(party, name) for name in names}


def test_layout__has_the_59_positions_a_to_bg_in_order():
    assert [letters for letters, _, _ in LAYOUT] == [get_column_letter(number) for number in range(1, 60)]
    assert get_column_letter(59) == "BG"


@given(forms())
def test_positions__any_document_comes_back_from_its_row(one):
    row = sheet_values(one)
    assert len(row) == 59
    day = at(row, "B")
    assert date(int(day[:4]), int(day[4:6]), int(day[6:])) == one.written_on
    assert at(row, "A") == ("02" if one.tax == "zero" else "01")
    assert party_at(row, "C", 1) == named(one.supplier)
    assert party_at(row, "K", 2) == named(one.recipient)
    exempt = one.kind == "invoice_exempt"
    assert (at(row, "T"), at(row, "U")) == (one.supply_krw, None if exempt else one.vat_krw)
    assert at(row, "V").split(" / ")[0] == one.number
    assert (f"수정 {one.reason} " in at(row, "V")) == (one.reason is not None)
    assert tuple(items_at(row, one.written_on, exempt)) == one.items
    assert [at(row, letters) for letters in ("BC", "BD", "BE", "BF", "BG")] == [
        None, None, None, one.supply_krw + one.vat_krw, "02"]  # fmt: skip


@given(forms())
def test_sums__of_the_items_shown_are_those_of_the_document(one):
    row = sheet_values(one)
    assert sum(at(row, letters) or 0 for letters in ("AB", "AJ", "AR", "AZ")) == at(row, "T")
    assert sum(at(row, letters) or 0 for letters in ("AC", "AK", "AS", "BA")) == (at(row, "U") or 0)


def test_workbook__keeps_leading_zeros_as_text_and_won_as_whole_numbers_from_row_7_on():
    one = form(item(-5_820_457, -582_045, day=date(2025, 11, 3), name="=cmd()", quantity=Decimal("-123.75")),
               role="change", reason="04", original=Original(number="TAX-H01-2025-000001", approval_number="2" * 24,
               written_on=date(2025, 10, 31)))  # fmt: skip
    content = tax_workbook([one])
    assert content == tax_workbook([one])
    sheet = load_workbook(BytesIO(content)).active
    assert sheet.cell(FIRST_ROW + 1, 1).value is None
    cells = {letters: sheet[f"{letters}{FIRST_ROW}"] for letters in ("A", "B", "C", "T", "U", "W", "X", "Z", "BG")}
    assert [cell.value for cell in cells.values()] == [
        "01", "20251130", "1078854334", -5_820_457, -582_045, "03", "=cmd()", -123.75, "02"]  # fmt: skip
    assert {letters: cell.data_type for letters, cell in cells.items()} == {
        **dict.fromkeys(("A", "B", "C", "W", "X", "BG"), "s"), **dict.fromkeys(("T", "U", "Z"), "n")}  # fmt: skip
    assert sheet[f"V{FIRST_ROW}"].value == (
        "TAX-H01-2025-000001 / 수정 04 계약의 해제 당초 222222222222222222222222 20251031"
    )


def test_files__of_101_documents_are_two_and_a_계산서_goes_into_a_file_of_its_own():
    taxable = [form(id=number) for number in range(101)]
    exempt = form(item(5, 0), id=101, kind="invoice_exempt", tax="exempt", tax_reason="제26조")
    found = new_files(
        "V25", Month(2025, 11), [*taxable[:50], exempt, *taxable[50:]], {"V25_2025-11_세금계산서_01.xlsx"}
    )
    assert {name: len(part) for name, part in found} == {
        "V25_2025-11_세금계산서_02.xlsx": 100, "V25_2025-11_세금계산서_03.xlsx": 1, "V25_2025-11_계산서_01.xlsx": 1,
    }  # fmt: skip
    assert [one.id for name, part in found for one in part] == [*range(102)]

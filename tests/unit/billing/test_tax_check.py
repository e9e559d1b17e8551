"""What keeps a tax document from being exported, one fault at a time, and by when it is issued."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from billing.tax_check import due_on, is_late, problems
from billing.tax_document import Original
from core.month import KST, Month
from tests.tax_forms import COMPANY, HOSPITAL, form, item

ORIGINAL = Original(number="TAX-H01-2025-000001", written_on=date(2025, 11, 30), approval_number="")


def test_problems__a_complete_document_has_none():
    assert problems(form()) == []
    assert problems(form(item(1, 0), item(2, 0), tax="zero", tax_reason="부가가치세법 제21조")) == []
    assert problems(form(item(5, 0), kind="invoice_exempt", tax="exempt", tax_reason="부가가치세법 제26조")) == []
    assert problems(form(item(-5, 0), role="change", reason="02", original=ORIGINAL)) == []


PARTIES = [
    ("brn", "", "사업자등록번호가 없습니다"), ("brn", "124-81-00997", "검증 숫자"),
    ("brn", "000-00-00000", "검증 숫자"), ("name", "", "상호"), ("representative", "", "대표자"),
    ("address", "", "주소"), ("business_type", "", "업태"), ("business_item", "", "종목"), ("email", "", "전자우편"),
    ("email", "tax@h01", "전자우편 주소가 아닙니다"), ("email", "a b@h01.kr", "전자우편 주소가 아닙니다"),
    ("email", "a@b..kr", "전자우편 주소가 아닙니다"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "said"), PARTIES)
@pytest.mark.parametrize("side", ["supplier", "recipient"])
def test_problems__name_the_party_and_the_field(side, field, value, said):
    party = {"supplier": HOSPITAL, "recipient": COMPANY}[side]
    (found,) = problems(form(**{side: replace(party, **{field: value})}))
    assert (found.document, found.party, found.field) == ("TAX-H01-2025-000001", party.code, field)
    assert said in found.message
    assert found.line.startswith(f"TAX-H01-2025-000001 {party.code} {field}: ")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (form(recipient=replace(COMPANY, brn=HOSPITAL.brn)), "brn"),
        (form(tax="exempt", vat_krw=0, items=(item(28_949_025, 0),), tax_reason="x"), "tax"),
        (form(kind="invoice_exempt"), "tax"),
        (form(item(10, 1), tax="zero", tax_reason="x"), "vat_krw"),
        (form(item(10, 1), item(-10, -1), tax="zero", tax_reason="x"), "vat_krw"),
        (form(item(10, 0), tax="zero"), "tax_reason"),
        (form(item(10, 0), kind="invoice_exempt", tax="exempt"), "tax_reason"),
        (form(item(10, 1), supply_krw=11), "items"),
        (form(item(10, 1), vat_krw=2), "items"),
        (form(role="change", reason="02"), "original"),
        (form(role="change", original=ORIGINAL), "original"),
    ],
)  # fmt: skip
def test_problems__each_fault_of_the_document_itself_is_found(wrong, field):
    assert [one.field for one in problems(wrong)] == [field]


def test_problems__all_are_listed_at_once():
    empty = replace(HOSPITAL, brn="", name="", representative="", address="", business_type="", business_item="",
                    email="")  # fmt: skip
    assert len(problems(form(supplier=empty, recipient=replace(empty, code="C1"), tax="zero", vat_krw=1))) == 17


@pytest.mark.parametrize(
    ("month", "day"),
    [
        (Month(2025, 11), date(2025, 12, 10)),
        (Month(2025, 12), date(2026, 1, 12)),  # the 10th is a Saturday
        (Month(2025, 9), date(2025, 10, 10)),  # after 추석
        (Month(2026, 4), date(2026, 5, 11)),
    ],
)
def test_due_on__is_the_tenth_or_the_next_day_on_which_offices_work(month, day):
    assert due_on(month) == day


def test_late__is_a_document_without_a_number_from_the_day_after():
    evening, morning = datetime(2025, 12, 10, 23, 59, tzinfo=KST), datetime(2025, 12, 11, tzinfo=KST)
    assert not is_late(form(), evening)
    assert is_late(form(), morning)
    assert is_late(form(file="x.xlsx"), morning)
    assert not is_late(form(approval_number="2" * 24), morning)
    assert not is_late(form(item(0, 0)), morning)

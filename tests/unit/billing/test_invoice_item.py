"""The items of a company invoice, and its number."""

from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.charge import ChargeLine
from billing.invoice import PREFIXES, invoice_number, parse_number
from billing.invoice_item import OwnPart, invoice_items
from core.errors import BadInput
from core.month import Month

NOVEMBER, DECEMBER = Month(2025, 11), Month(2025, 12)
NAMES = {"H1": "첫째병원", "OP": "운영기관"}


def line(code, paid_to="hospital", category="processing"):
    return SimpleNamespace(
        code=code, project="P1", supplier="H1", category=category, self_pay_bp=1500, paid_to=paid_to
    )  # fmt: skip


def terms(*lines):
    categories = {
        "processing": SimpleNamespace(name="데이터 가공", voucher=True),
        "consulting": SimpleNamespace(name="자문", voucher=False),
    }
    return SimpleNamespace(
        projects={"P1": SimpleNamespace(lines=lines)}, categories=categories, fee_rate_bp=500, fee_monthly_krw=0
    )


def charge(krw, line="L1", kind="preparation", month=DECEMBER, **more):
    return ChargeLine(**{
        "project": "P1", "service_month": month, "kind": kind, "key": f"{line}/w", "line_key": "w", "line": line,
        "supplier": "H1", "description": "study", "tax": "taxable", "quantity_base": krw, "unit": "study",
        "unit_price_krw": 1000, "price_version": date(2025, 9, 1), "rated_krw": krw, "amount_krw": krw,
        "vat_krw": krw // 10, **more,
    })  # fmt: skip


def part(code="L1", voucher=0, self_pay=0, excess=0, drawn=0):
    return OwnPart(
        line=code, voucher_krw=voucher, self_pay_krw=self_pay, excess_krw=excess, deposit_drawn_krw=drawn
    )  # fmt: skip


def shown(items):
    return [(one.kind, str(one.service_month), one.supply_krw, one.own_krw) for one in items.get("P1", [])]


def test_items__charges_of_one_month_and_price_are_one_item_and_self_pay_is_the_whole_lines():
    charges = [charge(700_000), charge(300_000), charge(-100_000, month=NOVEMBER, reason="취소")]
    found = invoice_items(terms(line("L1")), DECEMBER, charges, [part(voucher=765_000, self_pay=135_000)], NAMES)
    assert shown(found) == [
        ("preparation", "2025-11", -100_000, -10_000),
        ("preparation", "2025-12", 1_000_000, 100_000),
        ("self_pay", "2025-12", 0, 135_000),
    ]
    assert found["P1"][1].quantity_base == 1_000_000
    assert found["P1"][2].description == "자부담 15.0% (첫째병원 · L1 데이터 가공)"


def test_items__excess_and_deposit_are_items_of_their_own():
    parts = [part(voucher=85_000, self_pay=15_000, excess=50_000, drawn=15_000)]
    found = invoice_items(terms(line("L1")), DECEMBER, [charge(150_000)], parts, NAMES)
    assert shown(found)[1:] == [
        ("self_pay", "2025-12", 0, 15_000), ("excess", "2025-12", 0, 50_000), ("deposit", "2025-12", 0, -15_000),
    ]  # fmt: skip


def test_items__of_a_category_that_the_voucher_may_not_pay_say_so():
    found = invoice_items(terms(line("L1", category="consulting")), DECEMBER, [charge(9)], [part(excess=9)], NAMES)
    assert found["P1"][-1].description == "바우처로 지급하지 않는 비목, 기업 직접 부담 (첫째병원 · L1 자문)"


def test_items__what_the_company_pays_its_supplier_itself_is_not_billed():
    fee = charge(5, line=None, kind="fee", supplier="OP", key="platform")
    paid = [part(voucher=80, self_pay=20)]
    found = invoice_items(terms(line("L1", paid_to="company")), DECEMBER, [charge(100), fee], paid, NAMES)
    assert shown(found) == [("fee", "2025-12", 5, 5)]


def test_items__what_comes_to_nothing_is_left_out_and_a_project_without_any_has_none():
    assert invoice_items(terms(line("L1")), DECEMBER, [charge(50), charge(-50)], [part()], NAMES) == {}


@given(
    kind=st.sampled_from(sorted(PREFIXES)),
    issuer=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    year=st.integers(2000, 2999),
    number=st.integers(1, 10**9 - 1),
)
def test_number__is_read_as_it_is_shown(kind, issuer, year, number):
    assert parse_number(invoice_number(kind, issuer, year, number)) == (kind, issuer, year, number)


@pytest.mark.parametrize("shown", ["", "INV-OP-2025-1", "inv-OP-2025-000001", "INV--2025-000001", "정산 제2025-1호"])
def test_number__anything_else_is_bad_input(shown):
    with pytest.raises(BadInput, match="INV-OP-2025-000001"):
        parse_number(shown)

"""Which charges a tax document carries, and what stands on it."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.tax_document import TaxedCharge, TaxItem, drafts, folded
from core.month import Month

NOVEMBER, DECEMBER = Month(2025, 11), Month(2025, 12)


def charge(number, krw, **more) -> TaxedCharge:
    known = {
        "id": number, "issuer": "H02", "recipient": "C2", "project": "P2", "service_month": DECEMBER,
        "kind": "preparation", "key": f"L21/w{number}", "category": "가명처리", "tax": "taxable", "quantity_base": 0,
        "unit_price_krw": 0, "accepted_on": None, "amount_krw": krw, "vat_krw": krw // 10, "reason": "",
        "original": None, "ended": False,
    }  # fmt: skip
    return TaxedCharge(**{**known, **more})


def item(krw: int, name: str = "x") -> TaxItem:
    return TaxItem(day=date(2025, 12, 31), name=name, spec="", quantity=None, unit_price_krw=None, supply_krw=krw,
                   vat_krw=krw // 10, note="")  # fmt: skip


def test_drafts__freed_work_changes_the_document_that_carried_it_and_late_usage_is_ordinary():
    found = drafts(
        [
            charge(1, 411_207, service_month=NOVEMBER, original=7, reason="보류 해제"),
            charge(2, 470_340),
            charge(3, 2_528, service_month=NOVEMBER),
        ],
        DECEMBER,
    )
    assert [(one.original, one.reason, one.supply_krw, one.charges) for one in found] == [
        (None, None, 472_868, (2, 3)),
        (7, "02", 411_207, (1,)),
    ]
    assert found[1].items[0].note == "2025-11 귀속 보류 해제"


def test_drafts__each_original_and_each_tax_type_has_a_document_of_its_own():
    found = drafts(
        [charge(1, -5, original=7), charge(2, -6, original=8), charge(3, 10), charge(4, 20, tax="exempt", vat_krw=0),
         charge(5, 30, tax="zero", vat_krw=0)], DECEMBER,
    )  # fmt: skip
    assert [(one.kind, one.tax, one.original, one.supply_krw, one.vat_krw) for one in found] == [
        ("invoice_exempt", "exempt", None, 20, 0), ("tax_invoice", "taxable", None, 10, 1),
        ("tax_invoice", "zero", None, 30, 0), ("tax_invoice", "taxable", 7, -5, -1),
        ("tax_invoice", "taxable", 8, -6, -1),
    ]  # fmt: skip


def test_drafts__a_terminated_agreement_is_the_reason_only_when_nothing_is_left_of_any_line():
    gone = charge(1, -5, original=7, ended=True)
    assert [one.reason for one in drafts([gone], DECEMBER)] == ["04"]
    assert [one.reason for one in drafts([gone, charge(2, -6, original=7)], DECEMBER)] == ["02"]


def test_items__show_quantity_and_price_only_where_their_product_is_the_supply():
    (draft,) = drafts(
        [charge(1, 5_820_457, quantity_base=123_750, unit_price_krw=47_034, accepted_on=date(2025, 12, 9)),
         charge(2, 1_577_575, quantity_base=33_250, unit_price_krw=59_813)], DECEMBER,
    )  # fmt: skip
    whole, part = draft.items
    assert (whole.quantity, whole.unit_price_krw, whole.day) == (Decimal("123.75"), 47_034, date(2025, 12, 9))
    assert (part.quantity, part.unit_price_krw, part.day) == (None, None, date(2025, 12, 31))


def test_folded__five_items_are_three_and_the_rest():
    found = folded([item(krw, name) for krw, name in zip((1, 2, 3, 40, 50), "abcde", strict=True)])
    assert [(one.name, one.supply_krw, one.vat_krw) for one in found] == [
        ("a", 1, 0), ("b", 2, 0), ("c", 3, 0), ("외 2건", 90, 9)]  # fmt: skip


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=40))
def test_folded__four_items_at_most_and_the_sums_stay(amounts):
    items = [item(krw) for krw in amounts]
    found = folded(items)
    assert len(found) == min(len(items), 4)
    assert sum(one.supply_krw for one in found) == sum(amounts)
    assert sum(one.vat_krw for one in found) == sum(one.vat_krw for one in items)
    assert list(found[:3]) == items[:3]


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.sampled_from(("taxable", "exempt", "zero")),
                          st.sampled_from((None, 7, 8)), st.sampled_from(("H01", "OP"))), max_size=30))  # fmt: skip
def test_drafts__carry_every_charge_once_and_its_won(rows):
    charges = [
        charge(number, krw, tax=tax, vat_krw=krw // 10 if tax == "taxable" else 0, original=original, issuer=issuer)
        for number, (krw, tax, original, issuer) in enumerate(rows, start=1)
    ]
    found = drafts(charges, DECEMBER)
    assert sorted(number for one in found for number in one.charges) == [one.id for one in charges]
    assert sum(one.supply_krw + one.vat_krw for one in found) == sum(one.amount_krw + one.vat_krw for one in charges)
    assert all(one.vat_krw == 0 for one in found if one.tax != "taxable")

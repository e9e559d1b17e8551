"""The funding split of domain.md §5, in its own numbers and for any numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.month import Month
from settlement.split import (
    FundedLine,
    SupplyItem,
    draw_deposit,
    largest_supply_krw,
    smallest_limit_krw,
    split_project,
    voucher_krw,
)

START = datetime(2025, 11, 1, tzinfo=UTC)
NOVEMBER = Month.parse("2025-11")


def line(code="L", limit=400_000_000, bp=1500, **other):
    return FundedLine(
        code=code, limit_krw=limit, self_pay_bp=bp, voucher=other.pop("voucher", True),
        over_limit=other.pop("over_limit", "hold"), **other,
    )  # fmt: skip


def item(ref, krw, day=0, line="L", booked=NOVEMBER):
    return SupplyItem(ref=ref, line=line, supply_krw=krw, place=(booked, START + timedelta(days=day), "/s", ref))


@given(st.integers(0, 10**12), st.integers(0, 9_999))
def test_smallest_limit__is_the_smallest_that_carries_the_supply(supply, bp):
    limit = smallest_limit_krw(supply, bp)
    assert largest_supply_krw(limit, bp) >= supply
    assert limit == 0 or largest_supply_krw(limit - 1, bp) < supply


@pytest.mark.parametrize(
    ("supply", "bp", "voucher"),
    [
        (100_000_000, 1500, 85_000_000),
        (1_234_567, 1500, 1_049_381),
        (1_234_567, 2500, 925_925),
        (470_588_235, 1500, 399_999_999),
        (470_588_236, 1500, 400_000_000),
        (533_333_333, 2500, 399_999_999),
        (533_333_334, 2500, 400_000_000),
    ],
)
def test_voucher__worked_rows(supply, bp, voucher):
    assert voucher_krw(supply, 400_000_000, bp) == voucher
    assert supply <= largest_supply_krw(400_000_000, bp)


@pytest.mark.parametrize("order", [(2_422_426, 1_988_782), (1_988_782, 2_422_426)])
def test_hold__cuts_at_the_limit_whatever_the_order(order):
    items = [item(f"w{index}", krw, index) for index, krw in enumerate(order)]
    lines, _ = split_project([line(limit=3_000_000, bp=2500)], items)
    assert (lines["L"].voucher_krw, lines["L"].self_pay_krw, lines["L"].held_krw) == (3_000_000, 1_000_001, 411_207)


def test_company_pays__rest_is_excess_and_nothing_is_held():
    lines, parts = split_project([line(limit=850, over_limit="company_pays")], [item("a", 900), item("b", 600, 1)])
    assert (lines["L"].voucher_krw, lines["L"].self_pay_krw, lines["L"].excess_krw) == (850, 151, 499)
    assert (parts["b"].funded_krw, parts["b"].excess_krw) == (101, 499)


def test_not_payable_category__is_company_direct_as_a_whole():
    lines, _ = split_project([line(voucher=False)], [item("a", 777)])
    assert (lines["L"].voucher_krw, lines["L"].self_pay_krw, lines["L"].excess_krw) == (0, 0, 777)


def test_unconfirmed_deposit__holds_the_whole_supply():
    lines, _ = split_project([line(hold_all=True)], [item("a", 777)])
    assert (lines["L"].supply_krw, lines["L"].held_krw) == (0, 777)


def test_booked_item__keeps_its_place_before_an_older_acceptance():
    booked, late = item("b", 600, 9, booked=NOVEMBER), item("a", 600, 0, booked=NOVEMBER + 1)
    _, parts = split_project([line(limit=850)], [late, booked])
    assert (parts["b"].held_krw, parts["a"].held_krw) == (0, 199)


def test_price_cap__bounds_the_funded_supply_of_all_lines():
    lines = [line("L1", 10_000, 0), line("L2", 10_000, 0)]
    split, _ = split_project(lines, [item("a", 600, 0, "L1"), item("b", 600, 1, "L2")], price_cap_krw=1_000)
    assert (split["L1"].voucher_krw, split["L2"].voucher_krw, split["L2"].held_krw) == (600, 400, 200)


@given(
    limit=st.integers(0, 10**9),
    bp=st.integers(0, 10_000),
    supplies=st.lists(st.integers(0, 10**8), max_size=12),
    pays=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_split__foots_stays_in_the_limit_and_knows_no_order_of_arrival(limit, bp, supplies, pays, order):
    terms = line(limit=limit, bp=bp, over_limit="company_pays" if pays else "hold")
    items = [item(f"w{index}", krw, index) for index, krw in enumerate(supplies)]
    lines, parts = split_project([terms], items)
    shuffled = list(items)
    order.shuffle(shuffled)
    assert split_project([terms], shuffled) == (lines, parts)
    one = lines["L"]
    assert one.supply_krw + one.held_krw == sum(supplies)
    assert 0 <= one.voucher_krw <= limit
    assert one.self_pay_krw >= 0
    assert sum(part.charged_krw for part in parts.values()) == one.supply_krw
    assert all(part.funded_krw + part.excess_krw + part.held_krw == krw
               for part, krw in zip((parts[one.ref] for one in items), supplies, strict=True))  # fmt: skip


@given(limit=st.integers(0, 10**12), bp=st.integers(0, 9_999))
def test_largest_supply__is_the_largest_that_the_limit_carries(limit, bp):
    largest = largest_supply_krw(limit, bp)
    assert largest * (10_000 - bp) // 10_000 <= limit < (largest + 1) * (10_000 - bp) // 10_000


@given(wanted=st.dictionaries(st.sampled_from("ABCDE"), st.integers(-(10**6), 10**6)), available=st.integers(0, 10**6))
def test_deposit__is_never_drawn_below_zero_nor_beyond_what_is_wanted(wanted, available):
    drawn = draw_deposit(wanted, available)
    assert sum(drawn.values()) <= available
    assert all(min(krw, 0) <= drawn[code] <= max(krw, 0) for code, krw in wanted.items())
    assert sum(drawn.values()) == min(available, sum(wanted.values()))

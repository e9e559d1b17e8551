"""What was paid of each row of payment orders: the oldest first, payments and recoveries apart."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.payout_status import PayoutRow, allocated
from core.month import Month

DUE = date(2025, 12, 26)
WON = st.integers(-(10**12), 10**12).filter(bool)
PAID = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("ordered", "paid", "back", "parts"),
    [
        ([24_606_671, 10_598_182], 24_606_671, 0, [24_606_671, 0]),
        ([24_606_671, 10_598_182], 30_000_000, 0, [24_606_671, 5_393_329]),
        ([24_606_671, 10_598_182], 40_000_000, 0, [24_606_671, 15_393_329]),
        ([4_947_388, -4_547_599], 4_947_388, 0, [4_947_388, 0]),
        ([4_947_388, -4_547_599], 4_947_388, 4_547_599, [4_947_388, -4_547_599]),
        ([4_947_388, -4_547_599], 399_789, 0, [4_947_388, -4_547_599]),
        ([100, -30, 50], 100, 10, [100, -10, 0]),
        ([100, 50], 120, 20, [100, 0]),
        ([100, -30], 120, 35, [115, -30]),
        ([-30], 0, 40, [-40]),
        ([-30], 5, 0, [5]),
        ([100], 0, 7, [-7]),
    ],
)
def test_allocated__the_oldest_first_and_what_came_back_to_recoveries(ordered, paid, back, parts):
    assert allocated(ordered, paid, back) == parts


@given(st.lists(WON, min_size=1, max_size=12), PAID, PAID)
def test_allocated__the_parts_sum_to_what_was_paid(ordered, paid, back):
    assert sum(allocated(ordered, paid, back)) == paid - back


@given(st.lists(WON, min_size=1, max_size=12), PAID, PAID)
def test_allocated__no_row_but_the_last_of_its_kind_gets_more_than_was_ordered(ordered, paid, back):
    parts = allocated(ordered, paid, back)
    for sign in (1, -1):
        own = [(krw * sign, part * sign) for krw, part in zip(ordered, parts, strict=True) if krw * sign > 0]
        assert all(0 <= part <= krw for krw, part in own[:-1])


def test_allocated__without_an_order_is_refused():
    with pytest.raises(ValueError, match="nothing is ordered"):
        allocated([], 1, 0)


def row(ordered, paid, at=DUE, collected=None, due_on=DUE):
    return PayoutRow(
        month=Month(2025, 11), number=1, account="payable:hospital:H01:P1", payer="settlement", party="H01",
        payee_name="H01", blocked=False, ordered_krw=ordered, paid_krw=paid, collected_krw=collected, due_on=due_on,
        at=at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (row(100, 0), "open"),
        (row(100, 40), "partly"),
        (row(100, 100), "paid"),
        (row(100, 101), "overpaid"),
        (row(100, -1), "partly"),
        (row(100, 0, date(2025, 12, 27)), "overdue"),
        (row(100, 40, date(2025, 12, 27)), "overdue"),
        (row(-30, 0), "open"),
        (row(-30, -10), "partly"),
        (row(-30, -30, date(2026, 1, 5)), "paid"),
        (row(-30, -31), "overpaid"),
        (row(-30, 0, date(2025, 12, 27)), "overdue"),
        (row(0, 5, due_on=None), "unordered"),
        (row(100, 0, date(2025, 12, 27), collected=0), "open"),
        (row(100, 60, date(2025, 12, 27), collected=60), "partly"),
        (row(100, 59, date(2025, 12, 27), collected=60), "overdue"),
    ],
)
def test_state__of_a_row_on_a_day(one, state):
    assert (one.state, one.differs) == (state, state not in ("open", "paid"))

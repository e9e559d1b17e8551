"""Incentive pools and shares (domain.md §10)."""

from decimal import Decimal
from fractions import Fraction as F

from hypothesis import given
from hypothesis import strategies as st

from settlement.incentive import contribution, distribute, pool_of_fee, share_revenue


def test_pool__is_cumulative_and_floored_less_the_earlier_ones():
    assert pool_of_fee(3_206_221, 4000, 0) == 1_282_488
    assert pool_of_fee(3_206_221 + 511_474, 4000, 1_282_488) == 204_590


def test_shares__worked_month():
    weights = {"H01": F(26733, 4), "H02": F(2700), "H03": F(500)}
    month = distribute(1_282_488, 0, weights, {})
    assert month.shares == {"H01": 867_244, "H02": 350_362, "H03": 64_882}
    assert (month.distributed_krw, month.carried_krw) == (1_282_488, 0)


def test_pool_without_contribution__carries_over():
    month = distribute(500, 100, {}, {"H1": F(-3)})
    assert (month.distributed_krw, month.carried_krw, month.shares) == (0, 600, {})
    assert month.carried == {"H1": F(-3)}


def test_negative_pool__carries_over_with_the_contribution_that_met_no_pool():
    month = distribute(-40, 0, {"H1": F(5)}, {})
    assert (month.carried_krw, month.carried) == (-40, {"H1": F(5)})
    after = distribute(100, month.carried_krw, {"H2": F(5)}, month.carried)
    assert after.shares == {"H1": 30, "H2": 30}


def test_negative_contribution__carries_forward_and_is_made_good_first():
    month = distribute(100, 0, {"H1": F(-2), "H2": F(4)}, {})
    assert month.shares == {"H2": 100}
    assert month.carried == {"H1": F(-2)}
    after = distribute(100, 0, {"H1": F(3), "H2": F(1)}, month.carried)
    assert after.shares == {"H1": 50, "H2": 50}


weight = st.builds(F, st.integers(-800, 800), st.sampled_from([1, 3, 4, 7]))
hospital_weights = st.fixed_dictionaries({}, optional=dict.fromkeys(("H1", "H2", "H3"), weight))


@given(st.lists(st.tuples(st.integers(-(10**6), 10**7), hospital_weights), min_size=1, max_size=6))
def test_pools__what_is_distributed_and_carried_is_what_came_in(months):
    carried_krw, carried, distributed = 0, {}, 0
    for pool_krw, month_weights in months:
        month = distribute(pool_krw, carried_krw, month_weights, carried)
        assert sum(month.shares.values()) == month.distributed_krw
        assert all(share >= 0 for share in month.shares.values())
        assert month.pool_krw + carried_krw == month.distributed_krw + month.carried_krw
        carried_krw, carried, distributed = month.carried_krw, month.carried, distributed + month.distributed_krw
    assert distributed + carried_krw == sum(pool_krw for pool_krw, _weights in months)


def test_contribution__is_exact():
    assert contribution(2_345_000, Decimal(3), Decimal("0.95")) == F(26733, 4)


def test_revenue__is_shared_by_largest_remainder_and_ties_go_by_hospital_code():
    assert share_revenue(100, {"H3": F(1), "H1": F(1), "H2": F(1)}) == {"H1": 34, "H2": 33, "H3": 33}


def test_revenue__is_nobodys_without_a_contribution_above_zero():
    assert share_revenue(100, {"H1": F(0), "H2": F(-1)}) == {}
    assert share_revenue(100, {"H1": F(-1), "H2": F(2)}) == {"H2": 100}

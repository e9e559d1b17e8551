"""집행률 전망: the run rate, the month in which a limit is reached, and the error on past months."""

from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.month import Month
from settlement.forecast import Executed, back_test, forecast_line, mean_error, run_rate

NOVEMBER = Month(2025, 11)


def line(*vouchers, limit=1_000):
    return {NOVEMBER + number: Executed(voucher_krw=krw, limit_krw=limit) for number, krw in enumerate(vouchers)}


def test_run_rate__is_the_exact_mean_of_the_last_three_months():
    assert run_rate([900, 10, 20, 20]) == F(50, 3)
    assert run_rate([10, 15]) == F(25, 2)
    assert run_rate([]) == 0


def test_run_rate__of_a_line_that_gives_back_is_zero():
    assert run_rate([10, -40]) == 0


def test_forecast__goes_on_at_the_rate_and_is_floored_to_the_won():
    found = forecast_line("L1", "P1", line(100, 100, 101), 2)
    assert found.run_rate_krw == F(301, 3)
    assert (found.executed_krw, found.forecast_krw, found.left_krw, found.reached) == (301, 301 + 200, 499, None)


def test_forecast__stops_at_the_limit_in_the_month_that_reaches_it():
    found = forecast_line("L1", "P1", line(100, 100, 100, limit=501), 6)
    assert (found.forecast_krw, found.left_krw, found.reached) == (501, 0, Month(2026, 4))
    exact = forecast_line("L1", "P1", line(100, 100, 100, limit=500), 2)
    assert exact.reached == Month(2026, 3)


def test_forecast__a_limit_that_is_reached_already_says_when_it_was_known():
    assert forecast_line("L1", "P1", line(500, 500), 3).reached == Month(2025, 12)


def test_forecast__a_limit_of_zero_is_never_reached():
    assert forecast_line("L1", "P1", line(0, 0, limit=0), 3).reached is None


def test_forecast__without_a_locked_month_is_refused():
    with pytest.raises(ValueError, match="locked month"):
        forecast_line("L1", "P1", {}, 3)


def test_back_test__forecasts_each_month_from_the_ones_before_it():
    tests = back_test({"L1": line(100, 200, 0, limit=10_000), "L2": line(0, 20, 40, limit=10_000)})
    assert [(str(one.month), one.forecast_krw, one.actual_krw) for one in tests] == [
        ("2025-12", 100, 220), ("2026-01", 150 + 10, 40),
    ]  # fmt: skip
    assert mean_error(tests) == (F(120, 220) + F(120, 40)) / 2


def test_back_test__a_month_without_execution_has_no_error():
    assert mean_error(back_test({"L1": line(100, 0)})) is None


@given(st.lists(st.integers(-(10**9), 10**10), min_size=1, max_size=12), st.integers(0, 10**11), st.integers(0, 24))
def test_forecast__never_passes_the_limit_nor_falls_below_what_is_executed(vouchers, limit, months):
    found = forecast_line("L1", "P1", line(*vouchers, limit=limit), months)
    assert found.executed_krw <= found.forecast_krw <= max(limit, found.executed_krw)
    if found.reached and months:
        assert found.forecast_krw >= limit or found.reached == NOVEMBER + (len(vouchers) - 1)

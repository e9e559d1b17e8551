"""Cutting GPU usage at local midnights: exact, and nothing lost."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.month import DAY_US, day_number
from metering.slices import day_slices, midnight_us

NOVEMBER_30 = day_number(date(2025, 11, 30))


def test_day_slices__last_microsecond_of_a_month_and_first_of_the_next():
    midnight = midnight_us(date(2025, 12, 1))
    assert day_slices(midnight - 1, midnight, 1000) == [(NOVEMBER_30, 1000)]
    assert day_slices(midnight, midnight + 1, 1000) == [(NOVEMBER_30 + 1, 1000)]
    assert day_slices(midnight - 1, midnight + 1, 460) == [(NOVEMBER_30, 460), (NOVEMBER_30 + 1, 460)]


@given(st.integers(0, 2 * 10**15), st.integers(1, 40 * DAY_US), st.integers(1, 10**9))
def test_day_slices__parts_sum_to_the_whole(start_us, length_us, gpus_milli):
    slices = day_slices(start_us, start_us + length_us, gpus_milli)
    assert sum(quantity for _, quantity in slices) == length_us * gpus_milli
    assert [day for day, _ in slices] == list(range(slices[0][0], slices[0][0] + len(slices)))
    assert all(0 < quantity <= DAY_US * gpus_milli for _, quantity in slices)


def test_midnight_us__is_nine_hours_before_that_of_utc():
    assert midnight_us(date(1970, 1, 1)) == -9 * 3_600_000_000
    assert midnight_us(date(2025, 11, 30), 1) == midnight_us(date(2025, 11, 30) + timedelta(days=1))

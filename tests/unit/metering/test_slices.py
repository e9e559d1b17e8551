"""Cutting usage at local midnights: exact, and nothing lost."""

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.month import DAY_US, Month, day_number, day_of_number
from metering.slices import day_slices, elapsed_slices, midnight_us

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


def test_elapsed_slices__a_month_takes_its_share_of_wall_time_and_the_last_month_the_rest():
    midnight = midnight_us(date(2025, 12, 1))
    cut = elapsed_slices(midnight - 2_000_000, midnight + 5_000_000, 3_000_000)
    assert cut == [(NOVEMBER_30, 857_142), (NOVEMBER_30 + 1, 2_142_858)]
    assert elapsed_slices(midnight, midnight, 0) == []


@given(
    start=st.integers(0, 2 * 10**15),
    days=st.integers(0, 100),
    part_us=st.integers(1, DAY_US),
    suspended=st.integers(0, 10**13),
)
def test_elapsed_slices__days_sum_to_months_and_months_to_the_whole(start, days, part_us, suspended):
    end = start + days * DAY_US + part_us
    wall = end - start
    elapsed = max(0, wall - suspended)
    months, walls = Counter(), Counter()
    for (day, part), (_, wall_us) in zip(elapsed_slices(start, end, elapsed), day_slices(start, end, 1), strict=True):
        assert part >= 0
        months[Month.of(day_of_number(day))] += part
        walls[Month.of(day_of_number(day))] += wall_us
    *firsts, last = sorted(months)
    for month in firsts:
        assert months[month] == elapsed * walls[month] // wall
    assert months[last] == elapsed - sum(months[month] for month in firsts)

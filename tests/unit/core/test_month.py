"""Calendar months of Asia/Seoul: half-open, and instants at the edges belong to one month only."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.month import Month, day_number, day_of_number, kst_day, kst_midnight

NOVEMBER, DECEMBER = Month(2025, 11), Month(2025, 12)
years = st.integers(2000, 2199)
months = st.builds(Month, years, st.integers(1, 12))


@pytest.mark.parametrize(
    ("instant", "month"),
    [
        ("2025-11-30T14:59:59.999999+00:00", NOVEMBER),
        ("2025-11-30T15:00:00+00:00", DECEMBER),
        ("2025-11-30T23:59:59.999999+09:00", NOVEMBER),
        ("2025-12-01T00:00:00+09:00", DECEMBER),
        ("2025-12-31T15:00:00+00:00", Month(2026, 1)),
        ("2025-11-01T08:59:59+18:00", Month(2025, 10)),
    ],
)
def test_month_at__the_last_microsecond_is_inside_and_the_next_instant_is_not(instant, month):
    assert Month.at(datetime.fromisoformat(instant)) == month


def test_month__starts_and_ends_at_15_utc_of_the_day_before():
    assert NOVEMBER.start == datetime(2025, 10, 31, 15, tzinfo=UTC)
    assert NOVEMBER.end == DECEMBER.start == datetime(2025, 11, 30, 15, tzinfo=UTC)


@given(months)
def test_month__its_seconds_are_the_length_between_its_edges(month):
    assert timedelta(seconds=month.seconds) == month.end - month.start
    assert Month.of(month.last + timedelta(days=1)) == month + 1


@given(months, st.integers(-600, 600))
def test_month__adding_and_taking_away_comes_back(month, steps):
    assert month + steps + -steps == month
    assert (month + steps > month) == (steps > 0)


@given(months)
def test_month__reads_what_it_writes(month):
    assert Month.parse(str(month)) == month


@pytest.mark.parametrize(
    "text",
    [
        "2025-13",
        "2025-00",
        "0000-01",
        "1999-12",
        "9999-12",
        "2025-1",
        "25-11",
        "2025-11-01",
        "2025/11",
        "",
        "２０２５-11",
    ],
)
def test_month_parse__anything_else_is_refused_and_named(text):
    with pytest.raises(BadInput, match="2025-11") as refusal:
        Month.parse(text)
    assert f"'{text}'" in str(refusal.value)


@given(st.dates(date(1990, 1, 1), date(2199, 12, 31)))
def test_days__a_local_day_begins_at_its_midnight_and_comes_back_from_its_number(day):
    assert kst_day(kst_midnight(day)) == day
    assert kst_day(kst_midnight(day) - timedelta(microseconds=1)) == day - timedelta(days=1)
    assert day_of_number(day_number(day)) == day


def test_seconds__february_of_a_leap_year():
    assert Month(2024, 2).seconds == 29 * 86_400
    assert Month(2025, 2).seconds == 28 * 86_400

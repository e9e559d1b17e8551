import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.words import amount_text, amount_words, date_text, number_words, period_text, short_date_text

DIGITS = dict(zip("영일이삼사오육칠팔구", range(10), strict=True))
SMALL = {"십": 10, "백": 100, "천": 1000}
LARGE = {"만": 10**4, "억": 10**8, "조": 10**12, "경": 10**16}


def read_back(words: str) -> int:
    """A reader of its own: digits before a small unit, small units before a large one."""
    total = group = digit = 0
    for letter in words:
        if letter in DIGITS:
            digit = DIGITS[letter]
        elif letter in SMALL:
            assert digit, f"no digit before {letter} in {words}"
            group, digit = group + digit * SMALL[letter], 0
        else:
            total, group, digit = total + (group + digit) * LARGE[letter], 0, 0
    return total + group + digit


@given(st.integers(min_value=0, max_value=10**20 - 1))
def test_number_words__read_back_to_the_number_with_a_digit_before_every_unit(number):
    assert read_back(number_words(number)) == number


@given(st.integers(0, 16).flatmap(lambda power: st.integers(0, 10**power)))
def test_amount_words__of_every_magnitude_up_to_ten_thousand_trillion_won_are_read_back(krw):
    words = amount_words(krw)
    assert words.startswith("금")
    assert words.endswith("원")
    assert read_back(words[1:-1]) == krw


@given(st.integers(0, 16), st.integers(1, 9), st.integers(-1, 1))
def test_amount_words__at_the_edges_of_a_magnitude_are_read_back_and_one_is_always_written(power, digit, step):
    krw = digit * 10**power + step
    words = number_words(krw)
    assert read_back(words) == krw
    assert not re.search(r"(^|[십백천만억조경])[십백천만억조경]", re.sub(r"(?<=[십백천])(?=[만억조경])", "|", words))


@given(st.integers(0, 10**16), st.integers(0, 10**16))
def test_amount_words__of_two_amounts_are_the_same_only_when_the_amounts_are(one, other):
    assert (amount_words(one) == amount_words(other)) == (one == other)


@pytest.mark.parametrize(
    ("krw", "words"),
    [
        (0, "금영원"),
        (10, "금일십원"),
        (123_000_000, "금일억이천삼백만원"),
        (5_814_785, "금오백팔십일만사천칠백팔십오원"),
        (1_499_609, "금일백사십구만구천육백구원"),
        (10_000, "금일만원"),
        (2_400_000_000, "금이십사억원"),
        (100_000_001, "금일억일원"),
    ],
)
def test_amount_words__writes_one_before_ten_hundred_thousand(krw, words):
    assert amount_words(krw) == words


def test_amount_text__is_the_public_document_form():
    assert amount_text(5_814_785) == "금5,814,785원(금오백팔십일만사천칠백팔십오원)"


@pytest.mark.parametrize("number", [-1, 10**20])
def test_number_words__refuses_what_it_cannot_say(number):
    with pytest.raises(ValueError, match="no words"):
        number_words(number)


def test_date_text__has_dots_and_the_weekday():
    assert date_text(date(2025, 11, 30)) == "2025. 11. 30.(일)"
    assert short_date_text(date(2026, 1, 5)) == "2026. 1. 5."
    assert period_text(date(2025, 11, 1), date(2025, 11, 30)) == "2025. 11. 1.(토) ~ 2025. 11. 30.(일)"


@given(st.dates())
def test_date_text__ends_with_the_weekday_of_the_day(day):
    assert date_text(day).endswith(f"({'월화수목금토일'[day.weekday()]})")

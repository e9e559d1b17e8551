from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.ties import Finding, Tie, decimal_text


def test_difference__is_left_less_right_in_won():
    tie = Tie(name="분개장", left_name="청구행", left=74_560_558, right_name="분개장", right=74_560_557)
    assert tie.difference == 1


def test_difference__of_exact_texts_keeps_every_digit():
    tie = Tie(
        name="저장", left_name="원시", left="1426642397770464000.5", right_name="집계", right="1426642397770464000"
    )
    assert tie.difference == "0.5"


def test_difference__of_equal_texts_is_zero():
    tie = Tie(name="GPU", left_name="원시", left="41683.935", right_name="집계", right="41683.9350")
    assert tie.difference == 0


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**20), max_value=10**20))
def test_decimal_text__reads_back_exactly(value):
    assert Fraction(decimal_text(Fraction(value))) == Fraction(value)


def test_decimal_text__a_third_has_none():
    with pytest.raises(ValueError, match="no exact decimal text"):
        decimal_text(Fraction(1, 3))


def test_finding__knows_two_levels_only():
    with pytest.raises(ValueError, match="ERROR"):
        Finding(level="INFO", check="x", message="y")

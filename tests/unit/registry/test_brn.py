"""Business registration numbers: the check digit of domain.md §8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.brn import is_valid_brn


@pytest.mark.parametrize("brn", ["124-81-00998", "101-82-79198", "109-81-12710"])
def test_brn__a_number_whose_check_digit_holds_is_valid(brn):
    assert is_valid_brn(brn)


@pytest.mark.parametrize(
    "brn", ["124-81-00997", "000-00-00000", "1248100998", "124-81-0099", "124-81-00998\n", "１２４-81-00998", ""]
)
def test_brn__anything_else_is_not(brn):
    assert not is_valid_brn(brn)


@given(st.integers(min_value=1, max_value=999_999_999))
def test_brn__of_ten_check_digits_exactly_one_is_valid(stem):
    nine = f"{stem:09d}"
    numbers = [f"{nine[:3]}-{nine[3:5]}-{nine[5:]}{check}" for check in range(10)]
    assert sum(map(is_valid_brn, numbers)) == 1


@given(st.integers(min_value=1, max_value=999_999_999), st.integers(0, 7), st.integers(1, 9))
def test_brn__a_mistyped_digit_among_the_first_eight_is_noticed(stem, place, shift):
    nine = f"{stem:09d}"
    valid = next(
        one for one in (f"{nine[:3]}-{nine[3:5]}-{nine[5:]}{check}" for check in range(10)) if is_valid_brn(one)
    )
    digits = list(valid.replace("-", ""))
    digits[place] = str((int(digits[place]) + shift) % 10)
    wrong = "".join(digits)
    assert not is_valid_brn(f"{wrong[:3]}-{wrong[3:5]}-{wrong[5:]}")

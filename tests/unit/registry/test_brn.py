"""Business registration numbers: the check digit of domain.md §8, and which slips it catches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.brn import is_valid_brn


def written(digits: str) -> str:
    return f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"


def valid(nine: str) -> str:
    """The ten digits of the number with its check digit, by the rule in the domain's words."""
    total = sum(int(digit) * weight for digit, weight in zip(nine, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=True))
    return nine + str((10 - (total + int(nine[8]) * 5 // 10) % 10) % 10)


STEMS = st.integers(min_value=1, max_value=999_999_999).map(lambda number: f"{number:09d}")


@pytest.mark.parametrize("brn", ["124-81-00998", "101-82-79198", "109-81-12710"])
def test_brn__a_number_whose_check_digit_holds_is_valid(brn):
    assert is_valid_brn(brn)


@pytest.mark.parametrize(
    "brn", ["124-81-00997", "000-00-00000", "1248100998", "124-81-0099", "124-81-00998\n", "１２４-81-00998", ""]
)
def test_brn__anything_else_is_not(brn):
    assert not is_valid_brn(brn)


@given(STEMS)
def test_brn__every_number_made_by_the_rule_is_valid_and_no_other_check_digit(nine):
    assert [check for check in range(10) if is_valid_brn(written(f"{nine}{check}"))] == [int(valid(nine)[9])]


@given(STEMS, st.integers(0, 9), st.integers(1, 9))
def test_brn__any_one_mistyped_digit_is_noticed(nine, place, shift):
    digits = list(valid(nine))
    digits[place] = str((int(digits[place]) + shift) % 10)
    assert not is_valid_brn(written("".join(digits)))


@given(STEMS, st.integers(0, 6))
def test_brn__two_swapped_neighbours_are_noticed_unless_they_differ_by_five(nine, place):
    digits = list(valid(nine))
    one, other = digits[place : place + 2]
    digits[place : place + 2] = other, one
    assert is_valid_brn(written("".join(digits))) == (abs(int(one) - int(other)) in (0, 5))


@given(STEMS, st.data())
def test_brn__is_written_in_one_way_only(nine, data):
    good = written(valid(nine))
    place = data.draw(st.integers(0, len(good)))
    blank = data.draw(st.sampled_from((" ", "\t", "\n", "\u00a0", "\u3000", "-", "\u2010", "\u2212", "\u200b")))
    full_width = good.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789-"})
    for other in (good[:place] + blank + good[place:], good.replace("-", ""), good.replace("-", " "), full_width,
                  good.translate({ord(digit): ord(digit) + 0x630 for digit in "0123456789"})):  # fmt: skip
        assert not is_valid_brn(other)

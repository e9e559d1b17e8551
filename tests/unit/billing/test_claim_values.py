import struct
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.claim_form import Cell
from billing.claim_values import Wrong, day, milli, whole, won, words

DAY_ZERO = date(1899, 12, 30)


def of(kind, text):
    return Cell(kind=kind, text=text)


@given(st.integers(1, 10**14), st.sampled_from([".15g", ".16g", ".17g", "r"]))
def test_quantity__is_exact_however_a_spreadsheet_writes_its_binary_number(thousandths, style):
    kept = thousandths / 1000
    text = repr(kept) if style == "r" else format(kept, style)
    assert milli(of("number", text)) == thousandths


@given(st.floats(0.001, 10**9, allow_nan=False))
def test_quantity__that_is_no_decimal_of_three_places_is_refused(kept):
    nearest = round(kept * 1000)
    same = struct.pack("d", nearest / 1000) == struct.pack("d", kept)
    try:
        assert milli(of("number", repr(kept))) == nearest
        assert same
    except Wrong:
        assert not same or nearest == 0


@given(st.integers(0, 10**15 - 1))
def test_won__is_every_whole_number_up_to_fifteen_digits(amount):
    assert won(of("number", str(amount))) == whole(of("number", str(amount))) == amount


def test_quantity__as_excel_writes_it_with_seventeen_digits():
    assert milli(of("number", "40.100000000000001")) == 40_100
    assert milli(of("number", "0.29999999999999999")) == 300
    assert milli(of("number", "1.5E+3")) == 1_500_000


@pytest.mark.parametrize("text", ["0.30000000000000004", "40.1000000000001", "0.0005", "1e-9"])
def test_quantity__that_is_nearly_one_is_refused(text):
    with pytest.raises(Wrong, match=r"딱 떨어지지 않는 수|0입니다"):
        milli(of("number", text))


@given(st.dates(date(1900, 3, 1), date(2999, 12, 31)))
def test_day__is_counted_from_the_files_first_day(one):
    assert day(of("number", str((one - DAY_ZERO).days)), DAY_ZERO) == one
    first_1904 = date(1904, 1, 1)
    if one > first_1904:
        assert day(of("number", f"{(one - first_1904).days}.0"), first_1904) == one
    assert day(of("date", f"{one}T00:00:00"), DAY_ZERO) == one


def test_words__are_composed_and_trimmed_and_a_whole_number_counts_as_its_digits():
    assert words(of("text", "  건 ")) == "건"
    assert words(of("number", "1001")) == "1001"
    with pytest.raises(Wrong, match="글자가 아니라 수"):
        words(of("number", "10.5"))

"""The one rounding of a charge line, VAT, and shares that sum to the whole."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import floor_amount, largest_remainder, vat_of

codes = st.text("ABCDEFGH0123456789", min_size=1, max_size=4)
weights = st.dictionaries(codes, st.fractions(min_value=-10, max_value=1000), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("gpu_s", "price_krw", "amount_krw"),
    [("159400", 7000, 309_944), ("41683.935", 5600, 64_841), ("24000", 6500, 43_333), ("160700", 7000, 312_472)],
)
def test_floor_amount__gpu_seconds_of_the_worked_months(gpu_s, price_krw, amount_krw):
    thousandths = int(Fraction(gpu_s) * 1_000_000_000)
    assert floor_amount(thousandths, price_krw, 1, 3600 * 1_000_000_000) == amount_krw


@pytest.mark.parametrize(
    ("byte_s", "days", "amount_krw"), [(1426642397770464000, 30, 76_890), (675546666574071600, 31, 35_234)]
)
def test_floor_amount__storage_is_priced_per_gib_and_calendar_month(byte_s, days, amount_krw):
    assert floor_amount(byte_s, 150, 1, 2**30 * days * 86_400) == amount_krw


@given(st.integers(0, 10**24), st.integers(0, 10**7), st.integers(1, 10**6), st.integers(1, 10**18))
def test_floor_amount__never_more_than_exact_and_less_than_a_won_off(quantity, price_krw, numerator, denominator):
    exact = Fraction(quantity * price_krw * numerator, denominator)
    assert 0 <= exact - floor_amount(quantity, price_krw, numerator, denominator) < 1


def test_vat__of_a_void_is_what_was_booked_negated():
    booked_krw, now_krw = vat_of(1_234_567), vat_of(0)
    assert now_krw - booked_krw == -123_456
    assert vat_of(-1_234_567) == -123_457, "so a correction is never the VAT of the difference"


@pytest.mark.parametrize(
    ("pool_krw", "given_weights", "shares"),
    [
        (100, {"A": "1", "B": "1", "C": "1"}, {"A": 34, "B": 33, "C": 33}),
        (7, {"H3": "1/2", "H1": "1/2", "H2": "1"}, {"H1": 2, "H2": 3, "H3": 2}),
        (204_590, {"H01": "5757/2", "H02": "0", "H03": "270"}, {"H01": 187_045, "H03": 17_545}),
    ],
)
def test_largest_remainder__the_worked_shares(pool_krw, given_weights, shares):
    assert largest_remainder(pool_krw, {code: Fraction(weight) for code, weight in given_weights.items()}) == shares


@given(st.integers(0, 10**15), weights)
def test_largest_remainder__parts_sum_to_the_whole_and_are_within_a_won_of_exact(total_krw, shares):
    positive = {code: weight for code, weight in shares.items() if weight > 0}
    if not positive:
        with pytest.raises(ValueError, match="positive weight"):
            largest_remainder(total_krw, shares)
        return
    parts = largest_remainder(total_krw, shares)
    assert sum(parts.values()) == total_krw
    assert parts.keys() == positive.keys()
    whole = sum(positive.values())
    assert all(abs(parts[code] - total_krw * weight / whole) < 1 for code, weight in positive.items())


@given(st.integers(0, 10**9), st.lists(codes, min_size=1, max_size=8, unique=True))
def test_largest_remainder__equal_weights_tie_by_code(total_krw, among):
    parts = largest_remainder(total_krw, dict.fromkeys(among, Fraction(1)))
    assert [parts[code] for code in sorted(among)] == sorted(parts.values(), reverse=True)


def test_largest_remainder__a_negative_pool_is_refused():
    with pytest.raises(ValueError, match="zero or more"):
        largest_remainder(-1, {"A": Fraction(1)})

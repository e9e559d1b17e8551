"""Sources of funds (domain.md §1): every voucher amount is shared, to the won."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from registry.values import SourceTerms
from settlement.source import source_parts


def sources(*shares_bp):
    return [SourceTerms(code=f"S{number}", name="", share_bp=one) for number, one in enumerate(shares_bp)]


def test_parts__of_an_odd_won_fall_to_the_first_code():
    assert source_parts(9_876_543, sources(5000, 5000)) == {"S0": 4_938_272, "S1": 4_938_271}
    assert source_parts(10, sources(3333, 3333, 3334)) == {"S0": 3, "S1": 3, "S2": 4}


@given(st.integers(0, 10**15), st.sets(st.integers(1, 9_999), max_size=5))
def test_parts__sum_to_the_whole_and_are_less_than_a_won_from_their_share(krw, cuts):
    edges = [0, *sorted(cuts), 10_000]
    shared = sources(*(high - low for low, high in pairwise(edges)))
    parts = source_parts(krw, shared)
    assert sum(parts.values()) == krw
    assert all(abs(parts[one.code] * 10_000 - krw * one.share_bp) < 10_000 for one in shared)

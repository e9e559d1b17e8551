"""The return and the thresholds of a final settlement (domain.md §7 Year-end)."""

from hypothesis import given
from hypothesis import strategies as st

from settlement.year_end import ProjectClose, Recipient, audited, return_of

WON = st.integers(0, 10**13)


def project(grant_krw):
    return ProjectClose(project="P1", grant_krw=grant_krw, current_krw=100, executed_krw=60, carry_over_krw=30)


def test_return__worked_case():
    found = return_of(2_400_000_000, 60_724_232, 0, 345_678, drop_under_10=False)
    assert (found.unspent_krw, found.return_krw) == (2_339_275_768, 2_339_621_446)


def test_return__drops_what_is_under_ten_won_where_the_programme_says_so():
    found = return_of(2_400_000_000, 60_724_232, 0, 345_678, drop_under_10=True)
    assert (found.dropped_krw, found.return_krw) == (6, 2_339_621_440)


def test_return__below_zero_is_shown_to_the_won_and_nothing_of_it_is_dropped():
    assert return_of(100, 123, 0, 0, drop_under_10=True).return_krw == -23


@given(WON, WON, WON, WON)
def test_return__dropped_or_not_differs_by_less_than_ten_won(received, executed, carried, interest):
    kept, cut = (return_of(received, executed, carried, interest, drop_under_10=drop) for drop in (False, True))
    assert kept.return_krw == received - executed - carried + interest
    assert 0 <= kept.return_krw - cut.return_krw < 10
    assert cut.return_krw <= 0 or cut.return_krw % 10 == 0


def test_balance__is_what_is_neither_executed_nor_carried():
    assert project(1).balance_krw == 10


def test_thresholds__begin_at_the_won():
    assert [project(krw).verified for krw in (99_999_999, 100_000_000)] == [False, True]
    paid = [Recipient(party=f"H{krw}", name="", voucher_krw=krw) for krw in (999_999_999, 1_000_000_000)]
    assert [one.voucher_krw for one in audited(paid)] == [1_000_000_000]

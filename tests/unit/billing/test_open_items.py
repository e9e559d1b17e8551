"""What each invoice still has open: matched by name first, then oldest first; nothing of the receivable is lost."""

import random

from hypothesis import given
from hypothesis import strategies as st

from billing.open_items import Billed, Received, open_items

NOVEMBER = Billed(id=1, total_krw=5_814_785)
DECEMBER = Billed(id=2, total_krw=1_499_609)


def items(billed, *received):
    found = open_items(billed, [Received(amount_krw=krw, invoice=name) for krw, name in received])
    return dict(found.open_krw), found.unapplied_krw


def test_open_items__a_payment_without_a_name_goes_to_the_oldest():
    assert items([NOVEMBER, DECEMBER], (5_814_786, None)) == ({1: 0, 2: 1_499_608}, 0)


def test_open_items__a_payment_goes_first_to_the_invoice_that_it_names():
    assert items([NOVEMBER, DECEMBER], (1_000_000, None), (1_499_609, 2)) == ({1: 4_814_785, 2: 0}, 0)


def test_open_items__what_a_named_payment_is_too_much_goes_to_the_oldest_and_then_stays_unapplied():
    assert items([NOVEMBER, DECEMBER], (2_000_000, 2)) == ({1: 5_814_785 - 500_391, 2: 0}, 0)
    assert items([NOVEMBER, DECEMBER], (8_000_000, 2)) == ({1: 0, 2: 0}, 8_000_000 - 5_814_785 - 1_499_609)


def test_open_items__a_credit_note_pays_the_oldest_and_a_refund_takes_it_back():
    credit = Billed(id=3, total_krw=-2_000_000)
    assert items([NOVEMBER, DECEMBER, credit]) == ({1: 3_814_785, 2: 1_499_609, 3: 0}, 0)
    assert items([NOVEMBER, credit], (5_814_785, 1)) == ({1: 0, 3: 0}, 2_000_000)
    assert items([NOVEMBER, credit], (5_814_785, 1), (-2_000_000, 3)) == ({1: 0, 3: 0}, 0)


def test_open_items__a_refund_without_a_name_opens_the_newest_again():
    paid = ((5_814_785, 1), (1_499_609, 2))
    assert items([NOVEMBER, DECEMBER], *paid, (-1_000_000, None)) == ({1: 0, 2: 1_000_000}, 0)


def test_open_items__more_refunded_than_ever_paid_is_owed_beside_the_invoices():
    assert items([NOVEMBER], (-7, None)) == ({1: 5_814_785}, -7)


AMOUNTS = st.integers(min_value=-(10**9), max_value=10**9)


@given(
    totals=st.lists(AMOUNTS, max_size=8),
    received=st.lists(st.tuples(AMOUNTS, st.none() | st.integers(min_value=0, max_value=9)), max_size=12),
    seed=st.randoms(use_true_random=False),
)
def test_open_items__sum_to_the_receivable_whatever_the_order(totals, received, seed: random.Random):
    billed = [Billed(id=number, total_krw=krw) for number, krw in enumerate(totals)]
    payments = [Received(amount_krw=krw, invoice=name) for krw, name in received]
    found = open_items(billed, payments)
    assert sum(found.open_krw.values()) - found.unapplied_krw == sum(totals) - sum(krw for krw, _ in received)
    assert all(0 <= found.open_krw[one.id] <= max(one.total_krw, 0) for one in billed)
    assert found.unapplied_krw <= 0 or not any(found.open_krw.values())
    seed.shuffle(payments)
    assert open_items(billed, payments) == found

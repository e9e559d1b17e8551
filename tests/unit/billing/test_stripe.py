"""What of Stripe needs no server: splitting a charge, the signature of a webhook, reading objects, sharing a refund."""

from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from billing.stripe_client import StripeClient
from billing.stripe_due import LARGEST_CHARGE_KRW, SMALLEST_CHARGE_KRW, split_charge
from billing.stripe_objects import Unreadable, read_event, read_intent, read_movement, read_payout, read_refund
from billing.stripe_refund import allocate
from billing.stripe_signature import WINDOW_S, verify
from core.errors import BadInput
from core.settings import Settings
from tests.stripe_webhooks import SECRET, signature

NOW = datetime(2025, 12, 3, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = '{"id": "evt_1", "이름": "값"}'.encode()


@pytest.mark.parametrize(
    ("amount_krw", "parts"),
    [
        (117_647_059, [99_999_999, 17_647_060]),
        (99_999_999, [99_999_999]),
        (100_000_000, [99_999_000, 1_000]),
        (199_999_998, [99_999_999, 99_999_999]),
        (1_000, [1_000]),
        (999, []),
        (0, []),
        (-5, []),
    ],
)
def test_split__an_amount_becomes_charges_that_stripe_takes(amount_krw, parts):
    assert split_charge(amount_krw) == parts


@given(st.integers(SMALLEST_CHARGE_KRW, 10**12))
def test_split__parts_sum_to_the_amount_and_each_can_be_charged(amount_krw):
    parts = split_charge(amount_krw)
    assert sum(parts) == amount_krw
    assert all(SMALLEST_CHARGE_KRW <= part <= LARGEST_CHARGE_KRW for part in parts)
    assert len(parts) == -(-amount_krw // LARGEST_CHARGE_KRW)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 99_999_999), max_size=5))
def test_allocate__pieces_sum_to_the_refund_and_none_exceeds_its_part(amount_krw, rooms):
    pieces = allocate(amount_krw, list(enumerate(rooms)))
    assert sum(krw for _, krw in pieces) == min(amount_krw, sum(rooms))
    assert all(0 < krw <= rooms[part] for part, krw in pieces)


def test_signature__of_the_library_and_ours_are_the_same():
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, AT)
    verify(header, BODY, [SECRET], NOW)
    assert header == signature(BODY, AT)


@pytest.mark.parametrize("shift_s", [-WINDOW_S, 0, WINDOW_S])
def test_signature__holds_within_the_replay_window(shift_s):
    verify(signature(BODY, AT), BODY, [SECRET], NOW + timedelta(seconds=shift_s))


@pytest.mark.parametrize("shift_s", [-WINDOW_S - 1, WINDOW_S + 1])
def test_signature__is_refused_outside_the_replay_window(shift_s):
    with pytest.raises(BadInput, match="replay window"):
        verify(signature(BODY, AT), BODY, [SECRET], NOW + timedelta(seconds=shift_s))


def test_signature__of_an_old_and_a_new_secret_holds_while_one_is_replaced():
    verify(signature(BODY, AT, "whsec_old", "whsec_new"), BODY, ["whsec_new"], NOW)
    verify(signature(BODY, AT, "whsec_old"), BODY, ["whsec_new", "whsec_old"], NOW)
    with pytest.raises(BadInput, match="known secret"):
        verify(signature(BODY, AT, "whsec_old"), BODY, ["whsec_new"], NOW)


@given(st.binary(max_size=40), st.integers(0, 300))
def test_signature__of_another_body_never_holds(body, place):
    changed = BODY[:place] + body + BODY[place:]
    if changed != BODY:
        with pytest.raises(BadInput):
            verify(signature(BODY, AT), changed, [SECRET], NOW)


@given(st.text(max_size=200))
def test_signature__a_header_that_is_none_is_refused(header):
    with pytest.raises(BadInput):
        verify(header, BODY, [SECRET, ""], NOW)


def test_signature__by_the_empty_secret_never_holds():
    with pytest.raises(BadInput):
        verify(signature(BODY, AT, "x"), BODY, [""], NOW)


INTENT = {
    "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1000, "amount_received": 1000,
    "currency": "krw", "latest_charge": "ch_1", "created": AT, "metadata": {"key": "k"},
}  # fmt: skip
REFUND = {
    "id": "re_1", "object": "refund", "status": "succeeded", "amount": 5, "currency": "krw", "payment_intent": "pi_1",
    "charge": "ch_1", "created": AT, "metadata": None,
}  # fmt: skip
MOVEMENT = {
    "id": "txn_1", "object": "balance_transaction", "type": "charge", "source": "ch_1", "amount": 1000, "fee": 29,
    "currency": "krw", "created": AT,
}  # fmt: skip
PAYOUT = {
    "id": "po_1", "object": "payout", "status": "paid", "amount": 971, "currency": "krw", "automatic": True,
    "arrival_date": AT, "created": AT,
}  # fmt: skip
EVENT = {
    "id": "evt_1", "object": "event", "type": "payout.paid", "livemode": False, "created": AT,
    "data": {"object": PAYOUT},
}  # fmt: skip


def test_objects__are_read_in_whole_won_never_a_hundredth():
    intent = read_intent(INTENT)
    assert (intent.amount_krw, intent.received_krw, intent.charge_id, intent.key) == (1000, 1000, "ch_1", "k")
    assert read_intent(INTENT | {"latest_charge": {"id": "ch_2", "created": AT}}).paid_at == NOW
    assert read_refund(REFUND).amount_krw == 5
    assert (read_movement(MOVEMENT).amount_krw, read_movement(MOVEMENT).fee_krw) == (1000, 29)
    assert read_payout(PAYOUT).arrives_at == NOW
    assert read_event(EVENT).object == PAYOUT


@pytest.mark.parametrize(
    ("read", "found", "field"),
    [
        (read_intent, INTENT | {"amount": 10.0}, "amount"),
        (read_intent, INTENT | {"amount": "1000"}, "amount"),
        (read_intent, INTENT | {"amount": True}, "amount"),
        (read_intent, INTENT | {"amount": -1}, "amount"),
        (read_intent, INTENT | {"amount": 10**16}, "amount"),
        (read_intent, INTENT | {"id": ""}, "id"),
        (read_intent, INTENT | {"id": "pi\x00"}, "id"),
        (read_intent, INTENT | {"id": "p" * 256}, "id"),
        (read_intent, INTENT | {"object": "charge"}, "object"),
        (read_intent, INTENT | {"latest_charge": 5}, "latest_charge"),
        (read_intent, INTENT | {"created": 5}, "created"),
        (read_intent, INTENT | {"metadata": {"key": 5}}, "key"),
        (read_intent, [INTENT], "payment_intent"),
        (read_refund, REFUND | {"amount": None}, "amount"),
        (read_refund, REFUND | {"payment_intent": ["pi_1"]}, "payment_intent"),
        (read_movement, MOVEMENT | {"fee": 0.5}, "fee"),
        (read_payout, PAYOUT | {"arrival_date": "2025-12-03"}, "arrival_date"),
        (read_event, EVENT | {"livemode": None}, "livemode"),
        (read_event, EVENT | {"object": "v2.core.event"}, "object"),
        (read_event, EVENT | {"data": []}, "data"),
    ],
)
def test_objects__what_is_not_as_it_must_be_is_not_read(read, found, field):
    with pytest.raises(Unreadable) as caught:
        read(found)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "key", ["sk_test_hush\n", "sk_test_hush\r\nX: y", " sk_test_hush", "sk_test_가hush", "sk test hush"]
)
def test_key__that_can_be_none_is_refused_before_anything_repeats_it(key):
    with pytest.raises(BadInput, match="STRIPE_API_KEY") as caught:
        StripeClient(Settings(stripe_api_key=key)).intent("pi_1")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://[::1", "nonsense", "ftp://x", "http://user:hush@127.0.0.1:1", "http://x\n"]
)
def test_address__that_can_be_none_is_refused_before_anything_repeats_it(address):
    with pytest.raises(BadInput, match="STRIPE_API_BASE") as caught:
        StripeClient(Settings(stripe_api_key="sk_test_1", stripe_api_base=address)).intent("pi_1")
    assert "hush" not in str(caught.value)

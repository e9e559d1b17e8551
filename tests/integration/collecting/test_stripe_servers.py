"""Our client against Stripe's test servers: localstripe keeps state and sends webhooks, stripe-mock checks every
request against Stripe's own description of its API."""

import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import requests
from sqlalchemy import text

from billing.stripe_client import StripeClient
from core.month import kst_day
from core.settings import Settings
from tests.conftest import ROOT
from tests.integration.collecting.conftest import application
from tests.stripe_webhooks import SECRET

NUMBER = "INV-OP-2025-000001"
KEY = ("sk_test_123", "")
SINCE = datetime(2025, 12, 3, tzinfo=UTC)
GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000341"


def wait_until(condition, seconds: int = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.1)


def pay(address: str, intent: str, card: str) -> requests.Response:
    """What the company's browser does: a card for the intent, and its confirmation."""
    details = {"number": card, "exp_month": "12", "exp_year": "2030", "cvc": "123"}
    asked = {"type": "card", **{f"card[{name}]": value for name, value in details.items()}}
    method = requests.post(f"{address}/v1/payment_methods", data=asked, auth=KEY, timeout=10).json()["id"]
    place = f"{address}/v1/payment_intents/{intent}"
    requests.post(place, data={"payment_method": method}, auth=KEY, timeout=10).raise_for_status()
    return requests.post(f"{place}/confirm", auth=KEY, timeout=10)


@contextmanager
def webhooks_to(address: str, own: str):
    """localstripe sends each event twice, as Stripe may; the secret is being replaced."""
    for name in ("first", "second"):
        asked = {"url": f"{own}/stripe/webhook", "secret": SECRET}
        requests.post(f"{address}/_config/webhooks/{name}", json=asked, timeout=10).raise_for_status()
    yield


def test_localstripe__an_invoice_is_collected_in_two_parts_refunded_and_reconciled(
    localstripe, jeongsan, engine, books, monkeypatch
):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", f"whsec_new, {SECRET}")
    with application(Settings.from_environment()) as own, webhooks_to(localstripe, own):
        first, second = jeongsan("stripe", "collect")["parts"]
        assert pay(localstripe, first["intent"], DECLINED_CARD).status_code == 402
        assert pay(localstripe, second["intent"], GOOD_CARD).json()["status"] == "succeeded"
        wait_until(lambda: books().get("cash:stripe") == 17_647_060)
        assert books()["receivable:company:P1"] == 99_999_999
    # the application is away: nothing brings the rest but the poll
    refund = jeongsan("stripe", "refund", NUMBER, "--krw", 47_060, "--reason", "취소된 작업", "--by", "finance-1")
    assert [one["status"] for one in refund["refunds"]] == ["succeeded"]
    too_much = {"payment_intent": second["intent"], "amount": 99_999_999}
    requests.post(f"{localstripe}/v1/refunds", data=too_much, auth=KEY, timeout=10).raise_for_status()
    answer = jeongsan("stripe", "poll")
    assert ["above what was collected" in one["reason"] for one in answer["listed"]] == [True]
    assert answer["events"]["already"] >= 1
    assert books()["cash:stripe"] == 17_600_000
    found = jeongsan("stripe", "reconcile", "--day", kst_day(datetime.now(UTC)), exit_code=1)
    assert [one["check"] for one in found["differences"]] == ["charge differs from the balance"]  # what is too much
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT type, outcome FROM stripe_event ORDER BY created_at, type")).all()
    assert {tuple(row) for row in rows} == {
        ("payment_intent.payment_failed", "recorded"), ("payment_intent.succeeded", "booked"),
    }  # fmt: skip


def test_localstripe__knows_no_idempotency_keys_and_a_lost_answer_is_still_not_asked_for_twice(
    localstripe, jeongsan, owner
):
    jeongsan("stripe", "collect")
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE stripe_part DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE stripe_part SET intent_id = NULL, status = 'requested'"))
        connection.execute(text("ALTER TABLE stripe_part ENABLE TRIGGER USER"))
    jeongsan("stripe", "collect")
    listed = requests.get(f"{localstripe}/v1/payment_intents", auth=KEY, timeout=10).json()["data"]
    assert len(listed) == 2


# ---------------------------------------------------------------- stripe-mock

CALLS = {
    "create_intent": lambda client: client.create_intent(99_999_999, {"invoice": NUMBER, "part": "1"}, "k-1"),
    "cancel_intent": lambda client: client.cancel_intent("pi_1"),
    "intent": lambda client: client.intent("pi_1"),
    "create_refund": lambda client: client.create_refund("pi_1", 5_000, {"invoice": NUMBER}, "k-2"),
    "refund": lambda client: client.refund("re_1"),
    "payout": lambda client: client.payout("po_1"),
    "intents": lambda client: list(client.intents(SINCE)),
    "events": lambda client: list(client.events(SINCE)),
    "refunds": lambda client: list(client.refunds(SINCE)),
    "payouts": lambda client: list(client.payouts(SINCE)),
    "movements": lambda client: list(client.movements(SINCE)),
    "paid_out": lambda client: list(client.paid_out("po_1")),
}


@pytest.fixture(scope="session")
def stripe_mock():
    """The address of stripe-mock, built where it is missing."""
    built = subprocess.run([ROOT / "scripts" / "stripe-mock"], capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"stripe-mock cannot be built: {built.stderr.strip()[-300:]}")
    command = [ROOT / built.stdout.strip(), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = next(line for line in process.stdout if "HTTP at" in line)
        yield f"http://{said.split('address:')[1].strip()}"
        process.terminate()


def test_stripe_mock__every_request_of_our_client_is_as_stripe_describes_it(stripe_mock, subtests):
    client = StripeClient(Settings(stripe_api_key="sk_test_123", stripe_api_base=stripe_mock))
    assert set(CALLS) == {name for name in vars(StripeClient) if not name.startswith("_")}
    for name, call in CALLS.items():
        with subtests.test(name):
            assert call(client)


def test_stripe_mock__speaks_when_a_request_is_not_as_described(stripe_mock):
    for asked in ({"amount": "5", "currency": "krw", "colour": "red"}, {"currency": "krw"}, {"amount": "five"}):
        answer = requests.post(f"{stripe_mock}/v1/payment_intents", data=asked, auth=KEY, timeout=10)
        assert answer.status_code == 400

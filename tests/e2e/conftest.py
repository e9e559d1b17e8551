"""Stripe's side of the whole chain: localstripe over HTTP, companies that pay by card, webhooks kept for delivery."""

import json
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from core.settings import Settings
from tests.integration.collecting.conftest import application, localstripe
from tests.running import running
from tests.stripe_webhooks import SECRET, body_of, signature

__all__ = ["localstripe"]
KEY = "sk_test_123"
CARD = {"card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "30", "card[cvc]": "123"}


class StripeSide:
    """What happens at Stripe, and the webhooks that it sent, each as body and signature."""

    def __init__(self, address: str, portal: str, sent: list[tuple[bytes, str]]):
        self._address, self._portal, self._sent = address, portal, sent

    def pays_by_card(self, intent: str) -> None:
        """The company gives its card to a payment intent."""
        card = self._post("/v1/payment_methods", {"type": "card", **CARD})["id"]
        self._post(f"/v1/payment_intents/{intent}", {"payment_method": card})
        assert self._post(f"/v1/payment_intents/{intent}/confirm", {})["status"] == "succeeded"

    def webhooks(self, succeeded: int) -> list[tuple[bytes, str]]:
        """Everything that was sent once that many payments have succeeded and nothing came for two seconds."""
        deadline = time.monotonic() + 30
        while sum(json.loads(body)["type"] == "payment_intent.succeeded" for body, _ in self._sent) < succeeded:
            assert time.monotonic() < deadline, "the webhooks did not come"
            time.sleep(0.1)
        count = -1
        while count != len(self._sent):
            count = len(self._sent)
            time.sleep(2)
        return list(self._sent)

    def deliver(self, webhook: tuple[bytes, str]) -> tuple[int, dict]:
        """Brings a webhook to the portal; its status and answer."""
        body, signature = webhook
        request = Request(f"{self._portal}/stripe/webhook", body, {"Stripe-Signature": signature})
        try:
            with urlopen(request) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, {}

    def pays_out(self, amount_krw: int) -> tuple[int, dict]:
        """Stripe's own payout to our bank account, which localstripe makes in euro only: brought to the portal."""
        at = int(time.time())
        payout = {"id": "po_demo", "object": "payout", "status": "paid", "amount": amount_krw, "currency": "krw",
                  "automatic": True, "arrival_date": at, "created": at}  # fmt: skip
        event = {"id": "evt_payout", "object": "event", "type": "payout.paid", "created": at, "livemode": False,
                 "data": {"object": payout}}  # fmt: skip
        body = body_of(event)
        return self.deliver((body, signature(body, at)))

    def _post(self, path: str, fields: dict[str, str]) -> dict:
        signed_in = b64encode(f"{KEY}:".encode()).decode()
        data = urlencode(fields).encode()
        with urlopen(Request(self._address + path, data, {"Authorization": f"Basic {signed_in}"})) as answer:
            return json.load(answer)


@pytest.fixture
def stripe(settings, localstripe, monkeypatch):
    """localstripe, the portal over HTTP, and the webhooks between them, kept until they are delivered."""
    monkeypatch.setenv("SECRET_KEY", "a secret of the tests")
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    sent: list[tuple[bytes, str]] = []

    class Keeping(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((body, self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Says nothing."""

    with (
        running(ThreadingHTTPServer(("127.0.0.1", 0), Keeping)) as hook,
        application(Settings.from_environment()) as portal,
    ):
        registered = urlencode({"url": hook, "secret": SECRET}).encode()
        urlopen(f"{localstripe}/_config/webhooks/portal", registered).close()
        yield StripeSide(localstripe, portal, sent)

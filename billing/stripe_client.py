"""The one door to the `stripe` library: what we ask of Stripe's API, answered in our own values and errors."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import stripe

from billing.stripe_objects import KRW, Intent, Refund, Unreadable, read_intent, read_refund
from core.errors import BadInput, RuleRefused, ServerUnreachable
from core.settings import Settings

TIMEOUT_S = 20
RETRIES = 2  # of what did not answer or failed at Stripe; each carries its idempotency key, so none is done twice
PAGE = 100
KEY = re.compile(r"[!-~]+")
ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?", re.ASCII)


class StripeClient:
    """Stripe's API as we use it. A call raises ServerUnreachable when Stripe does not answer (what was asked may have
    been done: ask again with the same key), RuleRefused when it refuses, BadInput for an API key it does not know."""

    def __init__(self, settings: Settings):
        """Nothing connects before the first call. Raises BadInput without STRIPE_API_KEY, and for a key or an address
        that can be none: the library's own error would show the key whole."""
        if not settings.stripe_api_key:
            raise BadInput(
                "STRIPE_API_KEY가 없습니다. Stripe의 비밀 키를 설정하세요 (set Stripe's secret key in STRIPE_API_KEY)."
            )
        if not KEY.fullmatch(settings.stripe_api_key):
            raise BadInput(
                "STRIPE_API_KEY: 빈칸이나 줄바꿈, 영문자가 아닌 글자가 있습니다. 키만 다시 설정하세요 "
                "(blanks, line ends or letters that no key has)."
            )
        if settings.stripe_api_base and not ADDRESS.fullmatch(settings.stripe_api_base):
            raise BadInput("STRIPE_API_BASE: https://서버 처럼 적으세요 (write it like https://server).")
        addresses = {"base_addresses": {"api": settings.stripe_api_base}} if settings.stripe_api_base else {}
        client = stripe.StripeClient(
            settings.stripe_api_key, max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S), **addresses,
        )  # fmt: skip
        self._api = client.v1

    def create_intent(self, amount_krw: int, metadata: Mapping[str, str], key: str) -> Intent:
        """A payment intent over whole won: KRW is zero-decimal, so nothing is multiplied."""
        with _answered():
            asked = {"amount": amount_krw, "currency": KRW, "metadata": {**metadata, "key": key}}
            return read_intent(self._api.payment_intents.create(asked, {"idempotency_key": key}).to_dict())

    def cancel_intent(self, intent_id: str) -> Intent:
        """Ends an intent that nobody has paid; Stripe refuses for one that is paid or being paid."""
        with _answered():
            return read_intent(self._api.payment_intents.cancel(intent_id).to_dict())

    def intent(self, intent_id: str) -> Mapping[str, Any]:
        """An intent as it stands now, with its charge, as Stripe sends it."""
        with _answered():
            return self._api.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]}).to_dict()

    def create_refund(self, intent_id: str, amount_krw: int, metadata: Mapping[str, str], key: str) -> Refund:
        """Gives back won of what an intent collected."""
        with _answered():
            asked = {"payment_intent": intent_id, "amount": amount_krw, "metadata": {**metadata, "key": key}}
            return read_refund(self._api.refunds.create(asked, {"idempotency_key": key}).to_dict())

    def refund(self, refund_id: str) -> Mapping[str, Any]:
        """A refund as it stands now."""
        with _answered():
            return self._api.refunds.retrieve(refund_id).to_dict()

    def payout(self, payout_id: str) -> Mapping[str, Any]:
        """A payout as it stands now."""
        with _answered():
            return self._api.payouts.retrieve(payout_id).to_dict()

    def intents(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """The payment intents made since an instant, as Stripe sends them."""
        return self._all(self._api.payment_intents.list, since)

    def events(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """What happened since an instant; Stripe keeps 30 days of it."""
        return self._all(self._api.events.list, since)

    def refunds(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """The refunds made since an instant."""
        return self._all(self._api.refunds.list, since)

    def payouts(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """The payouts made since an instant."""
        return self._all(self._api.payouts.list, since)

    def movements(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """The movements of our balance (balance transactions) since an instant."""
        return self._all(self._api.balance_transactions.list, since)

    def paid_out(self, payout_id: str) -> Iterator[Mapping[str, Any]]:
        """The movements of our balance that an automatic payout paid out, itself among them."""
        with _answered():
            listed = self._api.balance_transactions.list({"payout": payout_id, "limit": PAGE})
            for one in listed.auto_paging_iter():
                yield one.to_dict()

    def _all(self, listing: Callable, since: datetime) -> Iterator[Mapping[str, Any]]:
        with _answered():
            listed = listing({"created": {"gte": int(since.timestamp())}, "limit": PAGE})
            for one in listed.auto_paging_iter():
                yield one.to_dict()


@contextmanager
def _answered() -> Iterator[None]:
    """Stripe's errors as ours."""
    try:
        yield
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise BadInput(
            f"STRIPE_API_KEY: Stripe가 받아들이지 않는 키입니다 (the key is not accepted): {error.user_message}"
        ) from None
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ServerUnreachable(
            "Stripe가 응답하지 않습니다. 같은 명령을 다시 실행해도 됩니다 (Stripe does not answer; repeating is safe): "
            f"{error.user_message}"
        ) from None
    except stripe.IdempotencyError as error:
        raise RuleRefused(
            f"Stripe: 이미 쓴 키에 다른 내용입니다 (other content under a used key): {error.user_message}"
        ) from None
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        raise RuleRefused(f"Stripe가 거절했습니다 (Stripe refuses): {error.user_message}") from None
    except stripe.StripeError as error:
        raise ServerUnreachable(f"Stripe의 오류입니다 (an error at Stripe): {error.user_message}") from None
    except Unreadable as error:
        raise ServerUnreachable(
            f"Stripe의 답을 읽을 수 없습니다 (Stripe's answer cannot be read): {error.field}"
        ) from None

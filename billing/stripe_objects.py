"""Stripe's objects as frozen values, read strictly: an amount is whole won, or the object is not read.

KRW has no minor unit at Stripe (zero-decimal): an amount of 1000 is 1,000 won, never × 100 (domain.md §8).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KRW = "krw"
LARGEST = 10**15
LONGEST = 255
FIRST_S, END_S = 946_684_800, 32_503_680_000  # the years 2000 to 2999


class Unreadable(ValueError):
    """An object that lacks what we need of it, or has it in another form; `field` says where."""

    def __init__(self, field: str):
        super().__init__(field)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A payment intent. `key`: our idempotency key, from its metadata; `received_krw`: what was collected so far;
    `paid_at`: its charge's instant, where the charge came with it."""

    id: str
    status: str
    amount_krw: int
    received_krw: int
    currency: str
    key: str
    charge_id: str | None
    paid_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Refund:
    """A refund of a charge, in won. `key`: our idempotency key, of a refund that we asked for."""

    id: str
    status: str
    amount_krw: int
    currency: str
    key: str
    reason: str
    intent_id: str | None
    charge_id: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A balance transaction: won before its fee, the fee, and the charge, refund or payout that it is about."""

    id: str
    type: str
    source: str | None
    amount_krw: int
    fee_krw: int
    currency: str
    moved_at: datetime


@dataclass(frozen=True, kw_only=True)
class Payout:
    """A payout to our bank account; it arrives on a local day."""

    id: str
    status: str
    amount_krw: int
    currency: str
    automatic: bool
    arrives_at: datetime
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event's envelope; `object` is what it is about, as it was then, read by its type later."""

    id: str
    type: str
    livemode: bool
    created_at: datetime
    object: Mapping[str, Any]


def read_event(value: Any) -> Event:
    """An event. Raises Unreadable."""
    event = _mapping(value, "event")
    if event.get("object") != "event":
        raise Unreadable("object")
    data = _mapping(event.get("data"), "data")
    livemode = event.get("livemode")
    if not isinstance(livemode, bool):
        raise Unreadable("livemode")
    return Event(
        id=_text(event, "id"), type=_text(event, "type"), livemode=livemode,
        created_at=_instant(event, "created"), object=_mapping(data.get("object"), "data.object"),
    )  # fmt: skip


def read_intent(value: Any) -> Intent:
    """A payment intent. Raises Unreadable."""
    intent = _object(value, "payment_intent")
    amount_krw, charge = _won(intent, "amount"), intent.get("latest_charge")
    received = "amount_received" if "amount_received" in intent else "amount"
    return Intent(
        id=_text(intent, "id"), status=_text(intent, "status"), amount_krw=amount_krw,
        received_krw=_won(intent, received), currency=_text(intent, "currency"), key=_key(intent),
        charge_id=_reference(charge, "latest_charge"),
        paid_at=_instant(charge, "created") if isinstance(charge, Mapping) else None,
        created_at=_instant(intent, "created"),
    )  # fmt: skip


def read_refund(value: Any) -> Refund:
    """A refund. Raises Unreadable."""
    refund = _object(value, "refund")
    return Refund(
        id=_text(refund, "id"), status=_text(refund, "status"), amount_krw=_won(refund, "amount"),
        currency=_text(refund, "currency"), key=_key(refund),
        reason=_text(refund, "reason") if refund.get("reason") else "",
        intent_id=_reference(refund.get("payment_intent"), "payment_intent"),
        charge_id=_reference(refund.get("charge"), "charge"), created_at=_instant(refund, "created"),
    )  # fmt: skip


def read_movement(value: Any) -> Movement:
    """A balance transaction. Raises Unreadable."""
    movement = _object(value, "balance_transaction")
    return Movement(
        id=_text(movement, "id"), type=_text(movement, "type"), source=_reference(movement.get("source"), "source"),
        amount_krw=_won(movement, "amount", signed=True), fee_krw=_won(movement, "fee", signed=True),
        currency=_text(movement, "currency"), moved_at=_instant(movement, "created"),
    )  # fmt: skip


def read_payout(value: Any) -> Payout:
    """A payout. Raises Unreadable."""
    payout = _object(value, "payout")
    return Payout(
        id=_text(payout, "id"), status=_text(payout, "status"), amount_krw=_won(payout, "amount", signed=True),
        currency=_text(payout, "currency"), automatic=payout.get("automatic") is True,
        arrives_at=_instant(payout, "arrival_date"), created_at=_instant(payout, "created"),
    )  # fmt: skip


def _mapping(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable(field)
    return value


def _object(value: Any, kind: str) -> Mapping[str, Any]:
    found = _mapping(value, kind)
    if found.get("object") != kind:
        raise Unreadable("object")
    return found


def _text(found: Mapping[str, Any], field: str) -> str:
    value = found.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
        raise Unreadable(field)
    return value


def _reference(value: Any, field: str) -> str | None:
    """The id of what a field refers to, whether it came as an id or as the object itself."""
    if value is None or isinstance(value, Mapping):
        return None if value is None else _text(value, "id")
    return _text({field: value}, field)


def _won(found: Mapping[str, Any], field: str, *, signed: bool = False) -> int:
    value = found.get(field)
    if type(value) is not int or abs(value) > LARGEST or (value < 0 and not signed):
        raise Unreadable(field)
    return value


def _instant(found: Mapping[str, Any], field: str) -> datetime:
    value = found.get(field)
    if type(value) is not int or not FIRST_S <= value < END_S:
        raise Unreadable(field)
    return datetime.fromtimestamp(value, UTC)


def _key(found: Mapping[str, Any]) -> str:
    """Our idempotency key in the object's metadata; empty where somebody else made it."""
    metadata = found.get("metadata") or {}
    return _text(metadata, "key") if isinstance(metadata, Mapping) and "key" in metadata else ""

"""Stripe's events in, by webhook or by poll (domain.md §8): verified, once per event id, safe out of order."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, text

from billing.stripe_booking import settle
from billing.stripe_facts import Listed, lock_facts, record_intent, record_payout, record_refund
from billing.stripe_models import StripeEvent
from billing.stripe_objects import (
    LARGEST,
    LONGEST,
    Event,
    Unreadable,
    read_event,
    read_intent,
    read_payout,
    read_refund,
)
from billing.stripe_signature import verify
from core.errors import BadInput

LARGEST_BODY_BYTES = 256 * 1024
KEPT = (
    "id", "object", "status", "amount", "amount_received", "currency", "latest_charge", "charge", "payment_intent",
    "reason", "arrival_date",
)  # fmt: skip
NOTED = (
    "charge.captured", "charge.expired", "charge.failed", "charge.pending", "charge.refunded", "charge.succeeded",
    "charge.updated", "balance.available",
)  # fmt: skip
OTHER_MODE = "시험과 실제 결제가 섞였습니다 (a test event for a live key, or a live one for a test key)"
OTHER_TYPE = "다루지 않는 종류입니다 (a type that we do not handle)"
DISPUTE = "이의 제기된 결제: 사람이 처리합니다 (a dispute: a person must answer it)"


@dataclass(frozen=True, kw_only=True)
class ListedEvent:
    """An event that was not taken, and why; won where its object has an amount."""

    id: str
    type: str
    object_id: str
    created_at: datetime
    received_by: str
    amount_krw: int | None
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of an event: `booked`, `recorded`, `listed` with the reason, or `already` taken before."""

    outcome: str
    reason: str = ""


def receive(engine: Engine, body: bytes, signature: str, *, secrets: Sequence[str], live: bool, now: datetime) -> Taken:
    """Takes a webhook. Raises BadInput for a signature that does not hold or a body that is no event: nothing of it is
    kept. Everything else is answered, so that Stripe does not send it again."""
    verify(signature, body, secrets, now)
    event = _parse(body)
    with engine.begin() as connection:
        return take_event(connection, event, live=live, now=now, by="webhook")


def take_event(connection: Connection, event: Event, *, live: bool, now: datetime, by: str) -> Taken:
    """Records an event once and books what follows from it; `live`: whether our own key is for real money."""
    lock_facts(connection)
    if connection.scalar(text("SELECT 1 FROM stripe_event WHERE id = :id"), {"id": event.id}):
        return Taken(outcome="already")
    taken = _taken(connection, event, now) if event.livemode == live else Taken(outcome="listed", reason=OTHER_MODE)
    content = _kept(event.object)
    connection.execute(
        insert(StripeEvent).values(
            id=event.id, type=event.type, object_id=content.get("id", ""), created_at=event.created_at,
            received_at=now, received_by=by, content=content, outcome=taken.outcome, reason=taken.reason,
        )
    )  # fmt: skip
    return taken


def listed_events(connection: Connection) -> list[ListedEvent]:
    """The events that were not taken, oldest first, without those whose object a later event or poll has booked."""
    rows = connection.execute(
        text(
            "SELECT id, type, object_id, created_at, received_by, CAST(content ->> 'amount' AS bigint) AS amount_krw,"
            " coalesce(content ->> 'currency', '') AS currency, reason FROM stripe_event WHERE outcome = 'listed'"
            " AND NOT EXISTS (SELECT FROM payment WHERE channel = 'stripe' AND reference = object_id"
            "  AND entry_id IS NOT NULL) ORDER BY created_at, id"
        )
    )
    return [ListedEvent(**row._mapping) for row in rows]


def _taken(connection: Connection, event: Event, now: datetime) -> Taken:
    try:
        with connection.begin_nested():
            part_id = _record(connection, event)
    except Listed as error:
        return Taken(outcome="listed", reason=error.reason)
    except Unreadable as error:
        return Taken(outcome="listed", reason=unreadable(error))
    settled = settle(connection, now, part_id)
    if settled.refused:
        return Taken(outcome="listed", reason=" / ".join(reason for _, reason in settled.refused))
    return Taken(outcome="booked" if settled.booked else "recorded")


def _record(connection: Connection, event: Event) -> int:
    """The part that the event's object is of; 0 when there is none to book."""
    if event.type.startswith("payment_intent."):
        return record_intent(connection, read_intent(event.object), event.created_at)
    if event.type.startswith("refund.") or event.type == "charge.refund.updated":
        return record_refund(connection, read_refund(event.object), event.created_at)
    if event.type.startswith("payout."):
        record_payout(connection, read_payout(event.object))
    elif event.type.startswith("charge.dispute."):
        raise Listed(DISPUTE)
    elif event.type not in NOTED:
        raise Listed(OTHER_TYPE)
    return 0


def unreadable(error: Unreadable) -> str:
    """Why an object is listed that could not be read."""
    return f"읽을 수 없는 내용입니다 (cannot be read): {error.field}"


def _parse(body: bytes) -> Event:
    try:
        return read_event(json.loads(body.decode(), parse_constant=_refuse))
    except Unreadable as error:
        raise BadInput(unreadable(error)) from None
    except (ValueError, RecursionError):
        raise BadInput("본문이 JSON이 아닙니다 (the body is not JSON).") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that we use, as they came; what is no plain value there is left out, and everything else with it."""
    return {
        name: found[name] for name in KEPT
        if (type(found.get(name)) is int and abs(found[name]) <= LARGEST)
        or (isinstance(found.get(name), str) and len(found[name]) <= LONGEST and found[name].isprintable())
    }  # fmt: skip

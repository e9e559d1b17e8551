"""What no webhook brought (domain.md §8): Stripe is asked for it. With the webhooks, each thing is taken once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, text

from billing.stripe_booking import settle
from billing.stripe_client import StripeClient
from billing.stripe_facts import Listed, lock_facts, record_intent, record_movement, record_payout, record_refund
from billing.stripe_intake import take_event, unreadable
from billing.stripe_objects import Unreadable, read_event, read_intent, read_movement, read_payout, read_refund
from core.errors import RuleRefused

OVERLAP = timedelta(days=1)
KEPT_AT_STRIPE = timedelta(days=30)  # how long Stripe lists an event
OPEN_INTENTS = "SELECT intent_id FROM stripe_part WHERE status = 'open' ORDER BY id"
OPEN_REFUNDS = "SELECT refund_id FROM stripe_refund WHERE status = 'pending' ORDER BY id"
OPEN_PAYOUTS = "SELECT id FROM stripe_payout WHERE status IN ('pending', 'in_transit') ORDER BY id"
PAYOUTS_WITHOUT_ITEMS = (
    "SELECT id FROM stripe_payout WHERE automatic AND NOT EXISTS (SELECT FROM stripe_payout_item WHERE payout_id = id)"
    " ORDER BY id"
)
Found = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Polled:
    """What a poll found: events since an instant by what became of them, payments booked by it, and what of Stripe's
    objects was not taken and why: (id, reason)."""

    since: datetime
    events: Mapping[str, int]
    booked: int
    listed: tuple[tuple[str, str], ...]


def poll(engine: Engine, client: StripeClient, now: datetime, *, live: bool) -> Polled:
    """Asks Stripe for everything since the last poll, a day earlier to be safe, and for what we know to be unfinished.

    Safe beside webhooks and another poll; one that does not come to its end is begun again where it began. Raises what
    StripeClient raises.
    """
    since = _since(engine, now)
    outcomes: Counter[str] = Counter()

    def take_one(connection: Connection, found: Found) -> None:
        outcomes[take_event(connection, read_event(found), live=live, now=now, by="poll").outcome] += 1

    def take_intent(connection: Connection, found: Found) -> None:
        intent = read_intent(found)
        record_intent(connection, intent, intent.paid_at or now)

    def take_refund(connection: Connection, found: Found) -> None:
        record_refund(connection, read_refund(found), now)

    listed = [
        *_take(engine, reversed(list(client.events(since))), take_one),  # oldest first
        *_take_open(engine, OPEN_INTENTS, client.intent, take_intent),
        *_take_open(engine, OPEN_REFUNDS, client.refund, take_refund),
        *_take(engine, client.refunds(since), take_refund),
        *_take_open(engine, OPEN_PAYOUTS, client.payout, _take_payout),
        *_take(engine, client.payouts(since), _take_payout),
        *_take(engine, client.movements(since), _take_movement),
    ]
    for payout_id in _ids(engine, PAYOUTS_WITHOUT_ITEMS):
        listed += _take(engine, client.paid_out(payout_id), partial(_take_movement, payout_id=payout_id))
    with engine.begin() as connection:
        lock_facts(connection)
        settled = settle(connection, now)
        connection.execute(text("INSERT INTO stripe_poll (polled_at) VALUES (:now)"), {"now": now})
    return Polled(since=since, events=dict(outcomes), booked=settled.booked, listed=(*listed, *settled.refused))


def _since(engine: Engine, now: datetime) -> datetime:
    with engine.connect() as connection:
        last = connection.scalar(text("SELECT max(polled_at) FROM stripe_poll"))
    return now - KEPT_AT_STRIPE if last is None else last - OVERLAP


def _ids(engine: Engine, query: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text(query)))


def _take(
    engine: Engine, found: Iterable[Found], record: Callable[[Connection, Found], None]
) -> Iterator[tuple[str, str]]:
    """Records each object in a transaction of its own; yields those that are not taken, and why."""
    for one in found:
        try:
            with engine.begin() as connection:
                lock_facts(connection)
                record(connection, one)
        except Listed as error:
            yield str(one.get("id")), error.reason
        except Unreadable as error:
            yield str(one.get("id")), unreadable(error)


def _take_open(
    engine: Engine, query: str, retrieve: Callable[[str], Found], record: Callable[[Connection, Found], None]
) -> Iterator[tuple[str, str]]:
    """Records what we know to be unfinished as it stands now; yields what Stripe does not know any more as well."""
    for known in _ids(engine, query):
        try:
            found = retrieve(known)
        except RuleRefused as error:
            yield known, str(error)
        else:
            yield from _take(engine, [found], record)


def _take_payout(connection: Connection, found: Found) -> None:
    record_payout(connection, read_payout(found))


def _take_movement(connection: Connection, found: Found, payout_id: str | None = None) -> None:
    record_movement(connection, read_movement(found), payout_id)

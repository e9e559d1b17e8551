"""Collecting by Stripe (domain.md §8): a payment intent for each part of what a company owes, each asked for once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from billing.stripe_client import StripeClient
from billing.stripe_due import SMALLEST_CHARGE_KRW, Due, Part, parts_of, split_charge, what_is_due
from billing.stripe_facts import Listed, lock_facts, record_intent
from billing.stripe_objects import KRW, Intent, Unreadable, read_intent
from billing.stripe_request import CLOCKS, alone, refuse_other_content, request_hash
from core.errors import RuleRefused

TOO_SMALL = "Stripe로 받기에 너무 작은 금액입니다. 계좌로 받으세요 (too small for a charge: by bank)"
GIVEN_BACK = (
    "Stripe로 받은 것을 계좌로 돌려주었습니다. 계좌로 받으세요 "
    "(what Stripe had collected was given back by bank: collect it by bank)"
)
NOT_CANCELED = "받을 것보다 많은 결제를 취소하지 못했습니다 (an intent beyond what is due is not canceled)"


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What `collect` left: the parts of all that is due, how many of them are new, and what is left and why."""

    parts: tuple[Part, ...]
    new: int
    left: tuple[tuple[str, int, str], ...]


def collect(
    engine: Engine, client: StripeClient, now: datetime, *, programme: str | None = None, invoice: str | None = None
) -> Collection:
    """Asks Stripe for a payment intent over each part of what is due of projects with the channel stripe.

    A part is on record before Stripe is asked and is asked for under its own key: what was killed or not answered is
    repeated without collecting twice. When intents ask for more than is still due (the company paid by bank), those
    that nobody has paid are canceled first. Raises BadInput for an invoice that is not due, and what StripeClient does.
    """
    with alone(engine):
        with engine.connect() as connection:
            due = what_is_due(connection, programme, invoice)
            references = [one.reference for one in due]
            unanswered = [one for one in parts_of(connection, references) if one.status == "requested"]
        for part in unanswered:
            _ask(engine, client, part, again=True)
        over = [one.reference for one in due if one.rest_krw < 0]
        kept = [one for one in _open_parts(engine, over) if not _cancel(engine, client, one, now)]
        with engine.begin() as connection:
            lock_facts(connection)
            rest = [one for one in what_is_due(connection, programme, None) if one.reference in references]
            new, beyond = [], []
            for one in rest:
                asked = _request(connection, one, now)
                new += asked or []
                beyond += [one] if asked is None else []
        for part in new:
            _ask(engine, client, part, again=False)
        with engine.connect() as connection:
            parts = parts_of(connection, references)
    left = [(one.reference, one.amount_krw, NOT_CANCELED) for one in kept]
    left += [(one.reference, one.rest_krw, GIVEN_BACK) for one in beyond]
    left += [(one.reference, one.rest_krw, TOO_SMALL) for one in rest if 0 < one.rest_krw < SMALLEST_CHARGE_KRW]
    return Collection(parts=tuple(parts), new=len(new), left=tuple(left))


def _request(connection: Connection, due: Due, now: datetime) -> list[Part] | None:
    """Records the parts of what no intent asks for yet; None where they are more than the invoice with what Stripe has
    collected of it already: the database refuses that."""
    last = connection.scalar(
        text("SELECT coalesce(max(part), 0) FROM stripe_part WHERE reference = :reference"),
        {"reference": due.reference},
    )
    amounts = split_charge(due.rest_krw)
    try:
        with connection.begin_nested():
            for number, amount_krw in enumerate(amounts, start=last + 1):
                _insert(connection, due, number, amount_krw, now)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "JS001":
            raise
        return None
    return [one for one in parts_of(connection, [due.reference]) if one.part > last]


def _insert(connection: Connection, due: Due, number: int, amount_krw: int, now: datetime) -> None:
    part = Part(
        id=0, reference=due.reference, programme=due.programme, project=due.project, part=number,
        amount_krw=amount_krw, status="requested", requested_at=now, intent_id=None, request_hash="",
        idempotency_key=f"jeongsan:{due.reference}:{number}:{amount_krw}",
    )  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO stripe_part (programme, project, document_id, reference, account, part, amount_krw,"
            " idempotency_key, request_hash, requested_at) VALUES (:programme, :project, :document, :reference,"
            " :account, :part, :amount_krw, :idempotency_key, :hash, :requested_at)"
        ),
        {**vars(part), "document": due.document_id, "account": due.account, "hash": request_hash(_content(part))},
    )


def _content(part: Part) -> dict[str, object]:
    """What an intent over a part is asked with."""
    return {"amount": part.amount_krw, "currency": KRW, "metadata": part.metadata}


def _ask(engine: Engine, client: StripeClient, part: Part, *, again: bool) -> None:
    """Has an intent made for a part and records it; `again`: one may have been made before, and its answer was lost.

    Stripe forgets keys after a day, so a part that was asked for before is first looked for among Stripe's intents.
    """
    refuse_other_content(part.idempotency_key, part.request_hash, _content(part))
    intent = _made(client, part) if again else None
    if intent is None:
        intent = client.create_intent(part.amount_krw, part.metadata, part.idempotency_key)
    with engine.begin() as connection:
        lock_facts(connection)
        try:
            record_intent(connection, intent, intent.paid_at or intent.created_at)
        except Listed as error:
            raise RuleRefused(f"{part.reference} {part.part}: {intent.id}: {error.reason}") from None


def _made(client: StripeClient, part: Part) -> Intent | None:
    """The intent that carries the part's key."""
    for found in client.intents(part.requested_at - CLOCKS):
        try:
            intent = read_intent(found)
        except Unreadable:
            continue
        if intent.key == part.idempotency_key and intent.status != "canceled":
            return intent
    return None


def _open_parts(engine: Engine, references: list[str]) -> list[Part]:
    with engine.connect() as connection:
        return [one for one in parts_of(connection, references) if one.status == "open"]


def _cancel(engine: Engine, client: StripeClient, part: Part, now: datetime) -> bool:
    """Cancels an intent; one that Stripe does not cancel (paid, being paid, canceled already) is recorded as it stands.
    Whether it is canceled."""
    try:
        intent = client.cancel_intent(part.intent_id)
    except RuleRefused:
        found = client.intent(part.intent_id)
        try:
            intent = read_intent(found)
        except Unreadable:
            return False
    with engine.begin() as connection:
        lock_facts(connection)
        try:
            record_intent(connection, intent, intent.paid_at or now)
        except Listed:
            return False
    return intent.status == "canceled"

"""Refunds through Stripe (domain.md §8): asked for by a person, with a reason, never above what was collected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, Engine, Row, text

from billing.payment import frozen_programmes
from billing.stripe_booking import settle
from billing.stripe_client import StripeClient
from billing.stripe_facts import Listed, lock_facts, record_refund
from billing.stripe_objects import Refund, Unreadable, read_refund
from billing.stripe_request import CLOCKS, alone, refuse_other_content, request_hash
from core.errors import BadInput, RuleRefused
from registry.users import acting


@dataclass(frozen=True, kw_only=True)
class Refunded:
    """A piece of a refund: what of one part goes back; `again`: it was asked for before."""

    part: int
    amount_krw: int
    refund_id: str | None
    status: str
    again: bool


def refund(
    engine: Engine, client: StripeClient, reference: str, amount_krw: int, reason: str, by: str, now: datetime
) -> list[Refunded]:
    """Gives back won of what was collected for an invoice or deposit, of its parts in their order.

    The same amount for the same reason is the same refund: asked for again, it is not paid twice. Raises BadInput for
    an amount below one won or no reason, RuleRefused for who may not, above what was collected, or by Stripe.
    """
    if amount_krw < 1 or not reason.strip():
        raise BadInput("--krw, --reason: 1원 이상의 금액과 사유가 필요합니다 (an amount and a reason are needed).")
    asked = f"jeongsan:{reference}:refund:{amount_krw}:{sha256(reason.encode()).hexdigest()[:16]}"
    with alone(engine):
        with engine.begin() as connection:
            acting(connection, by, "finance")
            lock_facts(connection)
            known = _pieces(connection, asked)
            if not known:
                _request(connection, asked, reference, amount_krw, reason, by, now)
            pieces = _pieces(connection, asked)
        for piece in pieces:
            if piece.status == "requested":
                _ask(engine, client, piece, again=bool(known))
        with engine.begin() as connection:
            for part_id in sorted({piece.part_id for piece in pieces}):
                _refuse_unbooked(settle(connection, now, part_id).refused)
            return [
                Refunded(part=one.part, amount_krw=one.amount_krw, refund_id=one.refund_id, status=one.status,
                         again=bool(known))
                for one in _pieces(connection, asked)
            ]  # fmt: skip


def allocate(amount_krw: int, rooms: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of an amount goes back of each part, of (part, won that can go back) in their order; their sum is the amount
    or all there is."""
    taken = []
    for part, room_krw in rooms:
        krw = min(room_krw, amount_krw)
        if krw > 0:
            taken.append((part, krw))
        amount_krw -= krw
    return taken


def _request(
    connection: Connection, asked: str, reference: str, amount_krw: int, reason: str, by: str, now: datetime
) -> None:
    rooms = connection.execute(
        text(
            "SELECT id, programme, account, intent_id,"
            " amount_krw - (SELECT coalesce(sum(amount_krw), 0) FROM stripe_refund"
            "  WHERE part_id = stripe_part.id AND status IN ('requested', 'pending', 'succeeded'))::bigint AS room_krw"
            " FROM stripe_part WHERE reference = :reference AND status = 'succeeded' ORDER BY part"
        ),
        {"reference": reference},
    ).all()
    room_krw = sum(one.room_krw for one in rooms)
    if amount_krw > room_krw:
        raise RuleRefused(
            f"{reference}: 돌려줄 수 있는 금액은 {room_krw:,}원입니다 (more than Stripe collected and is not refunded)."
        )
    if rooms[0].account.startswith("deposit:"):
        _refuse_deposit(connection, rooms[0].programme, reference, amount_krw)
    intents = {one.id: one.intent_id for one in rooms}
    for part_id, krw in allocate(amount_krw, [(one.id, one.room_krw) for one in rooms]):
        connection.execute(
            text(
                "INSERT INTO stripe_refund (part_id, amount_krw, reason, requested_by, idempotency_key, request_hash,"
                " requested_at, status) VALUES (:part, :krw, :reason, :by, :key, :hash, :now, 'requested')"
            ),
            {"part": part_id, "krw": krw, "reason": reason, "by": by, "key": f"{asked}:{part_id}", "now": now,
             "hash": request_hash(_content(intents[part_id], krw, reference))},
        )  # fmt: skip


def _refuse_deposit(connection: Connection, programme: str, account: str, amount_krw: int) -> None:
    """What the books would not take is not asked for: a deposit given back while a month counts on it, or more of it
    than is left after draws and refunds that are under way."""
    if frozen_programmes(connection, [programme]):
        raise RuleRefused(
            f"{account}: 사업 {programme}의 월 정산이 진행 중입니다. 마감 뒤에 돌려주세요 "
            "(no refund between freeze and lock)."
        )
    left_krw = connection.scalar(
        text(
            "SELECT -balance_krw - (SELECT coalesce(sum(refund.amount_krw), 0)::bigint FROM stripe_refund AS refund"
            "  JOIN stripe_part ON stripe_part.id = part_id WHERE reference = :account"
            "  AND refund.status IN ('requested', 'pending', 'succeeded') AND NOT EXISTS (SELECT FROM payment"
            "   WHERE channel = 'stripe' AND payment.reference = refund_id AND entry_id IS NOT NULL))"
            " FROM account WHERE programme = :programme AND code = :account"
        ),
        {"programme": programme, "account": account},
    )
    if left_krw is None or amount_krw > left_krw:
        raise RuleRefused(
            f"{account}: 남은 선납금은 {max(left_krw or 0, 0):,}원입니다 (more than is left of the deposit)."
        )


def _content(intent_id: str, amount_krw: int, reference: str) -> dict[str, object]:
    """What a refund is asked with."""
    return {"payment_intent": intent_id, "amount": amount_krw, "metadata": {"invoice": reference}}


def _pieces(connection: Connection, asked: str) -> Sequence[Row]:
    return connection.execute(
        text(
            "SELECT stripe_refund.id, part_id, part, reference, intent_id, stripe_refund.amount_krw,"
            " stripe_refund.status, refund_id, stripe_refund.idempotency_key, stripe_refund.request_hash,"
            " stripe_refund.requested_at"
            " FROM stripe_refund JOIN stripe_part ON stripe_part.id = part_id"
            " WHERE starts_with(stripe_refund.idempotency_key, :asked || ':') ORDER BY part"
        ),
        {"asked": asked},
    ).all()


def _ask(engine: Engine, client: StripeClient, piece: Row, *, again: bool) -> None:
    """Has a refund made and records it; what Stripe refuses is recorded as refused and takes no more room."""
    refuse_other_content(
        piece.idempotency_key, piece.request_hash, _content(piece.intent_id, piece.amount_krw, piece.reference)
    )
    try:
        made = _made(client, piece) if again else None
        if made is None:
            metadata = {"invoice": piece.reference}
            made = client.create_refund(piece.intent_id, piece.amount_krw, metadata, piece.idempotency_key)
    except RuleRefused:
        with engine.begin() as connection:
            connection.execute(text("UPDATE stripe_refund SET status = 'refused' WHERE id = :id"), {"id": piece.id})
        raise
    with engine.begin() as connection:
        lock_facts(connection)
        try:
            record_refund(connection, made, made.created_at)
        except Listed as error:
            raise RuleRefused(f"{piece.reference}: {made.id}: {error.reason}") from None


def _made(client: StripeClient, piece: Row) -> Refund | None:
    """The refund that carries the piece's key."""
    for found in client.refunds(piece.requested_at - CLOCKS):
        try:
            made = read_refund(found)
        except Unreadable:
            continue
        if made.key == piece.idempotency_key:
            return made
    return None


def _refuse_unbooked(refused: Sequence[tuple[str, str]]) -> None:
    """A refund that is made and that the books do not take yet: the next poll books it."""
    if refused:
        raise RuleRefused("\n".join(f"{reference}: {reason}" for reference, reason in refused))

"""What Stripe says of our parts, refunds, payouts and balance, on record: forward only, in whatever order it comes."""

from datetime import datetime
from typing import NoReturn

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from billing.stripe_objects import KRW, Intent, Movement, Payout, Refund
from core.month import kst_day

CLOSED = ("succeeded", "canceled")
REFUND_RANK = {"requested": 0, "pending": 1, "succeeded": 2, "failed": 3, "canceled": 3}
REFUND_STATUS = {"requires_action": "pending"}
PAYOUTS = ("pending", "in_transit", "paid", "failed", "canceled")
UNKNOWN = "우리가 청구한 결제가 아닙니다 (no payment that we asked for)"
OTHER_CURRENCY = "원화가 아닙니다 (another currency)"


class Listed(Exception):
    """What Stripe says and we do not take: listed with its reason, booked nowhere."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def lock_facts(connection: Connection) -> None:
    """Waits until no other transaction records what Stripe says; held to the end of the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:stripe'))"))


def record_intent(connection: Connection, intent: Intent, at: datetime) -> int:
    """Records a payment intent as it stands, paid or canceled at an instant; returns its part. Raises Listed for an
    intent that is not ours, or not over what its part asks for. Once paid or canceled, nothing later takes it back.
    """
    part = _part(connection, intent_id=intent.id, key=intent.key)
    if intent.currency != KRW:
        raise Listed(f"{OTHER_CURRENCY}: {intent.currency}")
    paid = intent.status == "succeeded"
    if intent.amount_krw != part.amount_krw or (paid and intent.received_krw != part.amount_krw):
        _differs(part.amount_krw, intent.received_krw if paid else intent.amount_krw)
    if part.intent_id not in (None, intent.id):
        raise Listed(f"이미 다른 결제가 있는 청구입니다 (a second payment of the same part): {part.intent_id}")
    if part.status in CLOSED:
        if intent.status in CLOSED and intent.status != part.status:
            raise Listed(f"이미 끝난 결제입니다 (the payment is closed): {part.status}")
        return part.id
    closed = intent.status in CLOSED
    charge_id = intent.charge_id if paid else None
    if connection.scalar(text("SELECT 1 FROM stripe_part WHERE charge_id = :charge"), {"charge": charge_id}):
        raise Listed(f"다른 결제의 승인입니다 (the charge of another payment): {charge_id}")
    connection.execute(
        text(
            "UPDATE stripe_part SET status = :status, intent_id = :intent, charge_id = :charge, closed_at = :at"
            " WHERE id = :part"
        ),
        {"part": part.id, "status": intent.status if closed else "open", "intent": intent.id,
         "charge": charge_id, "at": at if closed else None},
    )  # fmt: skip
    return part.id


def record_refund(connection: Connection, refund: Refund, at: datetime) -> int:
    """Records a refund as it stands; `at`: when it failed or was canceled, if so. Returns its part.

    Raises Listed for a refund of a payment that is not ours, in another status than we know, of another amount than was
    asked for, or above what was collected: the database refuses that.
    """
    part = _part(connection, intent_id=refund.intent_id, charge_id=refund.charge_id)
    status = REFUND_STATUS.get(refund.status, refund.status)
    if refund.currency != KRW:
        raise Listed(f"{OTHER_CURRENCY}: {refund.currency}")
    if REFUND_RANK.get(status, 0) == 0 or refund.amount_krw == 0:
        raise Listed(f"알지 못하는 환불 상태입니다 (a refund's status that we do not know): {refund.status}")
    known = connection.execute(
        text(
            "SELECT id, part_id, amount_krw, status FROM stripe_refund WHERE refund_id = :refund"
            " OR (refund_id IS NULL AND idempotency_key = nullif(:key, '') AND status = 'requested')"
        ),
        {"refund": refund.id, "key": refund.key},
    ).one_or_none()
    values = {"status": status, "refund": refund.id, "refunded": refund.created_at,
              "failed": at if REFUND_RANK[status] == 3 else None}  # fmt: skip
    if known is None:
        _insert_refund(connection, part, refund, values)
    elif (known.part_id, known.amount_krw) != (part.id, refund.amount_krw):
        _differs(known.amount_krw, refund.amount_krw)
    elif REFUND_RANK[status] > REFUND_RANK[known.status]:
        connection.execute(
            text(
                "UPDATE stripe_refund SET status = :status, refund_id = :refund, failed_at = :failed,"
                " refunded_at = coalesce(refunded_at, :refunded) WHERE id = :id"
            ),
            {**values, "id": known.id},
        )
    return part.id


def record_payout(connection: Connection, payout: Payout) -> None:
    """Records a payout; its status never goes back. Raises Listed for another currency, status or amount."""
    if payout.currency != KRW:
        raise Listed(f"{OTHER_CURRENCY}: {payout.currency}")
    if payout.status not in PAYOUTS:
        raise Listed(f"알지 못하는 입금 상태입니다 (a payout's status that we do not know): {payout.status}")
    connection.execute(
        text(
            "INSERT INTO stripe_payout VALUES (:id, :krw, :status, :automatic, :arrives, :created)"
            " ON CONFLICT (id) DO UPDATE SET status = :status, arrives_on = :arrives"
            " WHERE stripe_payout_rank(:status) > stripe_payout_rank(stripe_payout.status)"
        ),
        {"id": payout.id, "krw": payout.amount_krw, "status": payout.status, "arrives": kst_day(payout.arrives_at),
         "automatic": payout.automatic, "created": payout.created_at},
    )  # fmt: skip
    recorded = connection.scalar(text("SELECT amount_krw FROM stripe_payout WHERE id = :id"), {"id": payout.id})
    if recorded != payout.amount_krw:
        _differs(recorded, payout.amount_krw)


def record_movement(connection: Connection, movement: Movement, payout_id: str | None = None) -> None:
    """Records a movement of our balance, and the payout that paid it out. Raises Listed for another currency."""
    if movement.currency != KRW:
        raise Listed(f"{OTHER_CURRENCY}: {movement.currency}")
    connection.execute(
        text(
            "INSERT INTO stripe_movement VALUES (:id, :type, :source, :amount, :fee, :at) ON CONFLICT (id) DO NOTHING"
        ),
        {"id": movement.id, "type": movement.type, "source": movement.source, "amount": movement.amount_krw,
         "fee": movement.fee_krw, "at": movement.moved_at},
    )  # fmt: skip
    if payout_id is not None and movement.source != payout_id:
        connection.execute(
            text("INSERT INTO stripe_payout_item VALUES (:id, :payout) ON CONFLICT (movement_id) DO NOTHING"),
            {"id": movement.id, "payout": payout_id},
        )


def _part(connection: Connection, *, intent_id: str | None = None, charge_id: str | None = None, key: str = "") -> Row:
    """The part that an intent or charge is of, or that the intent's own key names before its id is known."""
    found = connection.execute(
        text(
            "SELECT id, amount_krw, status, intent_id FROM stripe_part WHERE intent_id = :intent OR charge_id = :charge"
            " OR idempotency_key = nullif(:key, '') ORDER BY intent_id = :intent DESC NULLS LAST LIMIT 1"
        ),
        {"intent": intent_id, "charge": charge_id, "key": key},
    ).one_or_none()
    if found is None:
        raise Listed(UNKNOWN)
    return found


def _insert_refund(connection: Connection, part: Row, refund: Refund, values: dict) -> None:
    """A refund that was made at Stripe itself."""
    try:
        with connection.begin_nested():
            connection.execute(
                text(
                    "INSERT INTO stripe_refund (part_id, amount_krw, reason, requested_at, status, refund_id,"
                    " refunded_at, failed_at)"
                    " VALUES (:part, :krw, :reason, :refunded, :status, :refund, :refunded, :failed)"
                ),
                {**values, "part": part.id, "krw": refund.amount_krw, "reason": refund.reason},
            )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "JS001":
            raise
        raise Listed(f"받은 금액보다 많은 환불입니다 (above what was collected): {refund.amount_krw}") from None


def _differs(ours_krw: int, theirs_krw: int) -> NoReturn:
    raise Listed(f"금액이 우리 기록과 다릅니다 (the amount is not ours): {theirs_krw} ≠ {ours_krw}")

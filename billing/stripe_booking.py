"""What Stripe collected and gave back, and its fees, as payments in the books: once each, in whatever order it came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import CheckViolation
from sqlalchemy import Connection, Row, text

from billing.payment import book_payments
from billing.payment_file import PaymentRow
from core.errors import RuleRefused

OVERDRAWN = "남은 선납금보다 많이 돌려주었습니다 (more was given back than is left of the deposit)"
# A part is booked once it is paid; a refund once it is under way, and back if it fails after all; the fee of each
# movement that belongs to one of ours. `:part` narrows it to one part.
DUE = """
WITH collected AS (
  SELECT stripe_part.*, project.company FROM stripe_part JOIN project ON project.code = stripe_part.project
   WHERE stripe_part.status = 'succeeded' AND (CAST(:part AS bigint) IS NULL OR stripe_part.id = :part)),
refund AS (
  SELECT stripe_refund.*, account, document_id FROM stripe_refund JOIN collected ON collected.id = part_id
   WHERE refund_id IS NOT NULL),
booked AS (
  SELECT reference, account, amount_krw FROM payment WHERE channel = 'stripe' AND entry_id IS NOT NULL),
due AS (
  SELECT id AS part_id, intent_id AS reference, account, amount_krw, closed_at AS paid_at, document_id FROM collected
  UNION ALL
  SELECT part_id, refund_id, account, -amount_krw, refunded_at, document_id FROM refund
   WHERE status IN ('pending', 'succeeded')
  UNION ALL
  SELECT part_id, refund_id || '/failed', account, amount_krw, failed_at, document_id FROM refund
   WHERE status IN ('failed', 'canceled') AND refund_id IN (SELECT reference FROM booked)
  UNION ALL
  SELECT collected.id, stripe_movement.id, 'expense:payment_fee', fee_krw, moved_at, NULL FROM stripe_movement
    LEFT JOIN refund ON refund_id = source
    JOIN collected ON collected.charge_id = source OR collected.id = refund.part_id
   WHERE fee_krw <> 0)
SELECT due.*, programme, company FROM due JOIN collected ON collected.id = due.part_id
 WHERE (due.reference, due.account, due.amount_krw) NOT IN (SELECT reference, account, amount_krw FROM booked)
 ORDER BY due.paid_at, due.amount_krw DESC, due.reference
"""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What was booked, and what was not and why."""

    booked: int
    refused: tuple[tuple[str, str], ...]


def settle(connection: Connection, now: datetime, part_id: int | None = None) -> Settled:
    """Books what is known to be collected, given back or taken as a fee and is in no books yet; of one part where it is
    named. A payment that a rule refuses keeps no other from the books.
    """
    due: dict[str, list[Row]] = {}
    for row in connection.execute(text(DUE), {"part": part_id}):
        due.setdefault(row.programme, []).append(row)
    return _sum([_book(connection, programme, rows, now) for programme, rows in sorted(due.items())])


def _book(connection: Connection, programme: str, rows: Sequence[Row], now: datetime) -> Settled:
    """Books payments of a programme at once; where a rule refuses one of them, each by itself. The database refuses
    more of a deposit than is left (`deposit_not_overdrawn`), given back in Stripe's own pages."""
    try:
        with connection.begin_nested():
            payments = [_payment(row, line) for line, row in enumerate(rows, start=1)]
            result = book_payments(connection, payments, now, source="Stripe", programme=programme)
    except (RuleRefused, CheckViolation) as error:
        if len(rows) > 1:
            return _sum([_book(connection, programme, [row], now) for row in rows])
        reason = str(error) if isinstance(error, RuleRefused) else OVERDRAWN
        return Settled(booked=0, refused=((rows[0].reference, reason),))
    return Settled(booked=result.booked, refused=tuple((row.reference, reason) for row, reason in result.unmatched))


def _sum(parts: Sequence[Settled]) -> Settled:
    return Settled(
        booked=sum(one.booked for one in parts), refused=tuple(refused for one in parts for refused in one.refused)
    )


def _payment(row: Row, line: int) -> PaymentRow:
    return PaymentRow(
        line=line, paid_at=row.paid_at, channel="stripe", account=row.account, amount_krw=row.amount_krw,
        reference=row.reference, counterparty=row.company, document_id=row.document_id,
    )  # fmt: skip

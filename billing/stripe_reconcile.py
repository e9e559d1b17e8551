"""The daily reconciliation (domain.md §8): charge ↔ invoice ↔ Stripe's balance ↔ payout ↔ bank, every difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, text

from core.month import kst_midnight

# Each query answers what differs up to the end of the day: ids, what Stripe says and what the other side says, in won.
# What stands on both sides is compared whatever day each of them gives it. A refund that failed counts where it was
# booked before it failed, and then both ways.
BOOKS = """
WITH booked AS (
  SELECT reference AS id, account, amount_krw AS krw, paid_at AS at FROM payment
   WHERE channel = 'stripe' AND entry_id IS NOT NULL),
refund AS (
  SELECT stripe_refund.*, account FROM stripe_refund JOIN stripe_part ON stripe_part.id = part_id
   WHERE stripe_refund.status IN ('pending', 'succeeded') OR refund_id IN (SELECT id FROM booked)),
stripe AS (
  SELECT intent_id AS id, account, amount_krw AS krw, closed_at AS at FROM stripe_part WHERE status = 'succeeded'
  UNION ALL
  SELECT refund_id, account, -amount_krw, refunded_at FROM refund
  UNION ALL
  SELECT refund_id || '/failed', account, amount_krw, failed_at FROM refund WHERE failed_at IS NOT NULL
  UNION ALL
  SELECT id, 'expense:payment_fee', fee_krw, moved_at FROM stripe_movement WHERE fee_krw <> 0)
SELECT ARRAY[coalesce(stripe.id, booked.id), coalesce(stripe.account, booked.account)] AS ids,
       stripe.krw AS stripe_krw, booked.krw AS other_krw
  FROM stripe FULL JOIN booked ON booked.id = stripe.id AND booked.account = stripe.account
 WHERE stripe.krw IS DISTINCT FROM booked.krw AND least(stripe.at, booked.at) < :until ORDER BY 1
"""
BALANCE = """
WITH known AS (
  SELECT charge_id AS source, intent_id AS id, amount_krw AS krw, closed_at AS at FROM stripe_part
   WHERE status = 'succeeded'
  UNION ALL
  SELECT refund_id, refund_id, CASE WHEN failed_at IS NULL THEN -amount_krw ELSE 0 END, refunded_at FROM stripe_refund
   WHERE refund_id IS NOT NULL
  UNION ALL
  SELECT id, id, CASE WHEN status IN ('failed', 'canceled') THEN 0 ELSE -amount_krw END, created_at FROM stripe_payout),
moved AS (
  SELECT source, array_agg(id ORDER BY id) AS ids, sum(amount_krw)::bigint AS krw, min(moved_at) AS at
    FROM stripe_movement GROUP BY source)
SELECT array_remove(ARRAY[known.id] || coalesce(moved.ids, ARRAY[moved.source]), NULL) AS ids,
       known.krw AS stripe_krw, moved.krw AS other_krw
  FROM known FULL JOIN moved ON moved.source = known.source
 WHERE coalesce(known.krw, 0) <> coalesce(moved.krw, 0) AND least(known.at, moved.at) < :until ORDER BY 1
"""
PAYOUTS = """
SELECT ARRAY[stripe_payout.id] AS ids, stripe_payout.amount_krw AS stripe_krw,
       sum(stripe_movement.amount_krw - fee_krw)::bigint AS other_krw
  FROM stripe_payout LEFT JOIN stripe_payout_item ON payout_id = stripe_payout.id
  LEFT JOIN stripe_movement ON stripe_movement.id = movement_id
 WHERE automatic AND stripe_payout.status = 'paid' AND created_at < :until
 GROUP BY stripe_payout.id HAVING sum(stripe_movement.amount_krw - fee_krw) IS DISTINCT FROM stripe_payout.amount_krw
 ORDER BY 1
"""
# A bank row that several programmes share is booked as a payment of each.
BANK = """
WITH paid AS (
  SELECT id, amount_krw, row_number() OVER (PARTITION BY amount_krw ORDER BY arrives_on, id) AS place
    FROM stripe_payout WHERE status = 'paid' AND arrives_on <= :day),
came AS (
  SELECT min(reference) AS id, sum(amount_krw)::bigint AS amount_krw, min(paid_at) AS at
    FROM payment WHERE channel = 'bank' AND account = 'cash:stripe' AND entry_id IS NOT NULL AND paid_at < :until
   GROUP BY CASE WHEN starts_with(reference, 'bank:') THEN split_part(reference, ':', 2) ELSE reference END),
received AS (
  SELECT id, amount_krw, row_number() OVER (PARTITION BY amount_krw ORDER BY at, id) AS place FROM came)
SELECT ARRAY[coalesce(paid.id, received.id)] AS ids, paid.amount_krw AS stripe_krw, received.amount_krw AS other_krw
  FROM paid FULL JOIN received ON received.amount_krw = paid.amount_krw AND received.place = paid.place
 WHERE paid.id IS NULL OR received.id IS NULL ORDER BY 1
"""
UNANSWERED = """
SELECT ARRAY[idempotency_key] AS ids, amount_krw AS stripe_krw, NULL AS other_krw FROM (
  SELECT idempotency_key, amount_krw, status, requested_at FROM stripe_part
  UNION ALL
  SELECT idempotency_key, amount_krw, status, requested_at FROM stripe_refund) asked
 WHERE status = 'requested' AND requested_at < :until ORDER BY 1
"""
# Payments of the channel stripe, fees the other way, less what the bank took in: all that is booked on cash:stripe.
CASH = """
SELECT ARRAY['cash:stripe'] AS ids, paid.krw AS stripe_krw, held.krw AS other_krw
  FROM (SELECT coalesce(sum(CASE WHEN channel = 'stripe' AND account <> 'expense:payment_fee' THEN amount_krw
                            ELSE -amount_krw END), 0)::bigint AS krw
          FROM payment WHERE entry_id IS NOT NULL AND (channel = 'stripe' OR account = 'cash:stripe')) paid,
       (SELECT coalesce(sum(balance_krw), 0)::bigint AS krw FROM account WHERE code = 'cash:stripe') held
 WHERE paid.krw <> held.krw
"""
CHECKS = {
    "charge differs from the books": BOOKS,
    "charge differs from the balance": BALANCE,
    "payout differs from its items": PAYOUTS,
    "payout differs from the bank": BANK,
    "asked and not answered": UNANSWERED,
    "payments differ from cash:stripe": CASH,
}
FIGURES = """
SELECT coalesce(sum(amount_krw) FILTER (WHERE kind = 'collected' AND amount_krw > 0), 0)::bigint AS charges_krw,
       coalesce(-sum(amount_krw) FILTER (WHERE kind = 'collected' AND amount_krw < 0), 0)::bigint AS refunds_krw,
       coalesce(sum(amount_krw) FILTER (WHERE kind = 'fee'), 0)::bigint AS fees_krw,
       coalesce(sum(amount_krw) FILTER (WHERE kind = 'payout'), 0)::bigint AS payouts_krw
  FROM (SELECT amount_krw,
               CASE account WHEN 'cash:stripe' THEN 'payout' WHEN 'expense:payment_fee' THEN 'fee'
               ELSE 'collected' END AS kind
          FROM payment WHERE entry_id IS NOT NULL AND (channel = 'stripe' OR account = 'cash:stripe')
           AND paid_at >= :since AND paid_at < :until) booked
"""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two sides that must agree and do not: the check, ids, won at Stripe and on the other side (None: not there)."""

    check: str
    ids: tuple[str, ...]
    stripe_krw: int | None
    other_krw: int | None


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """A day's reconciliation. `of_day`: what the day booked; `to_day`: what all days up to it did; both as charges,
    refunds, fees and payouts in won, with `cash_krw` = charges − refunds − fees − payouts."""

    day: date
    of_day: Mapping[str, int]
    to_day: Mapping[str, int]
    differences: tuple[Difference, ...]


def reconcile(connection: Connection, day: date) -> Reconciliation:
    """Compares everything up to the end of a local day, so that a difference is listed until it is gone."""
    bounds = {"day": day, "until": kst_midnight(day + timedelta(days=1))}
    return Reconciliation(
        day=day,
        of_day=_figures(connection, bounds | {"since": kst_midnight(day)}),
        to_day=_figures(connection, bounds | {"since": kst_midnight(date(2000, 1, 1))}),
        differences=tuple(
            Difference(check=check, ids=tuple(row.ids), stripe_krw=row.stripe_krw, other_krw=row.other_krw)
            for check, query in CHECKS.items()
            for row in connection.execute(text(query), bounds)
        ),
    )


def _figures(connection: Connection, bounds: dict) -> dict[str, int]:
    found = dict(connection.execute(text(FIGURES), bounds).one()._mapping)
    return found | {"cash_krw": found["charges_krw"] - found["refunds_krw"] - found["fees_krw"] - found["payouts_krw"]}

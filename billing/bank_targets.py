"""What bank rows may settle: invoices, deposits, payment orders, Stripe's payouts; and payments on record already."""

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import Connection, text

from billing.bank_match import Earlier, Part, Target
from billing.invoice import receivables
from billing.payment import OF_ROW
from billing.payout import payout_rows
from core.month import Month, kst_day
from registry.terms import programme_codes


def deposit_code(project: str) -> str:
    """What a company writes into a transfer that pays its deposit (docs/bank.md): `DEP-P1`."""
    return f"DEP-{project}"


def order_reference(programme: str, month: Month, number: int) -> str:
    """What a transfer says that pays a row of a payment order: `PO-MAIDV-2025-202511-3`."""
    return f"PO-{programme}-{month.first:%Y%m}-{number}"


def read_targets(connection: Connection, now: datetime) -> list[Target]:
    """Everything that a bank row may settle, of every programme, in won as it is open now."""
    names = _names(connection)
    return [
        *_invoices(connection, names),
        *_deposits(connection, names),
        *_orders(connection, names, kst_day(now)),
        *_stripe_payouts(connection),
    ]


def read_earlier(connection: Connection, first: date, last: date) -> list[Earlier]:
    """Bank payments of local days that no bank row stands behind: a row like one of them may be booked already."""
    rows = connection.execute(
        text(
            "SELECT id AS payment_id, account, reference, CAST(paid_at AT TIME ZONE 'Asia/Seoul' AS date) AS day,"
            " CASE WHEN starts_with(account, 'payable:') THEN -amount_krw ELSE amount_krw END AS amount_krw"
            " FROM payment WHERE channel = 'bank' AND entry_id IS NOT NULL AND NOT starts_with(reference, :ours)"
            " AND CAST(paid_at AT TIME ZONE 'Asia/Seoul' AS date) BETWEEN :first AND :last"
            " AND NOT EXISTS (SELECT 1 FROM bank_part WHERE payment_id = payment.id) ORDER BY id"
        ),
        {"ours": OF_ROW, "first": first, "last": last},
    )
    return [Earlier(**row._mapping) for row in rows]


def _names(connection: Connection) -> dict[str, frozenset[str]]:
    """By party: its code, names, registration numbers, and those of its legal payees."""
    rows = connection.execute(
        text(
            "SELECT party, array_agg(DISTINCT name) AS names FROM ("
            " SELECT code AS party, unnest(ARRAY[code, name, brn]) AS name FROM party"
            " UNION ALL SELECT party, unnest(ARRAY[name, brn]) FROM party_payee) AS called"
            " WHERE name IS NOT NULL GROUP BY party"
        )
    )
    return {row.party: frozenset(row.names) for row in rows}


def _invoices(connection: Connection, names: dict[str, frozenset[str]]) -> Iterator[Target]:
    """Every invoice, paid ones as well, so that a second payment of one is known for what it is."""
    for one in receivables(connection):
        for invoice in one.invoices:
            if invoice.kind == "invoice":
                yield Target(
                    programme=one.programme, account=f"receivable:company:{one.project}", label=invoice.number,
                    open_krw=invoice.open_krw, incoming=True, keys=(invoice.number,), names=names[one.company],
                    document_id=invoice.document_id,
                )  # fmt: skip


def _deposits(connection: Connection, names: dict[str, frozenset[str]]) -> Iterator[Target]:
    """What is agreed to be paid before, less what was paid of it."""
    rows = connection.execute(
        text(
            "SELECT project.programme, project.code, company, sum(deposit_krw)::bigint"
            " - coalesce((SELECT sum(amount_krw) FROM payment WHERE entry_id IS NOT NULL"
            "  AND payment.account = 'deposit:' || project.code), 0)::bigint AS open_krw"
            " FROM project JOIN agreement ON agreement.project = project.code WHERE self_pay_mode = 'deposit'"
            " GROUP BY project.code ORDER BY project.code"
        )
    )
    for row in rows:
        yield Target(
            programme=row.programme, account=f"deposit:{row.code}", label=deposit_code(row.code),
            open_krw=max(row.open_krw, 0), incoming=True, keys=(deposit_code(row.code),), names=names[row.company],
        )  # fmt: skip


def _orders(connection: Connection, names: dict[str, frozenset[str]], day: date) -> Iterator[Target]:
    """What our account was asked to pay out and, where negative, to recover, less what was paid of it. The refund of a
    deposit goes by its amount and name only: between freeze and lock of a month it may not be booked.
    """
    for programme in programme_codes(connection):
        for row in payout_rows(connection, programme, day):
            if row.month is None or row.payer != "settlement":
                continue
            left_krw = row.difference_krw if row.difference_krw * row.ordered_krw > 0 else 0
            reference = order_reference(programme, row.month, row.number)
            yield Target(
                programme=programme, account=row.account, label=reference, open_krw=-left_krw,
                incoming=row.ordered_krw < 0, keys=() if row.account.startswith("deposit:") else (reference,),
                names=names.get(row.party, frozenset()) | {row.payee_name},
            )  # fmt: skip


# Payouts of Stripe that no bank payment of the same sum stands for, oldest first, and what of each is a programme's:
# charges and refunds by their part, less fees; nothing where a movement is of none that we know.
PAYOUTS = """
WITH paid AS (
  SELECT id, amount_krw, row_number() OVER (PARTITION BY amount_krw ORDER BY arrives_on, id) AS place
    FROM stripe_payout WHERE status IN ('in_transit', 'paid')),
received AS (
  SELECT sum(amount_krw)::bigint AS amount_krw FROM payment
   WHERE channel = 'bank' AND account = 'cash:stripe' AND entry_id IS NOT NULL
   GROUP BY CASE WHEN starts_with(reference, :ours) THEN split_part(reference, ':', 2) ELSE reference END),
counted AS (SELECT amount_krw, count(*) AS places FROM received GROUP BY amount_krw),
moved AS (
  SELECT payout_id, programme, sum(stripe_movement.amount_krw - fee_krw)::bigint AS krw FROM stripe_payout_item
    JOIN stripe_movement ON stripe_movement.id = movement_id
    LEFT JOIN stripe_refund ON refund_id = source
    LEFT JOIN stripe_part ON stripe_part.charge_id = source OR stripe_part.id = stripe_refund.part_id
   GROUP BY payout_id, programme)
SELECT paid.id, paid.amount_krw,
       (SELECT coalesce(jsonb_object_agg(programme, krw) FILTER (WHERE programme IS NOT NULL), '{}') FROM moved
         WHERE payout_id = paid.id HAVING bool_and(programme IS NOT NULL) AND sum(krw) = paid.amount_krw) AS shares
  FROM paid LEFT JOIN counted USING (amount_krw) WHERE place > coalesce(places, 0) ORDER BY paid.id
"""


def _stripe_payouts(connection: Connection) -> Iterator[Target]:
    for row in connection.execute(text(PAYOUTS), {"ours": OF_ROW}):
        splits = [Part(programme=programme, account="cash:stripe", amount_krw=krw)
                  for programme, krw in sorted((row.shares or {}).items()) if krw]  # fmt: skip
        yield Target(
            programme=None, account="cash:stripe", label=row.id, open_krw=row.amount_krw,
            incoming=row.amount_krw > 0, names=frozenset({"STRIPE"}), splits=tuple(splits),
        )  # fmt: skip

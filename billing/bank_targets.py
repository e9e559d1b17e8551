"""What bank rows may settle: invoices, deposits, payment orders, Stripe's payouts; and payments on record already."""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, text

from billing.bank_match import Earlier, Target
from billing.invoice import receivables
from billing.payment import OF_ROW


def deposit_code(project: str) -> str:
    """What a company writes into a transfer that pays its deposit (docs/bank.md): `DEP-P1`."""
    return f"DEP-{project}"


def read_targets(connection: Connection) -> list[Target]:
    """Everything that a bank row may settle, of every programme, in won as it is open now."""
    names = _names(connection)
    return [*_invoices(connection, names), *_deposits(connection, names)]


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

"""What became of the rows of our bank account: each with its state, their sums, and the suspense account's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, text


@dataclass(frozen=True, kw_only=True)
class Suspense:
    """A programme's suspense account: what its rows sum to, and what the books say, in won received."""

    programme: str
    rows_krw: int
    balance_krw: int


def bank_rows(connection: Connection, state: str | None = None, account: str | None = None) -> Sequence[Row]:
    """Rows by their day, of one state or bank account where it is named: with candidates, who decided and why, and
    `parts`, the payments that each was booked as.
    """
    return connection.execute(
        text(
            "SELECT bank_row.id, bank_row.account, at, bank_row.amount_krw, balance_krw, memo,"
            " bank_row.counterparty, bank_row.number, raw, state, candidates, reason, decided_by, decided_at,"
            " returned_by, coalesce(parts, '[]') AS parts FROM bank_row JOIN bank_state ON row_id = bank_row.id"
            " LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('programme', programme, 'account',"
            "   payment.account, 'amount_krw', payment.amount_krw, 'reference', reference, 'document_id', document_id)"
            "   ORDER BY payment.id) AS parts FROM bank_part JOIN payment ON payment.id = payment_id"
            "  WHERE match_id = bank_state.id) AS booked ON true"
            " WHERE state = coalesce(:state, state) AND bank_row.account = coalesce(:account, bank_row.account)"
            " ORDER BY at, bank_row.id"
        ),
        {"state": state, "account": account},
    ).all()


def bank_totals(connection: Connection, account: str | None = None) -> dict[str, tuple[int, int]]:
    """By state, how many rows and their sum in won as the account moved; over all states the account's own movement."""
    rows = connection.execute(
        text(
            "SELECT state, count(*) AS rows, sum(amount_krw)::bigint AS krw FROM bank_row"
            " JOIN bank_state ON row_id = bank_row.id WHERE account = coalesce(:account, account)"
            " GROUP BY state ORDER BY state"
        ),
        {"account": account},
    )
    return {row.state: (row.rows, row.krw) for row in rows}


def suspense(connection: Connection) -> list[Suspense]:
    """Every programme with something in suspense, by its rows or by its books."""
    rows = connection.execute(
        text(
            "WITH waiting AS (SELECT programme, sum(payment.amount_krw)::bigint AS krw FROM bank_state"
            "  JOIN bank_part ON match_id = bank_state.id JOIN payment ON payment.id = payment_id"
            "  WHERE state = 'suspense' GROUP BY programme),"
            " held AS (SELECT programme, -balance_krw AS krw FROM account WHERE code = 'suspense:bank')"
            " SELECT programme, coalesce(waiting.krw, 0) AS rows_krw, coalesce(held.krw, 0) AS balance_krw"
            " FROM waiting FULL JOIN held USING (programme)"
            " WHERE coalesce(waiting.krw, 0) <> 0 OR coalesce(held.krw, 0) <> 0 ORDER BY programme"
        )
    )
    return [Suspense(**row._mapping) for row in rows]

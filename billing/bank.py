"""Our bank account: exports imported once a row, each row with what became of it (domain.md §7, §8)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Row, text

from billing.bank_booking import Outcome, record, shown
from billing.bank_map import BankMap
from billing.bank_match import Decision, Movement, decide
from billing.bank_statement import Statement, read_statement
from billing.bank_targets import read_earlier, read_targets
from billing.payment import lock_payments
from core.month import kst_day

STATES = ("unmatched", "proposed", "partial", "over", "double", "booked", "suspense", "returned")
WAITING = ("unmatched", "proposed", "over", "double")  # nothing of these is booked


@dataclass(frozen=True, kw_only=True)
class StatementResult:
    """What an import did: rows = fresh + already; `states`: what became of the fresh ones, `changed`: of those that
    waited; `left_out`: lines of totals and of movements of 0 won.
    """

    account: str
    rows: int
    fresh: int
    already: int
    states: Mapping[str, int]
    changed: Mapping[str, int]
    left_out: Sequence[int]


def import_statement(connection: Connection, path: Path, bank_map: BankMap, now: datetime) -> StatementResult:
    """Takes in an export and matches its fresh rows; a row that came before counts as already there.

    Raises BadInput for a file with anything wrong in it; nothing of it counts then.
    """
    statement = read_statement(path, bank_map, now)
    lock_payments(connection)
    last_id = connection.scalar(text("SELECT coalesce(max(id), 0) FROM bank_row"))
    fresh = _store(connection, statement, bank_map.account, now)
    decided = _match(connection, now)
    return StatementResult(
        account=bank_map.account, rows=len(statement.rows), fresh=fresh, already=len(statement.rows) - fresh,
        states=Counter(one.state for one in decided if one.movement.id > last_id),
        changed=Counter(one.state for one in decided if one.movement.id <= last_id), left_out=statement.left_out,
    )  # fmt: skip


def match_again(connection: Connection, now: datetime) -> Mapping[str, int]:
    """Matches the rows that wait once more, as invoices and payments came; returns how many changed, by new state."""
    lock_payments(connection)
    return Counter(one.state for one in _match(connection, now))


def _match(connection: Connection, now: datetime) -> list[Decision]:
    """Decides about all rows of which nothing is booked, fresh ones and those that wait; records what is new."""
    waiting = connection.execute(
        text(
            "SELECT bank_row.*, state, candidates, coalesce(bank_state.number, 0) AS records FROM bank_row"
            " LEFT JOIN bank_state ON row_id = bank_row.id WHERE coalesce(state, 'unmatched') = ANY(:waiting)"
        ),
        {"waiting": list(WAITING)},
    ).all()
    if not waiting:
        return []
    known = {row.id: row for row in waiting}
    movements = [movement(row) for row in waiting]
    days = [kst_day(one.at) for one in movements]
    decisions = decide(movements, read_targets(connection, now), read_earlier(connection, min(days), max(days)))
    changed = [
        one
        for one in decisions
        if (one.state, shown(one.candidates)) != (known[one.movement.id].state, known[one.movement.id].candidates)
    ]
    record(connection, [_outcome(one, known[one.movement.id].records + 1) for one in changed], now)
    return changed


def _outcome(one: Decision, number: int) -> Outcome:
    return Outcome(movement=one.movement, number=number, state=one.state, parts=one.parts, candidates=one.candidates)


def movement(row: Row) -> Movement:
    """A row of `bank_row` as matching looks at it."""
    return Movement(**{name: getattr(row, name) for name in Movement.__dataclass_fields__})


def _store(connection: Connection, statement: Statement, account: str, now: datetime) -> int:
    """Stores the export and those of its rows that no earlier one had, in arrays, since COPY passes no row security;
    returns how many."""
    rows = {row.digest(account): row for row in statement.rows}
    known = set(
        connection.scalars(text("SELECT digest FROM bank_row WHERE digest = ANY(:digests)"), {"digests": list(rows)})
    )
    fresh = {digest: row for digest, row in rows.items() if digest not in known}
    names = ("line", "at", "amount_krw", "balance_krw", "memo", "counterparty", "number")
    stored = connection.execute(
        text(
            "WITH export AS (INSERT INTO bank_statement (account, file, sha256, rows, fresh, imported_at)"
            "  VALUES (:account, :file, :sha256, :rows, :fresh, :now) RETURNING id)"
            " INSERT INTO bank_row (statement_id, account, digest, line, at, amount_krw, balance_krw, memo,"
            "  counterparty, number, raw) SELECT export.id, :account, one.* FROM export, unnest("
            "  CAST(:digests AS text[]), CAST(:line AS int[]), CAST(:at AS timestamptz[]),"
            "  CAST(:amount_krw AS bigint[]), CAST(:balance_krw AS bigint[]), CAST(:memo AS text[]),"
            "  CAST(:counterparty AS text[]), CAST(:number AS text[]), CAST(:raw AS jsonb[])) AS one"
        ),
        {
            **{name: [getattr(row, name) for row in fresh.values()] for name in names},
            "digests": list(fresh),
            "raw": [json.dumps(row.raw, ensure_ascii=False) for row in fresh.values()],
            "account": account,
            "file": statement.file,
            "sha256": statement.sha256,
            "rows": len(statement.rows),
            "fresh": len(fresh),
            "now": now,
        },
    )
    return stored.rowcount

"""The books in the database: posting entries, balances, open months. The database itself holds the invariants."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, insert, text

from core.database import copy_into
from core.month import Month, kst_day
from ledger.journal import CHAIN_START, NewEntry, entry_hash
from ledger.models import ProgrammeLock

POSTING = {"entry_id": "int8", "account_id": "int4", "amount_krw": "int8"}
ENTRY = {
    "id": "int8", "programme": "text", "number": "int4", "month": "date", "kind": "text", "memo": "text",
    "reference": "text", "posting_count": "int4", "recorded_at": "timestamptz", "previous_hash": "bytea",
    "hash": "bytea",
}  # fmt: skip


def lock_books(connection: Connection, programme: str) -> None:
    """Waits until no other transaction books for the programme; held to the end of the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('books:' || :programme))"), {"programme": programme})


def post(
    connection: Connection, programme: str, month: Month, entries: Sequence[NewEntry], recorded_at: datetime
) -> list[int]:
    """Books entries into a month of a programme, chained in the given order; returns their ids.

    Entries whose reference was booked before are the caller's to leave out (see `booked_references`). The database
    refuses unbalanced entries, a closed month and an overspent budget account (SQLSTATE JS001, 23514).
    """
    if not entries:
        return []
    lock_books(connection, programme)
    accounts = _account_ids(connection, programme, {code for entry in entries for code in entry.postings})
    last = connection.execute(
        text("SELECT number, hash FROM entry WHERE programme = :programme ORDER BY number DESC LIMIT 1"),
        {"programme": programme},
    ).one_or_none()
    number, previous = (last.number, bytes(last.hash)) if last else (0, CHAIN_START)
    ids = list(connection.scalars(text("SELECT nextval('entry_id') FROM generate_series(1, :n)"), {"n": len(entries)}))
    rows = []
    for entry_id, entry in zip(ids, entries, strict=True):
        number += 1
        digest = entry_hash(previous, programme, number, month.first, entry)
        rows.append((entry_id, programme, number, month.first, entry.kind, entry.memo, entry.reference,
                     len(entry.postings), recorded_at, previous, digest))  # fmt: skip
        previous = digest
    postings = [(entry_id, accounts[code], amount) for entry_id, entry in zip(ids, entries, strict=True)
                for code, amount in entry.postings.items()]  # fmt: skip
    _copy(connection, "posting", POSTING, postings)
    _copy(connection, "entry", ENTRY, rows)
    return ids


def _copy(connection: Connection, table: str, types: dict[str, str], rows: Sequence[tuple]) -> None:
    """Binary COPY: with the types known, psycopg writes a row without asking each value what it is."""
    with copy_into(connection, table, types, binary=True) as copy:
        copy.set_types(list(types.values()))
        for row in rows:
            copy.write_row(row)


def _account_ids(connection: Connection, programme: str, codes: set[str]) -> dict[str, int]:
    wanted = {"programme": programme, "codes": sorted(codes)}
    connection.execute(
        text(
            "INSERT INTO account (programme, code) SELECT :programme, code FROM unnest(CAST(:codes AS text[])) AS code"
            " ON CONFLICT DO NOTHING"
        ),
        wanted,
    )
    rows = connection.execute(
        text("SELECT code, id FROM account WHERE programme = :programme AND code = ANY(:codes)"), wanted
    )
    return {row.code: row.id for row in rows}


def booked_references(
    connection: Connection, programme: str, references: Sequence[str], but: tuple[Month, int] | None = None
) -> set[str]:
    """Which of the references are booked already; `but`: entries of that month numbered above the mark do not count."""
    month, mark = but or (None, 0)
    return set(
        connection.scalars(
            text(
                "SELECT reference FROM entry WHERE programme = :programme AND reference = ANY(:references)"
                " AND NOT coalesce(month = CAST(:month AS date) AND number > :mark, false)"
            ),
            {
                "programme": programme,
                "references": list(references),
                "month": month.first if month else None,
                "mark": mark,
            },
        )
    )


def balances(connection: Connection, programme: str, mark: int | None = None) -> dict[str, int]:
    """Every account's balance in won, debit +, zeros left out; `mark`: up to that entry number."""
    rows = connection.execute(
        text(
            "SELECT account.code, sum(amount_krw)::bigint AS krw FROM posting"
            " JOIN entry ON entry.id = posting.entry_id JOIN account ON account.id = posting.account_id"
            " WHERE entry.programme = :programme AND (CAST(:mark AS int) IS NULL OR entry.number <= :mark)"
            " GROUP BY account.code HAVING sum(amount_krw) <> 0 ORDER BY account.code"
        ),
        {"programme": programme, "mark": mark},
    )
    return {row.code: row.krw for row in rows}


def last_number(connection: Connection, programme: str) -> int:
    """The number of the programme's last entry; 0 when there is none."""
    return connection.scalar(
        text("SELECT coalesce(max(number), 0) FROM entry WHERE programme = :programme"), {"programme": programme}
    )


def locked_months(connection: Connection, programme: str) -> list[Month]:
    """The programme's closed months, ascending."""
    rows = connection.scalars(
        text("SELECT month FROM month_lock WHERE programme = :programme ORDER BY month"), {"programme": programme}
    )
    return [Month.of(day) for day in rows]


def open_month(connection: Connection, programme: str, day: date) -> Month:
    """The month into whose books something of a local day goes: its own, or the first open one after the closed."""
    closed = locked_months(connection, programme)
    return max(Month.of(day), closed[-1] + 1) if closed else Month.of(day)


def lock_month(connection: Connection, programme: str, month: Month, locked_at: datetime, locked_by: str) -> None:
    """Closes a month of a programme's books, for ever."""
    lock_books(connection, programme)
    connection.execute(
        text(
            "INSERT INTO month_lock (programme, month, locked_at, locked_by, last_number)"
            " VALUES (:programme, :month, :at, :by, :number)"
        ),
        {"programme": programme, "month": month.first, "at": locked_at, "by": locked_by,
         "number": last_number(connection, programme)},
    )  # fmt: skip


def closed_programmes(connection: Connection) -> dict[str, date]:
    """The programmes that are finally settled, each with the local day on which it was closed."""
    rows = connection.execute(text("SELECT programme, locked_at FROM programme_lock ORDER BY programme"))
    return {row.programme: kst_day(row.locked_at) for row in rows}


def lock_programme(
    connection: Connection, programme: str, month: Month, locked_at: datetime, locked_by: str, figures: dict
) -> None:
    """Closes a programme at its last locked month, with the figures of its final settlement, for ever: its budget is
    not moved any more; what is owed is still paid."""
    lock_books(connection, programme)
    connection.execute(
        insert(ProgrammeLock).values(
            programme=programme, month=month.first, locked_at=locked_at, locked_by=locked_by, figures=figures,
            last_number=last_number(connection, programme),
        )
    )  # fmt: skip

"""The journal as it was booked, entry by entry: for exports and whoever wants to recompute it."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from core.month import Month
from ledger.journal import NewEntry

FETCH_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class BookedEntry(NewEntry):
    """An entry with its number in the programme's journal, the month of its books, and its place in the hash chain."""

    number: int
    month: Month
    previous_hash: bytes
    hash: bytes


def booked_entries(connection: Connection, programme: str) -> Iterator[BookedEntry]:
    """Every entry of a programme in the order of their numbers, postings in the order of their accounts' codes."""
    with connection.execute(
        text(
            "SELECT entry.number, entry.month, entry.kind, entry.memo, entry.reference, previous_hash, hash,"
            ' array_agg(account.code ORDER BY account.code COLLATE "C") AS codes,'
            ' array_agg(amount_krw ORDER BY account.code COLLATE "C") AS amounts FROM entry'
            " JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " WHERE entry.programme = :programme GROUP BY entry.id ORDER BY entry.number"
        ),
        {"programme": programme},
        execution_options={"yield_per": FETCH_ROWS},
    ) as rows:
        for row in rows:
            yield BookedEntry(
                number=row.number, month=Month.of(row.month), kind=row.kind, memo=row.memo, reference=row.reference,
                postings=dict(zip(row.codes, row.amounts, strict=True)), previous_hash=bytes(row.previous_hash),
                hash=bytes(row.hash),
            )  # fmt: skip


def account_codes(connection: Connection, programme: str) -> list[str]:
    """Every account of a programme's books, by code."""
    return list(
        connection.scalars(
            text('SELECT code FROM account WHERE programme = :programme ORDER BY code COLLATE "C"'),
            {"programme": programme},
        )
    )

"""The journal for other programs (contract.md §2): beancount, hledger, and CSV from which the chain is recomputed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from core.month import Month
from ledger.books import balances
from ledger.reading import BookedEntry, account_codes, booked_entries
from reports.guarded_csv import not_writable, write_csv
from reports.plain_accounts import TYPES, beancount_account, beancount_text, hledger_text, root

FORMS = ("beancount", "hledger", "csv")
COLUMNS = (
    "programme", "number", "month", "kind", "memo", "reference", "account", "amount_krw", "previous_hash", "hash",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Journal:
    """One programme's journal on its way out. `among_others`: its accounts carry the programme in their names.

    `balances`: every account's balance in won, debit +, zeros included.
    """

    programme: str
    among_others: bool
    balances: dict[str, int]
    entries: Iterable[BookedEntry]


def export_journal(connection: Connection, programmes: Sequence[str], form: str, path: Path) -> int:
    """Writes the journals of some programmes as `beancount`, `hledger` or `csv`; returns how many entries.

    The same books give the same bytes. Raises BadInput when the file cannot be written.
    """
    counted = _Counted()
    journals = [
        Journal(
            programme=code,
            among_others=len(programmes) > 1,
            balances=dict.fromkeys(account_codes(connection, code), 0) | balances(connection, code),
            entries=counted.through(booked_entries(connection, code)),
        )
        for code in programmes
    ]
    if form == "csv":
        write_csv(path, COLUMNS, (row for journal in journals for row in _rows(journal)))
    else:
        _write(path, journals, {"beancount": beancount, "hledger": hledger}[form])
    return counted.count


class _Counted:
    count = 0

    def through(self, entries: Iterable[BookedEntry]) -> Iterator[BookedEntry]:
        for entry in entries:
            self.count += 1
            yield entry


def _write(path: Path, journals: Sequence[Journal], lines: Callable[[Journal], Iterator[str]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for journal in journals:
                file.writelines(lines(journal))
    except OSError as error:
        raise not_writable(path, error) from None


def _rows(journal: Journal) -> Iterator[tuple[str | int, ...]]:
    for entry in journal.entries:
        for code, amount_krw in entry.postings.items():
            yield (journal.programme, entry.number, str(entry.month), entry.kind, entry.memo, entry.reference, code,
                   amount_krw, entry.previous_hash.hex(), entry.hash.hex())  # fmt: skip


def beancount(journal: Journal) -> Iterator[str]:
    """Lines for beancount: accounts opened, every entry on its month's last day, the balances asserted at the end."""
    inside = journal.programme if journal.among_others else None
    names = {code: beancount_account(code, inside) for code in journal.balances}
    yield 'option "operating_currency" "KRW"\n\n'
    yield from (f"2000-01-01 open {name} KRW\n  code: {beancount_text(code)}\n" for code, name in names.items())
    until = Month(2000, 1)
    for entry in journal.entries:
        until = max(until, entry.month)
        yield (
            f"\n{entry.month.last} * {beancount_text(entry.memo)}\n  number: {entry.number}\n"
            f"  kind: {beancount_text(entry.kind)}\n  reference: {beancount_text(entry.reference)}\n"
            f'  hash: "{entry.hash.hex()}"\n'
        )
        yield from (f"  {names[code]}  {krw} KRW\n" for code, krw in entry.postings.items())
    yield "\n"
    yield from (f"{(until + 1).first} balance {names[code]}  {krw} KRW\n" for code, krw in journal.balances.items())


def hledger(journal: Journal) -> Iterator[str]:
    """Lines for hledger: accounts by their own codes, every entry on its month's last day, the balances asserted."""
    inside = f"{journal.programme}:" if journal.among_others else ""
    yield "commodity 1000. KRW\n\n"
    yield from (f"account {inside}{code}  ; type: {TYPES[root(code)]}\n" for code in journal.balances)
    until = Month(2000, 1)
    for entry in journal.entries:
        until = max(until, entry.month)
        yield (
            f"\n{entry.month.last} * ({entry.number}) {hledger_text(entry.memo)}\n"
            f"    ; kind: {hledger_text(entry.kind)}, reference: {hledger_text(entry.reference)}\n"
            f"    ; hash: {entry.hash.hex()}\n"
        )
        yield from (f"    {inside}{code}  {krw} KRW\n" for code, krw in entry.postings.items())
    if journal.balances:
        yield f"\n{(until + 1).first} * balances\n"
        yield from (f"    {inside}{code}  0 KRW = {krw} KRW\n" for code, krw in journal.balances.items())

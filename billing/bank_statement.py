"""Korean bank exports as rows, by a mapping file: strict, tied to their balances, all of a file or nothing."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from billing.bank_cells import instant_of, won_of
from billing.bank_map import BankMap
from billing.bank_table import Table, read_table
from billing.payment_file import LONGEST
from core.errors import BadInput

TEXTS = ("memo", "counterparty", "number")
AMOUNTS = ("deposit", "withdrawal", "amount", "balance")


@dataclass(frozen=True, kw_only=True)
class StatementRow:
    """A row of an export: won signed as the account moved, + in, − out. `at`: its UTC instant, of a day without a time
    the day's beginning. `ordinal` counts equal rows of one export from 1; `raw`: its cells as they were.
    """

    line: int
    at: datetime
    amount_krw: int
    balance_krw: int | None
    memo: str
    counterparty: str
    number: str
    raw: tuple[str, ...]
    ordinal: int = 1

    @property
    def content(self) -> tuple:
        """What equal rows have alike."""
        return self.at, self.amount_krw, self.balance_krw, self.memo, self.counterparty, self.number

    def digest(self, account: str) -> str:
        """The row's identity, whatever export it comes in: the head of a SHA-256 over account, content and ordinal."""
        identity = [account, self.at.isoformat(), *self.content[1:], self.ordinal]
        return sha256(json.dumps(identity, ensure_ascii=False).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An export: its rows as they stand in it, and the lines left out (totals, movements of 0 won)."""

    file: str
    sha256: str
    rows: tuple[StatementRow, ...]
    left_out: tuple[int, ...]


def read_statement(path: Path, bank_map: BankMap, now: datetime) -> Statement:
    """An export by its mapping (docs/bank.md). Raises BadInput with the line of each problem: a cell that cannot be
    read, a row after `now`, a totals row or a running balance that the rows do not give.
    """
    table = read_table(path, bank_map)
    rows: list[StatementRow] = []
    problems: list[str] = []
    for line, record in table.lines:
        try:
            rows.append(_row(line, record, table.places, now))
        except _Wrong as wrong:
            problems += [f"{table.file}:{line}: {problem}" for problem in wrong.args]
    if not problems:
        problems = [*_balance_problems(rows, table.file, bank_map), *_sum_problems(table)]
    moved = [row for row in rows if row.amount_krw]
    if not moved and not problems:
        problems = [f"{table.file}: 거래가 한 줄도 없습니다 (no row moves money)."]
    if problems:
        raise BadInput(*problems)
    left_out = [row.line for row in rows if not row.amount_krw] + [line for line, _ in table.totals]
    return Statement(
        file=table.file, sha256=table.sha256, rows=tuple(_numbered(moved)), left_out=tuple(sorted(left_out))
    )


class _Wrong(Exception):
    """What is wrong with a record, cell by cell."""


def _row(line: int, record: Sequence[str], places: Mapping[str, int], now: datetime) -> StatementRow:
    width = max(places.values()) + 1
    if len(record) < width:
        raise _Wrong(f"칸이 {len(record)}개입니다. {width}개 이상이어야 합니다 (too few columns).")
    cells = {name: unicodedata.normalize("NFC", record[place]) for name, place in places.items()}
    day, clock = cells["date"], cells.get("time")
    problems, amounts, at = [], dict.fromkeys(AMOUNTS), now
    try:
        at = instant_of(day, clock)
    except ValueError as error:
        problems.append(f"date '{' '.join(filter(None, (day, clock)))}': {error}.")
    for name in AMOUNTS:
        try:
            amounts[name] = won_of(cells.get(name, ""))
        except ValueError as error:
            problems.append(f"{name} '{cells[name]}': {error}.")
    problems += [] if problems else [*_amount_problems(amounts, places)]
    if at > now:
        problems.append(f"date '{day}': 아직 오지 않은 때입니다 (in the future).")
    texts = {name: cells.get(name, "") for name in TEXTS}
    for name, value in texts.items():
        if len(value) > LONGEST or not value.isprintable():
            problems.append(f"{name}: {LONGEST}자 이하의 글자만 쓸 수 있습니다 (too long, or not printable).")
    if problems:
        raise _Wrong(*problems)
    amount_krw = (amounts["amount"] or 0) + (amounts["deposit"] or 0) - (amounts["withdrawal"] or 0)
    return StatementRow(
        line=line, at=at, amount_krw=amount_krw, balance_krw=amounts["balance"], raw=tuple(record), **texts
    )


def _amount_problems(amounts: Mapping[str, int | None], places: Mapping[str, int]) -> Iterator[str]:
    given = [amounts[name] for name in AMOUNTS[:3] if amounts[name] is not None]
    if not given:
        yield "금액이 없습니다 (no amount)."
    if len([krw for krw in given if krw]) > 1:
        yield "입금액과 출금액이 함께 있습니다 (both a deposit and a withdrawal)."
    if "balance" in places and amounts["balance"] is None:
        yield "balance: 비어 있습니다 (empty)."


def _balance_problems(rows: Sequence[StatementRow], file: str, bank_map: BankMap) -> Iterator[str]:
    """Where the running balance is not the one before it and the row's amount: a row is missing, or stands twice."""
    if "balance" not in bank_map.columns:
        return
    ordered = rows[::-1] if bank_map.newest_first else rows
    broken = _breaks(ordered)
    if broken and not _breaks(ordered[::-1]):
        yield f"{file}: 줄의 순서가 반대입니다. 매핑의 newest_first 를 고치세요 (the other order; set newest_first)."
        return
    for before, row in broken:
        if row.content == before.content:
            yield f"{file}:{row.line}: {before.line}번째 줄이 두 번 있습니다 (the row of line {before.line} twice)."
        else:
            expected_krw = before.balance_krw + row.amount_krw
            yield (
                f"{file}:{row.line}: 잔액 {row.balance_krw:,} 이(가) {before.line}번째 줄의 잔액에서 이어지는 "
                f"{expected_krw:,} 과 다릅니다. 그 사이에 줄이 빠졌거나 더 있습니다 "
                "(the running balance breaks: a row between these lines is missing, or one is too many)."
            )


def _breaks(ordered: Sequence[StatementRow]) -> list[tuple[StatementRow, StatementRow]]:
    return [
        (before, row) for before, row in pairwise(ordered) if before.balance_krw + row.amount_krw != row.balance_krw
    ]


def _sum_problems(table: Table) -> Iterator[str]:
    """Figures of a totals row that are not the sum of their column; what is no won there (a count) is passed."""
    for line, record in table.totals:
        for name in AMOUNTS[:3]:
            place = table.places.get(name)
            if place is None or place >= len(record):
                continue
            try:
                krw = won_of(record[place])
            except ValueError:
                continue
            column_krw = sum(won_of(cells[place]) or 0 for _, cells in table.lines)
            if krw not in (None, column_krw):
                problem = f"{name} 합계 {krw:,} 이(가) 줄들의 합 {column_krw:,} 과 다릅니다 (not the sum of the rows)."
                yield f"{table.file}:{line}: {problem}"


def _numbered(rows: Sequence[StatementRow]) -> Iterator[StatementRow]:
    """The rows with their place among equal ones."""
    seen: Counter = Counter()
    for row in rows:
        seen[row.content] += 1
        yield replace(row, ordinal=seen[row.content]) if seen[row.content] > 1 else row

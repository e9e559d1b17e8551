"""The payments file (contract.md §5): CSV with a header, read strictly, each bad row named by line and column."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import BadInput

COLUMNS = ("paid_at", "channel", "account", "amount_krw", "reference", "counterparty")
CHANNELS = ("bank", "agency", "stripe")
INSTANT = re.compile(r"2[01]\d\d-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
AMOUNT = re.compile(r"-?\d{1,15}", re.ASCII)
TOO_LONG = re.compile(r"-?\d{16,}", re.ASCII)
LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class PaymentRow:
    """A row of the file: won in the account's normal direction, negative for a refund or recovery.

    `document_id`: the invoice that it names, where a payment comes from Stripe or a bank statement.
    """

    line: int
    paid_at: datetime
    channel: str
    account: str
    amount_krw: int
    reference: str
    counterparty: str
    document_id: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes the import idempotent."""
        return self.channel, self.reference

    @property
    def content(self) -> tuple[datetime, str, int, str]:
        """What must be the same when the key comes again."""
        return self.paid_at, self.account, self.amount_krw, self.counterparty


def read_payments(path: Path) -> list[PaymentRow]:
    """Every row of a payments file. Raises BadInput with a line for each problem; nothing of the file counts then."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    except UnicodeDecodeError as error:
        problem = f"{path.name}: UTF-8이 아닙니다. 'CSV UTF-8' 형식으로 저장하세요 (not UTF-8, byte {error.start})."
        raise BadInput(problem) from None
    lines = records(text, path.name)
    _, header = next(lines, (1, []))
    if sorted(header) != sorted(COLUMNS):
        raise BadInput(
            f"{path.name}:1: 첫 줄이 맞지 않습니다: {','.join(header) or '비어 있음'}. "
            f"{','.join(COLUMNS)} 이어야 합니다 (the header does not name these columns)."
        )
    rows: list[PaymentRow] = []
    problems: list[str] = []
    for line, record in lines:
        place = f"{path.name}:{line}"
        if len(record) != len(header):
            problems.append(
                f"{place}: 칸이 {len(record)}개입니다. {len(header)}개여야 합니다 (wrong number of columns)."
            )
            continue
        values = dict(zip(header, record, strict=True))
        found = [f"{place}: {problem}" for problem in _problems(values)]
        if not found:
            rows.append(_row(line, values))
        problems += found
    if problems:
        raise BadInput(*problems)
    return rows


def records(text: str, file: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it starts on; empty lines are left out. Raises BadInput where it is no CSV."""
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(f"{file}:{line}: CSV 형식이 맞지 않습니다 (not valid CSV): {error}") from None
        if record:
            yield line, [field.strip() for field in record]


def _row(line: int, values: dict[str, str]) -> PaymentRow:
    paid_at, amount_krw = datetime.fromisoformat(values["paid_at"]).astimezone(UTC), int(values["amount_krw"])
    return PaymentRow(**values | {"line": line, "paid_at": paid_at, "amount_krw": amount_krw})


def _problems(values: dict[str, str]) -> Iterator[str]:
    yield from _paid_at(values["paid_at"])
    if values["channel"] not in CHANNELS:
        yield f"channel '{values['channel']}': {' / '.join(CHANNELS)} 가운데 하나여야 합니다 (unknown channel)."
    amount = values["amount_krw"]
    if TOO_LONG.fullmatch(amount):
        yield f"amount_krw '{amount}': 15자리를 넘습니다 (too large)."
    elif not AMOUNT.fullmatch(amount):
        yield f"amount_krw '{amount}': 쉼표, 소수점, 기호 없는 원 단위 정수로 적으세요 (whole won, digits only)."
    elif int(amount) == 0:
        yield "amount_krw: 0원입니다 (zero)."
    for name in ("account", "reference"):
        if not values[name]:
            yield f"{name}: 비어 있습니다 (empty)."
    for name, value in values.items():
        if len(value) > LONGEST or not value.isprintable():
            yield f"{name}: {LONGEST}자 이하의 글자만 쓸 수 있습니다 (too long, or not printable)."


def _paid_at(text: str) -> Iterator[str]:
    try:
        instant = datetime.fromisoformat(text) if INSTANT.fullmatch(text) else None
    except ValueError:
        instant = None
    if instant is None:
        yield f"paid_at '{text}': 2025-12-03T09:00:00+09:00 처럼 시차와 함께 적으세요 (an instant with an offset)."

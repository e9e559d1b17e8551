"""Charge lines: what is rounded (domain.md §2), and what a month books of them: the line now less the line booked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from core.money import vat_of
from core.month import Month

TAXED = "taxable"
REVERSED = "취소"


@dataclass(frozen=True, kw_only=True)
class ChargeLine:
    """A charge line as derived at a close, or, as a month's row, the change that the month books.

    Won ex VAT; `quantity_base` in µs × thousandths (gpu), µs × bytes (storage), thousandths of a unit (preparation),
    won (the base of a fee). `line_key` identifies the line across months, `key` is what contract.md §6 shows.
    `origin` is (source, id) of the acceptance, the tie-break of its place in the line (domain.md §5). `cost_krw`: what
    the supplier owes the infrastructure firm `payee` for the whole quantity, held or not.
    """

    project: str
    service_month: Month
    kind: str
    key: str
    line_key: str
    line: str | None
    supplier: str
    description: str
    tax: str
    quantity_base: int
    unit: str
    unit_price_krw: int
    price_version: date | None
    rated_krw: int
    amount_krw: int
    vat_krw: int
    held_krw: int = 0
    payee: str | None = None
    cost_krw: int = 0
    performed_on: date | None = None
    accepted_at: datetime | None = None
    work_seq: int | None = None
    accept_seq: int | None = None
    origin: tuple[str, str] = ("", "")
    reason: str = ""

    @property
    def identity(self) -> tuple[str, Month, str]:
        """What makes it the same line in another month."""
        return self.project, self.service_month, self.line_key

    def charged(self, amount_krw: int, held_krw: int) -> "ChargeLine":
        """The line with what of it is charged now and what is held; VAT follows the charged amount."""
        return replace(self, amount_krw=amount_krw, held_krw=held_krw, vat_krw=self._vat(amount_krw))

    def _vat(self, amount_krw: int) -> int:
        return vat_of(amount_krw) if self.tax == TAXED else 0


@dataclass(frozen=True, kw_only=True)
class BookedLine:
    """A charge line as booked before: its sums over all months, and the first month that charged anything of it."""

    line: ChargeLine
    first_month: Month | None


Booked = Mapping[tuple[str, Month, str], BookedLine]


def month_rows(month: Month, derived: Iterable[ChargeLine], booked: Booked) -> list[ChargeLine]:
    """What a month books: every derived line less what was booked of it, and the reversal of lines that are gone.

    T(n) − T(n−1) (domain.md §0). Lines that did not change are left out.
    """
    rows = []
    gone = dict(booked)
    for line in derived:
        before = gone.pop(line.identity, None)
        row = line if before is None else _change(month, line, before.line)
        if _says_something(row) or before is None or _held_changed(line, before):
            rows.append(row)
    for before in gone.values():
        old = before.line
        if _says_something(old) or old.held_krw:
            rows.append(_reversal(old))
    return sorted(rows, key=lambda row: (row.project, KIND_ORDER[row.kind], row.service_month, row.key))


USAGE_NAMES = {"gpu": "GPU 사용료", "cpu": "CPU 사용료", "storage": "저장공간 사용료", "fee": "플랫폼 이용료"}
KIND_ORDER = {"preparation": 0, "permit": 1, "gpu": 2, "cpu": 3, "storage": 4, "fee": 5}


def _says_something(row: ChargeLine) -> bool:
    return any((row.amount_krw, row.vat_krw, row.quantity_base, row.cost_krw))


def _held_changed(line: ChargeLine, before: BookedLine) -> bool:
    return line.held_krw != before.line.held_krw


def _change(month: Month, line: ChargeLine, old: ChargeLine) -> ChargeLine:
    return replace(
        line,
        quantity_base=line.quantity_base - old.quantity_base,
        amount_krw=line.amount_krw - old.amount_krw,
        vat_krw=line.vat_krw - old.vat_krw,
        cost_krw=line.cost_krw - old.cost_krw,
        reason=_reason(line, old) if line.service_month < month else "",
    )


def _reversal(old: ChargeLine) -> ChargeLine:
    return replace(
        old,
        quantity_base=-old.quantity_base,
        rated_krw=0,
        amount_krw=-old.amount_krw,
        vat_krw=-old.vat_krw,
        cost_krw=-old.cost_krw,
        held_krw=0,
        reason=REVERSED,
    )


def _reason(line: ChargeLine, old: ChargeLine) -> str:
    """Why a line of an earlier service month changed, in the words of a statement's remark."""
    if line.kind == "fee":
        return "공급가액 정정"
    if line.quantity_base != old.quantity_base:
        return "사용량 정정"
    if line.held_krw < old.held_krw:
        return "보류 해제"
    if line.held_krw > old.held_krw:
        return "한도 보류"
    return "단가 정정"

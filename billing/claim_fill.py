"""What is written into the rows of the claim's sheet: accepted work, or an upload with its findings. Pure functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from billing.charge import TAXED
from billing.claim_check import Checked, Value, unit_name
from billing.claim_form import FIRST_ROW, MOST_KRW, MOST_LINES, Form
from billing.claim_line import ClaimLine
from core.money import vat_of
from core.styles import ILLEGAL

DAY_ZERO = date(1899, 12, 30)
LONGEST_TEXT = 32_000


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The sheet's section title; values by (row, column), a quantity in thousandths; the bad cells; what stands in
    column L by row; VAT by row, as the locked formula gives it.
    """

    title: str
    values: Mapping[tuple[int, str], Value]
    vats_krw: Mapping[int, int]
    bad: frozenset[str] = frozenset()
    remarks: Mapping[int, str] = field(default_factory=dict)


def filled_with(lines: Sequence[ClaimLine]) -> Filled:
    """The first 200 lines, one a row; the title says when there are more."""
    entered = dict(enumerate(lines[:MOST_LINES], start=FIRST_ROW))
    values: dict[tuple[int, str], Value] = {}
    for row, line in entered.items():
        cells = {
            "A": row - FIRST_ROW + 1, "B": line.work, "C": line.line, "D": line.kind, "E": line.performed_on,
            "F": line.quantity_milli, "G": unit_name(line.unit), "H": line.unit_price_krw, "I": line.supply_krw,
            "K": line.note,
        }  # fmt: skip
        values |= {(row, column): value for column, value in cells.items() if value != ""}
    title = "청구 내역"
    if len(lines) > MOST_LINES:
        title += f" — 인정 작업 {len(lines):,}건 가운데 {MOST_LINES}건. 올린 뒤 양식을 다시 받아 나머지를 청구하세요"
    return Filled(title=title, values=values, vats_krw={row: line.vat_krw for row, line in entered.items()})


def filled_as(form: Form, checked: Checked) -> Filled:
    """An upload as it was read, with what is wrong: bad cells, remarks naming cell and right value, counts."""
    remarks: dict[int, str] = {}
    for one in checked.findings:
        before = f"{remarks[one.row]} " if one.row in remarks else ""
        remarks[one.row] = f"{before}{one.cell}: {one.korean}"
    rows, wrong = len({row for row, _ in checked.values}), len(checked.findings)
    return Filled(
        title=f"청구 내역 — 확인 결과: {rows:,}행 가운데 {len(remarks):,}행에 오류 {wrong:,}건, 반영하지 않았습니다",
        values={place: value for place, value in checked.values.items() if place[1] != "J"},
        vats_krw=_vats_krw(form, checked.values),
        bad=frozenset(one.cell for one in checked.findings),
        remarks=remarks,
    )


def _vats_krw(form: Form, values: Mapping[tuple[int, str], Value]) -> dict[int, int]:
    """What the locked formula gives for each row whose supply is a number; a line that it does not know is taxed."""
    return {
        row: vat_of(supply) if form.taxes.get(values.get((row, "C")), TAXED) == TAXED else 0
        for (row, column), supply in values.items()
        if column == "I" and isinstance(supply, int)
    }


def written(column: str, value: Value | None) -> int | Decimal | str | None:
    """A value as its cell holds it: a day as its number, a quantity in its unit; what has too many digits as text."""
    if isinstance(value, date):
        return (value - DAY_ZERO).days
    if isinstance(value, int) and column == "F":
        return Decimal(value).scaleb(-3).normalize()
    return str(value) if isinstance(value, int) and value > MOST_KRW else value


def stored(text: str) -> str:
    """Text as the format keeps it: what XML cannot hold, and what looks like such an escape, is escaped."""
    text = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", text)
    return ILLEGAL.sub(lambda found: f"_x{ord(found[0]):04X}_", text[:LONGEST_TEXT].replace("\r", "_x000D_"))

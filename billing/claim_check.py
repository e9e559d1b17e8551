"""A claim's sheet against accepted work, row by row: which cells are wrong, and what would be right. Pure functions."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from billing.claim_form import ENTERED, LONGEST_NOTE, TITLES, Cell, Finding, Sheet
from billing.claim_line import ClaimLine
from billing.claim_values import Wrong, day, milli, normal, shown, whole, won, words
from billing.rating import WORK_UNITS
from core.money import floor_amount
from core.styles import UNSAFE_START

MILLI = 1_000
Value = int | date | str
OtherWorks = Mapping[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What an upload says. `lines`: the works it claims, in its order, complete only without findings; `values`: what
    stands in each cell, as its column's value, or as text where it is none (a quantity in thousandths).
    """

    lines: Sequence[ClaimLine]
    findings: Sequence[Finding]
    values: Mapping[tuple[int, str], Value]


def unit_name(unit: str) -> str:
    """A unit of work as the hospital's sheets show it."""
    return WORK_UNITS.get(unit, unit)


def quantity_text(quantity_milli: int) -> str:
    """`40500` → `40.5`."""
    exact = f"{Decimal(quantity_milli).scaleb(-3):,f}"
    return exact.rstrip("0").rstrip(".") if "." in exact else exact


def check(sheet: Sheet, claimable: Sequence[ClaimLine], others: OtherWorks) -> Checked:
    """Every row against the work that may be claimed. `others`: why other known work may not be, by (line, work)."""
    known: dict[str, dict[str, ClaimLine]] = defaultdict(dict)
    for one in claimable:
        known[normal(one.work)][one.line] = one
    reasons: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for (line, work), reason in others.items():
        reasons[normal(work)][line] = reason
    lines: list[ClaimLine] = []
    findings: list[Finding] = []
    values: dict[tuple[int, str], Value] = {}
    rows: dict[tuple[str, str], int] = {}
    for number, cells in sheet.rows.items():
        row = _Row(number, cells, sheet.day_zero)
        if number in sheet.hidden:
            row.wrong("A", "숨긴 행입니다. 보이게 했으니 확인하고 그대로 두거나 지우세요.", "a hidden row")
        claimed = row.work(known, reasons)
        row.compare(claimed)
        if claimed is not None:
            first = rows.setdefault((claimed.line, claimed.work), number)
            if first != number:
                row.wrong("B", f"{first}행과 같은 작업입니다. 한 번만 적으세요.", f"the same work as in row {first}")
            lines.append(replace(claimed, note=row.value("K", "")))
        findings += [row.findings[column] for column in TITLES if column in row.findings]
        values |= {(number, column): value for column, value in row.values.items()}
    return Checked(lines=lines, findings=findings, values=values)


class _Row:
    """A row under check: its values by column, and at most one finding a cell."""

    def __init__(self, number: int, cells: Mapping[str, Cell], day_zero: date):
        self.number = number
        self.values: dict[str, Value] = {}
        self.findings: dict[str, Finding] = {}
        self._cells = cells
        readers: dict[str, Callable[[Cell], Value]] = {
            "A": whole, "E": lambda cell: day(cell, day_zero), "F": milli, "H": won, "I": won,
        }  # fmt: skip
        for column in ("A", *ENTERED):
            self._read(column, readers.get(column, words))
        if "J" in cells and cells["J"].kind != "formula":
            self._read("J", won)
        self._check_note()

    def _read(self, column: str, reader: Callable[[Cell], Value]) -> None:
        cell = self._cells.get(column)
        if cell is None:
            return
        try:
            self.values[column] = reader(cell)
        except Wrong as wrong:
            self.values[column] = cell.text
            self.wrong(column, wrong.korean, wrong.english)

    def _check_note(self) -> None:
        note = self.values.get("K", "")
        if "K" in self.findings:
            return
        if not note.isprintable():
            self.wrong("K", "줄바꿈이나 보이지 않는 문자가 있습니다. 지우고 다시 적으세요.", "control characters")
        elif len(note) > LONGEST_NOTE:
            problem = f"비고는 {LONGEST_NOTE}자까지입니다 (지금 {len(note):,}자)."
            self.wrong("K", problem, f"longer than {LONGEST_NOTE} characters")
        elif note.startswith(UNSAFE_START):
            problem = f"비고는 = + - @ 로 시작할 수 없습니다 ('{shown(note)}'). 첫 글자를 지우세요."
            self.wrong("K", problem, "text that a spreadsheet would calculate")

    def wrong(self, column: str, korean: str, english: str) -> None:
        """Notes what is wrong with a cell; what was noted of it before stays in front."""
        before = self.findings.get(column)
        if before is not None:
            korean, english = f"{before.korean} {korean}", f"{before.english}; {english}"
        self.findings[column] = Finding(
            cell=f"{column}{self.number}", column=TITLES[column], korean=korean, english=english
        )

    def value(self, column: str, default: Value | None = None) -> Value | None:
        """The value of a cell that is right; the default where it is blank or wrong."""
        return default if column in self.findings else self.values.get(column, default)

    def work(
        self, known: Mapping[str, Mapping[str, ClaimLine]], reasons: Mapping[str, Mapping[str, tuple[str, str]]]
    ) -> ClaimLine | None:  # fmt: skip
        """The accepted work that the row is about, by its number and line; None, with a finding, where none is."""
        work, line = self.value("B"), self.value("C")
        if work is None:
            if "B" not in self.findings:
                self.wrong("B", "작업번호가 비어 있습니다.", "no work number")
            return None
        found = known.get(work, {})
        if line in found:
            return found[line]
        if not found:
            others = reasons.get(work, {})
            unknown = f"인정된 작업 목록에 없는 작업번호 '{shown(work)}'입니다.", "no such accepted work"
            self.wrong("B", *(others.get(line) or next(iter(others.values()), unknown)))
            return None
        lines = ", ".join(sorted(found))
        self.wrong("C", f"이 작업의 협약 line은 {lines}입니다.", f"the work is of {lines}")
        return next(iter(found.values())) if len(found) == 1 else None

    def compare(self, claimed: ClaimLine | None) -> None:
        """Each cell against the accepted work; without one, only that none is blank."""
        expected = _expected(claimed) if claimed else dict.fromkeys("DEFGHI")
        for column, right in expected.items():
            if right is None:
                if column not in self.values:
                    self.wrong(column, f"{TITLES[column]}이(가) 비어 있습니다.", "blank")
            elif column in self.findings or self.values.get(column) not in right.values:
                blank = "" if column in self.values else "비어 있습니다. "
                self.wrong(column, f"{blank}{right.korean}", right.english)
        if claimed and "J" in self.values and self.values["J"] != claimed.vat_krw:
            self.wrong("J", f"부가가치세는 {claimed.vat_krw:,}원입니다.", f"VAT is {claimed.vat_krw:,}")


@dataclass(frozen=True, kw_only=True)
class _Right:
    """What may stand in a cell, and how a finding says so."""

    values: tuple[Value, ...]
    korean: str
    english: str


def _expected(claimed: ClaimLine) -> dict[str, _Right]:
    quantity, unit = quantity_text(claimed.quantity_milli), unit_name(claimed.unit)
    price, supply = claimed.unit_price_krw, claimed.supply_krw
    plain = floor_amount(claimed.quantity_milli, price, 1, MILLI) == supply
    sum_text = f"{quantity} × {price:,} = {supply:,}원입니다." if plain else f"단가표에 따라 {supply:,}원입니다."
    return {
        "D": _Right(values=(normal(claimed.kind),), korean=f"작업 종류는 {shown(claimed.kind)}입니다.",
                    english=f"the kind is {shown(claimed.kind)}"),
        "E": _Right(values=(claimed.performed_on,), korean=f"수행일은 {claimed.performed_on}입니다.",
                    english=f"performed on {claimed.performed_on}"),
        "F": _Right(values=(claimed.quantity_milli,), korean=f"검수 수량은 {quantity}{unit}입니다.",
                    english=f"{quantity} accepted"),
        "G": _Right(values=(normal(unit), normal(claimed.unit)), korean=f"단위는 {shown(unit)}입니다.",
                    english=f"the unit is {shown(claimed.unit)}"),
        "H": _Right(values=(price,), korean=f"단가표의 단가는 {price:,}원입니다.", english=f"the price is {price:,}"),
        "I": _Right(values=(supply,), korean=sum_text, english=f"the supply is {supply:,}"),
    }  # fmt: skip

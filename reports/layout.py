"""Forms and data tables of a statement: header blocks, sections, totals, 검산, and the reference of every figure.

A figure without a reference, and a 검산 that is not zero, cannot be written: both raise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.errors import JeongsanError
from core.styles import FIGURES
from reports.text_size import row_height, text_lines
from reports.workbook import Book, Formula, RawSheet, address, ranged

CHECK_LABEL = "검산 (= 0)"
SUM_NOTE = "같은 표의 행 합계"


class NotZero(JeongsanError):
    """A check of a statement is not zero: the sheet, the cell, the formula and what it gives."""

    def __init__(self, sheet: str, cell: str, formula: str, residual: object):
        super().__init__(f"검산이 0이 아닙니다 (a check is not zero): {sheet}!{cell} ={formula} → {residual}")
        self.sheet, self.cell, self.formula, self.residual = sheet, cell, formula, residual


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; in a form it may cover `span` columns of the sheet's grid."""

    title: str
    kind: str
    width: float = 0
    span: int = 1


@dataclass(frozen=True)
class As:
    """A value shown in another kind than its column's."""

    kind: str
    value: object


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table. `ref`: the reference of its figures, or one per column index where they differ."""

    values: Sequence[object]
    ref: str | Mapping[int, str] = ""
    item: str = ""
    amber: bool = False
    total: bool = False

    def ref_of(self, column: int) -> str:
        """The reference of the figure in a column."""
        return self.ref if isinstance(self.ref, str) else self.ref.get(column, "")


@dataclass(frozen=True, kw_only=True)
class TraceLine:
    """A line of the 근거 sheet: a run of cells that share one reference."""

    sheet: str
    cells: str
    item: str
    amount_krw: int | None
    reference: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a table of a form stands: sheet rows of its body and total, sheet column and kind of each column."""

    first: int
    last: int
    total: int | None
    columns: tuple[int, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A formula that must be zero, and what it gives."""

    formula: str
    residual: int | Decimal


@dataclass(kw_only=True)
class Document:
    """A statement in the making: its workbook, its number, and the trace of its figures."""

    title: str
    number: str
    closed_at: datetime
    trace: list[TraceLine] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self.book = Book(self.title, self.closed_at)

    def trace_of(self, sheet: str, cells: str, item: str, amount: object, reference: str, note: str = "") -> None:
        """Notes where a run of cells came from."""
        shown = amount if type(amount) is int else None
        self.trace.append(
            TraceLine(sheet=sheet, cells=cells, item=item, amount_krw=shown, reference=reference, note=note)
        )


class Page:
    """What forms and data tables share: placing cells by spans, text blocks, checks, and the end of a sheet."""

    def __init__(self, document: Document, sheet: RawSheet, widths: Sequence[float], printed: int):
        self.document = document
        self.sheet = sheet
        self.name = sheet.name
        self.widths = tuple(widths)
        self.printed = printed
        self.values: dict[tuple[int, int], object] = {}
        self._checked: list[str] = []

    def place(self, *cells: tuple[str, object, int] | tuple[None, None, int], height: float | None = None) -> int:
        """Writes a row of (kind, value, span); a kind of None leaves its columns out. Returns the row's number."""
        row, merges, column = [], [], 1
        for kind, value, span in cells:
            if kind is None:
                row += [None] * span
            else:
                style = self.sheet.style(*kind.split("/"))
                row += [(style, value), *[(style, None)] * (span - 1)]
                if span > 1:
                    merges.append((column, column + span - 1))
            column += span
        number = self.sheet.row(row, height)
        for first, last in merges:
            self.sheet.merge(number, first, number, last)
        return number

    def title_block(self, title: str, subtitle: str) -> None:
        """Rows 1 to 5 of a sheet that nobody signs: number, title and subtitle over the full width."""
        width = self.printed
        self.place(("number", f"문서번호  {self.document.number}", 1))
        self.place(*[("title", title if not column else None, 1) for column in range(width)], height=16)
        self.place(*[("title", None, 1)] * width, height=20)
        self.sheet.merge(2, 1, 3, width)
        self.place(("subtitle", subtitle, width), height=16)
        self.spacer()

    def spacer(self, height: float = 6) -> None:
        """An empty row."""
        self.sheet.row([], height)

    def section(self, title: str, unit: str = "(단위: 원)") -> None:
        """Section title at the left, unit at the right of the same row."""
        empty = self.printed - 2
        self.place(("section", title, 1), (None, None, empty), ("unit", unit, 1), height=24)

    def note(self, *texts: str) -> None:
        """Remarks under a table, over the full width."""
        for text in texts:
            lines = text_lines(f"※ {text}", sum(self.widths[: self.printed]) * 1.1)
            self.place(("note", f"※ {text}", self.printed), height=2 + 12.0 * lines)

    def check_cells(self, checks: Mapping[int, Check], label: str = CHECK_LABEL, height: float = 13) -> None:
        """A 검산 row: live formulas by sheet column, each with the stored value 0. Raises NotZero."""
        cells = [(None, None, 1)] * self.printed
        cells[0] = ("check_label", label, 1)
        row = self.sheet.last_row + 1
        for column, check in checks.items():
            cell = address(row, column)
            if check.residual != 0:
                raise NotZero(self.name, cell, check.formula, check.residual)
            cells[column - 1] = ("check", Formula(check.formula), 1)
            self._checked.append(cell)
        self.place(*cells, height=height)

    def finish(self, titles: str | None = None, first_figure_row: int = 1) -> None:
        """Print area, title rows and conditional formats; the last call on a sheet."""
        last = self.sheet.last_row
        self.sheet.printed(ranged(1, 1, last, self.printed), titles)
        self.sheet.negatives_red(ranged(first_figure_row, 1, last, self.printed))
        self.sheet.not_zero_red(self._checked)


def combined(*checks: Check) -> Check:
    """Several checks in one cell: the sum of their sizes, so that none can hide another."""
    if len(checks) == 1:
        return checks[0]
    formula = "+".join(f"ABS({check.formula})" for check in checks)
    return Check(formula=formula, residual=sum(abs(check.residual) for check in checks))


class Form(Page):
    """A form on one page: header block with 결재 strip, label rows, an amount in words, small tables."""

    def __init__(self, document: Document, name: str, widths: Sequence[float], *, landscape: bool = True):
        sheet = document.book.sheet(name, widths, footer=document.number, landscape=landscape, one_page=True)
        super().__init__(document, sheet, widths, len(widths))

    def header(self, title: str, subtitle: str, *, approval: bool = True) -> None:
        """Rows 1 to 5: number, title, subtitle, and the 결재 strip over the last three columns."""
        if not approval:
            self.title_block(title, subtitle)
            return
        body, sheet = self.printed - 3, self.sheet
        self.place(
            ("number", f"문서번호  {self.document.number}", 1), (None, None, body - 1), ("approval", "결      재", 3)
        )
        strip = [("approval", text, 1) for text in ("담당", "검토", "승인")]
        self.place(("title", title, 1), *[("title", None, 1)] * (body - 1), *strip, height=16)
        self.place(*[("title", None, 1)] * body, *[("box", None, 1)] * 3, height=32)
        sheet.merge(2, 1, 3, body)
        self.place(("subtitle", subtitle, body), *[("box", ".      .      .", 1)] * 3, height=16)
        self.spacer()

    def labels(self, *pairs: tuple[str, str, int]) -> None:
        """A row of label and value; a value covers `span` columns."""
        cells = [cell for label, value, span in pairs for cell in (("label", label, 1), ("text", value, span))]
        self.place(*cells, height=self._height(cells, 18))

    def amount(self, label: str, text: str) -> None:
        """A row with an amount in words."""
        self.place(("label", label, 1), ("amount", text, self.printed - 1), height=24)

    def _height(self, cells: Iterable[tuple], least: float) -> float:
        lines, column = 1, 0
        for kind, value, span in cells:
            if isinstance(value, str) and kind is not None:
                indent = int(kind.startswith("text"))
                lines = max(lines, text_lines(value, sum(self.widths[column : column + span]), indent))
            column += span
        return max(least, row_height(lines))

    def table(
        self, title: str, columns: Sequence[Column], rows: Sequence[Row], total: Row | None = None,
        after: Sequence[Row] = (), unit: str = "(단위: 원)",
    ) -> Placed:  # fmt: skip
        """A table with header, body, 합계 below, and rows after it; every figure is noted in the trace."""
        self.section(title, unit)
        header = [("header", column.title, column.span) for column in columns]
        self.place(*header, height=self._height(header, 20))
        starts, at = [], 1
        for column in columns:
            starts.append(at)
            at += column.span
        first = self.sheet.last_row + 1
        for row in rows:
            self._row(columns, starts, row)
        last = self.sheet.last_row
        place = Placed(
            first=first, last=last, total=last + 1 if total else None,
            columns=tuple(starts), kinds=tuple(column.kind for column in columns),
        )  # fmt: skip
        if total:
            refs = {index: f"sum:{ranged(first, starts[index], last, starts[index])}" for index in range(len(columns))}
            self._row(
                columns, starts, Row(values=total.values, ref=total.ref or refs, item=f"{title} 합계", total=True)
            )
        for row in after:
            self._row(columns, starts, row)
        return place

    def _row(self, columns: Sequence[Column], starts: Sequence[int], row: Row) -> None:
        variant = "/total" if row.total else "/correction" if row.amber else ""
        cells, figures = [], []
        for index, (column, value) in enumerate(zip(columns, row.values, strict=True)):
            kind, value = (value.kind, value.value) if isinstance(value, As) else (column.kind, value)
            cells.append(
                (("code" if row.total and kind == "text" and not index else kind) + variant, value, column.span)
            )
            if kind in FIGURES and value is not None:
                figures.append((starts[index], value, row.ref_of(index)))
        number = self.place(*cells, height=self._height(cells, 18))
        for column, value, _ref in figures:
            self.values[number, column] = value
        self._trace(number, figures, row)

    def _trace(self, number: int, figures: Sequence[tuple[int, object, str]], row: Row) -> None:
        runs: list[list] = []
        for column, value, ref in figures:
            if not ref:
                raise ValueError(f"{self.name}!{address(number, column)}: a figure without a reference")
            joined = _joined(runs[-1][3], ref) if runs and runs[-1][1] == column - 1 else None
            if joined:
                runs[-1][1], runs[-1][2], runs[-1][3] = column, None, joined
            else:
                runs.append([column, column, value, ref])
        for first, last, value, ref in runs:
            cells = ranged(number, first, number, last)
            self.document.trace_of(self.name, cells, row.item, value, ref, SUM_NOTE if ref.startswith("sum:") else "")

    # ------------------------------------------------------------------ checks
    def value(self, row: int, column: int) -> int | Decimal:
        """The figure that stands in a cell; 0 where there is none."""
        return self.values.get((row, column), 0)

    def sums(self, place: Placed, *columns: int) -> dict[int, Check]:
        """For columns of a table (by index): the rows add up to the total."""
        checks = {}
        for index in columns:
            column = place.columns[index]
            residual = sum(self.value(row, column) for row in range(place.first, place.last + 1))
            residual -= self.value(place.total, column)
            body = ranged(place.first, column, place.last, column)
            checks[column] = Check(formula=f"SUM({body})-{address(place.total, column)}", residual=residual)
        return checks

    def foots(self, place: Placed, *terms: tuple[int, int]) -> Check:
        """For every row of a table with its total: Σ sign × column (by index) is zero."""
        last = place.total or place.last
        parts, rows = "", range(place.first, last + 1)
        for sign, index in terms:
            parts += ("-" if sign < 0 else "+" if parts else "") + ranged(
                place.first, place.columns[index], last, place.columns[index]
            )
        residual = sum(abs(sum(sign * self.value(row, place.columns[index]) for sign, index in terms)) for row in rows)
        return Check(formula=f"SUMPRODUCT(ABS({parts}))", residual=residual)

    def cells(self, *terms: tuple[int, int, int]) -> Check:
        """Σ sign × cell, given as (sign, row, sheet column), is zero."""
        formula = "".join(
            ("-" if sign < 0 else "+" if position else "") + address(row, column)
            for position, (sign, row, column) in enumerate(terms)
        )
        return Check(formula=formula, residual=sum(sign * self.value(row, column) for sign, row, column in terms))


def _joined(left: str, right: str) -> str | None:
    """One reference for two neighbouring cells: the same one, or the sum over both columns."""
    if left == right:
        return left
    if left.startswith("sum:") and right.startswith("sum:"):
        return f"{left.split(':')[0]}:{left.split(':')[1]}:{right.split(':')[-1]}"
    return None

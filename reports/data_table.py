"""Data tables of a statement: one record a row, 합계 above the frozen header, 검산 below the rows, streamed."""

from collections.abc import Iterable, Mapping, Sequence

from core.styles import FIGURES
from reports.layout import As, Check, Column, Document, Page, Row, combined
from reports.text_size import row_height, text_lines
from reports.workbook import address, ranged

REFERENCE = Column(title="참조번호", kind="reference", width=46)
NOTHING = "내역이 없습니다."
FIRST_ROW = 9
WRAPPED = frozenset({"text", "code"})


class DataTable(Page):
    """A sheet that is one data table. The last column, not printed, holds each row's reference."""

    def __init__(self, document: Document, name: str, columns: Sequence[Column], *, key_columns: int = 2):
        self.columns = (*columns, REFERENCE)
        widths = [column.width for column in self.columns]
        freeze = address(FIRST_ROW, key_columns + 1)
        sheet = document.book.sheet(name, widths, footer=document.number, freeze=freeze)
        super().__init__(document, sheet, widths, len(columns))
        self._looks = {
            amber: [sheet.style(column.kind, "correction" if amber else "") for column in self.columns]
            for amber in (False, True)
        }
        self._wrapped = [
            (index, column.width - (column.kind == "text"))
            for index, column in enumerate(columns)
            if column.kind in WRAPPED
        ]
        texts = [index for index, column in enumerate(columns) if column.kind == "text"]
        self._counted = texts[0] if texts else 1
        self._widest = max(texts or [1], key=lambda index: columns[index].width)
        self._sums: dict[int, int] = {}
        self._foots: list[Sequence[tuple[int, int]]] = []
        self._foot_sums: list[int] = []

    def fill(
        self, title: str, subtitle: str, section: str, rows: Iterable[Row], *, count: int,
        totals: Mapping[int, object] | None = None, foots: Mapping[int, Sequence[tuple[int, int]]] | None = None,
        unit: str = "(단위: 원)", notes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Writes the whole sheet. `count`: how many rows come; `totals` by column index, each derived apart from the
        rows; `foots`: identities of every row as (sign, column index), checked in the cell of a column. Raises NotZero.
        """
        totals, foots = totals or {}, foots or {}
        self.title_block(title, subtitle)
        self.section(section, unit)
        self._totals_row(totals, count)
        header = [("header", column.title, 1) for column in self.columns]
        lines = max(text_lines(column.title, column.width) for column in self.columns)
        self.place(*header, height=max(22, row_height(lines)))
        self._foots, self._foot_sums = list(foots.values()), [0] * len(foots)
        self._sums = dict.fromkeys(totals, 0)
        written = self._body(rows)
        if written != count:
            raise ValueError(f"{self.name}: {count} rows were announced, {written} came")
        last = FIRST_ROW + max(count, 1) - 1
        self._trace(totals, last, section, count)
        self._checks(totals, foots, last)
        self.note(*notes)
        self.sheet.filter(ranged(FIRST_ROW - 1, 1, last, len(self.columns)))
        self.finish(titles=f"{FIRST_ROW - 2}:{FIRST_ROW - 1}", first_figure_row=FIRST_ROW - 2)

    def _totals_row(self, totals: Mapping[int, object], count: int) -> None:
        texts = {0: "합계", self._counted: f"{count:,}건"}
        cells = []
        for index, column in enumerate(self.columns[:-1]):
            kind = column.kind if index in totals else "text" if index == self._counted else "code"
            cells.append((f"{kind}/total", texts.get(index, totals.get(index)), 1))
        self.place(*cells, height=17)

    def _body(self, rows: Iterable[Row]) -> int:
        write, count = self.sheet.row, 0
        for count, row in enumerate(rows, 1):  # noqa: B007
            if not row.ref:
                raise ValueError(f"{self.name}: a row without a reference: {row.values}")
            write(self._cells(row), 4.5 + 12.5 * self._lines(row.values))
            self._add(row.values)
        if not count:
            widest = self._widest
            self.place(*[(column.kind, NOTHING if index == widest else None, 1)
                         for index, column in enumerate(self.columns)], height=17)  # fmt: skip
        return count

    def _cells(self, row: Row) -> list[tuple[int, object]]:
        looks = self._looks[row.amber]
        cells = list(zip(looks, (*row.values, row.ref), strict=True))
        for index, value in enumerate(row.values):
            if type(value) is As:
                cells[index] = self.sheet.style(value.kind, "correction" if row.amber else ""), value.value
        return cells

    def _lines(self, values: Sequence[object]) -> int:
        lines = 1
        for index, width in self._wrapped:
            value = values[index]
            if type(value) is str and len(value) * 1.65 > width - 0.8:
                lines = max(lines, text_lines(value, width))
        return lines

    def _add(self, values: Sequence[object]) -> None:
        """Sums what the totals and the identities of the rows must be tied to."""
        sums = self._sums
        for index in sums:
            sums[index] += values[index]
        for position, terms in enumerate(self._foots):
            residual = 0
            for sign, index in terms:
                residual += sign * values[index]
            self._foot_sums[position] += abs(residual)

    def _trace(self, totals: Mapping[int, object], last: int, section: str, count: int) -> None:
        for index, value in totals.items():
            column = index + 1
            body = ranged(FIRST_ROW, column, last, column)
            cell = address(FIRST_ROW - 2, column)
            self.document.trace_of(self.name, cell, f"{section} 합계", value, f"sum:{body}", "같은 표의 행 합계")
        figures = [index for index, column in enumerate(self.columns) if column.kind in FIGURES]
        if figures and count:
            letter = address(1, len(self.columns))[:-1]
            cells = ranged(FIRST_ROW, min(figures) + 1, last, max(figures) + 1)
            note = "범위의 각 행은 참조 열의 번호를 따름"
            self.document.trace_of(
                self.name, cells, f"{section}의 수량과 금액", None, f"range:{letter}열 참조번호", note
            )

    def _checks(self, totals: Mapping[int, object], foots: Mapping, last: int) -> None:
        checks: dict[int, list[Check]] = {}
        for index, value in totals.items():
            body = ranged(FIRST_ROW, index + 1, last, index + 1)
            formula = f"SUM({body})-{address(FIRST_ROW - 2, index + 1)}"
            checks.setdefault(index + 1, []).append(Check(formula=formula, residual=self._sums[index] - value))
        for (index, terms), residual in zip(foots.items(), self._foot_sums, strict=True):
            parts = ""
            for sign, at in terms:
                parts += ("-" if sign < 0 else "+" if parts else "") + ranged(FIRST_ROW, at + 1, last, at + 1)
            checks.setdefault(index + 1, []).append(Check(formula=f"SUMPRODUCT(ABS({parts}))", residual=residual))
        if checks:
            self.check_cells({column: combined(*several) for column, several in checks.items()})

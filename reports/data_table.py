"""Data tables of a statement: one record a row, 합계 above the frozen header, 검산 below the rows, streamed."""

from collections.abc import Iterable, Mapping, Sequence

from reports.layout import As, Check, Column, Document, Page, Row, combined
from reports.styles import FIGURES, row_height, text_lines
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
        self._sums = [0] * len(columns)
        self._foot_sums: list = []

    def fill(
        self, title: str, subtitle: str, section: str, rows: Iterable[Row], *,
        totals: Mapping[int, object] | None = None, foots: Mapping[int, Sequence[tuple[int, int]]] | None = None,
        unit: str = "(단위: 원)", notes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Writes the whole sheet. `totals` by column index, each derived apart from the rows; `foots`: identities of
        every row as (sign, column index), shown in the check cell of a column. Raises NotZero.
        """
        totals, foots = totals or {}, foots or {}
        self.title_block(title, subtitle)
        self.section(section, unit)
        self._totals_row(totals)
        header = [("header", column.title, 1) for column in self.columns]
        lines = max(text_lines(column.title, column.width) for column in self.columns)
        self.place(*header, height=max(22, row_height(lines)))
        self._foot_sums = [0] * len(foots)
        count = self._body(rows, foots)
        last = FIRST_ROW + max(count, 1) - 1
        self._trace(totals, last, section, count)
        self._checks(totals, foots, last)
        self.note(*notes)
        self.sheet.filter(ranged(FIRST_ROW - 1, 1, last, len(self.columns)))
        self.finish(titles=f"{FIRST_ROW - 2}:{FIRST_ROW - 1}", first_figure_row=FIRST_ROW - 2)

    def _totals_row(self, totals: Mapping[int, object]) -> None:
        cells = []
        for index, column in enumerate(self.columns[:-1]):
            value = "합계" if not index else totals.get(index)
            kind = column.kind if column.kind in FIGURES and index in totals else "code"
            cells.append((f"{kind}/total", value, 1))
        self.place(*cells, height=17)

    def _body(self, rows: Iterable[Row], foots: Mapping[int, Sequence[tuple[int, int]]]) -> int:
        style, count = self.sheet.style, 0
        looks = {amber: [style(column.kind, "correction" if amber else "") for column in self.columns]
                 for amber in (False, True)}  # fmt: skip
        wrapped = [(index, column.width) for index, column in enumerate(self.columns[:-1]) if column.kind in WRAPPED]
        summed = [index for index, column in enumerate(self.columns[:-1]) if column.kind in FIGURES]
        terms, write, sums = list(foots.values()), self.sheet.row, self._sums
        for count, row in enumerate(rows, 1):  # noqa: B007
            values = row.values
            if not row.ref:
                raise ValueError(f"{self.name}: a row without a reference: {values}")
            cells = [
                (style(value.kind, "correction" if row.amber else ""), value.value)
                if type(value) is As
                else (look, value)
                for look, value in zip(looks[row.amber], values, strict=False)
            ]
            cells.append((looks[row.amber][-1], row.ref))
            lines = 1
            for index, width in wrapped:
                value = values[index]
                if type(value) is str and len(value) * 1.7 > width - 2:
                    lines = max(lines, text_lines(value, width))
            write(cells, 4.5 + 12.5 * lines)
            for index in summed:
                if type(values[index]) is int:
                    sums[index] += values[index]
            for position, one in enumerate(terms):
                self._foot_sums[position] += abs(sum(sign * (values[index] or 0) for sign, index in one))
        if not count:
            texts = [index for index, column in enumerate(self.columns[:-1]) if column.kind == "text"]
            widest = max(texts, key=lambda index: self.columns[index].width)
            self.place(*[(column.kind, NOTHING if index == widest else None, 1)
                         for index, column in enumerate(self.columns)], height=17)  # fmt: skip
        return count

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

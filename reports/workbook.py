"""The sheet-writing layer over openpyxl's write-only mode: rows in, a deterministic .xlsx out.

The door of statements to it. A row is written as one XML element, so that a styled row costs about as much as reading
it. Everything that must come before the first row (widths, freeze, page) is set when the sheet is made.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from zipfile import ZIP_DEFLATED

from lxml import etree
from openpyxl import LXML, Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.chart import BarChart, LineChart, data_source
from openpyxl.chart.marker import Marker
from openpyxl.chart.series import Series as ChartSeries
from openpyxl.chart.series import SeriesLabel
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, TwoCellAnchor
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import rows_from_range
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.worksheet.cell_range import CellRange
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.writer.excel import ExcelWriter

from core.fixed_zip import FixedZip
from core.styles import ERROR_FILL, FONT, ILLEGAL, LINE, NAVY, RED, UNSAFE_START, Style, styled

EXCEL_DAY_ZERO = date(1899, 12, 30)
MOST_DIGITS = 10**15
MARKUP = re.compile("[&<>]")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
LETTERS = [get_column_letter(column) for column in range(1, 201)]
MM = 1 / 25.4
ROWS_PACKED = 256


class Formula(str):
    """A check formula, written with the stored value 0: whoever makes one has proved that it is zero."""

    __slots__ = ()


class _RowSheet(WriteOnlyWorksheet):
    """A write-only sheet that takes whole row elements, all at once when the file is made."""

    def take(self, rows: Iterable[etree._Element]) -> None:
        """Streams the rows into the sheet's part; called once."""
        self._get_writer()
        self._rows = self._write_rows()
        next(self._rows)
        for row in rows:
            self._rows.send(row)

    def _write_rows(self) -> Iterator[None]:
        xf = self._writer.xf.send(True)
        with xf.element("sheetData"):
            try:
                while True:
                    xf.write((yield))
            except GeneratorExit:
                pass
        self._writer.xf.send(None)


class Book:
    """A workbook in the making; `closed_at` is the only time that it knows."""

    def __init__(self, title: str, closed_at: datetime):
        if not LXML:
            raise RuntimeError("openpyxl must use lxml: without it the same figures give other bytes")
        self.title = title
        self._book = Workbook(write_only=True)
        self._book.properties.creator = "Jeongsan"
        self._book.properties.title = title
        self._book.properties.created = self._book.properties.modified = closed_at.astimezone(UTC).replace(tzinfo=None)
        self._book.calculation.fullCalcOnLoad = False
        self._book.calculation.calcId = 191029
        self._book._fonts.clear()
        self._book._named_styles["Normal"].font = Font(name=FONT, size=10)
        self._styles: dict[tuple, int] = {}
        self._sheets: list[RawSheet] = []

    def sheet(
        self, name: str, widths: Sequence[float], *, footer: str, landscape: bool = True, one_page: bool = False,
        freeze: str | None = None,
    ) -> "RawSheet":  # fmt: skip
        """A new sheet, set up for A4; `footer` is the document number that stands at the left of each page."""
        sheet = _RowSheet(self._book, name)
        self._book._add_sheet(sheet)
        for column, width in enumerate(widths):
            sheet.column_dimensions[LETTERS[column]].width = width
        sheet.freeze_panes = freeze
        sheet.sheet_view.showGridLines = False
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        setup = sheet.page_setup
        setup.orientation, setup.paperSize = "landscape" if landscape else "portrait", 9
        setup.fitToWidth, setup.fitToHeight = 1, int(one_page)
        margins = sheet.page_margins
        margins.left = margins.right = 12 * MM
        margins.top, margins.bottom, margins.header, margins.footer = 14 * MM, 15 * MM, 7 * MM, 7 * MM
        sheet.print_options.horizontalCentered = True
        for part, text in (
            (sheet.oddFooter.left, footer.replace("&", "&&")),
            (sheet.oddFooter.center, "&P / &N"),
            (sheet.oddFooter.right, f"{self.title} · {name}".replace("&", "&&")),
        ):
            part.text, part.size, part.font = text, 8, f"{FONT},Regular"
        self._sheets.append(RawSheet(self, sheet))
        return self._sheets[-1]

    def style(self, kind: str, variant: str = "", *, quoted: bool = False) -> int:
        """The number of a look in this workbook; `quoted` marks text that a spreadsheet must never calculate."""
        key = kind, variant, quoted
        if key not in self._styles:
            self._styles[key] = self._register(styled(kind, variant), quoted)
        return self._styles[key]

    def _register(self, style: Style, quoted: bool) -> int:
        cell = WriteOnlyCell(self._book.worksheets[0])
        cell.font = Font(name=FONT, size=style.size, bold=style.bold, italic=style.italic, color=style.colour)
        if style.fill:
            cell.fill = PatternFill("solid", fgColor=style.fill)
        cell.border = _border(style.border)
        cell.alignment = Alignment(
            horizontal=style.horizontal or None, vertical=style.vertical, indent=style.indent, wrap_text=style.wrap
        )
        cell.number_format = style.format
        cell.quotePrefix = quoted
        return cell.style_id

    def content(self) -> bytes:
        """The finished file: byte for byte the same for the same rows. Called once."""
        for sheet in self._sheets:
            sheet.stream()
        target = BytesIO()
        with FixedZip(target, "w", ZIP_DEFLATED) as archive:
            ExcelWriter(self._book, archive).write_data()
        return target.getvalue()


def _border(name: str) -> Border:
    thin, medium = Side("thin", color=LINE), Side("medium", color=NAVY)
    sides = dict.fromkeys(("left", "right", "top", "bottom"), thin)
    if not name:
        return Border()
    if name == "error":
        return Border(**dict.fromkeys(sides, Side("medium", color=RED)))
    if name == "header":
        sides["top"] = medium
    if name == "total":
        sides["top"], sides["bottom"] = Side("thin", color=NAVY), medium
    return Border(**sides)


class RawSheet:
    """A sheet as rows of (style number, value); rows are counted from 1. They wait packed until the file is made, so
    that a statement given up half-way leaves nothing open and nothing on disk.
    """

    def __init__(self, book: Book, sheet: _RowSheet):
        self.book = book
        self.name = sheet.title
        self.last_row = 0
        self._sheet = sheet
        self._quoted: dict[int, int] = {}
        self._waiting: list[str] = []
        self._packed: list[bytes] = []

    def row(self, cells: Sequence[tuple[int, object] | None], height: float | None = None) -> int:
        """Writes the next row and returns its number; None leaves a cell out."""
        self.last_row = number = self.last_row + 1
        parts = [f'<row r="{number}" ht="{height}" customHeight="1">' if height else f'<row r="{number}">']
        for letter, cell in zip(LETTERS, cells, strict=False):
            if cell is None:
                continue
            style, value = cell
            if value is None:
                parts.append(f'<c r="{letter}{number}" s="{style}"/>')
            elif type(value) is int and -MOST_DIGITS < value < MOST_DIGITS:
                parts.append(f'<c r="{letter}{number}" s="{style}"><v>{value}</v></c>')
            else:
                parts.append(self._cell(f"{letter}{number}", style, value))
        parts.append("</row>")
        self._waiting.append("".join(parts))
        if len(self._waiting) == ROWS_PACKED:
            self._pack()
        return number

    def _pack(self) -> None:
        rows = f"<rows>{''.join(self._waiting)}</rows>"
        self._packed.append(zlib.compress(rows.encode(), 1))
        self._waiting.clear()

    def stream(self) -> None:
        """Hands all rows to the sheet's part; called once, by the book."""
        self._pack()
        self._sheet.take(row for packed in self._packed for row in etree.XML(zlib.decompress(packed)))

    def _cell(self, address: str, style: int, value: object) -> str:
        if isinstance(value, Formula):
            return f'<c r="{address}" s="{style}"><f>{_escaped(value)}</f><v>0</v></c>'
        if isinstance(value, str):
            return self._text(address, style, value)
        if isinstance(value, Decimal):
            return f'<c r="{address}" s="{style}"><v>{value:f}</v></c>'
        if isinstance(value, date) and not isinstance(value, datetime):
            return f'<c r="{address}" s="{style}"><v>{(value - EXCEL_DAY_ZERO).days}</v></c>'
        if type(value) is int:
            return self._text(address, style, f"{value:,}")
        raise TypeError(f"{address}: {type(value).__name__} is not a value of a statement")

    def _text(self, address: str, style: int, text: str) -> str:
        if text.startswith(UNSAFE_START):
            style = self._quoted.get(style, style)
        text = _escaped(ILLEGAL.sub("\ufffd", text[:32_767]))
        space = ' xml:space="preserve"' if text != text.strip() else ""
        return f'<c r="{address}" s="{style}" t="inlineStr"><is><t{space}>{text}</t></is></c>'

    def style(self, kind: str, variant: str = "") -> int:
        """The number of a look; text in it that looks like a formula gets its quoted twin."""
        number = self.book.style(kind, variant)
        if number not in self._quoted:
            self._quoted[number] = self.book.style(kind, variant, quoted=True)
        return number

    def merge(self, first_row: int, first_column: int, last_row: int, last_column: int) -> None:
        """Merges cells; every covered cell should carry its style."""
        if (first_row, first_column) != (last_row, last_column):
            self._sheet.merged_cells.add(
                CellRange(min_row=first_row, min_col=first_column, max_row=last_row, max_col=last_column)
            )

    def filter(self, ranged: str) -> None:
        """Filter buttons on the first row of a range."""
        self._sheet.auto_filter.ref = ranged

    def printed(self, ranged: str, titles: str | None) -> None:
        """What is printed, and the rows repeated on each page."""
        self._sheet.print_area = ranged
        if titles:
            self._sheet.print_title_rows = titles

    def negatives_red(self, ranged: str) -> None:
        """One conditional format: red below zero."""
        self._sheet.conditional_formatting.add(ranged, CellIsRule("lessThan", ["0"], font=Font(color=RED)))

    def not_zero_red(self, ranges: Sequence[str]) -> None:
        """Checks and differences turn red when they are not zero."""
        if ranges:
            rule = CellIsRule("notEqual", ["0"], fill=PatternFill("solid", bgColor=ERROR_FILL), font=Font(color=RED))
            self._sheet.conditional_formatting.add(" ".join(ranges), rule)

    def chart(self, chart: object, first_row: int, last_row: int, columns: int) -> None:
        """Places a chart over whole cells, so that it fits whatever a program makes of the widths."""
        chart.anchor = TwoCellAnchor(
            _from=AnchorMarker(col=0, row=first_row - 1), to=AnchorMarker(col=columns, row=last_row)
        )
        self._sheet.add_chart(chart)


def _escaped(text: str) -> str:
    return MARKUP.sub(lambda found: ENTITIES[found[0]], text)


def address(row: int, column: int) -> str:
    """`address(11, 3)` → `C11`."""
    return f"{LETTERS[column - 1]}{row}"


def ranged(row: int, column: int, last_row: int, last_column: int) -> str:
    """`C11:J15`, or `C11` for one cell."""
    first, last = address(row, column), address(last_row, last_column)
    return first if first == last else f"{first}:{last}"


def sheet_rows(content: bytes, name: str) -> Iterator[tuple]:
    """The stored values of a sheet, row by row. Raises KeyError when there is no such sheet."""
    book = load_workbook(BytesIO(content), read_only=True)
    try:
        yield from book[name].iter_rows(values_only=True)
    finally:
        book.close()


def addresses(area: str) -> list[str]:
    """`C11:D12` → its cells' addresses, row by row."""
    return [cell for row in rows_from_range(area if ":" in area else f"{area}:{area}") for cell in row]


def cell_value(content: bytes, sheet: str, cell: str) -> int | None:
    """The whole number stored in a cell; None where a text or a fraction stands."""
    book = load_workbook(BytesIO(content), read_only=True)
    try:
        value = book[sheet][cell.upper()].value
    finally:
        book.close()
    return value if isinstance(value, int) else None


def within(ranged_text: str, cell: str) -> bool:
    """Whether a cell lies in a range. Raises ValueError for what is no address."""
    found = CellRange(cell)
    return CellRange(ranged_text).issuperset(found)


@dataclass(frozen=True, kw_only=True)
class Series:
    """A column of a chart's data with the values that stand in it; they are cached in the chart for previews."""

    title: str
    column: int
    values: Sequence[object]
    format: str


def bars_and_line(
    sheet: RawSheet, names: Series, bars: Sequence[Series], line: Series, *, first: int, last: int
) -> BarChart:
    """A native chart: clustered bars on the left axis, a line on the right axis, caches filled."""
    left, right = BarChart(), LineChart()
    left.type, left.gapWidth, left.overlap = "col", 80, 0
    for one, colour in zip(bars, (NAVY, "9DB2CF"), strict=True):
        series = _series(sheet, names, one, first, last)
        series.graphicalProperties.solidFill = colour
        series.graphicalProperties.line.noFill = True
        left.series.append(series)
    rate = _series(sheet, names, line, first, last)
    rate.graphicalProperties.line.solidFill = "C46F12"
    rate.graphicalProperties.line.width = 25_400
    rate.marker = Marker(symbol="circle", size=7)
    rate.marker.graphicalProperties = GraphicalProperties(solidFill="C46F12")
    rate.marker.graphicalProperties.line.solidFill = "C46F12"
    rate.smooth = False
    right.series.append(rate)
    right.y_axis.axId, right.y_axis.crosses = 200, "max"
    right.y_axis.majorGridlines = None
    left.y_axis.number_format, right.y_axis.number_format = "#,##0", "0.0%"
    for axis in (left.x_axis, left.y_axis, right.y_axis):
        axis.delete = False
    left.y_axis.majorGridlines.spPr = GraphicalProperties(ln=LineProperties(solidFill="DDE2E8"))
    left.legend.position = "b"
    left += right
    return left


def _series(sheet: RawSheet, names: Series, one: Series, first: int, last: int) -> ChartSeries:
    def cells(column: int) -> str:
        letter = LETTERS[column - 1]
        return f"'{sheet.name}'!${letter}${first}:${letter}${last}"

    points = [data_source.NumVal(idx=index, v=str(value)) for index, value in enumerate(one.values)]
    labels = [data_source.StrVal(idx=index, v=str(value)) for index, value in enumerate(names.values)]
    series = ChartSeries(
        val=data_source.NumDataSource(
            numRef=data_source.NumRef(
                f=cells(one.column), numCache=data_source.NumData(formatCode=one.format, ptCount=len(points), pt=points)
            )
        ),
        cat=data_source.AxDataSource(
            strRef=data_source.StrRef(
                f=cells(names.column), strCache=data_source.StrData(ptCount=len(labels), pt=labels)
            )
        ),
        tx=SeriesLabel(v=one.title),
    )
    series.graphicalProperties = GraphicalProperties()
    return series

"""Statement writing against bare openpyxl write-only for the same cells: 청구내역 of many charge lines."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, Side

from bench.place import in_child, median_seconds
from bench.table import Row as Line
from bench.table import rate, times
from core.styles import WON
from reports.company import CHARGES
from reports.data_table import DataTable
from reports.layout import As, Document, Row

LINES = 50_000
FEW = 10_000
COLUMNS = len(CHARGES) + 1
CLOSED_AT = datetime(2026, 1, 5, tzinfo=UTC)


def rows() -> Iterator[Line]:
    """Rows a second of the statement layer beside bare openpyxl; peak memory at two sizes shows that it stays flat."""
    bare_s = median_seconds(lambda: _bare(LINES))
    ours_s = median_seconds(lambda: _layer(LINES))
    _few_s, few_mib = in_child(lambda: _layer(FEW))
    _many_s, many_mib = in_child(lambda: _layer(LINES))
    yield Line(
        what=f"openpyxl write-only, {LINES:,} lines × {COLUMNS} styled cells", result=rate(LINES, bare_s, "rows")
    )
    yield Line(
        what=f"statement layer, {LINES:,} lines × {COLUMNS} cells, totals and checks",
        result=rate(LINES, ours_s, "rows"),
        ratio=times(bare_s / ours_s),
        goal="≥ 0.90×",
        memory=f"{many_mib} MiB ({few_mib} MiB at {FEW:,})",
    )


def _values(number: int) -> tuple:
    amount = 12_345 + number % 977
    return (number, f"P{number % 8 + 1}", "작업", f"study (L{number % 40} 데이터 가공, 작업 w{number})", "2025-12",
            number % 300, "건", 12_345, amount, amount // 10, amount + amount // 10, "", "")  # fmt: skip


def _charges(count: int) -> Iterator[Row]:
    for number in range(1, count + 1):
        values = list(_values(number))
        values[5] = As("count", values[5])
        yield Row(values=values, ref=f"charge:2025-12/P{number % 8 + 1}/2025-12/preparation/L1/w{number}")


def _layer(count: int) -> None:
    document = Document(title="기업 정산서", number="정산 제2026-0001호", closed_at=CLOSED_AT)
    supply = sum(12_345 + number % 977 for number in range(1, count + 1))
    vat = sum((12_345 + number % 977) // 10 for number in range(1, count + 1))
    table = DataTable(document, "청구내역", CHARGES, key_columns=4)
    table.fill(
        "청구내역", "2025년 12월분", "청구행", _charges(count), count=count,
        totals={8: supply, 9: vat, 10: supply + vat}, foots={10: ((1, 8), (1, 9), (-1, 10))},
    )  # fmt: skip
    document.book.content()


def _bare(count: int) -> None:
    """The fastest way that openpyxl itself offers: cell objects made and styled once, used again in every row."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("청구내역")
    thin = Side("thin", color="A9B4C0")
    cells = []
    for value in (*_values(0), "charge:"):
        cell = WriteOnlyCell(sheet, value)
        cell.font = Font(name="맑은 고딕", size=10)
        cell.border = Border(left=thin, right=thin, top=thin, bottom=thin)
        cell.alignment = Alignment(horizontal="right" if isinstance(value, int) else "left", vertical="center")
        cell.number_format = WON if isinstance(value, int) else "General"
        cells.append(cell)
    for number in range(1, count + 1):
        reference = f"charge:2025-12/P{number % 8 + 1}/2025-12/preparation/L1/w{number}"
        for cell, value in zip(cells, (*_values(number), reference), strict=True):
            cell.value = value
        sheet.row_dimensions[number].height = 17
        sheet.append(cells)
        del sheet.row_dimensions[number]
    book.save(BytesIO())

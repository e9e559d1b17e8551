"""The 근거 sheet: where every figure of a workbook came from, and finding it again from a cell (domain.md §9)."""

import re
from zipfile import BadZipFile

from core.errors import BadInput
from reports.layout import Column, Document, Page
from reports.text_size import row_height, text_lines
from reports.workbook import sheet_rows, within

SHEET = "근거"
KINDS = {
    "charge": "청구행", "line": "협약 line", "entry": "분개", "balance": "잔액", "budget": "예산", "matrix": "행렬",
    "tie": "대사", "incentive": "참여유인", "registry": "기준정보", "intake": "수신", "sum": "합계", "range": "범위",
}  # fmt: skip
COLUMNS = (
    Column(title="시트", kind="text", width=16),
    Column(title="셀·범위", kind="code", width=13),
    Column(title="항목", kind="text", width=42),
    Column(title="금액", kind="won", width=16),
    Column(title="종류", kind="code", width=11),
    Column(title="참조번호", kind="references", width=56),
    Column(title="설명", kind="text", width=32),
)
HEADER_ROW = 7
WRAPPED = (0, 2, 5, 6)
NOTES = {"registry": "협약·단가표의 값", "budget": "예산 장부와 날짜가 있는 기록"}
ADDRESS = re.compile(r"\$?([A-Z]{1,3})\$?([1-9][0-9]{0,6})", re.ASCII)


def write_trace(document: Document) -> None:
    """The last sheet of a workbook: one line per run of cells that share a reference."""
    widths = [column.width for column in COLUMNS]
    sheet = document.book.sheet(SHEET, widths, footer=document.number, freeze=f"A{HEADER_ROW + 1}")
    page = Page(document, sheet, widths, len(COLUMNS))
    page.title_block(SHEET, "이 통합문서의 금액이 나온 곳 · 참조번호로 청구행·분개·이벤트까지 추적")
    page.section("근거 목록")
    page.place(*[("header", column.title, 1) for column in COLUMNS], height=22)
    looks = [sheet.style(column.kind) for column in COLUMNS]
    room = [width * (1.2 if column.kind == "references" else 1) for column, width in zip(COLUMNS, widths, strict=True)]
    for line in document.trace:
        kind = line.reference.split(":", 1)[0]
        values = (line.sheet, line.cells, line.item, line.amount_krw, KINDS[kind], line.reference,
                  line.note or NOTES.get(kind, ""))  # fmt: skip
        lines = max(text_lines(str(values[index] or ""), room[index], 1) for index in WRAPPED)
        sheet.row(list(zip(looks, values, strict=True)), row_height(lines))
    last = max(sheet.last_row, HEADER_ROW + 1)
    sheet.filter(f"A{HEADER_ROW}:G{last}")
    page.finish(titles=f"{HEADER_ROW}:{HEADER_ROW}", first_figure_row=HEADER_ROW)


def locate(content: bytes, sheet: str, cell: str) -> str:
    """The reference behind a cell of a published workbook. Raises BadInput: what is wrong and what to do."""
    where = f"{sheet}!{cell}"
    found = ADDRESS.fullmatch(cell.strip().upper())
    if not found:
        raise BadInput(f"'{where}': 셀은 C11 처럼 적습니다 (a cell is written like C11).")
    cell = found[1] + found[2]
    try:
        lines = [row[:6] for row in sheet_rows(content, SHEET)][HEADER_ROW:]
    except (KeyError, BadZipFile, OSError, ValueError):
        raise BadInput(f"'{where}': {SHEET} 시트가 있는 정산 통합문서가 아닙니다 (not a statement workbook).") from None
    hits = [line for line in lines if line[0] == sheet and within(str(line[1]), cell)]
    if not hits:
        sheets = ", ".join(sorted({str(line[0]) for line in lines if line[0]}))
        raise BadInput(
            f"'{where}': 금액이 있는 셀이 아닙니다. 시트: {sheets} (no figure there; sheets with figures: {sheets})."
        )
    reference = str(hits[0][5])
    if not reference.startswith("range:"):
        return reference
    return _reference_of_row(content, sheet, reference.removeprefix("range:").split("열")[0], int(found[2]))


def _reference_of_row(content: bytes, sheet: str, letters: str, row: int) -> str:
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    for number, values in enumerate(sheet_rows(content, sheet), 1):
        if number == row:
            return str(values[index - 1])
    raise BadInput(f"'{sheet}!{letters}{row}': 없는 행입니다 (there is no such row).")

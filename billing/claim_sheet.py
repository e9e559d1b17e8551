"""The claim's Excel sheet as it is written: the template, and the marked file after a failed check.

The other door to openpyxl besides reports/workbook.py; the layout is billing/claim_form.py, the looks core/styles.py.
The same template, written again, is byte-identical.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from io import BytesIO
from zipfile import ZipFile

from lxml import etree
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from billing.claim_check import Checked
from billing.claim_fill import DAY_ZERO, Filled, filled_as, filled_with, stored, written
from billing.claim_form import (
    CODES,
    ENTRIES,
    EXAMPLE_ROW,
    FIRST_ROW,
    GUIDE,
    HEADER_ROW,
    IDENTITY,
    LAST_ROW,
    LONGEST_NOTE,
    MOST_KRW,
    TAX_NAMES,
    TITLES,
    Form,
)
from billing.claim_guide import EXAMPLE, HOW, PRIVACY, STEPS
from billing.claim_line import ClaimLine
from core.fixed_zip import FixedZip
from core.styles import (
    ERROR_FILL,
    FONT,
    GREY,
    LINE,
    NAVY,
    RED,
    TEXT,
    TOTAL_FILL,
    UNSAFE_START,
    WON,
    Style,
    styled,
)

MM = 10 / 254
LISTS_ROW = len(IDENTITY) + 3
WIDTHS = {"A": 6, "B": 13, "C": 12, "D": 22, "E": 13, "F": 13, "G": 8, "H": 12, "I": 16, "J": 14, "K": 20, "L": 36}
MOST_SHOWN = 700
GUIDE_WIDTHS = (7, 33, 110)
LISTED = {"C": "A", "D": "C", "G": "D"}
STEP = replace(TEXT, bold=True)
ENTRY = Style(horizontal="center", wrap=True)
FIGURE = Style(horizontal="right")
ENTRY_STYLES = {
    "A": ENTRY, "B": TEXT, "C": ENTRY, "D": TEXT,
    "E": replace(ENTRY, format="yyyy-mm-dd"), "F": replace(FIGURE, format="#,##0.0##"), "G": ENTRY,
    "H": replace(FIGURE, format="#,##0"), "I": replace(FIGURE, format="#,##0"), "J": replace(FIGURE, format=WON),
    "K": TEXT, "L": TEXT,
}  # fmt: skip


def template(form: Form, lines: Sequence[ClaimLine]) -> bytes:
    """The form with the first 200 of the lines entered; its title says when there are more."""
    return _content(form, filled_with(lines))


def marked(form: Form, checked: Checked) -> bytes:
    """The rows of an upload at their own addresses, its bad cells marked, and in column L what would be right."""
    return _content(form, filled_as(form, checked))


def _content(form: Form, filled: Filled) -> bytes:
    book = Workbook()
    book.remove(book.active)
    book._fonts.clear()
    book._named_styles["Normal"].font = Font(name=FONT, size=10)
    properties = book.properties
    properties.creator, properties.title = "Jeongsan", form.number
    properties.created = properties.modified = form.month.start.astimezone(UTC).replace(tzinfo=None)
    looks = _Looks()
    _guide(book.create_sheet(GUIDE), form, looks)
    entries = book.create_sheet(ENTRIES)
    _entries(entries, form, filled, looks)
    _codes(book.create_sheet(CODES), form, looks)
    book.active = 1 if filled.values else 0
    return _packed(book, {f"J{row}": vat for row, vat in filled.vats_krw.items()})


class _Looks:
    """Styles as openpyxl wants them; each is made once."""

    def __init__(self):
        self._made: dict[tuple[Style, bool, bool], object] = {}

    def put(
        self, sheet: Worksheet, address: str, value: int | Decimal | str | None, style: Style, *, locked: bool = True
    ) -> None:
        """Writes a cell; text is never taken for a formula, and a number is written by its own digits."""
        cell = sheet[address]
        quoted = isinstance(value, str) and value.startswith(UNSAFE_START)
        key = style, locked, quoted
        if key not in self._made:
            self._style(cell, style, locked, quoted)
            self._made[key] = copy(cell._style)
        cell._style = copy(self._made[key])
        if value is not None:
            cell.value = stored(value) if isinstance(value, str) else f"{Decimal(value):f}"
            cell.data_type = "s" if isinstance(value, str) else "n"

    def _style(self, cell, style: Style, locked: bool, quoted: bool) -> None:
        cell.font = Font(name=FONT, size=style.size, bold=style.bold, italic=style.italic, color=style.colour)
        if style.fill:
            cell.fill = PatternFill("solid", fgColor=style.fill)
        cell.border = _border(style.border)
        cell.alignment = Alignment(
            horizontal=style.horizontal or None, vertical=style.vertical, indent=style.indent, wrap_text=style.wrap
        )
        cell.number_format = style.format
        cell.protection = Protection(locked=locked)
        cell.quotePrefix = quoted


def _border(name: str) -> Border:
    if not name:
        return Border()
    if name == "error":
        return Border(**dict.fromkeys(("left", "right", "top", "bottom"), Side("medium", color=RED)))
    thin = Side("thin", color=LINE)
    top = Side("medium", color=NAVY) if name == "header" else thin
    return Border(left=thin, right=thin, bottom=thin, top=top)


def _page(sheet: Worksheet, form: Form, *, tall: bool) -> None:
    """A4 landscape, one page wide, locked without a password."""
    sheet.sheet_view.showGridLines = False
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    setup, margins = sheet.page_setup, sheet.page_margins
    setup.orientation, setup.paperSize, setup.fitToWidth, setup.fitToHeight = "landscape", 9, 1, 0 if tall else 1
    margins.left = margins.right = 12 * MM
    margins.top, margins.bottom, margins.header, margins.footer = 14 * MM, 15 * MM, 7 * MM, 7 * MM
    sheet.print_options.horizontalCentered = True
    for part, text in (
        (sheet.oddFooter.left, form.number),
        (sheet.oddFooter.center, "&P / &N"),
        (sheet.oddFooter.right, f"병원 청구서 양식 · {sheet.title}"),
    ):
        part.text, part.size, part.font = text, 8, f"{FONT},Regular"
    sheet.protection.sheet = True
    sheet.protection.formatColumns = sheet.protection.formatRows = False


def _head(sheet: Worksheet, form: Form, looks: _Looks, title: str, subtitle: str, last: str) -> None:
    """Rows 1 to 4: number, title, subtitle."""
    looks.put(sheet, "A1", f"문서번호  {form.number}", styled("number"))
    looks.put(sheet, "A2", title, styled("title"))
    sheet.merge_cells(f"A2:{last}3")
    looks.put(sheet, "A4", subtitle, styled("subtitle"))
    sheet.merge_cells(f"A4:{last}4")
    for row, height in ((2, 16), (3, 20), (4, 16), (5, 6)):
        sheet.row_dimensions[row].height = height


def _guide(sheet: Worksheet, form: Form, looks: _Looks) -> None:
    for letter, width in zip("ABC", GUIDE_WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    subtitle = (
        f"{form.hospital_name} ({form.hospital}) · {form.month.year}년 {form.month.number}월분 · {form.programme_name}"
    )
    _head(sheet, form, looks, "병원 청구서 작성 안내", subtitle, "C")
    looks.put(sheet, "A6", "작성 순서", styled("section"))
    row = 7
    for number, (name, how) in enumerate(STEPS, start=1):
        for letter, value, kind in zip("ABC", (number, name, how), ("code", "step", "text"), strict=True):
            looks.put(sheet, f"{letter}{row}", value, STEP if kind == "step" else styled(kind))
        sheet.row_dimensions[row].height = 20 if len(how) < 70 else 34
        row += 1
    sheet.row_dimensions[6].height = sheet.row_dimensions[row + 1].height = 24
    sheet.row_dimensions[row].height = 6
    looks.put(sheet, f"A{row + 1}", "칸 설명", styled("section"))
    row += 2
    for letter, value in zip("ABC", ("열", "항목", "적는 법"), strict=True):
        looks.put(sheet, f"{letter}{row}", value, styled("header"))
    for column, how in HOW.items():
        row += 1
        for letter, value, kind in zip("ABC", (column, TITLES[column], how), ("code", "code", "text"), strict=True):
            looks.put(sheet, f"{letter}{row}", value, styled(kind))
        sheet.row_dimensions[row].height = 18
    looks.put(sheet, f"A{row + 1}", PRIVACY, replace(styled("note"), wrap=False))
    sheet.print_area = f"A1:C{row + 1}"
    _page(sheet, form, tall=False)


def _entries(sheet: Worksheet, form: Form, filled: Filled, looks: _Looks) -> None:
    for column, width in WIDTHS.items():
        sheet.column_dimensions[column].width = width
    last = form.month.last
    brn = f" (사업자등록번호 {form.hospital_brn})" if form.hospital_brn else ""
    period = f"{last.year}. {last.month}. {last.day}.까지 검수된 작업"
    _head(sheet, form, looks, "병원 청구 내역", f"{form.hospital_name} {form.hospital}{brn} · {period}", "L")
    looks.put(sheet, "A6", filled.title, styled("section"))
    looks.put(sheet, "L6", "(단위: 원)", styled("unit"))
    example = dict(zip(TITLES, EXAMPLE, strict=True)) | {"E": (last - DAY_ZERO).days}
    for column, title in TITLES.items():
        looks.put(sheet, f"{column}{HEADER_ROW}", title, styled("header"))
        style = replace(ENTRY_STYLES[column], italic=True, colour=GREY, fill=TOTAL_FILL)
        looks.put(sheet, f"{column}{EXAMPLE_ROW}", example[column], style)
    for row, height in ((6, 24), (HEADER_ROW, 22), (EXAMPLE_ROW, 18)):
        sheet.row_dimensions[row].height = height
    for row in range(FIRST_ROW, LAST_ROW + 1):
        _entry(sheet, row, form, filled, looks)
    _validate(sheet, form)
    sheet.freeze_panes = f"C{FIRST_ROW}"
    used = max((row for row, _ in filled.values), default=FIRST_ROW + 20)
    sheet.print_area = f"A1:L{min(LAST_ROW, used + 7)}"
    sheet.print_title_rows = f"{HEADER_ROW}:{HEADER_ROW}"
    _page(sheet, form, tall=True)


def _entry(sheet: Worksheet, row: int, form: Form, filled: Filled, looks: _Looks) -> None:
    lines = 1
    for column, style in ENTRY_STYLES.items():
        address, value = f"{column}{row}", filled.values.get((row, column))
        if column == "L":
            value = filled.remarks.get(row)
        if address in filled.bad or (column == "L" and value):
            style = replace(style, bold=True, colour=RED, fill=ERROR_FILL, border="error")
        if isinstance(value, str):
            lines = max(lines, _lines(value, WIDTHS[column]))
        looks.put(sheet, address, written(column, value), style, locked=column in "JL")
        if column == "J":
            sheet[address] = _vat_formula(row, form)
    sheet.row_dimensions[row].height = 18 if lines == 1 else 6 + 13 * lines


def _lines(text: str, width: int) -> int:
    """About how many lines a text takes in a column: Hangul counts as two letters, with room for the odd word."""
    size = sum(2 if ord(letter) > 0x2E7F else 1 for letter in text[:MOST_SHOWN])
    return max(1, -(-size // (width - 3)))


def _vat_formula(row: int, form: Form) -> str:
    """A tenth of the supply, floored, where the line is taxed."""
    taxes = f"{CODES}!$A${LISTS_ROW}:$B${LISTS_ROW + max(len(form.taxes), 1) - 1}"
    tax = f'IFERROR(VLOOKUP(C{row},{taxes},2,FALSE),"과세")'
    return f'=IF(ISNUMBER(I{row}),IF({tax}="과세",INT(I{row}/10),0),"")'


def _validate(sheet: Worksheet, form: Form) -> None:
    """What a cell may hold, by list, date, whole number, formula and length."""
    lists = {"C": form.taxes, "D": form.kinds, "G": form.units}
    for column, codes in LISTED.items():
        if lists[column]:
            area = f"{CODES}!${codes}${LISTS_ROW}:${codes}${LISTS_ROW + len(lists[column]) - 1}"
            _rule(sheet, column, "목록에서 고르세요.", type="list", formula1=area)
    one, last = f"B{FIRST_ROW}:B{LAST_ROW}", (form.month.last - DAY_ZERO).days
    fixed = one.replace("B", "$B$")
    lines = fixed.replace("B", "C")
    same = f"COUNTIFS({fixed},B{FIRST_ROW},{lines},C{FIRST_ROW})<=1"
    exact = f"AND(ISNUMBER(F{FIRST_ROW}),F{FIRST_ROW}>0,ROUND(F{FIRST_ROW},3)=F{FIRST_ROW})"
    _rule(sheet, "A", "1부터 차례로 적으세요.", type="whole", operator="between", formula1="1", formula2="9999")
    _rule(sheet, "B", "같은 작업은 한 번만 적습니다.", type="custom", formula1=same)
    _rule(sheet, "E", f"{form.month.last} 까지의 날짜를 적으세요.", type="date", operator="between", formula1="36526",
          formula2=str(last))  # fmt: skip
    _rule(sheet, "F", "0보다 큰 수를 소수 셋째 자리까지 적으세요.", type="custom", formula1=exact)
    for column in "HI":
        _rule(sheet, column, "원 단위 정수로 적으세요.", type="whole", operator="between", formula1="0",
              formula2=str(MOST_KRW))  # fmt: skip
    _rule(sheet, "K", f"{LONGEST_NOTE}자까지 적습니다.", type="textLength", operator="lessThanOrEqual",
          formula1=str(LONGEST_NOTE))  # fmt: skip


def _rule(sheet: Worksheet, column: str, problem: str, **rule: str) -> None:
    validation = DataValidation(
        allow_blank=True, showErrorMessage=True, errorTitle=TITLES[column], error=problem,
        sqref=f"{column}{FIRST_ROW}:{column}{LAST_ROW}", **rule,
    )  # fmt: skip
    sheet.add_data_validation(validation)


def _codes(sheet: Worksheet, form: Form, looks: _Looks) -> None:
    """What the file is for, and the lists to choose from; hidden."""
    for row, (name, value) in enumerate(zip(IDENTITY, form.identity, strict=True), start=1):
        looks.put(sheet, f"A{row}", name, styled("label"))
        looks.put(sheet, f"B{row}", value, styled("text"))
    lists = {
        "A": ("협약 line", list(form.taxes)), "B": ("세금", [TAX_NAMES[tax] for tax in form.taxes.values()]),
        "C": ("작업 종류", form.kinds), "D": ("단위", form.units),
    }  # fmt: skip
    for column, (name, values) in lists.items():
        looks.put(sheet, f"{column}{LISTS_ROW - 1}", name, styled("header"))
        for row, value in enumerate(values, start=LISTS_ROW):
            looks.put(sheet, f"{column}{row}", value, styled("text"))
    sheet.sheet_state = "hidden"
    sheet.protection.sheet = True


def _packed(book: Workbook, values: Mapping[str, int]) -> bytes:
    """The file's bytes, with the value of each formula stored, since a preview does not calculate."""
    written, packed = BytesIO(), BytesIO()
    with FixedZip(written, "w") as archive:
        ExcelWriter(book, archive).write_data()
    with ZipFile(written) as source, FixedZip(packed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, _with_values(content, values) if name.endswith("sheet2.xml") else content)
    return packed.getvalue()


def _with_values(content: bytes, values: Mapping[str, int]) -> bytes:
    sheet = etree.fromstring(content)
    space = f"{{{sheet.nsmap[None]}}}"
    for cell in sheet.iter(f"{space}c"):
        if cell.find(f"{space}f") is not None:
            stored = cell.find(f"{space}v")
            stored.text = str(values.get(cell.get("r"), ""))
            if not stored.text:
                cell.set("t", "str")
    return etree.tostring(sheet, xml_declaration=True, encoding="UTF-8", standalone=True)

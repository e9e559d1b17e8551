"""An upload's bytes → the entered rows of our own sheet, or one clear refusal of the whole file.

What concerns the whole file (another kind, another form, moved cells, rows that do not fit) is refused here; what
concerns one cell is left to billing/claim_check.py, which marks it.
"""

from collections import defaultdict
from datetime import date

from billing.claim_file import parts_of
from billing.claim_form import (
    CODES,
    ENTERED,
    ENTRIES,
    FIRST_ROW,
    GUIDE,
    HEADER_ROW,
    IDENTITY,
    LAST_ROW,
    MOST_LINES,
    TITLES,
    Cell,
    Form,
    Sheet,
)
from billing.claim_grid import Grid, SheetPart, grid_of, sheets_of, strings_of
from billing.claim_values import normal, shown
from core.errors import BadInput

SHEETS = (GUIDE, ENTRIES, CODES)
DAY_ZERO, DAY_ZERO_1904 = date(1899, 12, 30), date(1904, 1, 1)
NEW_FORM = "`claims template` 으로 새로 받은 양식에 적어 올리세요"
NAMED = 5


def read_upload(content: bytes, file: str, form: Form) -> Sheet:
    """The entered rows of an upload that is meant for `form`. Raises BadInput naming the file, the place, what is
    wrong and what to do; nothing of such a file counts.
    """
    parts = parts_of(content, file)
    sheets, counts_1904 = sheets_of(parts, file)
    _check_sheets(sheets, file)
    strings = strings_of(parts, file)
    codes = grid_of(parts, sheets[CODES].part, strings, file, len(IDENTITY), "B")
    _check_identity(codes, form, file)
    grid = grid_of(parts, sheets[ENTRIES].part, strings, file, LAST_ROW, max(TITLES))
    _check_layout(grid, file)
    rows: dict[int, dict[str, Cell]] = defaultdict(dict)
    for (row, column), cell in grid.cells.items():
        if row >= FIRST_ROW:
            rows[row][column] = cell
    entered = {row: cells for row, cells in sorted(rows.items()) if any(column in cells for column in ENTERED)}
    if not entered:
        raise BadInput(f"{file}: {ENTRIES}!B{FIRST_ROW}: 적힌 작업이 없습니다. 9행부터 적으세요 (no work is entered).")
    return Sheet(
        rows=entered,
        day_zero=DAY_ZERO_1904 if counts_1904 else DAY_ZERO,
        hidden=frozenset(grid.hidden_rows & entered.keys()),
    )


def _check_sheets(sheets: dict[str, SheetPart], file: str) -> None:
    missing = [name for name in SHEETS if name not in sheets]
    others = [shown(name) for name in sheets if name not in SHEETS]
    if missing:
        raise BadInput(f"{file}: 시트가 없습니다: {', '.join(missing)}. {NEW_FORM} (a sheet of the form is missing).")
    if others:
        problem = f"{file}: 양식에 없는 시트가 있습니다: {', '.join(others[:NAMED])}. 지우고 올리세요 (other sheets)."
        raise BadInput(problem)
    if sheets[ENTRIES].hidden:
        raise BadInput(f"{file}: '{ENTRIES}' 시트가 숨겨져 있습니다. 숨김을 풀고 올리세요 (the sheet is hidden).")


def _check_identity(codes: Grid, form: Form, file: str) -> None:
    """The form's version, programme, hospital and month, as the template wrote them into its hidden sheet."""
    problems = []
    for row, (name, asked) in enumerate(zip(IDENTITY, form.identity, strict=True), start=1):
        cell = codes.cells.get((row, "B"))
        found = normal(cell.text) if cell else "없음"
        if found != asked:
            problems.append(
                f"{file}: {CODES}!B{row} {name}: {shown(found)} 의 양식입니다. 지금 올리는 청구는 {asked} 입니다. "
                f"{NEW_FORM} (the form of another version, programme, hospital or month)."
            )
    if problems:
        raise BadInput(*problems)


def _check_layout(grid: Grid, file: str) -> None:
    for column, title in TITLES.items():
        cell = grid.cells.get((HEADER_ROW, column))
        if cell is None or normal(cell.text) != title:
            found = shown(cell.text) if cell else "빈칸"
            raise BadInput(
                f"{file}: {ENTRIES}!{column}{HEADER_ROW}: 머리글이 '{title}' 이어야 하는데 '{found}' 입니다. "
                f"행이나 열을 넣거나 지웠거나 옮겼습니다. {NEW_FORM} (the header was moved or renamed)."
            )
    if grid.beyond:
        raise BadInput(
            f"{file}: {ENTRIES}!{grid.beyond}: 양식 밖에 값이 있습니다. {FIRST_ROW}~{LAST_ROW}행, A~L열에만 적습니다. "
            f"작업이 {MOST_LINES}건을 넘으면 {MOST_LINES}건씩 나누어, 먼저 올린 뒤 양식을 다시 받아 올리세요 "
            f"(a value outside the form; claim at most {MOST_LINES} works a file)."
        )
    merged = [one for one in grid.merged if _last_row(one) > HEADER_ROW]
    if merged:
        named = ", ".join(shown(one) for one in merged[:NAMED])
        raise BadInput(f"{file}: {ENTRIES}!{named}: 병합한 칸이 있습니다. 병합을 풀고 올리세요 (merged cells).")
    hidden = ", ".join(f"{tuple(TITLES)[column - 1]}열" for column in sorted(grid.hidden_columns))
    if hidden:
        raise BadInput(f"{file}: {ENTRIES}: 숨긴 열이 있습니다: {hidden}. 숨김을 풀고 올리세요 (hidden columns).")


def _last_row(area: str) -> int:
    digits = "".join(one for one in area.rpartition(":")[2] if one.isascii() and one.isdigit())
    return int(digits[:7] or LAST_ROW)

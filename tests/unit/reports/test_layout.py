from datetime import UTC, datetime
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from core.errors import BadInput
from reports.data_table import NOTHING, DataTable
from reports.layout import As, Check, Column, Document, Form, NotZero, Row, combined
from reports.text_size import row_height, text_lines
from reports.trace import locate, write_trace

CLOSED_AT = datetime(2025, 12, 3, tzinfo=UTC)
COLUMNS = (
    Column(title="과제", kind="code", width=9),
    Column(title="내용", kind="text", width=30),
    Column(title="공급가액", kind="won", width=14),
    Column(title="부가가치세", kind="won", width=14),
    Column(title="합계", kind="won", width=14),
)
GRID = [9, 30, 14, 14, 14]


def document() -> Document:
    return Document(title="시험", number="정산 제2025-0001호", closed_at=CLOSED_AT)


def row(supply, vat, total, ref="charge:2025-11/P1/2025-11/gpu/H100@2025-09-01", **more):
    return Row(values=["P1", "GPU", supply, vat, total], ref=ref, **more)


def form(doc: Document) -> Form:
    made = Form(doc, "정산서", GRID)
    made.header("시험 정산서", "2025년 11월분")
    return made


def filled(doc: Document, rows, totals, **more) -> None:
    foots = {4: ((1, 2), (1, 3), (-1, 4))}
    DataTable(doc, "청구내역", COLUMNS).fill(
        "청구내역", "2025년 11월분", "청구행", iter(rows), count=len(rows), totals=totals, foots=foots, **more
    )


def test_form__figure_without_a_reference_cannot_be_written():
    with pytest.raises(ValueError, match="without a reference"):
        form(document()).table("표", COLUMNS, [row(10, 1, 11, ref="")])


def test_form__total_that_the_rows_do_not_add_up_to_is_refused():
    page = form(document())
    place = page.table("표", COLUMNS, [row(10, 1, 11), row(5, 0, 5)], Row(values=["합계", "", 16, 1, 16]))
    with pytest.raises(NotZero, match=r"정산서!C\d+ =SUM"):
        page.check_cells(page.sums(place, 2))


def test_form__row_that_does_not_foot_is_refused_even_where_another_makes_up_for_it():
    page = form(document())
    place = page.table("표", COLUMNS, [row(10, 1, 12), row(5, 1, 5)], Row(values=["합계", "", 15, 2, 17]))
    with pytest.raises(NotZero) as caught:
        page.check_cells({5: page.foots(place, (1, 2), (1, 3), (-1, 4))})
    assert caught.value.residual == 2
    assert caught.value.exit_code == 1


def test_combined__no_check_hides_another():
    both = combined(Check(formula="A1", residual=1), Check(formula="B1", residual=-1))
    assert both.residual == 2
    assert both.formula == "ABS(A1)+ABS(B1)"


def test_form__trace_has_one_line_for_a_run_of_cells_with_one_reference():
    doc = document()
    page = form(doc)
    page.table("표", COLUMNS, [row(10, 1, 11)], Row(values=["합계", "", 10, 1, 11]))
    assert [(line.cells, line.reference) for line in doc.trace] == [
        ("C8:E8", "charge:2025-11/P1/2025-11/gpu/H100@2025-09-01"),
        ("C9:E9", "sum:C8:E8"),
    ]


def test_data_table__total_derived_apart_is_tied_to_the_rows():
    with pytest.raises(NotZero):
        filled(document(), [row(10, 1, 11)], {2: 11})


def test_data_table__row_that_does_not_foot_is_refused():
    with pytest.raises(NotZero, match="SUMPRODUCT"):
        filled(document(), [row(10, 1, 12), row(10, 1, 10)], {2: 20, 3: 2, 4: 22})


def test_data_table__announced_and_written_rows_are_the_same():
    with pytest.raises(ValueError, match="1 rows were announced, 0 came"):
        DataTable(document(), "표", COLUMNS).fill("표", "", "행", iter(()), count=1)


def test_data_table__without_rows_says_so_and_its_totals_are_zero():
    doc = document()
    filled(doc, [], {2: 0, 3: 0, 4: 0})
    sheet = load_workbook(BytesIO(doc.book.content()))["청구내역"]
    assert sheet["B9"].value == NOTHING
    assert sheet["C7"].value == 0


def test_data_table__correction_is_amber_and_a_cell_may_be_of_another_kind():
    doc = document()
    rows = [Row(values=["P1", "작업", As("hours", 3), 0, 3], ref="charge:x/y", amber=True)]
    DataTable(doc, "표", COLUMNS).fill("표", "", "행", rows, count=1)
    cell = load_workbook(BytesIO(doc.book.content()))["표"]["C9"]
    assert cell.fill.fgColor.rgb.endswith("FFF5DC")
    assert cell.number_format.startswith("#,##0.00;")


def test_data_table__layout_is_frozen_filtered_and_repeats_its_header():
    doc = document()
    filled(doc, [row(10, 1, 11), row(5, 0, 5)], {2: 15, 3: 1, 4: 16})
    sheet = load_workbook(BytesIO(doc.book.content()))["청구내역"]
    assert sheet.freeze_panes == "C9"
    assert sheet.auto_filter.ref == "A8:F10"
    assert sheet.print_title_rows == "$7:$8"
    assert sheet.print_area.endswith("$A$1:$E$11")
    assert sheet["F9"].value.startswith("charge:")
    assert sheet["C11"].value == "=SUM(C9:C10)-C7"


def traced() -> bytes:
    doc = document()
    page = form(doc)
    page.table("표", COLUMNS, [row(10, 1, 11)], Row(values=["합계", "", 10, 1, 11]))
    page.finish()
    filled(doc, [row(10, 1, 11), row(5, 0, 5, ref="charge:2025-11/P2/2025-11/fee/platform")], {2: 15, 3: 1, 4: 16})
    write_trace(doc)
    return doc.book.content()


@pytest.mark.parametrize(
    ("sheet", "cell", "reference"),
    [
        ("정산서", "D8", "charge:2025-11/P1/2025-11/gpu/H100@2025-09-01"),
        ("정산서", "$e$9", "sum:C8:E8"),
        ("청구내역", "C7", "sum:C9:C10"),
        ("청구내역", "E10", "charge:2025-11/P2/2025-11/fee/platform"),
    ],
)
def test_locate__finds_the_reference_of_a_cell(sheet, cell, reference):
    assert locate(traced(), sheet, cell) == reference


@pytest.mark.parametrize(
    ("content", "sheet", "cell", "problem"),
    [
        (traced(), "정산서", "A1", "금액이 있는 셀이 아닙니다"),
        (traced(), "없는시트", "C8", "금액이 있는 셀이 아닙니다"),
        (traced(), "정산서", "C8:D9", "C11 처럼"),
        (b"not a workbook", "정산서", "C8", "정산 통합문서가 아닙니다"),
    ],
)
def test_locate__says_what_is_wrong(content, sheet, cell, problem):
    with pytest.raises(BadInput, match=problem):
        locate(content, sheet, cell)


def test_text_lines__hangul_is_wider_and_words_wrap():
    assert text_lines("공급가액", 14) == 1
    assert text_lines("바우처\n(전담기관 지급)", 14.5) == 2
    assert text_lines("가" * 30, 14) == 4


@given(st.text(max_size=60), st.floats(min_value=4, max_value=80))
def test_row_height__grows_with_the_lines_and_never_vanishes(text, width):
    lines = text_lines(text, width)
    assert lines >= 1 + text.count("\n")
    assert row_height(lines) >= 17

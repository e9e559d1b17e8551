import re
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook

from core.styles import FONT
from reports.workbook import Book, Formula, within

CLOSED_AT = datetime(2025, 12, 3, tzinfo=UTC)


def written(*values, kind="text") -> bytes:
    book = Book("시험", CLOSED_AT)
    sheet = book.sheet("표", [20] * len(values), footer="정산 제2025-0001호")
    style = sheet.style(kind)
    sheet.row([(style, value) for value in values])
    return book.content()


def sheet_xml(content: bytes) -> str:
    return ZipFile(BytesIO(content)).read("xl/worksheets/sheet1.xml").decode()


@pytest.mark.parametrize("text", ["=1+1", "+82-2", "-5", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")', "#N/A"])
def test_text__that_looks_like_a_formula_stays_text(text):
    cell = load_workbook(BytesIO(written(text)))["표"]["A1"]
    assert cell.data_type == "s"
    assert cell.value == text
    assert cell.quotePrefix is text.startswith(("=", "+", "-", "@", "\t"))
    assert "<f>" not in sheet_xml(written(text))


def test_text__with_markup_and_control_characters_is_safe_xml():
    cell = load_workbook(BytesIO(written("<b>&\x00\x1b</b> 끝 ")))["표"]["A1"]
    assert cell.value == "<b>&��</b> 끝 "


def test_integer__beyond_fifteen_digits_is_written_as_text():
    first, second = load_workbook(BytesIO(written(999_999_999_999_999, 1_426_642_397_770_464_000, kind="won")))["표"][1]
    assert (first.value, first.data_type) == (999_999_999_999_999, "n")
    assert (second.value, second.data_type) == ("1,426,642,397,770,464,000", "s")


def test_date__is_a_true_date():
    cell = load_workbook(BytesIO(written(date(2025, 12, 3), kind="date")))["표"]["A1"]
    assert cell.value == datetime(2025, 12, 3)  # noqa: DTZ001
    assert cell.number_format == 'yyyy". "m". "d"."'


def test_decimal__is_written_digit_for_digit():
    assert "<v>0.100000</v>" in sheet_xml(written(Decimal("0.100000"), kind="rate"))


@pytest.mark.parametrize("value", [1.5, True, datetime(2025, 12, 3, tzinfo=UTC), [1]])
def test_value__that_is_no_statement_value_is_refused(value):
    with pytest.raises(TypeError, match="not a value of a statement"):
        written(value)


def test_formula__carries_its_stored_zero():
    assert "<f>SUM(A1:A2)-A3</f><v>0</v>" in sheet_xml(written(Formula("SUM(A1:A2)-A3"), kind="check"))


def test_content__is_the_same_bytes_and_knows_no_other_time_than_the_close():
    content = written("같은 것", 1)
    assert content == written("같은 것", 1)
    archive = ZipFile(BytesIO(content))
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {(entry.create_system, entry.external_attr) for entry in archive.infolist()} == {(3, 0o600 << 16)}
    core = archive.read("docProps/core.xml").decode()
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"2025-12-03T00:00:00Z"}


def test_workbook__asks_for_no_recalculation_and_measures_widths_in_its_own_font():
    archive = ZipFile(BytesIO(written("x")))
    assert 'fullCalcOnLoad="1"' not in archive.read("xl/workbook.xml").decode()
    fonts = re.search(r"<fonts.*?</font>", archive.read("xl/styles.xml").decode())[0]
    assert FONT in fonts
    assert '<sz val="10"' in fonts


def test_within__tells_cells_of_a_range():
    assert within("C11:J15", "D12")
    assert within("C11", "C11")
    assert not within("C11:J15", "K12")

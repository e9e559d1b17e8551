"""The six workbooks of the worked case's two months, as the run published them."""

import os
import re
import subprocess
import sys
import unicodedata
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from core.errors import RuleRefused
from core.month import Month
from core.styles import DIFFERENCE, THREE_PLACES, TWO_PLACES, WON
from reports.lineage import trace
from reports.statements import prepare, publish
from reports.trace import SHEET as TRACE
from reports.trace import locate
from reports.workbook import within
from tests.statement_files import DECEMBER, NOVEMBER, every_workbook, files
from tests.worked import PROGRAMME, needs_case, run
from tests.worked import prepare as take_in

pytestmark = needs_case
__all__ = ["files"]
FIGURE_FORMATS = {WON, DIFFERENCE, TWO_PLACES, THREE_PLACES}
FORMULA = re.compile(r'<c r="([A-Z]+\d+)"[^>]*><f>([^<]+)</f><v>0</v></c>')


def cells(content: bytes, sheet: str, row: int, columns: str) -> list:
    """Stored values of a row, from one column to another (`"CJ"`)."""
    first, last = columns
    return [cell.value for cell in load_workbook(BytesIO(content))[sheet][f"{first}{row}" : f"{last}{row}"][0]]


NAMES = {
    "기업정산서_C1", "기업정산서_C2", "기업정산서_C3", "병원정산서_H01", "병원정산서_H02", "병원정산서_H03",
    "운영기관이용료내역서_OP", "지급요청서_KHIS", "예산집행현황_MOHW", "대사_OP",
}  # fmt: skip
SHEETS = {
    "기업정산서_C1": ["정산서", "청구내역", "근거"],
    "병원정산서_H02": ["정산서", "인정작업", "참여유인", "근거"],
    "운영기관이용료내역서_OP": ["이용료내역서", "사용량", "이용료", "근거"],
    "지급요청서_KHIS": ["지급요청서", "지급명세", "근거"],
    "예산집행현황_MOHW": ["과제별", "비목별", "공급기관별", "집행·지급", "월별추이", "점검결과", "근거"],
    "대사_OP": ["대사총괄", "재원×용도", "청구행", "분개장", "잔액", "차이내역", "근거"],
}


def test_published__one_workbook_for_each_party_with_the_sheets_of_the_brief(files):
    assert {month: set(by_name) for month, by_name in files.items()} == {NOVEMBER: NAMES, DECEMBER: NAMES}
    for name, sheets in SHEETS.items():
        assert load_workbook(BytesIO(files[DECEMBER][name])).sheetnames == sheets
    assert all(unicodedata.is_normalized("NFC", name) for name, _content in every_workbook(files))


GOLDEN = [
    (NOVEMBER, "기업정산서_C1", "정산서", 11, "CJ",
     [28949025, 2894902, 31843927, 24606671, 4342354, 2894902, 7237256, 0]),
    (NOVEMBER, "기업정산서_C1", "정산서", 12, "CJ", [5820457, 582045, 6402502, 4947388, 873069, 582045, 1455114, 0]),
    (NOVEMBER, "기업정산서_C1", "정산서", 15, "CJ", [1738474, 173847, 1912321, 0, 0, 1912321, 1912321, 0]),
    (NOVEMBER, "기업정산서_C1", "정산서", 16, "CJ",
     [36894790, 3689477, 40584267, 29554059, 5215423, 5814785, 11030208, 0]),
    (NOVEMBER, "기업정산서_C1", "정산서", 17, "II", [-5215423]),
    (NOVEMBER, "기업정산서_C1", "정산서", 18, "II", [5814785]),
    (NOVEMBER, "기업정산서_C1", "정산서", 24, "CG", [400000000, 0, 29554059, 29554059, 370445941]),
    (NOVEMBER, "기업정산서_C1", "정산서", 28, "CI", [70588237, 0, 70588237, 5215423, 0, 65372814, 0]),
    (DECEMBER, "기업정산서_C1", "정산서", 8, "AB", ["납부할 금액", "금1,499,609원(금일백사십구만구천육백구원)"]),
    (DECEMBER, "기업정산서_C1", "정산서", 12, "CJ",
     [-5350117, -535011, -5885128, -4547599, -802518, -535011, -1337529, -5820457]),
    (DECEMBER, "기업정산서_C1", "정산서", 16, "CJ",
     [7834493, 783449, 8617942, 6050583, 1067750, 1499609, 2567359, -6108952]),
    (DECEMBER, "기업정산서_C1", "정산서", 18, "II", [1499609]),
    (DECEMBER, "기업정산서_C1", "정산서", 24, "CG", [400000000, 29554059, 6050583, 35604642, 364395358]),
    (DECEMBER, "기업정산서_C1", "정산서", 28, "CI", [70588237, 65372814, 0, 1067750, 0, 64305064, 64305064]),
    (DECEMBER, "기업정산서_C1", "청구내역", 7, "IK", [7834493, 783449, 8617942]),
    (DECEMBER, "기업정산서_C2", "정산서", 8, "BB", ["금166,538원(금일십육만육천오백삼십팔원)"]),
    (DECEMBER, "기업정산서_C3", "정산서", 8, "BB", ["금871,156원(금팔십칠만일천일백오십육원)"]),
    (NOVEMBER, "병원정산서_H02", "정산서", 8, "BB", ["금33,543,364원(금삼천삼백오십사만삼천삼백육십사원)"]),
    (NOVEMBER, "병원정산서_H02", "정산서", 13, "CJ",
     [4000001, 399999, 4400000, 3000000, 1400000, 0, 411207, 2]),
    (NOVEMBER, "병원정산서_H02", "정산서", 14, "CJ",
     [30175458, 3017544, 33193002, 23213638, 9979364, 0, 411207, 4]),
    (DECEMBER, "병원정산서_H02", "정산서", 8, "AB", ["지급 예정액", "금452,328원(금사십오만이천삼백이십팔원)"]),
    (DECEMBER, "병원정산서_H02", "정산서", 9, "AB", ["회수 대상액", "금5,885,128원(금오백팔십팔만오천일백이십팔원)"]),
    (DECEMBER, "병원정산서_H02", "정산서", 14, "CJ",
     [-4938910, -493890, -5432800, -4239193, -1193607, -5409250, 0, 3]),
    (DECEMBER, "병원정산서_H02", "정산서", 22, "CD", [452328, 5885128]),
    (DECEMBER, "병원정산서_H01", "정산서", 8, "BB", ["금13,902,340원(금일천삼백구십만이천삼백사십원)"]),
    (DECEMBER, "운영기관이용료내역서_OP", "이용료내역서", 13, "CI",
     [368343, 35234, 511474, 915051, 91503, 1006554, -267935]),
    (DECEMBER, "운영기관이용료내역서_OP", "이용료내역서", 20, "CE", [915051, 91503, 1006554]),
    (DECEMBER, "운영기관이용료내역서_OP", "사용량", 11, "FF", ["675546666574071600 바이트·초"]),
    (NOVEMBER, "운영기관이용료내역서_OP", "사용량", 9, "FF", ["159400 GPU·초"]),
    (NOVEMBER, "운영기관이용료내역서_OP", "사용량", 11, "FF", ["41683.935 GPU·초"]),
    (DECEMBER, "지급요청서_KHIS", "지급요청서", 12, "AB", ["지급", "금13,201,565원(금일천삼백이십만일천오백육십오원)"]),
    (DECEMBER, "지급요청서_KHIS", "지급요청서", 13, "AB", ["회수", "금4,547,599원(금사백오십사만칠천오백구십구원)"]),
    (DECEMBER, "지급요청서_KHIS", "지급요청서", 20, "FG", [13201565, 4547599]),
    (DECEMBER, "지급요청서_KHIS", "지급명세", 7, "HM", [10229513, 1575547, 8653966, 0, 13201565, 4547599]),
    (DECEMBER, "예산집행현황_MOHW", "과제별", 8, "BI", [400000000, 0, -364395358, 35604642, 0, 35604642, 0, 0]),
    (DECEMBER, "예산집행현황_MOHW", "과제별", 11, "BI",
     [1680000000, 0, 364395358, 2044395358, 0, 0, 0, 2044395358]),
    (DECEMBER, "예산집행현황_MOHW", "과제별", 13, "BI",
     [2400000000, 0, 0, 2400000000, 2400000000, 60724232, 0, 2339275768]),
    (DECEMBER, "예산집행현황_MOHW", "과제별", 13, "KL", [345678, 0]),
    (DECEMBER, "예산집행현황_MOHW", "비목별", 11, "BI", [3000000, 0, 500000, 3500000, 0, 3308406, 0, 191594]),
    (DECEMBER, "예산집행현황_MOHW", "공급기관별", 9, "BI",
     [350000000, 0, -149600211, 200399789, 0, 18974445, 0, 181425344]),
    (DECEMBER, "예산집행현황_MOHW", "집행·지급", 11, "BF", [355604642, 8653966, 60724232, 52070266, 8653966]),
    (DECEMBER, "예산집행현황_MOHW", "집행·지급", 11, "HK", [74353946, 13629714, 0, 7435393]),
    (DECEMBER, "예산집행현황_MOHW", "월별추이", 10, "BE", [52070266, 52070266, 0, 0]),
    (DECEMBER, "예산집행현황_MOHW", "월별추이", 11, "BE", [8653966, 60724232, 52070266, 52070266]),
    (DECEMBER, "대사_OP", "재원×용도", 8, "BH", [10598182, -4239193, 2294977, 0, 0, 0, 8653966]),
    (DECEMBER, "대사_OP", "재원×용도", 10, "BH", [1246845, -493890, 269997, 443934, 358030, 204590, 2029506]),
    (DECEMBER, "대사_OP", "재원×용도", 11, "BH", [13715295, -5432800, 2969970, 443934, 358030, 204590, 12259019]),
    (NOVEMBER, "대사_OP", "재원×용도", 11, "HH", [74560558]),
    (DECEMBER, "대사_OP", "분개장", 7, "FH", [409255763, 409255763, 0]),
    (DECEMBER, "대사_OP", "차이내역", 8, "BB", ["차이가 없습니다."]),
]  # fmt: skip


@pytest.mark.parametrize(("month", "name", "sheet", "row", "columns", "expected"), GOLDEN)
def test_golden__cells_show_the_worked_figures(files, month, name, sheet, row, columns, expected):
    assert cells(files[month][name], sheet, row, columns) == expected


def test_correction__row_is_amber_with_its_original_month_and_reason(files):
    sheet = load_workbook(BytesIO(files[DECEMBER]["기업정산서_C1"]))["청구내역"]
    first = sheet[9]
    assert first[0].fill.fgColor.rgb.endswith("FFF5DC")
    shown = [first[column].value for column in (4, 5, 8, 11)]
    assert shown == ["2025-11", Decimal("-123.75"), -5820457, "정정"]
    assert first[12].value
    assert first[13].value == "charge:2025-12/P1/2025-11/preparation/L12/w2"


def test_reconciliation__every_tie_agrees_and_intake_counts_are_the_freeze_s(files):
    for month, counts in ((NOVEMBER, [24, 21, 1, 1, 1]), (DECEMBER, [32, 29, 1, 1, 1])):
        sheet = load_workbook(BytesIO(files[month]["대사_OP"]))["대사총괄"]
        rows = list(sheet.iter_rows(min_row=8, values_only=True))
        assert {row[7] for row in rows if row[7] not in (None, "판정")} == {"일치"}
        start = next(index for index, row in enumerate(rows) if row[1] == "수신 = 저장 + 중복 + 격리 + 판독 불가")
        assert [row[3] for row in rows[start : start + 5]] == counts


def test_checks__every_formula_has_its_stored_zero(files):
    count = 0
    for name, content in every_workbook(files):
        archive = ZipFile(BytesIO(content))
        for part in (one for one in archive.namelist() if one.startswith("xl/worksheets/sheet")):
            xml = archive.read(part).decode()
            assert len(FORMULA.findall(xml)) == xml.count("<f>"), f"{name} {part}"
            count += xml.count("<f>")
    assert count > 300


def test_checks__are_of_live_cells_and_fail_when_a_figure_is_changed(files):
    sheet = load_workbook(BytesIO(files[DECEMBER]["기업정산서_C1"]))["정산서"]
    assert sheet["C19"].value == "=SUM(C11:C15)-C16"
    assert "SUMPRODUCT(ABS(C11:C16+D11:D16-E11:E16))" in sheet["E19"].value
    assert "I16+I17-I18" in sheet["I19"].value


def figure_cells(content: bytes):
    """Every cell of a workbook in a won, difference or quantity format, but for checks and the trace itself."""
    for sheet in load_workbook(BytesIO(content)):
        if sheet.title != TRACE:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.number_format in FIGURE_FORMATS and cell.value is not None and cell.data_type == "n":
                        yield sheet.title, cell


def test_trace__covers_every_won_and_quantity_cell(files):
    count = 0
    for name, content in every_workbook(files):
        lines = list(load_workbook(BytesIO(content))[TRACE].iter_rows(min_row=8, max_col=6, values_only=True))
        covered = {(line[0], line[1]) for line in lines if line[5]}
        for sheet, cell in figure_cells(content):
            found = any(one == sheet and within(where, cell.coordinate) for one, where in covered)
            assert found, f"{name} {sheet}!{cell.coordinate} = {cell.value}"
            count += 1
    assert count > 2_000


def test_figures__no_won_cell_holds_a_float(files):
    for name, content in every_workbook(files):
        for sheet, cell in figure_cells(content):
            if cell.number_format in (WON, DIFFERENCE):
                assert type(cell.value) is int, f"{name} {sheet}!{cell.coordinate} = {cell.value!r}"


@pytest.mark.parametrize(
    ("name", "sheet", "cell", "reference"),
    [
        ("기업정산서_C1", "정산서", "C12", "line:2025-12/L12"),
        ("기업정산서_C1", "정산서", "E13", "charge:2025-12/P1/*/gpu/*"),
        ("기업정산서_C1", "정산서", "C16", "sum:C11:J15"),
        ("기업정산서_C1", "정산서", "C22", "registry:line/L11/grant_limit_krw"),
        ("기업정산서_C1", "청구내역", "I9", "charge:2025-12/P1/2025-11/preparation/L12/w2"),
        ("지급요청서_KHIS", "지급명세", "J10", "line:2025-12/L12"),
        ("예산집행현황_MOHW", "과제별", "F12", "budget:2025-12/grant_received"),
        ("운영기관이용료내역서_OP", "이용료내역서", "E24", "incentive:2025-12/H01"),
        ("대사_OP", "재원×용도", "C8", "matrix:2025-12/voucher/H02"),
        ("대사_OP", "대사총괄", "D8", "tie:2025-12/1"),
    ],
)
def test_locate__leads_from_a_cell_to_its_reference(files, name, sheet, cell, reference):
    assert locate(files[DECEMBER][name], sheet, cell) == reference


RENDER = """
import sys
from hashlib import sha256
from core.database import service_engine
from core.month import Month
from core.settings import Settings
from reports.statements import prepare
with service_engine(Settings.from_environment()).connect() as connection:
    for month in sys.argv[1:]:
        for name, content in prepare(connection, "MAIDV-2025", Month.parse(month)).complete((), ()).items():
            print(name, sha256(content).hexdigest())
"""


def rendered(**environment) -> dict[str, str]:
    command = [sys.executable, "-c", RENDER, NOVEMBER, DECEMBER]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def test_render__is_byte_identical_in_another_process_and_untouched_by_later_payments(jeongsan, engine):
    take_in(jeongsan, DECEMBER)
    run(jeongsan, DECEMBER)
    one = rendered(PYTHONHASHSEED="1", TZ="UTC")
    assert one == rendered(PYTHONHASHSEED="4242", TZ="Asia/Seoul")
    with engine.connect() as connection:
        known = dict(connection.execute(text("SELECT name, sha256 FROM published_file")).all())
    depends_on_ties = ("예산집행현황", "대사")
    same = {name: value for name, value in known.items() if not any(one in name for one in depends_on_ties)}
    assert len(same) == 16
    assert same.items() <= one.items()


def references(content: bytes) -> set[str]:
    """Every reference that a workbook shows: in its trace, and in the last column of its data tables."""
    found = set()
    for sheet in load_workbook(BytesIO(content)):
        column = 6 if sheet.title == TRACE else sheet.max_column
        last = {str(row[0]) for row in sheet.iter_rows(min_row=8, min_col=column, max_col=column, values_only=True)}
        headed = sheet.title == TRACE or sheet.cell(8, column).value == "참조번호"
        found |= last - {"None", "참조번호"} if headed else set()
    return {one for one in found if not one.startswith(("sum:", "range:"))}


def test_trace__every_reference_that_a_workbook_shows_can_be_followed(jeongsan, engine):
    take_in(jeongsan, DECEMBER)
    run(jeongsan, DECEMBER)
    with engine.connect() as connection:
        contents = connection.scalars(text("SELECT content FROM published_file WHERE month = '2025-12-01'")).all()
        shown = set().union(*(references(bytes(content)) for content in contents))
        for reference in shown:
            assert trace(connection, reference)["ref"] == reference
    assert len(shown) > 150


def test_statements__writes_the_published_bytes_and_refuses_a_month_without(jeongsan, engine, tmp_path):
    take_in(jeongsan)
    jeongsan("statements", NOVEMBER, "--programme", PROGRAMME, "--out", tmp_path / "none", exit_code=3)
    run(jeongsan, NOVEMBER)
    jeongsan("statements", NOVEMBER, "--programme", PROGRAMME, "--out", tmp_path / "new" / "folder")
    with engine.connect() as connection:
        known = dict(connection.execute(text("SELECT name, sha256 FROM published_file")).all())
    written = {path.name: sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "new" / "folder").iterdir()}
    assert written == known
    (tmp_path / "file").write_text("")
    said = jeongsan("statements", NOVEMBER, "--programme", PROGRAMME, "--out", tmp_path / "file" / "in", exit_code=2)
    assert str(tmp_path / "file" / "in") in said["messages"][0]


def test_publish__again_changes_nothing_and_other_bytes_are_refused(jeongsan, engine):
    take_in(jeongsan)
    run(jeongsan, NOVEMBER)
    month = Month.parse(NOVEMBER)
    with engine.begin() as connection:
        row = connection.execute(text("SELECT name, content, published_at FROM published_file LIMIT 1")).one()
        publish(connection, PROGRAMME, month, {row.name: bytes(row.content)}, row.published_at)
        with pytest.raises(RuleRefused, match="published with other content"):
            publish(connection, PROGRAMME, month, {row.name: b"other"}, row.published_at)


def test_prepare__without_document_numbers_is_refused(jeongsan, engine):
    take_in(jeongsan)
    run(jeongsan, NOVEMBER, "--until", "post")
    with engine.connect() as connection, pytest.raises(RuleRefused, match="documents"):
        prepare(connection, PROGRAMME, Month.parse(NOVEMBER))
    with engine.connect() as connection, pytest.raises(RuleRefused, match="has not been run"):
        prepare(connection, PROGRAMME, Month.parse(DECEMBER))

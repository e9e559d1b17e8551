"""The claim's sheet as it is written: layout, locks, validations, bytes; and that it comes back as what it holds."""

import os
import re
import shutil
import subprocess
import sys
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from billing.claim_check import check
from billing.claim_reader import read_upload
from billing.claim_sheet import marked, template
from core.styles import ERROR_FILL, RED, UNSAFE_START
from tests.claim_files import (
    BOOK,
    FORM,
    LINES,
    OTHERS,
    SHEET,
    claim_line,
    edited,
    number,
    parts,
    patched,
    set_to,
    upload,
    with_cell,
    words,
)

GOOD = upload()


def read(content, form=FORM, lines=LINES):
    return check(read_upload(content, "claim.xlsx", form), lines, OTHERS)


def opened(content):
    return load_workbook(BytesIO(content))


def test_template__stands_as_the_layout_says():
    book = opened(GOOD)
    guide, entries, codes = book.worksheets
    assert [sheet.title for sheet in book] == ["작성안내", "청구내역", "코드"]
    assert (guide.sheet_state, entries.sheet_state, codes.sheet_state) == ("visible", "visible", "hidden")
    assert [cell.value for cell in entries[7]] == [
        "순번", "작업번호", "협약 line", "작업 종류", "수행일", "수량", "단위", "단가", "공급가액", "부가가치세",
        "비고", "확인 결과",
    ]  # fmt: skip
    assert entries["A8"].value == "예시"
    assert [cell.value for cell in entries[9]][:9] == [
        1, "w2", "L12", "analyst_hour", entries["E9"].value, 123.75, "시간", 47034, 5_820_457,
    ]  # fmt: skip
    assert entries["E9"].value.date() == date(2025, 11, 17)
    assert [row[1].value for row in codes["A1:B4"]] == ["1", "MAIDV-2025", "H02", "2025-11"]
    assert (entries.page_setup.orientation, entries.page_setup.paperSize) == ("landscape", 9)
    assert (entries.print_title_rows, entries.freeze_panes) == ("$7:$7", "C9")


def test_template__locks_all_but_the_entries_without_a_password():
    entries = opened(GOOD)["청구내역"]
    assert (entries.protection.sheet, entries.protection.password) == (True, None)
    open_cells = {cell.coordinate for row in entries for cell in row if not cell.protection.locked}
    assert open_cells == {f"{column}{row}" for column in "ABCDEFGHIK" for row in range(9, 209)}


def test_template__validates_by_list_date_whole_number_formula_and_length():
    rules = {str(one.sqref): one for one in opened(GOOD)["청구내역"].data_validations.dataValidation}
    kinds = {area[0]: rule.type for area, rule in rules.items()}
    assert kinds == {
        "A": "whole", "B": "custom", "C": "list", "D": "list", "E": "date", "F": "custom", "G": "list", "H": "whole",
        "I": "whole", "K": "textLength",
    }  # fmt: skip
    assert all(area.endswith("208") and rule.showErrorMessage for area, rule in rules.items())
    codes = opened(GOOD)["코드"]
    assert [row[0].value for row in codes[rules["C9:C208"].formula1.partition("!")[2].replace("$", "")]] == [
        "L12", "L21", "L22",
    ]  # fmt: skip


def test_template__keeps_the_value_of_each_vat_formula():
    cells = re.findall(r'<c r="J(\d+)"[^>]*?>(.*?)</c>', parts(GOOD)[SHEET].decode())
    stored = {int(row): re.search(r"<v>(.*?)</v>", inside) for row, inside in cells if "<f>" in inside}
    assert {row: int(found[1]) for row, found in stored.items() if found[1]} == {
        9: 582_045, 10: 242_242, 11: 198_878, 12: 2_035_500,
    }  # fmt: skip
    assert set(stored) == set(range(9, 209))


def test_template__of_an_exempt_line_shows_no_vat():
    line = claim_line("w1", "L12", "record", 3, 1_000, "record", 10_000, tax="exempt")
    form = replace(FORM, taxes={"L12": "exempt"})
    content = template(form, [line])
    assert "<v>0</v>" in re.search(r'<c r="J9".*?</c>', parts(content)[SHEET].decode())[0]
    assert opened(content)["코드"]["B7"].value == "면세"
    assert read(content, form, [line]).lines == [line]


def test_template__is_byte_identical_in_another_process_time_zone_and_hash_seed():
    code = (
        "from hashlib import sha256; from tests.claim_files import upload; "
        "print(sha256(upload()).hexdigest())"
    )  # fmt: skip
    for seed, zone in (("1", "UTC"), ("2", "Asia/Seoul")):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.strip() == sha256(GOOD).hexdigest()


def test_template__of_more_than_200_works_says_so_and_holds_the_first_200():
    lines = [claim_line(f"w{n}", "L12", "record", 3, 1_000, "record", 10_000) for n in range(450)]
    content = template(FORM, lines)
    title = opened(content)["청구내역"]["A6"].value
    assert "인정 작업 450건 가운데 200건" in title
    assert "양식을 다시 받아 나머지를" in title
    assert read(content, lines=lines).lines == lines[:200]


def test_template__text_is_never_a_formula():
    line = replace(claim_line("=1+1", "L12", "+cmd|'/c calc'!A0", 3, 1_000, "@unit", 10_000), note="그대로")
    entries = opened(template(FORM, [line]))["청구내역"]
    for cell in ("B9", "D9", "G9"):
        assert entries[cell].data_type == "s"
        assert entries[cell].quotePrefix


any_text = st.text(st.characters(codec="utf-8", exclude_characters="\ud800"), min_size=1, max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text).strip()
).filter(bool)  # fmt: skip
notes = st.text(st.sampled_from("비고 재검수분-+=@1A_x0041_"), max_size=100).map(str.strip).filter(
    lambda text: not text.startswith(UNSAFE_START)
)  # fmt: skip
drawn_lines = st.lists(
    st.builds(
        claim_line, work=any_text | st.sampled_from(["=w1", "_x0041_", "1001", "w\n1"]),
        line=st.sampled_from(["L12", "L21", "L22"]), kind=any_text, day=st.integers(1, 30),
        quantity_milli=st.integers(1, 10**9), unit=st.sampled_from(["hour", "study"]) | any_text,
        price=st.integers(0, 10**8), note=notes,
    ),
    min_size=1, max_size=6, unique_by=lambda line: line.work,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(drawn_lines)
def test_template__comes_back_as_the_lines_that_it_holds(lines):
    result = read(template(FORM, lines), lines=[replace(one, note="") for one in lines])
    assert [str(one) for one in result.findings] == []
    assert result.lines == lines


def test_marked__shows_each_bad_cell_and_what_would_be_right():
    bad = set_to(F10=45, I10=2_691_585, E11="2025-11-31", H12=1_375, I12=20_625_000, K12="=1+1")(GOOD)
    result = read(bad)
    entries = opened(marked(FORM, result))["청구내역"]
    assert entries["A6"].value == "청구 내역 — 확인 결과: 4행 가운데 3행에 오류 6건, 반영하지 않았습니다"
    assert entries["L10"].value == "F10: 검수 수량은 40.5시간입니다. I10: 40.5 × 59,813 = 2,422,426원입니다."
    wrong = {cell.coordinate for row in entries for cell in row if cell.fill.fgColor.rgb == f"00{ERROR_FILL}"}
    assert wrong == {"F10", "I10", "E11", "H12", "I12", "K12", "L10", "L11", "L12"}
    assert all(entries[cell].font.color.rgb == f"00{RED}" for cell in wrong)
    assert (entries["E11"].value, entries["E11"].data_type) == ("2025-11-31", "s")
    assert (entries["K12"].value, entries["K12"].data_type, entries["K12"].quotePrefix) == ("=1+1", "s", True)
    assert (entries["F10"].value, entries["I10"].value, entries["B10"].value) == (45, 2_691_585, "w3")
    assert opened(marked(FORM, result)).sheetnames == ["작성안내", "청구내역", "코드"]


def test_marked__corrected_is_uploaded_as_it_is():
    back = marked(FORM, read(set_to(F10=45, E11="2025-11-31")(GOOD)))
    assert {one.cell for one in read(back).findings} == {"F10", "E11"}
    assert read(set_to(F10=40.5, E11=date(2025, 11, 20))(back)).lines == LINES


def test_marked__only_what_was_hidden_is_right_once_it_is_shown():
    back = marked(FORM, read(patched(GOOD, SHEET, '<row r="9"', '<row r="9" hidden="1"')))
    assert read(back).lines == LINES


GOOD_TOO = {
    "saved by another library": set_to(),
    "a blank row between": lambda c: edited(c, lambda book: book["청구내역"].move_range("A12:K12", rows=60)),
    "a work left out": set_to(**{f"{column}9": None for column in "BCDEFGHIK"}),
    "seventeen digits": lambda c: number(c, "F9", "123.75000000000000"),
    "an exponent": lambda c: number(c, "F12", "1.5E+4"),
    "a date of ISO 8601": lambda c: with_cell(c, "E9", "<v>2025-11-17</v>", 't="d"'),
    "Hangul in parts": lambda c: words(c, "G9", unicodedata.normalize("NFD", "시간")),
    "blanks around": lambda c: words(c, "B9", "  w2 "),
    "the unit's code": lambda c: words(c, "G9", "hour"),
    "the right VAT typed": lambda c: number(c, "J9", "582045"),
    "the VAT left out": set_to(J9=None),
    "VAT of another formula": set_to(J9="=I9*0.5"),
    "no running numbers": set_to(A9=None, A10=None, A11=None, A12=None),
    "an example of one's own": set_to(B8="w99", F8="많이"),
    "text in column L": set_to(L9="무엇이든"),
    "empty cells below": lambda c: patched(c, SHEET, "</sheetData>", '<row r="900"><c r="B900"/></row></sheetData>'),
    "cells without an address": lambda c: patched(c, SHEET, ' r="K9"', ""),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD_TOO)
def test_upload__that_says_the_same_is_read_the_same(name):
    result = read(GOOD_TOO[name](GOOD))
    assert [str(one) for one in result.findings] == []
    assert set(result.lines) == set(LINES) - ({LINES[0]} if name == "a work left out" else set())


def test_upload__that_counts_days_from_1904_is_read_as_it_is_shown():
    moved = patched(GOOD, BOOK, "<workbookPr", '<workbookPr date1904="1"')
    for row, line in enumerate(LINES, start=9):
        moved = number(moved, f"E{row}", str((line.performed_on - date(1904, 1, 1)).days))
    assert read(moved).lines == LINES


def test_upload__quantities_are_exact_after_another_program_kept_them_as_floats():
    lines = [claim_line(f"w{n}", "L12", "record", 3, n * 101 + 7, "record", 10_000) for n in range(1, 200)]
    content = template(FORM, lines)
    floats = {f"F{row}": float(Decimal(line.quantity_milli).scaleb(-3)) for row, line in enumerate(lines, start=9)}
    assert read(set_to(**floats)(content), lines=lines).lines == lines


@pytest.mark.skipif(not shutil.which("soffice"), reason="soffice (LibreOffice) is not installed")
def test_upload__saved_by_libreoffice_is_read_the_same(tmp_path):
    bad = read(set_to(F10=45, E11="2025-11-31")(GOOD))
    (tmp_path / "form.xlsx").write_bytes(GOOD)
    (tmp_path / "marked.xlsx").write_bytes(marked(FORM, bad))
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "xlsx",
               "--outdir", tmp_path / "saved", tmp_path / "form.xlsx", tmp_path / "marked.xlsx"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    saved = (tmp_path / "saved" / "form.xlsx").read_bytes()
    assert saved != GOOD
    assert read(saved).lines == LINES
    vat = load_workbook(BytesIO(saved), data_only=True)["청구내역"]
    assert [vat[f"J{row}"].value for row in range(9, 14)] == [582_045, 242_242, 198_878, 2_035_500, None]
    again = read((tmp_path / "saved" / "marked.xlsx").read_bytes())
    assert [str(one) for one in again.findings] == [str(one) for one in bad.findings]

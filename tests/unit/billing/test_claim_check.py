from dataclasses import replace
from datetime import date

from billing.claim_check import check, quantity_text
from billing.claim_form import Cell, Sheet
from tests.claim_files import LINES, OTHERS, claim_line

DAY_ZERO = date(1899, 12, 30)


def row(work, line, kind, day, quantity, unit, price, supply, note=""):
    """The cells of a row as a spreadsheet keeps them; `day` is of November, or text."""
    when = Cell(kind="number", text=str((date(2025, 11, day) - DAY_ZERO).days)) if isinstance(day, int) else text(day)
    cells = {"B": text(work), "C": text(line), "D": text(kind), "E": when, "F": number(quantity), "G": text(unit),
             "H": number(price), "I": number(supply), "K": text(note)}  # fmt: skip
    return {column: cell for column, cell in cells.items() if cell.text}


def text(value):
    return Cell(kind="text", text=value)


def number(value):
    return Cell(kind="number", text=str(value))


def checked(*rows, lines=LINES, start=9):
    return check(Sheet(rows=dict(enumerate(rows, start=start)), day_zero=DAY_ZERO), lines, OTHERS)


RIGHT = [
    row("w2", "L12", "analyst_hour", 17, "123.75", "시간", 47_034, 5_820_457),
    row("w3", "L22", "pseudonymise_hour", 18, "40.5", "시간", 59_813, 2_422_426),
    row("w4", "L22", "pseudonymise_hour", 20, "33.25", "시간", 59_813, 1_988_782),
    row("w5", "L21", "record", 22, "15000", "건", 1_357, 20_355_000),
]


def test_check__a_sheet_that_ties_is_the_accepted_work():
    result = checked(*RIGHT)
    assert not result.findings
    assert result.lines == LINES


def test_check__answers_the_worked_case_as_its_picture_shows():
    result = checked(
        RIGHT[0],
        row("w3", "L22", "pseudonymise_hour", 18, "45", "시간", 59_813, 2_691_585),
        row("w4", "L22", "pseudonymise_hour", "2025-11-31", "33.25", "시간", 59_813, 1_988_782),
        row("w5", "L21", "record", 22, "15000", "건", 1_375, 20_625_000),
        row("w6", "L31", "case", 19, "77", "건", 99_999, 7_699_923),
    )
    assert {one.cell: one.korean for one in result.findings} == {
        "F10": "검수 수량은 40.5시간입니다.",
        "I10": "40.5 × 59,813 = 2,422,426원입니다.",
        "E11": "없는 날짜입니다 (글자 2025-11-31). 수행일은 2025-11-20입니다.",
        "H12": "단가표의 단가는 1,357원입니다.",
        "I12": "15,000 × 1,357 = 20,355,000원입니다.",
        "B13": "검수에서 반려된 작업이며 이 병원의 작업이 아닙니다.",
    }


def test_check__part_of_the_work_and_rows_left_free_are_a_claim_too():
    rows = Sheet(rows={9: RIGHT[3], 40: RIGHT[0]}, day_zero=DAY_ZERO)
    result = check(rows, LINES, {})
    assert (result.lines, list(result.findings)) == ([LINES[3], LINES[0]], [])


def test_check__says_the_line_where_only_the_line_is_wrong_and_compares_the_rest():
    wrong = RIGHT[0] | {"C": text("L21"), "H": number(1)}
    assert [one.cell for one in checked(wrong).findings] == ["C9", "H9"]
    assert checked(wrong).findings[0].korean == "이 작업의 협약 line은 L12입니다."


def test_check__a_work_of_two_lines_is_told_apart_by_its_line():
    twins = [LINES[0], replace(LINES[3], work="w2")]
    both = [RIGHT[0], RIGHT[3] | {"B": text("w2")}]
    assert checked(*both, lines=twins).lines == twins
    unsaid = checked(both[0] | {"C": text("L99")}, lines=twins)
    assert [one.korean for one in unsaid.findings] == ["이 작업의 협약 line은 L12, L21입니다."]


def test_check__why_other_works_may_not_be_claimed():
    for (line, work), (korean, english) in OTHERS.items():
        (found,) = [one for one in checked(RIGHT[0] | {"B": text(work), "C": text(line)}).findings if one.cell == "B9"]
        assert (found.korean, found.english) == (korean, english)
    assert str(found) == f"청구내역!B9 작업번호: {korean} ({english})"


def test_check__a_remark_is_the_lines_note():
    assert [one.note for one in checked(RIGHT[0] | {"K": text(" 일부 재검수 ")}).lines] == ["일부 재검수"]


def test_check__an_exempt_work_has_no_vat_whatever_stands_there():
    line = claim_line("w7", "L22", "record", 20, 2_000, "record", 1_000, tax="exempt")
    good = row("w7", "L22", "record", 20, "2", "record", 1_000, 2_000)
    assert checked(good, lines=[line]).lines == [line]
    assert checked(good | {"J": Cell(kind="formula", text="=I9/10")}, lines=[line]).lines == [line]
    assert [one.korean for one in checked(good | {"J": number(200)}, lines=[line]).findings] == [
        "부가가치세는 0원입니다."
    ]


def test_check__an_amount_by_a_graduated_price_is_said_as_it_is():
    graduated = replace(LINES[3], supply_krw=19_000_000, vat_krw=1_900_000)
    assert checked(RIGHT[3], lines=[graduated]).findings[0].korean == "단가표에 따라 19,000,000원입니다."


def test_quantity_text__has_no_more_decimals_than_it_needs():
    assert [quantity_text(one) for one in (40_500, 15_000_000, 1, 123_750)] == ["40.5", "15,000", "0.001", "123.75"]

"""Bank exports: as Korean banks write them, read strictly; each bad file has its clear answer."""

from datetime import UTC, datetime

import pytest

from billing.bank_cells import instant_of, won_of
from billing.bank_map import BankMap, read_bank_map
from billing.bank_statement import read_statement
from core.errors import BadInput
from tests.conftest import ROOT

NOW = datetime(2025, 12, 31, tzinfo=UTC)
BANKS = ROOT / "examples" / "banks"
COLUMNS = {"date": "거래일", "deposit": "입금", "withdrawal": "출금", "memo": "적요", "balance": "잔액"}
HEADER = "거래일,입금,출금,적요,잔액\n"
GOOD = HEADER + "2025-12-01,1000,,가온,1000\n2025-12-02,,300,병원,700\n"


@pytest.fixture
def read(tmp_path):
    """Reads the bytes of an export: read(bytes or text, mapping …) → its rows."""

    def reading(content, **mapping):
        path = tmp_path / "e.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_statement(path, BankMap(**{"account": "MAIN", "columns": COLUMNS} | mapping), NOW)

    return reading


@pytest.fixture
def refused(read):
    """What is said of a bad export."""

    def saying(content, **mapping):
        with pytest.raises(BadInput) as caught:
            read(content, **mapping)
        return "\n".join(caught.value.problems)

    return saying


def test_example__cp949_with_a_title_newest_first_and_totals():
    statement = read_statement(BANKS / "daon-2025-12.csv", read_bank_map(BANKS / "daon.toml"), NOW)
    assert [(row.line, row.amount_krw, row.balance_krw) for row in statement.rows] == [
        (5, -500_000, 12_345_000), (6, 1_234_000, 12_845_000), (7, 10_000_000, 11_611_000), (8, 11_000, 1_611_000),
    ]  # fmt: skip
    assert statement.rows[1].counterparty == "（주）나래"
    assert statement.rows[2].at == datetime(2025, 12, 3, 5, 5, 11, tzinfo=UTC)
    assert statement.left_out == (9,)


def test_example__tab_separated_utf8_with_a_signed_amount():
    statement = read_statement(BANKS / "nuri-2025-12.tsv", read_bank_map(BANKS / "nuri.toml"), NOW)
    assert [(row.amount_krw, row.memo, row.number) for row in statement.rows] == [
        (10_000_000, "DEP-P1", "T0001"), (1_234_000, "INV-OP-2025-000001", "T0002"), (-500_000, "", "T0003"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "krw"),
    [
        ("1,234,567", 1234567), ("1234567", 1234567), ("1,234,567원", 1234567), ("₩1,000", 1000), ("△1,234", -1234),
        ("-1,234", -1234), ("▲5", -5), ("−5", -5), ("(1,234)", -1234), ("", None), ("-", None), ("0", 0),
        (" 1 000 ", 1000), ("999999999999999", 999999999999999),
    ],
)  # fmt: skip
def test_won__as_banks_write_it(cell, krw):
    assert won_of(cell) == krw


@pytest.mark.parametrize(
    "cell", ["1,23", "1234,567", "1.5", "1,234.00", "천원", "(-5)", "--5", "1e3", "１２", "9" * 16, "()", "+5", "5-"]
)
def test_won__what_is_no_whole_won_is_refused(cell):
    with pytest.raises(ValueError, match="not whole won"):
        won_of(cell)


@pytest.mark.parametrize(
    ("day", "clock", "instant"),
    [
        ("2025.12.03", None, "2025-12-02T15:00:00"), ("20251203", "", "2025-12-02T15:00:00"),
        ("2025-12-03", "14:05:11", "2025-12-03T05:05:11"), ("2025-12-03 14:05:11", None, "2025-12-03T05:05:11"),
        ("2025/12/3", "14:05", "2025-12-03T05:05:00"), ("20251203", "140511", "2025-12-03T05:05:11"),
        ("2025. 12. 3.", None, "2025-12-02T15:00:00"), ("20251203 140511", None, "2025-12-03T05:05:11"),
    ],
)  # fmt: skip
def test_instant__of_the_ways_in_which_banks_write_a_day(day, clock, instant):
    assert instant_of(day, clock) == datetime.fromisoformat(instant + "+00:00")


@pytest.mark.parametrize(
    ("day", "clock"),
    [("25-12-03", None), ("2025-13-01", None), ("2025-02-30", None), ("2025-12/03", None), ("12.03.2025", None),
     ("2025-12-03", "25:00"), ("2025-12-03", "noon"), ("2025-12-03 10:00", "10:00"),
     ("", None), ("２０２５1203", None)],
)  # fmt: skip
def test_instant__what_is_no_day_or_time_is_refused(day, clock):
    with pytest.raises(ValueError, match="\\("):
        instant_of(day, clock)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_encoding__is_recognised_or_told_and_gives_the_same_rows(read, encoding):
    expected = [row.content for row in read(GOOD).rows]
    assert [row.content for row in read(GOOD.encode(encoding)).rows] == expected
    told = "cp949" if encoding == "cp949" else "utf-8"
    assert [row.content for row in read(GOOD.encode(encoding), encoding=told).rows] == expected


BAD = [
    ("an Excel file", b"PK\x03\x04" + b"x" * 50, {}, "an Excel file"),
    ("an old Excel file", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {}, "an Excel file"),
    ("HTML named .xls", b"\n<HTML><table>", {}, "HTML or XML"),
    ("PDF", b"%PDF-1.7", {}, "a PDF file"),
    ("UTF-16", GOOD.encode("utf-16"), {}, "UTF-16"),
    ("binary", GOOD.encode() + b"\0", {}, "not a text file"),
    ("empty", b"", {}, "no header names these columns"),
    ("neither encoding", GOOD.encode() + b"\xff\xff", {}, "e.csv:4: utf-8 또는 cp949"),
    ("CP949 where UTF-8 is told", GOOD.encode("cp949"), {"encoding": "utf-8"}, "e.csv:1: utf-8 글자가"),
    ("UTF-8 where CP949 is told", GOOD.encode(), {"encoding": "cp949"}, "e.csv"),
    ("another delimiter", GOOD, {"delimiter": "\t"}, "no header names these columns"),
    ("a column missing", GOOD.replace("적요", "내용"), {}, "e.csv:1: 머리글 적요 이(가) 없습니다"),
    ("a header twice", GOOD.replace("거래일,입금", "입금,거래일,입금"), {}, "a header stands twice"),
    ("only a header", HEADER, {}, "no row moves money"),
    ("an unclosed quote", GOOD + '2025-12-03,"1', {}, "e.csv:4: CSV 형식이"),
    ("too few columns", GOOD + "2025-12-03,5\n", {}, "e.csv:4: 칸이 2개입니다"),
    ("a bad day", GOOD.replace("2025-12-02", "2025-12-32"), {}, "e.csv:3: date '2025-12-32'"),
    ("a two-digit year", GOOD.replace("2025-12-02", "25-12-02"), {}, "e.csv:3: date '25-12-02'"),
    ("a day to come", GOOD.replace("2025-12-02", "2026-12-02"), {}, "e.csv:3: date '2026-12-02': 아직"),
    ("won with a point", GOOD.replace(",300,", ",300.00,"), {}, "e.csv:3: withdrawal '300.00'"),
    ("misplaced commas", GOOD.replace(",1000,,", ',"1,00",,'), {}, "e.csv:2: deposit '1,00'"),
    ("letters for won", GOOD.replace(",300,", ",삼백,"), {}, "e.csv:3: withdrawal '삼백'"),
    ("both ways", GOOD.replace(",,300,", ",5,300,"), {}, "e.csv:3: 입금액과 출금액이 함께"),
    ("no amount", GOOD.replace(",,300,", ",,,"), {}, "e.csv:3: 금액이 없습니다"),
    ("no balance", GOOD.replace("병원,700", "병원,"), {}, "e.csv:3: balance: 비어"),
    ("a control character", GOOD.replace("병원", "병\x07원"), {}, "e.csv:3: memo"),
    ("a text without end", GOOD.replace("병원", "가" * 301), {}, "e.csv:3: memo"),
    ("a row missing", GOOD + "2025-12-03,50,,x,800\n", {}, "e.csv:4: 잔액 800 이(가) 3번째 줄의 잔액에서 이어지는 750"),
    ("a row twice", GOOD + "2025-12-02,,300,병원,700\n", {}, "e.csv:4: 3번째 줄이 두 번"),
    ("the other order", GOOD, {"newest_first": True}, "set newest_first"),
    ("wrong totals", GOOD + "합계,1000,299,,\n", {}, "e.csv:4: withdrawal 합계 299"),
    ("a row below the totals", GOOD + "합계,1000,300,,\n2025-12-03,5,,x,705\n", {}, "e.csv:5: 합계 줄(4) 아래에"),
    ("two problems", GOOD.replace("1000,,", "x,,").replace(",300,", ",y,"), {}, "e.csv:2: deposit 'x'"),
]


@pytest.mark.parametrize(("content", "mapping", "said"), [pytest.param(*one[1:], id=one[0]) for one in BAD])
def test_bad_export__is_refused_with_its_place(refused, content, mapping, said):
    assert said in refused(content, **mapping)


def test_bad_export__every_problem_of_it_is_said_at_once(refused):
    assert refused(GOOD.replace("1000,,", "x,,").replace(",300,", ",y,")).count("\n") == 1


def test_bad_export__a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_statement(tmp_path / "none.csv", BankMap(account="MAIN", columns=COLUMNS), NOW)


def test_rows__equal_ones_are_counted_and_keep_their_identity_in_a_longer_export(read):
    columns = {"date": "거래일", "deposit": "입금", "withdrawal": "출금", "memo": "적요"}
    text = "거래일,입금,출금,적요\n2025-12-01,5,,x\n2025-12-01,5,,x\n"
    two = read(text, columns=columns).rows
    assert [row.ordinal for row in two] == [1, 2]
    longer = read(text.replace("적요\n", "적요\n2025-11-30,7,,y\n"), columns=columns).rows
    assert {row.digest("MAIN") for row in two} < {row.digest("MAIN") for row in longer}
    assert two[0].digest("MAIN") != two[0].digest("OTHER")


def test_rows__a_movement_of_nothing_is_left_out_and_named(read):
    statement = read(GOOD + "2025-12-03,0,,통지,700\n")
    assert (len(statement.rows), statement.left_out) == (2, (4,))


def test_totals__a_count_in_them_is_no_sum(read):
    assert len(read(GOOD + "합 계,1건,300,,\n\n").rows) == 2


MAPPING = """
account = "MAIN"
[columns]
date = "거래일"
amount = "금액"
memo = "적요"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('account = "MAIN"', "", "account: "), ('"MAIN"', "5", "wrong type"), ("account", "acount", "unknown key"),
        ('date = "거래일"', "", "columns.date"), ('memo = "적요"', "", "memo or counterparty"),
        ('amount = "금액"', 'deposit = "입금"', "either deposit and withdrawal"),
        ('amount = "금액"', 'amount = "적요"', "one header for several columns"),
        ('amount = "금액"', 'amount = "금액"\nbranch = "점"', "unknown column"),
        ('"MAIN"', '"MAIN"\nencoding = "latin1"', "unknown encoding"),
        ('"MAIN"', '"MAIN"\ndelimiter = ";"', "comma or tab"),
        ('"MAIN"', '"MAIN"\ntotals = [1]', "a list of words"), ('"MAIN"', "'", "not TOML"),
        ('date = "거래일"', "date = 1", "columns.date"),
        ('"MAIN"', '"MA\\u0000IN"', "not printable"), ('"MAIN"', f'"{"x" * 101}"', "too long"),
        ('"MAIN"', "9" * 5_000, "not TOML"), ('"MAIN"', "[" * 100_000, "not TOML"),
    ],
)  # fmt: skip
def test_mapping__a_bad_one_is_refused(tmp_path, old, new, said):
    path = tmp_path / "map.toml"
    path.write_text(MAPPING.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        read_bank_map(path)
    assert said in str(caught.value)
    path.write_text(MAPPING)
    assert read_bank_map(path).account == "MAIN"

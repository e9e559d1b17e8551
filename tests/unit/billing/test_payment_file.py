"""The payments file: read strictly, each bad row named by line and column."""

from datetime import UTC, datetime

import pytest

from billing.payment_file import read_payments
from core.errors import BadInput

NOW = datetime(2025, 12, 3, tzinfo=UTC)
HEADER = "paid_at,channel,account,amount_krw,reference,counterparty\n"
GOOD = "2025-12-03T00:00:00Z,bank,deposit:P1,5,R-1,가온\n"


def read(tmp_path, content):
    path = tmp_path / "pay.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_payments(path)


def test_read__byte_order_mark_crlf_quotes_column_order_and_empty_lines_are_fine(tmp_path):
    text = (
        "\ufeffreference,paid_at,channel,account,amount_krw,counterparty\r\n\r\n"
        '"R-1",2025-12-03T09:00:00+09:00,bank,deposit:P1,-5,"가온, ""주""\r\n2층"\r\n'
        "R-2,2025-12-03T08:59:59.123456+09:00,agency,x,7,\r\n"
    )
    with pytest.raises(BadInput, match=r"pay\.csv:3: counterparty"):
        read(tmp_path, text)
    first, second = read(tmp_path, text.replace("\r\n2층", " 2층"))
    assert (first.line, first.amount_krw, first.counterparty) == (3, -5, '가온, "주" 2층')
    assert first.paid_at == NOW
    (far,) = read(tmp_path, HEADER + GOOD.replace("00:00:00Z", "23:59:00+23:59"))
    assert (far.paid_at, far.paid_at.tzinfo) == (NOW, UTC)  # no offset that the database does not know
    assert (second.line, second.key, second.paid_at.microsecond) == (4, ("agency", "R-2"), 123456)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2025-12-03T00:00:00Z", "2025-12-03T00:00:00", "paid_at"),
        ("2025-12-03T00:00:00Z", "2025-02-30T00:00:00Z", "paid_at"),
        ("2025-12-03T00:00:00Z", "2025-12-02T24:00:00Z", "paid_at"),
        ("2025-12-03T00:00:00Z", "2025-12-03", "paid_at"),
        ("bank", "BANK", "channel"),
        (",5,", ',"1,000",', "amount_krw"),
        (",5,", ",5.0,", "amount_krw"),
        (",5,", ",1e3,", "amount_krw"),
        (",5,", ",+5,", "amount_krw"),
        (",5,", ",５,", "amount_krw"),
        (",5,", ",,", "amount_krw"),
        (",5,", f",{10**15},", "amount_krw"),
        (",5,", ",0,", "amount_krw: 0원"),
        (",5,", ",-0,", "amount_krw: 0원"),
        ("R-1", "", "reference"),
        ("deposit:P1", "", "account"),
        ("가온", "가\x00온", "counterparty"),
        ("가온", "가" * 301, "counterparty"),
        ("가온", "가온,x", "wrong number of columns"),
        ("가온", '"가온', "CSV"),
    ],
)
def test_read__a_bad_row_is_named_by_line_and_column(tmp_path, old, new, said):
    bad = GOOD.replace("R-1", "R-2").replace(old.replace("R-1", "R-2"), new)
    with pytest.raises(BadInput) as caught:
        read(tmp_path, HEADER + GOOD + bad)
    (problem,) = caught.value.problems
    assert problem.startswith("pay.csv:3: ")
    assert said in problem


def test_read__every_bad_row_is_listed(tmp_path):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, HEADER + GOOD.replace("bank", "cash") + GOOD + GOOD.replace(",5,", ",x,"))
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["pay.csv:2:", "pay.csv:4:"]


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", GOOD.encode(), HEADER.encode("utf-16"), (HEADER + GOOD).encode("cp949"),
     HEADER.replace("\n", ",extra\n").encode()],
    ids=["empty", "other header", "no header", "utf-16", "cp949", "a column more"],
)  # fmt: skip
def test_read__a_file_that_is_no_payments_file_is_refused(tmp_path, content):
    with pytest.raises(BadInput):
        read(tmp_path, content)


def test_read__a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_payments(tmp_path / "none.csv")

"""Self-pay deposits and the agency's advances (선금): in parts, late, too much, offset, shown, refunded, taken back."""

import openpyxl
import pytest

from tests.driven import CLOSE, work

VOUCHER = 104_932


def sheet(jeongsan, folder, month, name, title):
    """The cells of a published sheet, row by row."""
    jeongsan("statements", month, "--programme", "V25", "--out", folder / month)
    (path,) = (folder / month).glob(f"*{name}*.xlsx")
    return [[cell for cell in row if cell is not None] for row in openpyxl.load_workbook(path)[title].values]


@pytest.fixture
def advanced(world):
    """An advance in two parts, more than the first month's voucher; the deposit is there."""
    world.pay("bank,deposit:P1,10000000", "agency,advance:hospital:H1:P1,100000", "agency,advance:hospital:H1:P1,50000",
              now="2025-11-20T00:00:00Z")  # fmt: skip
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    return world


def test_advance__is_offset_month_by_month_and_shown_to_agency_and_hospital(advanced, jeongsan, tmp_path):
    assert advanced.run("2025-11")["differences"] == 0
    balances = advanced.balances()
    assert (balances["advance:hospital:H1:P1"], balances["agency:advance"]) == (150_000 - VOUCHER, VOUCHER - 150_000)
    assert "receivable:agency" not in balances
    asked = next(row for row in sheet(jeongsan, tmp_path, "2025-11", "지급요청서", "지급명세") if "L11" in row)
    assert asked[9:13] == [VOUCHER, VOUCHER, 0, 0]
    rows = sheet(jeongsan, tmp_path, "2025-11", "병원정산서_H1", "정산서")
    paid = next(row for row in rows if "바우처" in row and "P1" in row)
    assert (paid[2], paid[3], paid[-1]) == (0, 0, f"선금 {VOUCHER:,}원 충당")
    advanced.ingest(*work("w2", "L11", 10, "2025-12-05"), now=CLOSE["2025-12"])
    assert advanced.run("2025-12")["differences"] == 0
    balances = advanced.balances()
    assert "advance:hospital:H1:P1" not in balances
    assert "agency:advance" not in balances
    rows = sheet(jeongsan, tmp_path, "2025-12", "병원정산서_H1", "정산서")
    paid = next(row for row in rows if "바우처" in row and "P1" in row)
    left = balances["receivable:agency"]
    assert left == 2 * 246_900 * 8_500 // 20_000 - 150_000
    assert (paid[2], paid[-1]) == (left, f"선금 {150_000 - VOUCHER:,}원 충당")
    assert jeongsan("verify", "--deep")["ok"] is True


def test_advance__that_meets_no_more_voucher_is_taken_back(advanced):
    advanced.run("2025-11")
    advanced.pay(f"agency,advance:hospital:H1:P1,{VOUCHER - 150_000}", now="2025-12-10T00:00:00Z")
    assert advanced.run("2025-12")["differences"] == 0
    assert not {"advance:hospital:H1:P1", "agency:advance"} & advanced.balances().keys()


def test_deposit__in_parts_late_and_too_much_is_drawn_and_its_rest_refunded(world):
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    world.pay("bank,deposit:P1,6000000", now="2025-11-20T00:00:00Z")
    assert world.run("2025-11")["lines"]["L11"]["held_krw"] == 123_450
    world.pay("bank,deposit:P1,3999999", "bank,deposit:P1,8", now="2025-12-20T00:00:00Z")
    december = world.run("2025-12")
    assert (december["differences"], december["lines"]["L11"]["self_pay_krw"]) == (0, 123_450 - VOUCHER)
    assert december["company"]["C1"]["total_krw"] - december["company"]["C1"]["due_krw"] == 123_450 - VOUCHER
    rest = 10_000_007 - (123_450 - VOUCHER)
    assert world.balances()["deposit:P1"] == -rest
    world.pay(f"bank,deposit:P1,-{rest - 5}", "bank,deposit:P1,-5", now="2026-01-10T00:00:00Z")
    assert "deposit:P1" not in world.balances()
    assert world.run("2026-01")["differences"] == 0

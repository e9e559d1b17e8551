"""The pages of company invoices: who sees which, what they say, and that nobody sees another's."""

import re
from io import BytesIO

import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.driven import CLOSE, event, work
from tests.visiting import USERS, Visitor, add_users, portal

MINE, OTHERS = "INV-OP-2025-000001", "INV-OP-2025-000002"


@pytest.fixture
def billed(world, loaded, settings):
    """November run: an invoice of C1 for P1 (MINE) and one of C2 for P2; C1 paid 100,000 won of its own."""
    world.pay("bank,deposit:P1,10000000", now="2025-11-02T09:00:00+09:00")
    world.ingest(
        *work("w1", "L11", 100), *work("w2", "L21", 10, project="P2"),
        event("gpu.usage", "g1", project="P1", session="s", start="2025-11-03T00:00:00Z", end="2025-11-03T02:00:00Z",
              gpus="1", model="H100"),
        now=CLOSE["2025-11"],
    )  # fmt: skip
    world.run("2025-11")
    world.pay("bank,receivable:company:P1,100000", now="2025-12-04T09:00:00+09:00")
    add_users(loaded)
    return portal(settings)


def test_list__a_company_sees_its_own_invoices_and_what_is_open(billed):
    page = Visitor(billed, "c01").get("/invoices").text
    assert MINE in page
    assert OTHERS not in page
    # VAT 123,450 of the work, GPU 14,000 + 1,400, fee 61,725 + 6,172; the deposit paid the self-pay of 185,175
    assert re.search(r'납부할 금액 \(원\)</dt><dd class="large">106,747<', page)
    assert "일부 납부" in page


def test_invoice__shows_the_whole_document_how_it_is_paid_and_the_same_workbook(billed):
    visitor = Visitor(billed, "c01")
    page = visitor.get(f"/invoices/{MINE}").text
    for shown in ("가온", "운영기관", "첫째병원 · L11 데이터 가공", "1,234,500", "GPU 사용료 H100", "185,175",
                  "금206,747원(금이십만육천칠백사십칠원)", "2025. 12. 26.(금)", "Stripe", MINE):  # fmt: skip
        assert shown in page, shown

    done, again = (visitor.get(f"/invoices/{MINE}/invoice.xlsx") for _ in range(2))
    assert done.data == again.data
    assert done.headers["Content-Disposition"] == f"attachment; filename={MINE}.xlsx"
    assert (done.headers["ETag"], done.headers["Cache-Control"]) == (again.headers["ETag"], "no-store")
    sheet = openpyxl.load_workbook(BytesIO(done.data)).worksheets[0]
    assert 206_747 in {cell.value for row in sheet.iter_rows() for cell in row}


def test_invoice__of_another_company_is_as_little_there_as_one_that_never_was(billed):
    visitor = Visitor(billed, "c01")
    for number in (OTHERS, "INV-OP-2025-000099", "INV-OP-2025-1", "nonsense", "CRN-OP-2025-000001", "%00",
                   "INV-OP-2025-0000011", "INV-OP-9999-999999999", "..%2F..%2Fetc"):  # fmt: skip
        for path in ("", "/invoice.xlsx"):
            answer = visitor.get(f"/invoices/{number}{path}")
            assert (number, path, answer.status_code) == (number, path, 404)
            assert "나래" not in answer.text


def test_list__each_sees_the_invoices_of_its_own_filtered_and_paged_by_addresses(billed):
    both = {MINE, OTHERS}
    seen = {"c01": {MINE}, "c02": {OTHERS}, "op1": both, "finance-1": both, "auditor-1": both, "admin-1": both}
    for name, numbers in seen.items():
        page = Visitor(billed, name).get("/invoices").text
        assert (name, {one for one in both if one in page}) == (name, numbers)
    visitor = Visitor(billed, "finance-1")
    assert MINE in visitor.get("/invoices?programme=V25&state=open&page=1").text
    for page in ("0", "-1", "99", "x", "９", "1e9", "9" * 40):
        assert MINE in visitor.get(f"/invoices?page={page}").text
    assert MINE not in visitor.get("/invoices?programme=NONE").text


def test_rows__of_another_are_neither_read_nor_written_by_any_sql(billed, loaded):
    counts, invoices = {}, "SELECT string_agg(DISTINCT recipient, ' ' ORDER BY recipient) FROM document"
    for party in ("C1", "C2", "H1", "OP", None, "NOBODY"):
        with loaded.begin() as connection:
            if party:
                connection.execute(text("SELECT set_config('jeongsan.party', :party, true)"), {"party": party})
            counts[party] = tuple(
                connection.scalar(text(sql))
                for sql in (
                    invoices + " WHERE kind = 'invoice'",
                    "SELECT count(DISTINCT document_id) FROM document_item",
                    "SELECT string_agg(account, ' ' ORDER BY account) FROM payment",
                    "SELECT string_agg(name, ' ' ORDER BY name) FROM user_account",
                )
            )
    everybody = " ".join(sorted(USERS))
    paid = "deposit:P1 receivable:company:P1"
    assert counts == {
        "C1": ("C1", 1, paid, "c01"), "C2": ("C2", 1, None, "c02"), "H1": (None, 0, None, "h01"),
        "OP": ("C1 C2", 2, paid, "op1"), None: ("C1 C2", 2, paid, everybody), "NOBODY": (None, 0, None, None),
    }  # fmt: skip
    stored = text(
        "INSERT INTO payment (channel, reference, paid_at, account, amount_krw, counterparty, imported_at,"
        " unmatched_reason) VALUES ('bank', 'X', now(), 'receivable:company:P1', 1, 'x', now(), 'x')"
    )
    with loaded.connect() as connection:
        connection.execute(text("SELECT set_config('jeongsan.party', 'C2', true)"))
        with pytest.raises(DBAPIError, match="row-level security"):
            connection.execute(stored)

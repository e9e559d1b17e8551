"""jeongsan payments import and balances: what was paid, in the books once."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.payment import import_payments
from core.month import Month
from ledger import books
from ledger.journal import NewEntry

HEADER = "paid_at,channel,account,amount_krw,reference,counterparty\n"
NOW = "2025-12-03T09:00:00+09:00"
AT = datetime(2025, 12, 3, tzinfo=UTC)


@pytest.fixture
def pay(jeongsan, tmp_path):
    """Imports rows `channel,account,amount,reference`, paid on 2025-11-10; returns the answer."""

    def call(*rows, exit_code=0, programme=None):
        path = tmp_path / "pay.csv"
        lines = [",".join(["2025-11-10T09:00:00+09:00", *row.split(), "x"]) for row in rows]
        path.write_text(HEADER + "\n".join(lines) + "\n")
        option = ["--programme", programme] if programme else []
        return jeongsan("payments", "import", path, *option, now=NOW, exit_code=exit_code)

    return call


def money(jeongsan, *arguments):
    return {code: krw for code, krw in jeongsan("balances", *arguments).items() if not code.startswith("budget:")}


def post(engine, programme="V25", **postings):
    named = {account.replace("__", ":"): krw for account, krw in postings.items()}
    with engine.begin() as connection:
        reference = str(connection.scalar(text("SELECT nextval('entry_id')")))
        entry = NewEntry(kind="test", memo="test", reference=reference, postings=named)
        books.post(connection, programme, Month(2025, 11), [entry], AT)


@pytest.mark.parametrize(
    ("row", "expected", "memo"),
    [
        ("bank receivable:company:P2 5 R", {"cash:bank": 5, "receivable:company:P2": -5}, "company pays P2"),
        ("stripe receivable:company:P1 5 R", {"cash:stripe": 5, "receivable:company:P1": -5}, "company pays P1"),
        ("bank receivable:company:P2 -5 R", {"cash:bank": -5, "receivable:company:P2": 5}, "refund company P2"),
        ("bank deposit:P1 5 R", {"cash:bank": 5, "deposit:P1": -5}, "deposit P1"),
        ("stripe deposit:P1 5 R", {"cash:stripe": 5, "deposit:P1": -5}, "deposit P1"),
        ("bank payable:hospital:H1:P1 5 R", {"payable:hospital:H1:P1": 5, "cash:bank": -5}, "company part to H1 P1"),
        ("bank payable:hospital:H2:P1 -5 R", {"payable:hospital:H2:P1": -5, "cash:bank": 5},
         "company part back from H2 P1"),
        ("agency payable:hospital:H1:P1 5 R", {"payable:hospital:H1:P1": 5, "receivable:agency": -5},
         "agency pays H1 P1"),
        ("agency payable:hospital:H2:P2 -5 R", {"payable:hospital:H2:P2": -5, "receivable:agency": 5},
         "agency recovers from H2 P2"),
        ("agency advance:hospital:H1:P1 5 R", {"advance:hospital:H1:P1": 5, "agency:advance": -5},
         "agency advances H1 P1"),
    ],
)  # fmt: skip
def test_import__each_channel_settles_its_accounts(loaded, jeongsan, pay, row, expected, memo):
    assert pay(row) == {"file": "pay.csv", "rows": 1, "booked": 1, "already": 0, "unmatched": []}
    assert money(jeongsan) == expected
    with loaded.connect() as connection:
        found = connection.execute(
            text("SELECT kind, memo, month::text, reference FROM entry WHERE kind = 'payment'")
        ).one()
    assert tuple(found) == ("payment", memo, "2025-11-01", f"payment:{row.split()[0]}:R")


def test_import__a_payout_finds_the_collection_of_the_same_file_whatever_the_order(loaded, jeongsan, pay):
    answer = pay("bank cash:stripe 7 R-2", "stripe receivable:company:P1 7 R-1")
    assert answer["booked"] == 2
    assert money(jeongsan) == {"cash:bank": 7, "receivable:company:P1": -7}


def test_import__a_second_import_books_nothing(loaded, jeongsan, pay):
    rows = ("bank deposit:P1 5 R-1", "bank receivable:company:P2 6 R-2")
    pay(*rows)
    before = money(jeongsan)
    assert pay(*rows) == {"file": "pay.csv", "rows": 2, "booked": 0, "already": 2, "unmatched": []}
    assert money(jeongsan) == before


def test_import__a_row_given_twice_in_one_file_counts_once_and_references_are_per_channel(loaded, jeongsan, pay):
    row = "bank receivable:company:P1 5 R-1"
    answer = pay(row, row, row.replace("bank", "stripe"))
    assert (answer["booked"], answer["already"]) == (2, 1)
    assert money(jeongsan)["receivable:company:P1"] == -10


@pytest.mark.parametrize("changed", ["bank deposit:P1 6 R-1", "bank receivable:company:P1 5 R-1"])
def test_import__other_content_under_a_used_reference_is_refused(loaded, jeongsan, pay, changed):
    pay("bank deposit:P1 5 R-1")
    (message,) = pay("bank receivable:company:P2 9 R-9", changed, exit_code=3)["messages"]
    assert message.startswith("pay.csv:3: ")
    assert money(jeongsan) == {"cash:bank": 5, "deposit:P1": -5}
    pay("bank deposit:P1 1 R-7", "bank deposit:P1 2 R-7", exit_code=3)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("bank receivable:company:P9 5 R", "registered project"),
        ("bank receivable:agency 5 R", "no account that this channel settles"),
        ("stripe payable:hospital:H1:P1 5 R", "no account that this channel settles"),
        ("agency receivable:company:P1 5 R", "no account that this channel settles"),
        ("bank payable:hospital:H1:P2 5 R", "no supplier of the project"),
        ("bank deposit:P2 5 R", "no deposit is agreed"),
        ("bank payable:operator 5 R", "in no books"),
        ("bank payable:incentive:H1 5 R", "in no books"),
        ("bank budget:available 5 R", "no account that this channel settles"),
        ("bank nonsense 5 R", "no account that this channel settles"),
        ("bank deposit:P1:x 5 R", "no account that this channel settles"),
    ],
)
def test_import__what_matches_no_account_is_listed_and_booked_nowhere(loaded, jeongsan, pay, row, said):
    for _ in range(2):
        answer = pay(row, "bank receivable:company:P2 1 R-2")
        (listed,) = answer["unmatched"]
        assert said in listed.pop("reason")
        assert listed == {"line": 2, "reference": "R", "account": row.split()[1], "amount_krw": 5}
    assert money(jeongsan) == {"cash:bank": 1, "receivable:company:P2": -1}


def test_import__a_listed_row_is_booked_once_its_account_is_there(loaded, jeongsan, pay):
    row = "bank payable:operator 5 R"
    assert pay(row)["booked"] == 0
    post(loaded, payable__operator=-5, receivable__company__P1=5)
    assert pay(row)["booked"] == 1
    assert pay(row)["already"] == 1
    assert money(jeongsan) == {"cash:bank": -5, "receivable:company:P1": 5}


@pytest.fixture
def second(loaded):
    """A second programme of the same parties."""
    with loaded.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO programme SELECT 'V26', name, ministry, type, agency, operator, 2026, 0, 0, funding,"
                " self_pay_bp, fee_rate_bp, fee_monthly_krw, incentive_share_bp, incentive_monthly_krw,"
                " settlement_closes_on FROM programme"
            )
        )
    return loaded


def test_import__an_account_of_several_programmes_belongs_where_the_amount_is_owed(second, jeongsan, pay):
    post(second, payable__operator=-5, receivable__company__P1=5)
    post(second, "V26", payable__operator=-9, vat__operator=9)
    answer = pay("bank payable:operator 7 R-1", "bank payable:operator 1 R-3")
    assert answer["booked"] == 1
    assert [one["reference"] for one in answer["unmatched"]] == ["R-3"]
    assert money(jeongsan, "--programme", "V26") == {"cash:bank": -7, "payable:operator": -2, "vat:operator": 9}
    assert pay("bank payable:operator 2 R-2")["booked"] == 1
    assert money(jeongsan, "--programme", "V26") == {"cash:bank": -9, "vat:operator": 9}
    assert pay("bank payable:operator 1 R-3", programme="V25")["booked"] == 1
    assert pay("bank deposit:P1 1 R-4", programme="V26")["unmatched"][0]["reference"] == "R-4"


def test_import__a_payout_that_several_programmes_may_share_is_not_given_to_one(second, jeongsan, pay):
    post(second, cash__stripe=1_000, receivable__company__P1=-1_000)
    post(second, "V26", cash__stripe=400, vat__operator=-400)
    assert "--programme" in pay("bank cash:stripe 970 R-1")["unmatched"][0]["reason"]
    assert money(jeongsan, "--programme", "V25")["cash:stripe"] == 1_000
    assert pay("bank cash:stripe 400 R-2")["booked"] == 1
    assert pay("bank cash:stripe 970 R-1")["booked"] == 1
    assert money(jeongsan, "--programme", "V25")["cash:stripe"] == 30


def test_balances__several_programmes_stand_under_their_codes(second, jeongsan):
    found = jeongsan("balances")
    assert found.keys() == {"V25", "V26"}
    assert found["V25"] == jeongsan("balances", "--programme", "V25")
    assert found["V26"] == {}
    jeongsan("balances", "--programme", "V99", exit_code=2)


def test_import__a_payment_of_a_closed_month_goes_to_the_first_open_one(loaded, pay):
    with loaded.begin() as connection:
        books.lock_month(connection, "V25", Month(2025, 11), AT, "test")
    pay("bank deposit:P1 5 R")
    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT month::text FROM entry WHERE kind = 'payment'")) == "2025-12-01"


def test_import__a_deposit_is_not_paid_back_between_freeze_and_lock(loaded, pay):
    pay("bank deposit:P1 5 R-1")
    with loaded.begin() as connection:
        connection.execute(text("INSERT INTO month_run VALUES ('V25', '2025-11-01', 0, 0, now())"))
    assert "between freeze and lock" in pay("bank deposit:P1 -5 R-2", exit_code=3)["messages"][0]
    pay("bank deposit:P1 1 R-3")
    with loaded.begin() as connection:
        books.lock_month(connection, "V25", Month(2025, 11), AT, "test")
    assert pay("bank deposit:P1 -5 R-2")["booked"] == 1


def test_import__a_bad_row_leaves_nothing_of_the_file(loaded, jeongsan, pay):
    assert "pay.csv:3: amount_krw" in pay("bank deposit:P1 5 R-1", "bank deposit:P1 x R-2", exit_code=2)["messages"][0]
    assert money(jeongsan) == {}


def test_import__two_at_once_book_a_file_once(loaded, jeongsan, tmp_path):
    path = Path(tmp_path / "pay.csv")
    path.write_text(HEADER + "2025-11-10T09:00:00+09:00,bank,deposit:P1,5,R-1,x\n")
    results = []
    threads = [threading.Thread(target=lambda: results.append(import_payments(loaded, path, AT))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted((one.booked, one.already) for one in results) == [(0, 1), (0, 1), (0, 1), (1, 0)]
    assert money(jeongsan) == {"cash:bank": 5, "deposit:P1": -5}

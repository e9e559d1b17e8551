"""The books in the database: order, months, marks."""

from datetime import UTC, date, datetime

from sqlalchemy import text

from core.month import Month
from ledger import books
from ledger.journal import NewEntry

AT = datetime(2025, 11, 5, tzinfo=UTC)


def entries(*amounts):
    return [
        NewEntry(kind="test", memo="t", reference=f"r{krw}", postings={"cash:bank": krw, "vat:operator": -krw})
        for krw in amounts
    ]


def test_post__numbers_follow_each_other_in_the_order_given(loaded):
    with loaded.begin() as connection:
        before = books.last_number(connection, "V25")
        ids = books.post(connection, "V25", Month(2025, 11), entries(1, 2), AT)
        ids += books.post(connection, "V25", Month(2025, 11), entries(3), AT)
        rows = connection.execute(
            text("SELECT id, number, reference FROM entry WHERE kind = 'test' ORDER BY number")
        ).all()
        assert books.last_number(connection, "V25") == before + 3
    assert [tuple(row) for row in rows] == [(ids[n], before + 1 + n, f"r{n + 1}") for n in range(3)]


def test_post__nothing_to_book_books_nothing(loaded):
    with loaded.begin() as connection:
        before = books.last_number(connection, "V25")
        assert books.post(connection, "V25", Month(2025, 11), [], AT) == []
        assert books.last_number(connection, "V25") == before


def test_balances__at_a_mark_are_those_of_the_entries_up_to_it_and_agree_with_what_the_database_keeps(loaded):
    with loaded.begin() as connection:
        books.post(connection, "V25", Month(2025, 11), entries(1, 2), AT)
        mark = books.last_number(connection, "V25")
        books.post(connection, "V25", Month(2025, 11), entries(4, -7), AT)
        assert books.balances(connection, "V25", mark)["cash:bank"] == 3
        now = books.balances(connection, "V25")
        kept = connection.execute(text("SELECT code, balance_krw FROM account WHERE balance_krw <> 0"))
        assert dict(map(tuple, kept)) == now
    assert "cash:bank" not in now


def test_booked_references__are_those_of_the_programme(loaded):
    with loaded.begin() as connection:
        assert books.booked_references(connection, "V25", ["appropriation", "commit:A1", "commit:A9"]) == {
            "appropriation",
            "commit:A1",
        }
        assert books.booked_references(connection, "V26", ["appropriation"]) == set()


def test_open_month__is_the_days_own_or_the_first_after_the_closed(loaded):
    with loaded.begin() as connection:
        assert books.open_month(connection, "V25", date(2025, 11, 30)) == Month(2025, 11)
        books.lock_month(connection, "V25", Month(2025, 11), AT, "test")
        assert books.locked_months(connection, "V25") == [Month(2025, 11)]
        assert books.open_month(connection, "V25", date(2025, 9, 1)) == Month(2025, 12)
        assert books.open_month(connection, "V25", date(2026, 2, 1)) == Month(2026, 2)

"""The books in the database: order, months, marks."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from core.month import Month
from ledger import books
from ledger.checks import faulty_entries
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


NASTY = 'q"b\\ \b\f\n\r\t\x01\x1f\x7f\u2028 정산 😀 /'


def booked_with_nasty_texts(engine) -> int:
    """Books three entries whose texts need every escape; returns the number of the first."""
    books_of = {"cash:bank": 5, "vat:operator": -4, "deposit:P1": -1, "budget:available": 0, "budget:executed:P1": 0}
    made = [
        NewEntry(kind=NASTY, memo=NASTY, reference=f"{NASTY}{number}", postings=books_of | {"cash:stripe": 0})
        for number in range(3)
    ]
    with engine.begin() as connection:
        books.post(connection, "V25", Month(2025, 11), made, AT)
        return books.last_number(connection, "V25") - 2


def test_chain__posted_in_python_and_recomputed_in_sql_is_one(loaded):
    booked_with_nasty_texts(loaded)
    with loaded.connect() as connection:
        assert list(faulty_entries(connection, "V25")) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET memo = memo || ' ' WHERE number = :number",
        "UPDATE entry SET kind = 'other' WHERE number = :number",
        "UPDATE entry SET month = '2025-12-01' WHERE number = :number",
        "UPDATE entry SET hash = sha256('x') WHERE number = :number",
        "UPDATE entry SET previous_hash = sha256('x') WHERE number = :number",
        "UPDATE posting SET amount_krw = -amount_krw WHERE entry_id = (SELECT id FROM entry WHERE number = :number)",
        "DELETE FROM entry WHERE number = :number - 1",
    ],
)
def test_chain__names_the_first_entry_that_was_tampered_with(loaded, owner, change):
    number = booked_with_nasty_texts(loaded) + 1
    with owner.begin() as connection:
        connection.exec_driver_sql("SET session_replication_role = replica")  # no guard of the database speaks
        connection.execute(text(change), {"number": number})
        ((check, message, reference),) = faulty_entries(connection, "V25")
    assert (check, reference) == ("hash chain", f"entry:V25/{number}")
    assert f"분개 {number}:" in message


def test_entry__that_does_not_balance_any_more_is_named_beside_the_broken_chain(loaded, owner):
    number = booked_with_nasty_texts(loaded)
    with owner.begin() as connection:
        connection.exec_driver_sql("SET session_replication_role = replica")
        connection.execute(
            text("UPDATE posting SET amount_krw = 6 WHERE amount_krw = 5 AND entry_id = (SELECT id FROM entry WHERE"
                 " number = :number)"), {"number": number},
        )  # fmt: skip
        found = [(check, reference) for check, _, reference in faulty_entries(connection, "V25")]
    assert found == [("hash chain", f"entry:V25/{number}"), ("zero sum", f"entry:V25/{number}")]

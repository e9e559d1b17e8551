"""Whatever exports come in, in whatever order and how often: the same books; no won is lost, none is doubled."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from billing.bank import import_statement
from billing.bank_decision import suspend
from billing.bank_map import read_bank_map
from billing.bank_reading import bank_rows, bank_totals, suspense
from ledger.books import balances
from tests.integration.banking.conftest import AT, CASH

# What a day may bring: an invoice in full (a second time it is double), parts of another, a paid deposit, a name with
# an amount, what nobody knows, and money that goes out.
KINDS = st.sampled_from([
    "191347,INV-OP-2025-000001,가온", "100,INV-OP-2025-000002,나래", "250,INV OP 2025 000002,나래", "5,DEP-P1,가온",
    "54958,이체,(주)나래", "77,?,모름", "77,?,모름", "-40,이체,둘째병원",
])  # fmt: skip
DAYS = st.lists(st.lists(KINDS, max_size=4), min_size=6, max_size=6).filter(any)
WINDOWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4)


@pytest.fixture
def taken(bank, tmp_path):
    """Imports exports of whole days one after the other, then undoes it all: taken(days, windows) → what came of it."""
    bank_map = read_bank_map(bank.folder / "map.toml")

    def export(connection, days, first, last):
        rows = [f"2025-12-0{day + 1},{row}" for day in range(first, last + 1) for row in days[day]]
        path = tmp_path / "days.csv"
        path.write_text("일시,금액,적요,상대\n" + "".join(f"{row}\n" for row in rows))
        return import_statement(connection, path, bank_map, AT) if rows else None

    def run(days, windows):
        with bank.engine.connect() as connection:
            for first, last in windows:
                export(connection, days, min(first, last), max(first, last))
            export(connection, days, 0, 5)
            assert export(connection, days, 0, 5).fresh == 0
            unknown = [row.id for row in bank_rows(connection, "unmatched")][:1]
            for row_id in unknown:
                suspend(connection, row_id, "V25", "?", "finance-1", AT)
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            found = (bank_totals(connection), balances(connection, "V25"), suspense(connection))
            connection.rollback()
            return found

    return run


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=DAYS, windows=WINDOWS)
def test_any_order__of_overlapping_exports_gives_the_same_books(taken, days, windows):
    totals, books, held = taken(days, windows)
    assert (totals, books, held) == taken(days, [])
    rows = [int(row.split(",")[0]) for day in days for row in day]
    assert sum(krw for _, krw in totals.values()) == sum(rows)
    assert sum(count for count, _ in totals.values()) == len(rows)
    moved = sum(krw for state, (_, krw) in totals.items() if state in ("booked", "partial", "suspense"))
    assert books["cash:bank"] == CASH + moved
    assert [one.rows_krw - one.balance_krw for one in held] == [0] * len(held)

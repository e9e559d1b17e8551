"""A hundred who issue documents at once, over connections of their own: no gap and no double number."""

import threading
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import NullPool, create_engine, text

from billing.booked import write_charges
from billing.charge import ChargeLine
from billing.invoice_issue import issue_invoices
from core.month import Month
from ledger import books
from ledger.journal import NewEntry
from registry.terms import programme_terms

AT = datetime(2025, 12, 3, tzinfo=UTC)
ISSUERS = 100
DAYS = (date(2025, 12, 31), date(2026, 1, 1))


class PulledOut(Exception):
    """Whoever issued gives up before the commit."""


def months() -> list[Month]:
    return [Month(2025, 10) + number for number in range(ISSUERS)]


def fee(project: str, month: Month, krw: int) -> ChargeLine:
    return ChargeLine(
        project=project, service_month=month, kind="fee", key="platform", line_key="fee", line=None, supplier="OP",
        description="platform", tax="taxable", quantity_base=krw * 20, unit="원", unit_price_krw=0,
        price_version=None, rated_krw=krw, amount_krw=krw, vat_krw=krw // 10,
    )  # fmt: skip


@pytest.fixture
def booked(loaded):
    """A hundred posted months: P1 pays a fee in each, P2 gets one back in every third."""
    with loaded.begin() as connection:
        for number, month in enumerate(months()):
            rows = [fee("P1", month, 100), *([fee("P2", month, -50)] if number % 3 == 0 else [])]
            write_charges(connection, "V25", month, rows)
            books.post(connection, "V25", month, [_entry(month, row) for row in rows], AT)
    return loaded


def _entry(month: Month, row: ChargeLine) -> NewEntry:
    postings = {f"receivable:company:{row.project}": row.amount_krw + row.vat_krw,
                "income:platform_fee": -row.amount_krw, "vat:operator": -row.vat_krw}  # fmt: skip
    return NewEntry(kind="fee", memo="fee", reference=f"run:{month}:fee:{row.project}", postings=postings)


def issue(engine, terms, number: int, at_once: threading.Barrier | None, outcome: Counter) -> None:
    """Issues one month's documents; every seventh gives up when they stand, every ninth loses its connection."""
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))
            if at_once is not None:
                at_once.wait(timeout=60)
            issue_invoices(connection, terms, months()[number], [], DAYS[number % 2])
            if at_once is not None and number % 7 == 0:
                raise PulledOut
            if at_once is not None and number % 9 == 0:
                connection.connection.driver_connection.close()
        outcome["issued"] += 1
    except PulledOut:
        outcome["given up"] += 1
    except Exception as error:
        outcome[type(error).__name__] += 1


def numbers(engine) -> dict[tuple[str, int], list[int]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT kind, year, number FROM document WHERE total_krw IS NOT NULL ORDER BY kind, year, number")
        ).all()
        last = connection.execute(text("SELECT kind, year, last_number FROM document_sequence")).all()
    found: dict[tuple[str, int], list[int]] = {}
    for kind, year, number in rows:
        found.setdefault((kind, year), []).append(number)
    assert {(kind, year): number for kind, year, number in last} == {key: len(value) for key, value in found.items()}
    return found


def test_numbers__a_hundred_issue_at_once_over_the_turn_of_the_year_without_gap_or_double(booked, settings):
    engine = create_engine(settings.database_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.connect() as connection:
        terms = programme_terms(connection, "V25")
    outcome, at_once = Counter(), threading.Barrier(ISSUERS)
    threads = [
        threading.Thread(target=issue, args=(engine, terms, number, at_once, outcome)) for number in range(ISSUERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    failed = {number for number in range(ISSUERS) if number % 7 == 0 or number % 9 == 0}
    assert outcome == {"issued": ISSUERS - len(failed), "given up": 15, "OperationalError": len(failed) - 15}
    for key, found in numbers(booked).items():
        assert found == list(range(1, len(found) + 1)), key
    for number in sorted(failed):
        issue(engine, terms, number, None, outcome)
    found = numbers(booked)
    assert {key: len(value) for key, value in found.items()} == {
        ("credit_note", 2025): 17, ("credit_note", 2026): 17, ("invoice", 2025): 50, ("invoice", 2026): 50,
    }  # fmt: skip
    assert all(value == list(range(1, len(value) + 1)) for value in found.values())

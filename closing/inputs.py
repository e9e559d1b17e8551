"""Gathers what a month is derived from: the frozen usage, the terms in force, and what earlier months booked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from sqlalchemy import Connection, text

from billing.booked import booked_lines
from billing.charge import Booked
from billing.commitment import amendment_entries, due_entries
from billing.price_book import rates
from billing.rate_card import RateCard
from billing.rating import RateBook, metered_lines
from core.month import Month
from ledger.books import balances
from ledger.journal import NewEntry
from metering.usage import allocated_usage, stored_usage, void_reasons, work_items
from metering.values import Usage, WorkItem
from registry.terms import programme_terms
from registry.values import ProgrammeTerms
from settlement.history import LineTotals, incentive_history, line_totals


@dataclass(frozen=True, kw_only=True)
class MonthInputs:
    """Everything that T(n) and its difference to what was booked follow from, at two marks.

    `balances`: the books at the journal mark, won, debit +. `deposits_confirmed`: projects whose deposit had reached
    the agreed sum at this freeze or an earlier one. `void_reasons`: why events of booked work were voided, by sequence
    number. `amendments`: transfers and changes of commitment due this month. `released`: agreements whose commitment an
    earlier run released.
    """

    terms: ProgrammeTerms
    month: Month
    usages: Sequence[Usage]
    items: Sequence[WorkItem]
    book: RateBook
    booked: Booked
    void_reasons: dict[int, str]
    line_totals: dict[str, LineTotals]
    balances: dict[str, int]
    deposits_confirmed: frozenset[str]
    amendments: Sequence[NewEntry]
    released: frozenset[str]
    earlier_pools_krw: int
    pool_carried_krw: int
    contributions: dict[str, Fraction]
    contributions_carried: dict[str, Fraction]


def gather(
    connection: Connection, programme: str, month: Month, intake_mark: int, journal_mark: int,
    posted_at: datetime | None = None,
) -> MonthInputs:  # fmt: skip
    """Reads the inputs of a month at its marks. `posted_at`: of a month that was posted then, as they were before."""
    terms = programme_terms(connection, programme, month)
    suppliers = {line.supplier for project in terms.projects.values() for line in project.lines}
    cards = rates(connection, sorted(suppliers | {terms.operator or ""}), posted_at)
    book = RateBook(cards)
    history = incentive_history(connection, programme, month)
    booked = booked_lines(connection, programme, month)
    released = _released(connection, terms, month)
    seqs = {seq for one in booked.values() for seq in (one.line.work_seq, one.line.accept_seq) if seq is not None}
    return MonthInputs(
        terms=terms,
        month=month,
        usages=_usages(connection, terms, month, intake_mark, cards, book),
        items=work_items(connection, sorted(terms.projects), intake_mark),
        book=book,
        booked=booked,
        void_reasons=void_reasons(connection, sorted(seqs), intake_mark),
        line_totals=line_totals(connection, programme, month),
        balances=balances(connection, programme, journal_mark),
        deposits_confirmed=_deposits_confirmed(connection, terms, month, journal_mark),
        amendments=[
            *(entry for _day, entry in due_entries(connection, programme, month.last)),
            *amendment_entries(connection, terms, month, released, journal_mark if posted_at else None),
        ],
        released=released,
        earlier_pools_krw=history.pools_krw,
        pool_carried_krw=history.carried_krw,
        contributions=history.totals,
        contributions_carried=history.carried,
    )


def _usages(
    connection: Connection, terms: ProgrammeTerms, month: Month, mark: int, cards: Sequence[RateCard], book: RateBook
) -> list[Usage]:
    """GPU and storage usage up to the month's end, cut at months, at price changes of whoever sells it, and where an
    agreement with a line of metered usage begins or ends.

    CPU usage comes with GPUs as a rule: it is rated where the operator has a price for it, and shown only elsewhere.
    """
    starts = [one.starts for project in terms.projects.values() for one in project.agreements]
    metered = [line for lines in metered_lines(terms).values() for line in lines]
    if not starts or (terms.operator is None and not metered):
        return []
    until = month.last + timedelta(days=1)
    changes = _price_changes(cards, {terms.operator, *(line.supplier for line in metered)})
    changes |= {day for line in metered for day in (line.starts, line.ends + timedelta(days=1))}
    cuts = _cuts(min(starts), until, changes)
    ends = {
        code: max(one.ends for one in project.agreements)
        for code, project in terms.projects.items()
        if project.agreements
    }
    used = allocated_usage(connection, sorted(ends), mark, until, cuts)
    rated = [one for one in used if one.meter != "cpu" or _has_rate(book, terms.operator, one)]
    return rated + stored_usage(connection, ends, mark, until, cuts)


def _has_rate(book: RateBook, operator: str | None, usage: Usage) -> bool:
    found = operator and book.find(operator, usage.meter, usage.starts, project=usage.project, model=usage.key)
    return bool(found)


def _price_changes(cards: Sequence[RateCard], sellers: set[str | None]) -> set[date]:
    return {
        day for card in cards if card.supplier in sellers for day in (card.valid_from, card.valid_until)
        if day is not None
    }  # fmt: skip


def _cuts(first: date, until: date, changes: set[date]) -> list[date]:
    months, at = [], Month.of(first)
    while at.first < until:
        months.append(at.first)
        at += 1
    return sorted({*months, *(day for day in changes if Month.of(first).first < day < until)})


def _deposits_confirmed(connection: Connection, terms: ProgrammeTerms, month: Month, mark: int) -> frozenset[str]:
    """Projects whose booked deposit payments had reached the agreed sum at this freeze or an earlier one."""
    rows = connection.execute(
        text(
            "WITH mark AS (SELECT journal_mark AS number FROM month_run"
            "  WHERE programme = :programme AND month < :month UNION SELECT :mark)"
            " SELECT account.code, mark.number, sum(-posting.amount_krw)::bigint AS krw FROM mark"
            " JOIN entry ON entry.programme = :programme AND entry.kind = 'payment' AND entry.number <= mark.number"
            " JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " WHERE starts_with(account.code, 'deposit:') GROUP BY account.code, mark.number"
        ),
        {"programme": terms.code, "month": month.first, "mark": mark},
    )
    paid: dict[str, int] = {}
    for row in rows:
        project = row.code.removeprefix("deposit:")
        paid[project] = max(paid.get(project, 0), row.krw)
    return frozenset(
        code
        for code, project in terms.projects.items()
        if paid.get(code, 0) >= sum(one.deposit_krw for one in project.agreements if one.self_pay_mode == "deposit")
    )


def _released(connection: Connection, terms: ProgrammeTerms, month: Month) -> frozenset[str]:
    """Agreements whose commitment an earlier month's run released: terminated, or of a project that has ended."""
    last = connection.scalar(
        text("SELECT max(month) FROM month_lock WHERE programme = :programme AND month < :month"),
        {"programme": terms.code, "month": month.first},
    )
    return frozenset(
        agreement.code
        for project in terms.projects.values()
        for agreement in project.agreements
        for ends_in in [project.ends_in([agreement])]
        if last is not None and ends_in is not None and Month.of(last) >= ends_in
    )

"""The final settlement of a fiscal year (domain.md §7 Year-end): lapses, reports and closes in one transaction."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, Engine, text

from billing.document import number_statements
from closing.run import sole_run
from core.errors import BadInput, RuleRefused
from core.month import Month
from ledger.books import balances, lock_programme, locked_months, post
from ledger.journal import NewEntry
from metering.usage import freeze_mark, unsettled_events
from registry.terms import programme_terms
from registry.values import ProgrammeTerms
from reports.execution import current_krw
from reports.final_figures import Final, carry_overs, read_final
from reports.final_settlement import file_name, final_report
from reports.statements import publish
from reports.ties import Tie
from reports.versions import keep_first_version
from settlement.year_end import audited

LOCKED_BY = "administrator (command line)"


def settle_year(engine: Engine, programme: str, year: int, now: datetime, *, dry: bool = False) -> dict:
    """Settles a programme's fiscal year finally, once, and closes the programme; returns its figures.

    `dry` shows them and books nothing; nor is anything booked with a difference in the ties. Raises BadInput for
    another year than the programme's, RuleRefused naming what is missing.
    """
    with engine.connect() as connection:
        terms = _terms(connection, programme, year)
        settled = _settled(connection, programme)
    if settled:
        return {**settled, "already": True}
    with sole_run(engine, programme), engine.connect() as connection, connection.begin() as transaction:
        document = _settle(connection, terms, now)
        if dry or document["differences"]:
            transaction.rollback()
            document["state"] = "open"
    return {**document, "already": False}


def _terms(connection: Connection, programme: str, year: int) -> ProgrammeTerms:
    terms = programme_terms(connection, programme)
    if terms.fiscal_year != year:
        raise BadInput(
            f"{year}: 사업 {programme}의 회계연도는 {terms.fiscal_year}입니다 (the fiscal year of {programme} is "
            f"{terms.fiscal_year})."
        )
    return terms


def _settled(connection: Connection, programme: str) -> dict | None:
    """The figures that the programme was closed with; None while it is open."""
    return connection.scalar(
        text("SELECT figures FROM programme_lock WHERE programme = :programme"), {"programme": programme}
    )


def _settle(connection: Connection, terms: ProgrammeTerms, now: datetime) -> dict:
    programme, base = terms.code, _base_month(connection, terms)
    _refuse(_unsettled(connection, terms, base))
    carried = carry_overs(connection, programme)
    _refuse(_not_carried(connection, terms, carried))
    entries = post(connection, programme, base + 1, _lapses(connection, terms, carried), now)
    keep_first_version(connection, programme, base + 1, now)
    number_statements(
        connection, programme, base + 1, terms.operator or terms.agency, [("statement", terms.agency)], now
    )
    final = read_final(connection, programme, base, now)
    content, name = final_report(final), file_name(final.figures)
    publish(connection, programme, base + 1, {name: content}, now)
    document = {
        **_figures(final, _ties(connection, final)),
        "entries": len(entries),
        "files": [{"name": name, "sha256": sha256(content).hexdigest()}],
    }
    lock_programme(connection, programme, base, now, LOCKED_BY, document)
    return document


def _base_month(connection: Connection, terms: ProgrammeTerms) -> Month:
    """The last locked month: that of the fiscal year's end, or of the settlement's close where it is earlier, or later.

    Raises RuleRefused naming the months that are not locked, and a run that is not finished.
    """
    needed = min(Month(terms.fiscal_year, 12), Month.of(terms.settlement_closes_on))
    locked = locked_months(connection, terms.code)
    missing = _months_between(locked[-1] + 1 if locked else needed, needed)
    if missing:
        raise RuleRefused(
            f"{terms.code}: 마감되지 않은 달이 있습니다: {', '.join(map(str, missing))}. "
            f"`jeongsan month run {missing[0]} --programme {terms.code}` 부터 마감하세요 (months are not locked yet)."
        )
    begun = connection.scalar(
        text("SELECT max(month) FROM month_run WHERE programme = :programme"), {"programme": terms.code}
    )
    if Month.of(begun) > locked[-1]:
        raise RuleRefused(f"{terms.code}: {Month.of(begun)} 정산을 먼저 마치세요 (finish {Month.of(begun)} first).")
    return locked[-1]


def _months_between(first: Month, last: Month) -> list[Month]:
    months = []
    while first <= last:
        months.append(first)
        first += 1
    return months


def _refuse(problems: Iterator[str]) -> None:
    found = list(problems)
    if found:
        raise RuleRefused("\n".join(found))


def _unsettled(connection: Connection, terms: ProgrammeTerms, base: Month) -> Iterator[str]:
    """What of the programme no locked month has taken: it would be lost with the close."""
    at = {"programme": terms.code, "month": base.first, "last": base.last}
    freeze_mark(connection)
    mark = connection.scalar(
        text("SELECT intake_mark FROM month_run WHERE programme = :programme AND month = :month"), at
    )
    count = unsettled_events(connection, sorted(terms.projects), mark)
    advice = f"{base + 1} 을 먼저 정산하세요 (settle {base + 1} first)"
    if count:
        yield f"{terms.code}: {base} 마감 뒤에 들어온 사용 기록 {count:,}건이 정산되지 않았습니다. {advice}."
    for row in connection.execute(
        text(
            "SELECT kind, dated, amount_krw FROM budget_record WHERE programme = :programme AND dated > :last"
            " ORDER BY dated, id"
        ),
        at,
    ):
        yield f"{terms.code}: {row.kind} {row.dated} {row.amount_krw:,}원은 {base} 뒤의 기록입니다. {advice}."
    for row in connection.execute(
        text(
            "SELECT DISTINCT entry.number, memo FROM entry JOIN posting ON posting.entry_id = entry.id"
            " JOIN account ON account.id = posting.account_id"
            " WHERE entry.programme = :programme AND is_budget AND month > :month ORDER BY number"
        ),
        at,
    ):
        yield f"{terms.code}: 예산 분개 {row.number} ({row.memo})은 {base} 뒤의 기장입니다. {advice}."


def _not_carried(connection: Connection, terms: ProgrammeTerms, carried: Mapping[str, int]) -> Iterator[str]:
    """A project carries over no more than what is left of its commitment."""
    kept = balances(connection, terms.code)
    for project, krw in carried.items():
        left = kept.get(f"budget:committed:{project}", 0)
        if krw > left:
            yield (
                f"{terms.code}.carry_over: 과제 {project}의 이월액 {krw:,}원이 남은 약정 {left:,}원보다 큽니다 "
                "(more is carried over than is left of the commitment)."
            )


def _lapses(connection: Connection, terms: ProgrammeTerms, carried: Mapping[str, int]) -> list[NewEntry]:
    """What of each commitment is not carried over, back to what is available, where it lapses (불용)."""
    kept = balances(connection, terms.code)
    rests = {code: kept.get(f"budget:committed:{code}", 0) - carried.get(code, 0) for code in sorted(terms.projects)}
    return [
        NewEntry(
            kind="lapse", memo=f"lapse {code}", reference=f"year_end:{terms.fiscal_year}:lapse:{code}",
            postings={"budget:available": rest, f"budget:committed:{code}": -rest},
        )
        for code, rest in rests.items() if rest
    ]  # fmt: skip


def _ties(connection: Connection, final: Final) -> list[Tie]:
    """The year's identities: the books after the close against the reference data and the line settlements."""
    returned, kept = final.returned, balances(connection, final.figures.terms.code)
    executed, committed = (sum(krw for code, krw in kept.items() if code.startswith(f"budget:{state}:"))
                           for state in ("executed", "committed"))  # fmt: skip
    lapsed, current = kept.get("budget:available", 0), current_krw(final.figures)
    sides = (
        ("예산현액 A", "예산액 + 이월 ± 증감", current, "세출예산 (장부)", -kept.get("budget:appropriation", 0)),
        ("집행액 C", "재원 분담", returned.executed_krw, "budget:executed (장부)", executed),
        ("다음연도이월 D", "이월 결정", returned.carry_over_krw, "budget:committed (장부)", committed),
        ("집행잔액 E", "과제별 E + 미협약", sum(one.balance_krw for one in final.projects)
         + final.figures.balance("budget:available"), "budget:available (장부)", lapsed),
        ("A = C + D + E", "A", current, "C + D + E", returned.executed_krw + returned.carry_over_krw + lapsed),
        ("반납액", "B - C - D + F", returned.return_krw, "(B - A) + E + F",
         returned.received_krw - current + lapsed + returned.interest_krw - returned.dropped_krw),
    )  # fmt: skip
    return [Tie(name=name, left_name=left_name, left=left, right_name=right_name, right=right)
            for name, left_name, left, right_name, right in sides]  # fmt: skip


def _figures(final: Final, ties: list[Tie]) -> dict:
    figures, returned = final.figures, final.returned
    current = current_krw(figures)
    return {
        "programme": figures.terms.code,
        "fiscal_year": figures.terms.fiscal_year,
        "month": str(figures.month),
        "state": "closed",
        "number": final.number,
        "budget": {
            "current_krw": current,
            "received_krw": returned.received_krw,
            "executed_krw": returned.executed_krw,
            "carry_over_krw": returned.carry_over_krw,
            "balance_krw": current - returned.executed_krw - returned.carry_over_krw,
            "interest_krw": returned.interest_krw,
            "dropped_krw": returned.dropped_krw,
            "return_krw": returned.return_krw,
        },
        "projects": {
            one.project: {
                "grant_krw": one.grant_krw, "current_krw": one.current_krw, "executed_krw": one.executed_krw,
                "carry_over_krw": one.carry_over_krw, "balance_krw": one.balance_krw, "verified": one.verified,
            }
            for one in final.projects
        },
        "audited": {one.party: one.voucher_krw for one in audited(final.recipients)},
        "ties": [
            {"name": tie.name, "left": tie.left, "right": tie.right, "difference": tie.difference} for tie in ties
        ],
        "differences": sum(tie.difference != 0 for tie in ties),
    }  # fmt: skip

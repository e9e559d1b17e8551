"""`verify`: the books recomputed from themselves, and with `deep` everything anew from the raw events."""

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection, Engine, text

from billing.booked import month_charges
from closing.derive import MonthResult, rate_month, settle
from closing.inputs import gather
from closing.seal import against_seal
from core.month import Month
from ledger.books import locked_months
from ledger.checks import faulty_entries, late_entries, wrong_balances
from metering.quarantine import intake_counts
from metering.usage import rederive
from registry.terms import programme_codes, programme_terms
from reports.month import month_lines
from reports.statements import altered_files
from reports.tie_out import budget_ties
from reports.ties import Finding


def verify_books(
    engine: Engine, *, deep: bool, seal: dict | None = None,
    say: Callable[[str, str], None] = lambda _korean, _english: None,
) -> list[Finding]:  # fmt: skip
    """Hash chain, zero-sum, balances, budget identities, closed months and intake of every programme.

    `deep` derives usage from the raw events and every locked month anew, at its marks, and compares; `seal`: what must
    stand as it did when that was written (closing.seal).
    """
    found: list[Finding] = []
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for programme in programme_codes(connection):
            say(f"{programme}: 장부 …", f"{programme}: books …")
            found += _books(connection, programme)
            found += _budget(connection, programme)
            if deep:
                say(f"{programme}: 원시 이벤트에서 다시 …", f"{programme}: anew from the raw events …")
                found += _deep(connection, programme)
        found += _intake(connection)
        if seal is not None:
            found += against_seal(connection, seal)
    return found


def _errors(check: str, messages: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for message, reference in messages:
        yield Finding(level="ERROR", check=check, message=message, refs=(reference,))


def _books(connection: Connection, programme: str) -> Iterator[Finding]:
    for check, message, reference in faulty_entries(connection, programme):
        yield Finding(level="ERROR", check=check, message=message, refs=(reference,))
    yield from _errors("account balances", wrong_balances(connection, programme))
    yield from _errors("closed month", late_entries(connection, programme))
    yield from _errors("published file", altered_files(connection, programme))


def _budget(connection: Connection, programme: str) -> Iterator[Finding]:
    terms = programme_terms(connection, programme)
    for month in locked_months(connection, programme):
        for tie in budget_ties(connection, terms, month):
            if tie.difference:
                yield Finding(
                    level="ERROR",
                    check="budget identity",
                    message=f"{tie.name}: {tie.left} ≠ {tie.right}",
                    refs=(f"budget:{month}/current",),
                )


def _intake(connection: Connection) -> Iterator[Finding]:
    counts = intake_counts(connection)
    if not counts["balanced"]:
        yield Finding(
            level="ERROR",
            check="intake",
            refs=("intake:received",),
            message=f"수신 항등식이 맞지 않습니다 (the counting identity does not hold): {counts}",
        )


def _deep(connection: Connection, programme: str) -> Iterator[Finding]:
    projects = sorted(programme_terms(connection, programme).projects)
    yield from _errors("raw events against usage", rederive(connection, projects))
    for month in locked_months(connection, programme):
        yield from _rederived_month(connection, programme, month)


def _rederived_month(connection: Connection, programme: str, month: Month) -> Iterator[Finding]:
    run = connection.execute(
        text(
            "SELECT intake_mark, journal_mark, finished_at FROM month_run JOIN run_step USING (programme, month)"
            " WHERE programme = :programme AND month = :month AND step = 'post'"
        ),
        {"programme": programme, "month": month.first},
    ).one()
    inputs = gather(connection, programme, month, run.intake_mark, run.journal_mark, posted_at=run.finished_at)
    result = settle(inputs, rate_month(inputs))
    booked = {row.identity: row for _id, row in month_charges(connection, programme, month)}
    derived = {row.identity: row for row in result.charges}
    for key in sorted({*booked, *derived}):
        pair = [(row.amount_krw, row.vat_krw, row.quantity_base, row.cost_krw) if row else (0, 0, 0, 0)
                for row in (booked.get(key), derived.get(key))]  # fmt: skip
        if pair[0] != pair[1]:
            row = booked.get(key) or derived[key]
            yield Finding(
                level="ERROR", check="charge derived anew",
                message=f"{month} {key}: 장부 {pair[0]} ≠ 다시 계산 {pair[1]} (booked ≠ derived anew)",
                refs=(f"charge:{month}/{row.project}/{row.service_month}/{row.kind}/{row.key}",),
            )  # fmt: skip
    yield from _rederived_entries(connection, programme, month, result)
    lines = {line.line: line for line in month_lines(connection, programme, month)}
    for line in result.lines:
        if lines.get(line.line) != line:
            yield Finding(
                level="ERROR", check="split derived anew",
                message=f"{month} {line.line}: 재원 분담이 다릅니다 (another split is derived anew).",
                refs=(f"line:{month}/{line.line}",),
            )  # fmt: skip


def _rederived_entries(connection: Connection, programme: str, month: Month, result: MonthResult) -> Iterator[Finding]:
    """The run's entries and the incentive shares in them, posting by posting."""
    rows = connection.execute(
        text(
            "SELECT reference, number, jsonb_object_agg(code, amount_krw) AS postings FROM entry"
            " JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " WHERE entry.programme = :programme AND starts_with(reference, :run) GROUP BY entry.id"
        ),
        {"programme": programme, "run": f"run:{month}:"},
    )
    booked = {row.reference: dict(row.postings) for row in rows}
    derived = {one.reference: dict(one.postings) for one in result.entries if one.reference.startswith("run:")}
    for reference in sorted({*booked, *derived}):
        if booked.get(reference) != derived.get(reference):
            yield Finding(
                level="ERROR", check="entry derived anew", refs=(f"balance:budget:available@{month}",),
                message=f"{reference}: 장부 {booked.get(reference)} ≠ 다시 계산 {derived.get(reference)} "
                "(booked ≠ derived anew)",
            )  # fmt: skip

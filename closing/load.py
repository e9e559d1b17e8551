"""Loading reference data (contract.md §3) between runs: one unit, checked whole, booked at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from billing import commitment, price_book
from closing.agreement_rules import agreement_refusals
from core.errors import BadInput, RuleRefused
from core.month import Month, kst_day
from ledger import books
from metering import quarantine
from registry import changes, checking, limits, loading, reading
from registry.agreement_life import lines_of
from registry.changes import Key, Plan
from registry.checking import View


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What a load did: (kind, code) of what was new, changed, there already; how many entries it booked, and how many
    events it released from quarantine."""

    new: tuple[Key, ...]
    changed: tuple[Key, ...]
    same: tuple[Key, ...]
    entries: int
    released: int


def load(engine: Engine, paths: Sequence[Path], now: datetime) -> LoadResult:
    """Loads reference data files as one unit, all or nothing, in one transaction.

    Raises BadInput with a line for each problem, RuleRefused for caps, closed months and other content under a used
    code. What was loaded before changes no figure. Events that waited for what is there now are stored after it.
    """
    read = reading.read_files(paths)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:load'))"))
        before = changes.loaded_objects(connection)
        view = View(objects=before | read.objects)
        problems = read.problems + (checking.check(view, read.places) if not read.problems else [])
        if problems:
            raise BadInput(*problems)
        plan = changes.plan(before, read.objects, read.places)
        if plan.moved or plan.refused:
            entries = _apply(connection, plan, view, read.places, now)
        else:
            entries = _book(connection, {one.code for one in view.of("programme")}, now)
    released = quarantine.retry_loaded(engine, now) if plan.moved else 0
    return LoadResult(
        new=tuple(plan.new), changed=tuple(plan.changed), same=tuple(plan.same), entries=entries, released=released
    )


def _apply(connection: Connection, plan: Plan, view: View, places: Mapping[Key, str], now: datetime) -> int:
    refused = plan.refused + (_rules(connection, plan, view, places) if not plan.refused else [])
    if refused:
        raise RuleRefused("\n".join(refused))
    touched = touched_programmes(plan, view)
    _begin_anew(connection, sorted(touched))
    loading.write(connection, plan, view, now, _open_months(connection, touched))
    new_books = [table for (kind, _), table in plan.new.items() if kind == "price_book"]
    price_book.write(connection, new_books, places)
    connection.execute(text("SET CONSTRAINTS commitments IMMEDIATE"))
    return _book(connection, touched, now)


def _book(connection: Connection, programmes: set[str], now: datetime) -> int:
    count = 0
    for programme in sorted(programmes):
        due = [
            (books.open_month(connection, programme, day), entry)
            for day, entry in commitment.due_entries(connection, programme, kst_day(now))
        ]
        for month, group in groupby(due, key=itemgetter(0)):
            count += len(books.post(connection, programme, month, [entry for _, entry in group], now))
    return count


def touched_programmes(plan: Plan, view: View) -> set[str]:
    """The programmes whose figures or documents a plan may move."""
    programmes: dict[str, set[str]] = {}
    for one in view.of("programme"):
        for party in {one.ministry, one.agency, one.operator} - {None}:
            programmes.setdefault(party, set()).add(one.code)
    for one in view.of("project"):
        programmes.setdefault(one.company, set()).add(one.programme)
    for one in view.of("agreement"):
        for line, _starts in lines_of(one):
            programmes.setdefault(line.supplier, set()).add(view.programme_of(one.project))
    touched: set[str] = set()
    for (kind, code), table in plan.moved.items():
        match kind:
            case "programme":
                touched.add(code)
            case "project":
                touched.add(table.programme)
            case "agreement" | "permit":
                touched.add(view.programme_of(table.project))
            case "party":
                touched |= programmes.get(code, set())
            case "price_book":
                touched |= programmes.get(table.supplier, set())
    return touched


def _rules(connection: Connection, plan: Plan, view: View, places: Mapping[Key, str]) -> list[str]:
    return [
        *limits.refusals(view, plan, places, _ended_krw(connection)),
        *_below_executed(connection, plan, places),
        *agreement_refusals(connection, plan, view, places),
        *_closed_projects(connection, plan, places),
        *_closed_programmes(connection, plan, view, places),
    ]


def _ended_krw(connection: Connection) -> dict[str, int]:
    """What each project executed, in won, whose commitment was released at its end."""
    return {
        row.code: row.executed_krw for row in connection.execute(text("SELECT code, executed_krw FROM ended_project"))
    }


def _below_executed(connection: Connection, plan: Plan, places: Mapping[Key, str]) -> list[str]:
    """Amendments that would put a limit below what was executed on its line."""
    executed = {
        (row.agreement, row.code): row.executed_krw
        for row in connection.execute(
            text(
                "SELECT DISTINCT ON (agreement_line.id) agreement_line.agreement, agreement_line.code,"
                " total_voucher_krw AS executed_krw FROM line_settlement"
                " JOIN agreement_line ON agreement_line.programme = line_settlement.programme"
                " AND agreement_line.code = line_settlement.line"
                " WHERE agreement_line.agreement = ANY(:codes) ORDER BY agreement_line.id, month DESC"
            ),
            {"codes": [code for kind, code in plan.changed if kind == "agreement"]},
        )
    }
    found = []
    for (kind, code), change in plan.changed.items():
        if kind != "agreement":
            continue
        for number, one in enumerate(change.new.amendment, start=1):
            for line, limit in one.limits.items():
                spent = executed.get((code, line), 0)
                if one not in change.old.amendment and limit < spent:
                    found.append(
                        f"{places[kind, code]}.amendment[{number}].limits.{line}: 새 한도 {limit:,}원이 집행액 "
                        f"{spent:,}원보다 작습니다 (below what was executed)."
                    )
    return found


def _closed_projects(connection: Connection, plan: Plan, places: Mapping[Key, str]) -> list[str]:
    """A project's closing month may change while neither the old nor the new one is closed in the books."""
    found = []
    for (kind, code), change in plan.changed.items():
        if kind != "project":
            continue
        closed = books.locked_months(connection, change.new.programme)
        for month in (change.old.closes, change.new.closes):
            if month and closed and Month.parse(month) <= closed[-1]:
                found.append(
                    f"{places[kind, code]}.closes: {change.old.closes} → {change.new.closes}: {month}은(는) 이미 "
                    "마감된 월입니다 (the month is closed)."
                )
    return found


def _closed_programmes(connection: Connection, plan: Plan, view: View, places: Mapping[Key, str]) -> list[str]:
    """What would move the money of a programme that is finally settled; parties, prices and results may still come."""
    closed = books.closed_programmes(connection)
    owners = {"programme": "code", "project": "programme"}
    found = []
    for (kind, code), table in plan.moved.items():
        owner = getattr(table, owners[kind]) if kind in owners else None
        if kind in ("agreement", "permit"):
            owner = view.programme_of(table.project)
        if owner in closed:
            found.append(
                f"{places[kind, code]}: 사업 {owner}은(는) {closed[owner]} 에 최종 정산되어 바꿀 수 없습니다 "
                "(the programme is finally settled: programme_closed)."
            )
    return found


def _open_months(connection: Connection, programmes: set[str]) -> dict[str, Month]:
    """The first open month of each programme that has closed ones."""
    closed = {code: books.locked_months(connection, code) for code in programmes}
    return {code: months[-1] + 1 for code, months in closed.items() if months}


def _begin_anew(connection: Connection, programmes: list[str]) -> None:
    """Lets an unfinished run rate and split anew; one that has posted must be finished first."""
    for code in programmes:
        if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(hashtext('run:' || :code))"), {"code": code}):
            raise RuleRefused(
                f"사업 {code}의 월 정산이 실행 중입니다. 끝난 뒤에 다시 하세요 (a run is working on the programme)."
            )
    posted = connection.execute(
        text(
            "SELECT programme, month FROM run_step WHERE step = 'post' AND programme = ANY(:programmes)"
            " AND NOT EXISTS (SELECT 1 FROM month_lock WHERE month_lock.programme = run_step.programme"
            " AND month_lock.month = run_step.month) ORDER BY programme, month"
        ),
        {"programmes": programmes},
    ).all()
    if posted:
        raise RuleRefused(
            "\n".join(
                f"사업 {row.programme}의 {row.month:%Y-%m} 월 정산이 아직 끝나지 않았습니다. 먼저 `jeongsan month run "
                f"{row.month:%Y-%m} --programme {row.programme}` 으로 끝내세요 (finish the run first)."
                for row in posted
            )
        )
    connection.execute(
        text(
            "DELETE FROM run_step WHERE step IN ('rate', 'split') AND programme = ANY(:programmes)"
            " AND NOT EXISTS (SELECT 1 FROM month_lock WHERE month_lock.programme = run_step.programme"
            " AND month_lock.month = run_step.month)"
        ),
        {"programmes": programmes},
    )

"""The monthly run: freeze → rate → split → post → documents → reconcile → publish → lock (domain.md §7).

Each step is one transaction that ends with its record; a run killed at any point goes on with the first step that has
no record. A dry run takes all steps in one transaction that is rolled back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects.postgresql import insert

from closing import steps
from closing.models import RunStep
from core.errors import RuleRefused
from core.month import Month
from ledger.books import closed_programmes, locked_months
from registry.terms import programme_terms
from reports.month import month_figures

STEPS = ("freeze", "rate", "split", "post", "documents", "reconcile", "publish", "lock")


def run_month(
    engine: Engine, programme: str, month: Month, now: datetime, *, until: str = "lock",
    begin: Callable[[str], None] = lambda _step: None,
) -> dict:  # fmt: skip
    """Runs a month, or goes on where it stopped, up to the step `until`; returns the month's figures.

    `begin` is called with each step's name as it begins. Raises RuleRefused when another run works, the month has not
    ended, or it is not the programme's next.
    """
    with sole_run(engine, programme):
        with engine.connect() as connection:
            _check_turn(connection, programme, month, now)
            done = finished_steps(connection, programme, month)
        context = steps.Context(engine=engine, programme=programme, month=month, now=now)
        for step in STEPS[: STEPS.index(until) + 1]:
            if step not in done:
                begin(step)
                with engine.begin() as connection:
                    take_step(connection, context, step)
                if context.difference_count:
                    break
    with engine.connect() as connection:
        return {**show_month(connection, programme, month), **_unbooked(context)}


def dry_run(
    engine: Engine, programme: str, month: Month, now: datetime, assume: Callable[[Connection], dict] | None = None
) -> dict:
    """Everything that a run would show, with nothing booked. Raises RuleRefused before the first agreement's month.

    `assume` adds what the month would be under an assumption, from what this run has derived and not booked.
    """
    context = steps.Context(engine=engine, programme=programme, month=month, now=now)
    with engine.connect() as connection, connection.begin() as transaction:
        _check_begun(connection, programme, month)
        closed = locked_months(connection, programme)
        if closed and month < closed[-1] and month not in closed:
            raise RuleRefused(f"{month}: {closed[-1]} 까지 마감되었습니다 (closed up to {closed[-1]}).")
        if month not in closed:
            _refuse_closed(connection, programme, month)
            done = finished_steps(connection, programme, month)
            for step in STEPS[:-1]:
                if step not in done and not context.difference_count:
                    take_step(connection, context, step)
        document = {**show_month(connection, programme, month), **_unbooked(context)}
        if assume is not None:
            document["what_if"] = assume(connection)
        transaction.rollback()
    return document


def _unbooked(context: steps.Context) -> dict:
    """The ties of a reconciliation that found differences: it leaves no record of its step."""
    if not context.difference_count:
        return {}
    return {"ties": context.ties, "differences": context.difference_count}


def take_step(connection: Connection, context: steps.Context, step: str) -> None:
    """Takes one step within the caller's transaction and records it with its control totals."""
    control = getattr(steps, step)(connection, context)
    if context.difference_count:
        return
    connection.execute(
        insert(RunStep).values(
            programme=context.programme, month=context.month.first, step=step, finished_at=context.now, control=control
        )
    )
    if step == "lock":
        steps.close(connection, context)


@contextmanager
def sole_run(engine: Engine, programme: str) -> Iterator[None]:
    """Holds the programme's run lock on a connection of its own; the database drops it when the process dies."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('run:' || :code))"), {"code": programme}):
            raise RuleRefused(
                f"{programme}: 다른 월 정산이 진행 중입니다. 끝난 뒤 다시 실행하세요 "
                "(another run is working; run again later)."
            )
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtext('run:' || :code))"), {"code": programme})


def _refuse_closed(connection: Connection, programme: str, month: Month) -> None:
    """Raises RuleRefused for a month of a programme that is finally settled."""
    closed = closed_programmes(connection)
    if programme in closed:
        raise RuleRefused(
            f"{month}: {programme} 은(는) {closed[programme]} 에 최종 정산되어 더 정산할 달이 없습니다 "
            "(the programme is finally settled: programme_closed)."
        )


def _check_begun(connection: Connection, programme: str, month: Month) -> None:
    terms = programme_terms(connection, programme)
    starts = [one.starts for project in terms.projects.values() for one in project.agreements]
    if starts and month < Month.of(min(starts)):
        raise RuleRefused(
            f"{month}: {programme} 의 첫 협약은 {Month.of(min(starts))} 에 시작합니다 "
            f"(the first agreement begins in {Month.of(min(starts))})."
        )


def _check_turn(connection: Connection, programme: str, month: Month, now: datetime) -> None:
    _check_begun(connection, programme, month)
    closed = locked_months(connection, programme)
    if month in closed:
        return
    _refuse_closed(connection, programme, month)
    if now < month.end:
        raise RuleRefused(
            f"{month}: 아직 끝나지 않은 달입니다. --dry-run 으로 미리 볼 수 있습니다 (the month has not ended)."
        )
    if closed and month != closed[-1] + 1:
        raise RuleRefused(
            f"{month}: 다음 정산 월은 {closed[-1] + 1} 입니다 (the next month of {programme} is {closed[-1] + 1})."
        )
    begun = connection.scalar(
        text("SELECT max(month) FROM month_run WHERE programme = :programme AND month <> ALL(:closed)"),
        {"programme": programme, "closed": [one.first for one in closed]},
    )
    if begun and Month.of(begun) != month:
        raise RuleRefused(f"{month}: {Month.of(begun)} 정산을 먼저 마치세요 (finish {Month.of(begun)} first).")


def finished_steps(connection: Connection, programme: str, month: Month) -> dict[str, dict]:
    """The recorded steps of a month with their control totals."""
    rows = connection.execute(
        text("SELECT step, control FROM run_step WHERE programme = :programme AND month = :month"),
        {"programme": programme, "month": month.first},
    )
    return {row.step: row.control for row in rows}


def show_month(connection: Connection, programme: str, month: Month) -> dict:
    """The figures, state, steps and ties of a month, from what is booked."""
    terms = programme_terms(connection, programme)
    done = finished_steps(connection, programme, month)
    ties = done.get("reconcile", {}).get("ties", [])
    return {
        "programme": programme,
        "month": str(month),
        "state": "locked" if "lock" in done else "running" if done else "open",
        "steps": [{"name": step, "state": "done" if step in done else "pending"} for step in STEPS],
        **month_figures(connection, terms, month),
        "ties": ties,
        "differences": sum(tie["difference"] not in (0, "0") for tie in ties),
    }

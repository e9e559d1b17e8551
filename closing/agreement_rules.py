"""What a later version of an agreement may not undo: its end, and work and usage that are there (domain.md §1).

And what comes too late: an agreement of a project that has ended.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from sqlalchemy import Connection

from core.month import Month, kst_day
from ledger import books
from metering.usage import allocated_usage, last_mark, work_items
from registry.agreement_life import last_day, lines_of
from registry.changes import Change, Key, Plan, added, is_draft
from registry.checking import View
from registry.reference import Agreement


def agreement_refusals(connection: Connection, plan: Plan, view: View, places: Mapping[Key, str]) -> list[str]:
    """Amendments of a terminated agreement, ends before work or usage that stands, and agreements of a project whose
    last month is closed, each with its path."""
    found = list(_ended_projects(connection, plan, view, places))
    for (kind, code), change in plan.changed.items():
        if kind == "agreement" and not is_draft(change.old):
            place = places[kind, code]
            found += [f"{place}{problem}" for problem in _refusals(connection, view, change)]
    return found


def _ended_projects(connection: Connection, plan: Plan, view: View, places: Mapping[Key, str]) -> Iterator[str]:
    drafts = {key for key, change in plan.changed.items() if is_draft(change.old)}
    for (kind, code), table in plan.moved.items():
        if kind != "agreement" or is_draft(table) or ((kind, code) in plan.changed and (kind, code) not in drafts):
            continue
        project = view.get("project", table.project)
        closed = books.locked_months(connection, project.programme)
        if project.closes and closed and Month.parse(project.closes) <= closed[-1]:
            yield f"{places[kind, code]}: {project.code}: {project.closes}에 끝난 과제입니다 (it has ended)."


def _refusals(connection: Connection, view: View, change: Change) -> Iterator[str]:
    old, new = change.old, change.new
    fresh = added(old.amendment, new.amendment)
    if old.terminated and fresh:
        yield f".amendment: {old.terminated.on} 해지된 협약은 변경할 수 없습니다 (the agreement is terminated)."
    if new.terminated and not old.terminated:
        lines = {line.code for line, _starts in lines_of(new)}
        yield from _later(connection, view, new, ".terminated.on", new.terminated.on, lines, usage=True)
    for number, one in enumerate(new.amendment, start=1):
        if one in fresh and one.end_lines:
            last = one.effective - timedelta(days=1)
            path = f".amendment[{number}].end_lines"
            yield from _later(connection, view, new, path, last, set(one.end_lines), usage=False)


def _later(
    connection: Connection, view: View, agreement: Agreement, path: str, last: date, lines: set[str], *, usage: bool
) -> Iterator[str]:
    """Work on some lines after their last day, and usage that no other agreement of the project covers."""
    mark = last_mark(connection)
    works = [
        f"{one.source}#{one.id}"
        for one in work_items(connection, [agreement.project], mark)
        if one.line in lines and kst_day(one.performed) > last
    ]
    if works:
        yield (
            f"{path}: {last} 뒤에 수행된 작업 {len(works)}건이 있습니다 ({', '.join(works[:3])}). 먼저 취소하세요 "
            "(work was performed after that day; void it first)."
        )
    if usage and _used_after(connection, view, agreement, mark, last):
        yield f"{path}: {last} 뒤의 사용량이 있습니다. 먼저 취소하세요 (there is usage after that day; void it first)."


def _used_after(connection: Connection, view: View, agreement: Agreement, mark: int, last: date) -> bool:
    others = [one for one in view.signed() if one.project == agreement.project and one.code != agreement.code]
    if any(last_day(one) > last for one in others):
        return False
    after = last + timedelta(days=1)
    used = allocated_usage(connection, [agreement.project], mark, date.max, [date.min, after])
    return any(one.starts == after and one.quantity for one in used)

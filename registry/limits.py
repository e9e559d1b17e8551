"""Rules of commitment (domain.md §1): limits within the grant, the grant within its tier, grants within the budget.

And of what is received of the budget (교부, domain.md §9).
"""

from collections.abc import Iterator, Mapping
from datetime import date

from core.month import Month
from registry.agreement_life import by_day
from registry.changes import Plan
from registry.checking import View
from registry.reference import Agreement, Programme, Project

Key = tuple[str, str]


def limits_at(agreement: Agreement, day: date) -> dict[str, int]:
    """Grant limits by line in force in the month of a local day, as the file states them; none before it starts."""
    if Month.of(day) < Month.of(agreement.starts):
        return {}
    limits = {line.code: line.grant_limit_krw for line in agreement.line}
    for one in by_day(agreement):
        if Month.of(one.effective) <= Month.of(day):
            limits |= one.limits | {line.code: line.grant_limit_krw for line in one.line}
    return limits


def most_committed_krw(view: View, project: str) -> int:
    """The largest sum of line limits that a project reaches at any time, in won."""
    agreements = [one for one in view.signed() if one.project == project]
    days = {one.starts for one in agreements} | {amended.effective for one in agreements for amended in one.amendment}
    return max((sum(sum(limits_at(one, day).values()) for one in agreements) for day in days), default=0)


def grant_krw(view: View, project: Project) -> int:
    """The project's grant in won: as stated, else the largest sum of its line limits."""
    return most_committed_krw(view, project.code) if project.grant_krw is None else project.grant_krw


def current_budget_krw(programme: Programme, day: date = date.max) -> int:
    """예산현액: appropriation, carry-in and the transfers dated up to a local day, in won."""
    transfers = sum(one.krw for one in programme.transfer if one.on <= day)
    return programme.appropriation_krw + programme.carry_in_krw + transfers


def refusals(view: View, changes: Plan, places: Mapping[Key, str], ended_krw: Mapping[str, int]) -> list[str]:
    """Every overrun of a cap by what a load brings, with its path.

    `ended_krw`: what projects executed whose commitment was released, by code: that is what they take of the budget.
    """
    moved = changes.moved
    projects = {table.code: places[kind, table.code] for (kind, _), table in moved.items() if kind == "project"}
    for (kind, code), table in moved.items():
        if kind == "agreement":
            projects.setdefault(table.project, places[kind, code])
    programmes = {code: places[kind, code] for kind, code in moved if kind == "programme"}
    found = []
    for code, place in projects.items():
        found += [f"{place}: {problem}" for problem in _project(view, view.get("project", code))]
        programmes.setdefault(view.programme_of(code), place)
    for code, place in programmes.items():
        found += [f"{place}: {problem}" for problem in _programme(view, view.get("programme", code), ended_krw)]
    return found


def _project(view: View, project: Project) -> Iterator[str]:
    granted, committed = grant_krw(view, project), most_committed_krw(view, project.code)
    if committed > granted:
        yield (
            f"과제 {project.code}의 줄 한도 합계 {committed:,}원이 과제 지원금 {granted:,}원을 넘습니다 "
            "(line limits exceed the project's grant)."
        )
    programme = view.get("programme", project.programme)
    tier = next(one for one in programme.tier if one.code == project.tier)
    if tier.grant_cap_krw is not None and granted > tier.grant_cap_krw:
        yield (
            f"과제 {project.code}의 지원금 {granted:,}원이 구간 {tier.code}의 한도 {tier.grant_cap_krw:,}원을 넘습니다 "
            "(the grant exceeds its tier's cap)."
        )


def _programme(view: View, programme: Programme, ended_krw: Mapping[str, int]) -> Iterator[str]:
    projects = [one for one in view.of("project") if one.programme == programme.code]
    grants = sum(ended_krw[one.code] if one.code in ended_krw else grant_krw(view, one) for one in projects)
    budget = current_budget_krw(programme)
    if grants > budget:
        yield (
            f"사업 {programme.code}의 과제 지원금 합계 {grants:,}원이 예산현액 {budget:,}원을 넘습니다 "
            "(project grants exceed the current budget)."
        )
    yield from _received(programme)


def _received(programme: Programme) -> Iterator[str]:
    """A transfer that takes from the budget after it was received refuses nothing: the final settlement returns it."""
    for day in sorted({one.on for one in programme.grant_received}):
        received = sum(one.krw for one in programme.grant_received if one.on <= day)
        budget = current_budget_krw(programme, day)
        if received > budget:
            yield (
                f"사업 {programme.code}의 {day}까지 교부액 {received:,}원이 그날의 예산현액 {budget:,}원을 넘습니다 "
                "(grants received exceed the current budget of that day)."
            )
            return

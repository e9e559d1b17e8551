"""Whether an event can be attributed: project, line, agreement, permit, open programme (domain.md §3). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.month import kst_day
from metering import rules
from metering.fields import instant, moment_of
from metering.slices import midnight_us
from registry.values import AgreementTerms, LineTerms, ProjectTerms

Window = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Why an event cannot be attributed; `waits_for`: the key of the event whose arrival or change may free it."""

    reason: str
    detail: str
    waits_for: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What events are attributed by. `windows`: agreements of the projects that still take events, in microseconds."""

    projects: Mapping[str, ProjectTerms]
    closed: Mapping[str, date]
    windows: Mapping[str, tuple[Window, ...]]


def attribution(projects: Iterable[ProjectTerms], closed: Mapping[str, date]) -> Attribution:
    """`closed`: programme → the day on which its settlement closed, for those that take no more events."""
    by_code = {project.code: project for project in projects}
    windows = {
        code: tuple(_window(agreement) for agreement in project.agreements)
        for code, project in by_code.items()
        if project.programme not in closed
    }
    return Attribution(projects=by_code, closed=closed, windows=windows)


def _window(agreement: AgreementTerms) -> Window:
    """[first instant, first instant after) of an agreement's local days."""
    return midnight_us(agreement.starts), midnight_us(agreement.ends, 1)


def check(terms: Attribution, number: int, values: Mapping[str, Any]) -> Hold | None:
    """Why an event that names its project cannot be attributed; None when it can."""
    project = terms.projects.get(values["project"])
    if project is None:
        detail = f"data.project: '{values['project']}' 과제가 없습니다 (no such project)"
        return Hold(reason="unknown_project", detail=detail)
    shut = check_open(terms, project.code)
    if shut:
        return shut
    if number == rules.PERFORMED:
        return _check_work(project, values)
    windows = terms.windows[project.code]
    if "end" in values:
        start_us, end_us = instant(values["start"], "start")[0], instant(values["end"], "end")[0]
        within = any(start <= start_us and end_us <= end for start, end in windows)
        shown = f"{values['start']} – {values['end']}"
    else:
        at_us = instant(values["at"], "at")[0]
        last = number == rules.DELETED  # a certified deletion follows the agreement's end as a rule
        within = any(start <= at_us and (last or at_us < end) for start, end in windows)
        shown = values["at"]
    return None if within else _outside(project.code, shown)


def check_open(terms: Attribution, project: str) -> Hold | None:
    """Whether a project's programme still takes events."""
    programme = terms.projects[project].programme if project in terms.projects else None
    if programme not in terms.closed:
        return None
    detail = f"사업 {programme} 정산이 {terms.closed[programme]} 에 끝났습니다 (the programme's settlement has closed)"
    return Hold(reason="programme_closed", detail=detail)


def _outside(project: str, shown: str) -> Hold:
    detail = f"{shown}: 과제 {project} 의 한 협약 기간 안이 아닙니다 (not wholly inside one agreement)"
    return Hold(reason="outside_agreement", detail=detail)


def _check_work(project: ProjectTerms, values: Mapping[str, Any]) -> Hold | None:
    line = next((one for one in project.lines if one.code == values["line"] and one.meter is None), None)
    if line is None:
        detail = f"data.line: '{values['line']}' 은(는) 과제 {project.code} 의 작업 항목이 아닙니다 (no line of work)"
        return Hold(reason="unknown_line", detail=detail)
    day = kst_day(moment_of(instant(values["performed"], "performed")[0]))
    if not line.starts <= day <= line.ends:
        return _outside(project.code, values["performed"])
    return _check_permits(project, line, day)


def _check_permits(project: ProjectTerms, line: LineTerms, day: date) -> Hold | None:
    """Work outside all of a project's permits is held; a project without any is not checked (contract.md §3)."""
    if not project.permits or any(permit.covers(line.supplier, day) for permit in project.permits):
        return None
    detail = f"{line.supplier}, {day}: 과제 {project.code} 의 승인 범위 밖입니다 (outside all of the project's permits)"
    return Hold(reason="no_permit", detail=detail)

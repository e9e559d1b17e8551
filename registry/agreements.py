"""Writes agreements and their versions: signed, amended, terminated. Insert only; a draft is only remembered."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import Connection, insert

from core.month import Month
from registry import models
from registry.agreement_life import FIRST_DAY, by_day, consortia_of, lines_of, payees_of
from registry.changes import Change, Plan, added, is_draft
from registry.checking import View
from registry.reference import Agreement, Amendment, Evidence, Line, Party
from registry.versions import amend_limits, first_versions, insert_versions


def write_agreements(
    connection: Connection, changes: Plan, view: View, now: datetime, open_months: Mapping[str, Month]
) -> None:
    """Writes what a checked plan brings of agreements. `open_months`: by programme, once a month of it is closed."""
    new = [table for (kind, _), table in changes.new.items() if kind == "agreement"]
    changed = [change for (kind, _), change in changes.changed.items() if kind == "agreement"]
    new += [change.new for change in changed if is_draft(change.old)]
    for one in new:
        if not is_draft(one):
            _sign(connection, one, view, now, open_months.get(view.programme_of(one.project)))
    for change in changed:
        if not is_draft(change.old):
            _amend(connection, change, view, now, open_months.get(view.programme_of(change.new.project)))


def _sign(connection: Connection, one: Agreement, view: View, now: datetime, open_month: Month | None) -> None:
    names = ("code", "project", "starts", "ends", "self_pay_mode", "deposit_krw", "over_limit")
    connection.execute(insert(models.Agreement), [{name: getattr(one, name) for name in names} | {"signed_at": now}])
    signed = _version(one, "signed", one.signed_on or one.starts, "", one.evidence, now, open_month, ends=one.ends)
    amended = [_amended(one, each, now, open_month) for each in by_day(one)]
    _insert_rows(connection, models.AgreementVersion, [signed, *amended, *_terminated(one, now, open_month)])
    rows = [_line_row(line, starts, one, view, open_month) for line, starts in lines_of(one)]
    connection.execute(insert(models.AgreementLine), rows)
    insert_versions(connection, first_versions(one, view.programme_of(one.project)))


def _amend(connection: Connection, change: Change, view: View, now: datetime, open_month: Month | None) -> None:
    agreement = change.new
    for one in sorted(added(change.old.amendment, agreement.amendment), key=lambda one: one.effective):
        _insert_rows(connection, models.AgreementVersion, [_amended(agreement, one, now, open_month)])
        rows = [_line_row(line, one.effective, agreement, view, open_month) for line in one.line]
        _insert_rows(connection, models.AgreementLine, rows)
        amend_limits(connection, view.programme_of(agreement.project), one, open_month)
    if change.old.terminated is None:
        _insert_rows(connection, models.AgreementVersion, list(_terminated(agreement, now, open_month)))


def _insert_rows(connection: Connection, model: type, rows: list[dict]) -> None:
    if rows:
        connection.execute(insert(model), rows)


def _version(
    agreement: Agreement, kind: str, effective: date, reason: str, evidence: Evidence | None, now: datetime,
    open_month: Month | None, *, ends: date | None, ended_lines: Iterable[str] = (),
) -> dict:  # fmt: skip
    return {
        "agreement": agreement.code, "kind": kind, "effective": effective, "ends": ends,
        "ended_lines": list(ended_lines), "reason": reason,
        "evidence_reference": evidence.reference if evidence else None,
        "evidence_sha256": evidence.sha256 if evidence else None,
        "counts_from": open_month.first if open_month else None, "recorded_at": now,
    }  # fmt: skip


def _amended(agreement: Agreement, one: Amendment, now: datetime, open_month: Month | None) -> dict:
    return _version(
        agreement, "amended", one.effective, one.reason, one.evidence, now, open_month, ends=one.ends,
        ended_lines=one.end_lines,
    )  # fmt: skip


def _terminated(agreement: Agreement, now: datetime, open_month: Month | None) -> Iterable[dict]:
    one = agreement.terminated
    if one is not None:
        yield _version(agreement, "terminated", one.on, one.reason, one.evidence, now, open_month, ends=one.on)


def _line_row(line: Line, starts: date, agreement: Agreement, view: View, open_month: Month | None) -> dict:
    project = view.get("project", agreement.project)
    programme, company = view.get("programme", project.programme), view.get("party", project.company)
    usual = getattr(programme.self_pay_bp, company.size)
    return {
        "programme": project.programme,
        "code": line.code,
        "agreement": agreement.code,
        "project": project.code,
        "supplier": line.supplier,
        "category": line.category,
        "self_pay_bp": usual if line.self_pay_bp is None else line.self_pay_bp,
        "starts": starts,
        "counts_from": open_month.first if open_month else None,
    }


def payee_rows(party: Party) -> list[dict]:
    """A party's legal payees as rows; the first one without a day counts from the start."""
    return [
        {"party": party.code, "since": one.since or FIRST_DAY, "name": one.name, "brn": one.brn}
        for one in payees_of(party)
    ]


def consortium_rows(party: Party) -> list[dict]:
    """A party's consortia as rows; the first one without a day counts from the start."""
    return [{"party": party.code, "since": one.since or FIRST_DAY, "name": one.name} for one in consortia_of(party)]

"""Versions of line limits (협약변경): half-open ranges of whole months, the newest one open."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from core.errors import RuleRefused
from core.month import Month
from registry.agreement_life import by_day, lines_of
from registry.reference import Agreement, Amendment


@dataclass(frozen=True, kw_only=True)
class Version:
    """A line's limit in won for whole months, `since` inclusive, `until` exclusive or None; `effective` as signed."""

    programme: str
    line: str
    since: date
    until: date | None
    limit_krw: int
    effective: date
    reason: str


def first_versions(agreement: Agreement, programme: str) -> list[Version]:
    """Every version of a new agreement's lines, its amendments included."""
    versions = []
    reasons = {line.code: one.reason for one in agreement.amendment for line in one.line}
    for line, starts in lines_of(agreement):
        steps = [(Month.of(starts).first, line.grant_limit_krw, starts, reasons.get(line.code, ""))]
        steps += [
            (Month.of(one.effective).first, one.limits[line.code], one.effective, one.reason)
            for one in by_day(agreement)
            if line.code in one.limits
        ]
        ends = [since for since, *_ in steps[1:]] + [None]
        versions += [
            Version(programme=programme, line=line.code, since=since, until=until, limit_krw=limit,
                    effective=effective, reason=reason)
            for (since, limit, effective, reason), until in zip(steps, ends, strict=True)
        ]  # fmt: skip
    return versions


def insert_versions(connection: Connection, versions: Iterable[Version]) -> None:
    """Inserts versions; the database refuses overlapping ones."""
    rows = [{name: getattr(one, name) for name in Version.__dataclass_fields__} for one in versions]
    if rows:
        connection.execute(
            text(
                "INSERT INTO line_limit (line, valid, grant_limit_krw, effective, reason)"
                " SELECT id, daterange(:since, :until), :limit_krw, :effective, :reason"
                " FROM agreement_line WHERE programme = :programme AND code = :line"
            ),
            rows,
        )


def amend_limits(connection: Connection, programme: str, one: Amendment, open_month: Month | None) -> None:
    """Adds an amendment's limits: each ends its line's version before it; an added line has none before.

    One whose month is closed takes effect from `open_month` on, since a closed month keeps its limits.
    Raises RuleRefused when a line has a version from that month on already.
    """
    month = max(Month.of(one.effective), open_month) if open_month else Month.of(one.effective)
    limits = one.limits | {line.code: line.grant_limit_krw for line in one.line}
    _end_before(connection, programme, sorted(one.limits), month)
    insert_versions(
        connection,
        (
            Version(programme=programme, line=line, since=month.first, until=None, limit_krw=limit,
                    effective=one.effective, reason=one.reason)
            for line, limit in limits.items()
        ),
    )  # fmt: skip


def _end_before(connection: Connection, programme: str, lines: list[str], month: Month) -> None:
    wanted = {"programme": programme, "lines": lines, "first": month.first}
    taken = connection.scalars(
        text(
            "SELECT agreement_line.code FROM line_limit JOIN agreement_line ON agreement_line.id = line_limit.line"
            " WHERE programme = :programme AND code = ANY(:lines) AND lower(valid) >= :first ORDER BY code"
        ),
        wanted,
    ).all()
    if taken:
        raise RuleRefused(
            f"{', '.join(taken)}: {month}부터의 한도가 이미 있습니다. 다음 달 이후 날짜로 변경하세요 "
            "(a limit from that month on is there already; amend from a later month)."
        )
    connection.execute(
        text(
            "UPDATE line_limit SET valid = daterange(lower(valid), :first) FROM agreement_line"
            " WHERE agreement_line.id = line_limit.line AND programme = :programme AND code = ANY(:lines)"
            " AND upper_inf(valid)"
        ),
        wanted,
    )

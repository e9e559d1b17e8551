"""Reads the reference data into the frozen values of registry/values.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import Connection, text

from core.errors import BadInput
from core.month import Month
from registry.values import (
    AgreementTerms,
    CategoryTerms,
    LineTerms,
    PermitTerms,
    ProgrammeTerms,
    ProjectTerms,
    SourceTerms,
)


def programme_codes(connection: Connection) -> list[str]:
    """Every programme's code, sorted."""
    return list(connection.scalars(text("SELECT code FROM programme ORDER BY code")))


def supplied_programmes(connection: Connection, supplier: str) -> dict[str, str]:
    """Name by code of every programme in which a party supplies a line, by code."""
    rows = connection.execute(
        text(
            "SELECT code, name FROM programme WHERE code IN (SELECT programme FROM agreement_line"
            " WHERE supplier = :supplier) ORDER BY code"
        ),
        {"supplier": supplier},
    )
    return dict(rows.all())


def programme_terms(connection: Connection, code: str, month: Month | None = None) -> ProgrammeTerms:
    """A programme's terms; `month`: without what was loaded after that month was closed.

    Raises BadInput when there is no such programme.
    """
    row = connection.execute(text("SELECT * FROM programme WHERE code = :code"), {"code": code}).one_or_none()
    if row is None:
        known = ", ".join(programme_codes(connection)) or "없음 (none)"
        raise BadInput(f"사업 '{code}'이(가) 없습니다 (no such programme). 등록된 사업: {known}")
    categories = connection.execute(
        text("SELECT code, name, voucher, tax, meter FROM category WHERE programme = :code"), {"code": code}
    )
    sources = connection.execute(
        text("SELECT code, name, share_bp FROM funding_source WHERE programme = :code ORDER BY code"), {"code": code}
    )
    weights = connection.execute(
        text("SELECT modality, unit, weight FROM weight WHERE programme = :code"), {"code": code}
    )
    qualities = connection.execute(text("SELECT code, quality FROM party WHERE kind = 'hospital'"))
    return ProgrammeTerms(
        **{name: getattr(row, name) for name in ProgrammeTerms.__dataclass_fields__ if hasattr(row, name)},
        sources=tuple(SourceTerms(**one._mapping) for one in sources),
        categories={one.code: CategoryTerms(**one._mapping) for one in categories},
        weights={(one.modality, one.unit): one.weight for one in weights},
        qualities={one.code: Decimal(1) if one.quality is None else one.quality for one in qualities},
        projects={project.code: project for project in project_terms(connection, [code], month)},
    )


def project_terms(connection: Connection, programmes: Sequence[str], month: Month | None = None) -> list[ProjectTerms]:
    """The projects of some programmes, with agreements, lines and permits, by code; `month` as in programme_terms."""
    among = {"programmes": list(programmes), "at": month.first if month else date.max}
    agreements = _agreements(connection, among)
    permits = _permits(connection, among)
    rows = connection.execute(
        text(
            "SELECT project.code, project.programme, company, tier, price_cap_krw, title, channel, closes, grant_krw"
            " FROM project JOIN tier ON tier.programme = project.programme AND tier.code = project.tier"
            " WHERE project.programme = ANY(:programmes) ORDER BY project.code"
        ),
        among,
    )
    return [
        ProjectTerms(
            **{**row._mapping, "closes": Month.of(row.closes) if row.closes else None},
            agreements=tuple(agreements.get(row.code, ())),
            permits=tuple(permits.get(row.code, ())),
        )
        for row in rows
    ]


@dataclass(kw_only=True)
class _Life:
    """What an agreement's versions say, one after the other."""

    ends: date
    terminates: Month | None = None
    ended_lines: dict[str, date] = field(default_factory=dict)


def _lives(connection: Connection, among: dict) -> dict[str, _Life]:
    """By agreement: the last day as extended or terminated, and the last days of lines that amendments ended."""
    lives: dict[str, _Life] = {}
    for row in connection.execute(
        text(
            "SELECT agreement, kind, effective, agreement_version.ends, ended_lines, counts_from FROM agreement_version"
            " JOIN agreement ON agreement.code = agreement JOIN project ON project.code = agreement.project"
            " WHERE project.programme = ANY(:programmes) AND coalesce(counts_from, :at) <= :at"
            " ORDER BY agreement, kind = 'terminated', kind = 'amended', effective"
        ),
        among,
    ):
        life = lives.setdefault(row.agreement, _Life(ends=row.ends))
        life.ends = row.ends or life.ends
        life.ended_lines |= dict.fromkeys(row.ended_lines, row.effective - timedelta(days=1))
        if row.kind == "terminated":
            life.terminates = max(Month.of(row.effective), Month.of(row.counts_from or row.effective))
    return lives


def _limits(connection: Connection) -> dict[int, tuple[tuple[date, int], ...]]:
    limits: dict[int, tuple[tuple[date, int], ...]] = {}
    for row in connection.execute(
        text("SELECT line, lower(valid) AS start, grant_limit_krw FROM line_limit ORDER BY line, lower(valid)")
    ):
        limits[row.line] = (*limits.get(row.line, ()), (row.start, row.grant_limit_krw))
    return limits


def _lines(connection: Connection, among: dict, lives: Mapping[str, _Life]) -> dict[str, list[LineTerms]]:
    """By agreement, its lines by code."""
    limits = _limits(connection)
    rows = connection.execute(
        text(
            "SELECT agreement_line.id, agreement_line.code, agreement, agreement_line.project, supplier, category,"
            " agreement_line.self_pay_bp, agreement_line.starts, agreement_line.starts > agreement.starts AS added,"
            " meter, CASE WHEN funding = 'company' THEN 'company'"
            " WHEN party.kind = 'operator' THEN 'operator' ELSE 'hospital' END AS paid_to FROM agreement_line"
            " JOIN agreement ON agreement.code = agreement"
            " JOIN programme ON programme.code = agreement_line.programme JOIN party ON party.code = supplier"
            " JOIN category ON category.programme = agreement_line.programme AND category.code = category"
            " WHERE agreement_line.programme = ANY(:programmes)"
            " AND coalesce(agreement_line.counts_from, :at) <= :at ORDER BY agreement_line.code"
        ),
        among,
    )
    lines: dict[str, list[LineTerms]] = {}
    for row in rows:
        values = {key: value for key, value in row._mapping.items() if key != "id"}
        life = lives[row.agreement]
        ends = min(life.ends, life.ended_lines.get(row.code, life.ends))
        lines.setdefault(row.agreement, []).append(LineTerms(**values, ends=ends, limits=limits.get(row.id, ())))
    return lines


def _agreements(connection: Connection, among: dict) -> dict[str, list[AgreementTerms]]:
    lives = _lives(connection, among)
    lines = _lines(connection, among, lives)
    rows = connection.execute(
        text(
            "SELECT agreement.code, project, starts, self_pay_mode, deposit_krw, over_limit FROM agreement"
            " JOIN project ON project.code = agreement.project WHERE project.programme = ANY(:programmes)"
            " ORDER BY starts, agreement.code"
        ),
        among,
    )
    agreements: dict[str, list[AgreementTerms]] = {}
    for row in rows:
        if row.code in lives:
            life = lives[row.code]
            terms = AgreementTerms(
                **row._mapping, ends=life.ends, terminates=life.terminates, lines=tuple(lines.get(row.code, ()))
            )
            agreements.setdefault(row.project, []).append(terms)
    return agreements


def _permits(connection: Connection, among: dict) -> dict[str, list[PermitTerms]]:
    permits: dict[str, list[PermitTerms]] = {}
    for row in connection.execute(
        text(
            "SELECT permit.project, permit.code, hospital, approved_on, expires_on, fee_krw,"
            " agreement_line.code AS line"
            " FROM permit JOIN project ON project.code = permit.project"
            " LEFT JOIN agreement_line ON agreement_line.id = permit.line"
            " WHERE project.programme = ANY(:programmes) AND coalesce(permit.counts_from, :at) <= :at"
            " ORDER BY approved_on, permit.code"
        ),
        among,
    ):
        values = {key: value for key, value in row._mapping.items() if key != "project"}
        permits.setdefault(row.project, []).append(PermitTerms(**values))
    return permits

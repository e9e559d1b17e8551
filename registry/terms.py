"""The reference data as frozen values: what metering attributes by and what a month is settled under."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from core.errors import BadInput
from core.month import Month


@dataclass(frozen=True, kw_only=True)
class PermitTerms:
    """An approval for local days, inclusive; `hospital` None: the shared one of all hospitals."""

    code: str
    hospital: str | None
    approved_on: date
    expires_on: date | None
    fee_krw: int
    line: str | None

    def covers(self, hospital: str, day: date) -> bool:
        """Whether work of a hospital on a local day lies within it."""
        return self.hospital in (None, hospital) and self.approved_on <= day <= (self.expires_on or date.max)


@dataclass(frozen=True, kw_only=True)
class LineTerms:
    """An agreement line: `limits` are (first local day, grant limit in won), ascending; rates in basis points."""

    code: str
    agreement: str
    project: str
    supplier: str
    category: str
    self_pay_bp: int
    limits: tuple[tuple[date, int], ...]

    def limit_krw(self, month: Month) -> int:
        """The grant limit in force in a month, in won."""
        return next((limit for start, limit in reversed(self.limits) if start <= month.last), 0)


@dataclass(frozen=True, kw_only=True)
class AgreementTerms:
    """An agreement for local days `starts` to `ends`, inclusive."""

    code: str
    project: str
    starts: date
    ends: date
    self_pay_mode: str
    deposit_krw: int
    over_limit: str
    lines: tuple[LineTerms, ...]


@dataclass(frozen=True, kw_only=True)
class ProjectTerms:
    """A project with its agreements and permits. `closes`: the month after whose run the rest is released."""

    code: str
    programme: str
    company: str
    tier: str
    price_cap_krw: int | None
    title: str
    channel: str
    closes: Month | None
    grant_krw: int
    agreements: tuple[AgreementTerms, ...]
    permits: tuple[PermitTerms, ...]

    @property
    def lines(self) -> tuple[LineTerms, ...]:
        """Every line of every agreement, by code."""
        return tuple(sorted((line for one in self.agreements for line in one.lines), key=lambda line: line.code))


@dataclass(frozen=True, kw_only=True)
class CategoryTerms:
    """A cost category: whether the voucher may pay it; tax `taxable`, `exempt` or `zero`."""

    code: str
    name: str
    voucher: bool
    tax: str


@dataclass(frozen=True, kw_only=True)
class ProgrammeTerms:
    """A programme with everything that its months are settled under."""

    code: str
    name: str
    ministry: str
    agency: str
    operator: str | None
    fiscal_year: int
    appropriation_krw: int
    carry_in_krw: int
    fee_rate_bp: int
    fee_monthly_krw: int
    incentive_share_bp: int
    incentive_monthly_krw: int
    settlement_closes_on: date
    categories: dict[str, CategoryTerms]
    weights: dict[tuple[str, str], Decimal]
    qualities: dict[str, Decimal]
    projects: dict[str, ProjectTerms]


def programme_codes(connection: Connection) -> list[str]:
    """Every programme's code, sorted."""
    return list(connection.scalars(text("SELECT code FROM programme ORDER BY code")))


def programme_terms(connection: Connection, code: str) -> ProgrammeTerms:
    """A programme's terms. Raises BadInput when there is no such programme."""
    row = connection.execute(text("SELECT * FROM programme WHERE code = :code"), {"code": code}).one_or_none()
    if row is None:
        known = ", ".join(programme_codes(connection)) or "없음 (none)"
        raise BadInput(f"사업 '{code}'이(가) 없습니다 (no such programme). 등록된 사업: {known}")
    categories = connection.execute(
        text("SELECT code, name, voucher, tax FROM category WHERE programme = :code"), {"code": code}
    )
    weights = connection.execute(
        text("SELECT modality, unit, weight FROM weight WHERE programme = :code"), {"code": code}
    )
    qualities = connection.execute(text("SELECT code, quality FROM party WHERE kind = 'hospital'"))
    return ProgrammeTerms(
        **{name: getattr(row, name) for name in ProgrammeTerms.__dataclass_fields__ if hasattr(row, name)},
        categories={one.code: CategoryTerms(**one._mapping) for one in categories},
        weights={(one.modality, one.unit): one.weight for one in weights},
        qualities={one.code: Decimal(1) if one.quality is None else one.quality for one in qualities},
        projects={project.code: project for project in project_terms(connection, [code])},
    )


def project_terms(connection: Connection, programmes: Sequence[str]) -> list[ProjectTerms]:
    """The projects of some programmes, with agreements, lines and permits, by code."""
    among = {"programmes": list(programmes)}
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


def _agreements(connection: Connection, among: dict) -> dict[str, list[AgreementTerms]]:
    limits: dict[int, list[tuple[date, int]]] = {}
    for row in connection.execute(
        text("SELECT line, lower(valid) AS start, grant_limit_krw FROM line_limit ORDER BY line, lower(valid)")
    ):
        limits.setdefault(row.line, []).append((row.start, row.grant_limit_krw))
    lines: dict[str, list[LineTerms]] = {}
    for row in connection.execute(
        text(
            "SELECT id, code, agreement, project, supplier, category, self_pay_bp FROM agreement_line"
            " WHERE programme = ANY(:programmes) ORDER BY code"
        ),
        among,
    ):
        values = {key: value for key, value in row._mapping.items() if key != "id"}
        lines.setdefault(row.agreement, []).append(LineTerms(**values, limits=tuple(limits.get(row.id, ()))))
    agreements: dict[str, list[AgreementTerms]] = {}
    for row in connection.execute(
        text(
            "SELECT agreement.code, project, starts, ends, self_pay_mode, deposit_krw, over_limit FROM agreement"
            " JOIN project ON project.code = agreement.project WHERE project.programme = ANY(:programmes)"
            " ORDER BY starts, agreement.code"
        ),
        among,
    ):
        terms = AgreementTerms(**row._mapping, lines=tuple(lines.get(row.code, ())))
        agreements.setdefault(row.project, []).append(terms)
    return agreements


def _permits(connection: Connection, among: dict) -> dict[str, list[PermitTerms]]:
    permits: dict[str, list[PermitTerms]] = {}
    for row in connection.execute(
        text(
            "SELECT permit.project, permit.code, hospital, approved_on, expires_on, fee_krw, agreement_line.code AS line"
            " FROM permit JOIN project ON project.code = permit.project"
            " LEFT JOIN agreement_line ON agreement_line.id = permit.line"
            " WHERE project.programme = ANY(:programmes) ORDER BY approved_on, permit.code"
        ),
        among,
    ):
        values = {key: value for key, value in row._mapping.items() if key != "project"}
        permits.setdefault(row.project, []).append(PermitTerms(**values))
    return permits

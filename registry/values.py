"""The reference data as frozen values: what metering attributes by and what a month is settled under."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property

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
    """An agreement line: `limits` are (first local day, grant limit in won), ascending; rates in basis points.

    `meter`: usage of that meter is its supply. `paid_to`: who the programme pays for it, `hospital`, `operator`, or
    `company`, which pays its suppliers itself. `starts` to `ends`: its local days, inclusive; `added`: by an amendment.
    """

    code: str
    agreement: str
    project: str
    supplier: str
    category: str
    self_pay_bp: int
    meter: str | None
    paid_to: str
    starts: date
    ends: date
    added: bool
    limits: tuple[tuple[date, int], ...]

    @property
    def signed_krw(self) -> int:
        """The grant limit that was signed with the agreement, in won; 0 of a line that an amendment added."""
        return 0 if self.added else self.limits[0][1]

    def limit_krw(self, month: Month) -> int:
        """The grant limit in force in a month, in won."""
        return next((limit for start, limit in reversed(self.limits) if start <= month.last), 0)


@dataclass(frozen=True, kw_only=True)
class AgreementTerms:
    """An agreement for local days `starts` to `ends`, inclusive, as extended or terminated.

    `terminates`: the month whose run releases the rest of its commitment, of one that was terminated early.
    """

    code: str
    project: str
    starts: date
    ends: date
    terminates: Month | None
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

    def ends_in(self, agreements: Sequence[AgreementTerms]) -> Month | None:
        """The month in which some of its agreements end: the project's `closes`, or when all of them are terminated."""
        terminated = [one.terminates for one in agreements]
        early = max(terminated) if terminated and None not in terminated else None
        return min((month for month in (self.closes, early) if month is not None), default=None)

    @property
    def deposit_ends(self) -> Month | None:
        """The month whose run orders the refund of what is left of the deposit."""
        return self.ends_in([one for one in self.agreements if one.self_pay_mode == "deposit"])

    @cached_property
    def lines(self) -> tuple[LineTerms, ...]:
        """Every line of every agreement, by code."""
        return tuple(sorted((line for one in self.agreements for line in one.lines), key=lambda line: line.code))


@dataclass(frozen=True, kw_only=True)
class CategoryTerms:
    """A cost category: whether the voucher may pay it; tax `taxable`, `exempt` or `zero`; `meter`: what it is of."""

    code: str
    name: str
    voucher: bool
    tax: str
    meter: str | None


@dataclass(frozen=True, kw_only=True)
class SourceTerms:
    """A fund that shares a programme's grant, in basis points."""

    code: str
    name: str
    share_bp: int


@dataclass(frozen=True, kw_only=True)
class ProgrammeTerms:
    """A programme with everything that its months are settled under. `funding`: `hospital` or `company` is paid."""

    code: str
    name: str
    ministry: str
    type: str
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
    funding: str
    sources: tuple[SourceTerms, ...]
    drop_under_10_krw: bool
    categories: dict[str, CategoryTerms]
    weights: dict[tuple[str, str], Decimal]
    qualities: dict[str, Decimal]
    projects: dict[str, ProjectTerms]

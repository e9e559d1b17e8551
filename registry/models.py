"""Reference data: parties, programmes, projects, agreements with their dated versions, permits (domain.md §1)."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import DATERANGE, JSONB, ExcludeConstraint
from sqlalchemy.dialects.postgresql.ranges import Range
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class Party(Base):
    """A ministry, agency, company, hospital, operator or infrastructure firm."""

    __tablename__ = "party"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    brn: Mapped[str | None] = mapped_column(Text)
    size: Mapped[str | None] = mapped_column(Text)
    quality: Mapped[Decimal | None]
    representative: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    business_type: Mapped[str | None] = mapped_column(Text)
    business_item: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (
        CheckConstraint("kind IN ('ministry','agency','company','hospital','operator','infra')", name="kind"),
        CheckConstraint("kind <> 'company' OR size IN ('small','medium')", name="company_size"),
    )


class PartyPayee(Base):
    """The legal payee of a party from a local day on, where it is another body (domain.md §1)."""

    __tablename__ = "party_payee"
    party: Mapped[str] = mapped_column(ForeignKey("party.code"), primary_key=True)
    since: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    brn: Mapped[str] = mapped_column(Text)


class PartyConsortium(Base):
    """The consortium that a party belongs to from a local day on."""

    __tablename__ = "party_consortium"
    party: Mapped[str] = mapped_column(ForeignKey("party.code"), primary_key=True)
    since: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)


class Programme(Base):
    """A programme (사업) of one fiscal year; amounts in won, rates in basis points."""

    __tablename__ = "programme"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    ministry: Mapped[str] = mapped_column(ForeignKey("party.code"))
    type: Mapped[str] = mapped_column(Text)
    agency: Mapped[str] = mapped_column(ForeignKey("party.code"))
    operator: Mapped[str | None] = mapped_column(ForeignKey("party.code"))
    fiscal_year: Mapped[int]
    appropriation_krw: Mapped[int] = mapped_column(BigInteger)
    carry_in_krw: Mapped[int] = mapped_column(BigInteger)
    funding: Mapped[str] = mapped_column(Text)
    self_pay_bp: Mapped[dict] = mapped_column(JSONB)
    fee_rate_bp: Mapped[int]
    fee_monthly_krw: Mapped[int] = mapped_column(BigInteger)
    incentive_share_bp: Mapped[int]
    incentive_monthly_krw: Mapped[int] = mapped_column(BigInteger)
    settlement_closes_on: Mapped[date]
    drop_under_10_krw: Mapped[bool] = mapped_column(server_default="false")
    invoice_day: Mapped[int] = mapped_column(server_default="25")
    payout_day: Mapped[int] = mapped_column(server_default="25")
    acceptance_days: Mapped[int] = mapped_column(server_default="14")
    claim_days: Mapped[int] = mapped_column(server_default="10")
    dispute_days: Mapped[int] = mapped_column(server_default="14")
    reminder_days: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{1,15,30}")
    __table_args__ = (
        CheckConstraint("appropriation_krw >= 0 AND carry_in_krw >= 0", name="budget_not_negative"),
        CheckConstraint("fee_rate_bp BETWEEN 0 AND 10000 AND incentive_share_bp BETWEEN 0 AND 10000", name="rates"),
        CheckConstraint("funding IN ('hospital','company')", name="funding"),
    )


class FundingSource(Base):
    """A fund that shares a programme's grant, in basis points; the shares of a programme sum to 10,000."""

    __tablename__ = "funding_source"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    share_bp: Mapped[int]
    __table_args__ = (CheckConstraint("share_bp BETWEEN 1 AND 10000", name="share_bp"),)


class Tier(Base):
    """A tier of a programme: what a project of it may be granted or cost."""

    __tablename__ = "tier"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    grant_cap_krw: Mapped[int | None] = mapped_column(BigInteger)
    price_cap_krw: Mapped[int | None] = mapped_column(BigInteger)
    slots: Mapped[int | None]
    min_modalities: Mapped[int | None]
    min_suppliers: Mapped[int | None]


class Category(Base):
    """A cost category (비목): whether the voucher may pay it, its tax type, and the meter whose usage it is.

    `tax_reason`: the provision under which its supply is exempt or zero-rated.
    """

    __tablename__ = "category"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    voucher: Mapped[bool]
    tax: Mapped[str] = mapped_column(Text)
    meter: Mapped[str | None] = mapped_column(Text)
    tax_reason: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (
        CheckConstraint("tax IN ('taxable','exempt','zero')", name="tax"),
        CheckConstraint("meter IN ('gpu','storage')", name="meter"),
    )


class Weight(Base):
    """Contribution weight of one unit of a modality (domain.md §10)."""

    __tablename__ = "weight"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    modality: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text, primary_key=True)
    weight: Mapped[Decimal]


class BudgetRecord(Base):
    """A dated record of a programme's money: grant received (교부), interest, transfer (증감). Append-only."""

    __tablename__ = "budget_record"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    kind: Mapped[str] = mapped_column(Text)
    dated: Mapped[date]
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (CheckConstraint("kind IN ('grant_received','interest','transfer')", name="kind"),)


class Project(Base):
    """A project (과제): one company, one tier. `closes`: after this month's run the rest is released and refunded."""

    __tablename__ = "project"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), index=True)
    company: Mapped[str] = mapped_column(ForeignKey("party.code"))
    tier: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    modalities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    channel: Mapped[str] = mapped_column(Text)
    closes: Mapped[date | None]
    grant_krw: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        ForeignKeyConstraint(["programme", "tier"], ["tier.programme", "tier.code"]),
        CheckConstraint("grant_krw >= 0", name="grant_not_negative"),
        CheckConstraint("channel IN ('stripe','bank')", name="channel"),
    )


class CarryOver(Base):
    """What of a project's commitment is carried into the next year (다음연도이월), as decided. Append-only."""

    __tablename__ = "carry_over"
    project: Mapped[str] = mapped_column(ForeignKey("project.code"), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (CheckConstraint("amount_krw > 0", name="more_than_nothing"),)


class Agreement(Base):
    """An agreement (협약) of a project, for local days `starts` to `ends`, inclusive."""

    __tablename__ = "agreement"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.code"), index=True)
    starts: Mapped[date]
    ends: Mapped[date]
    self_pay_mode: Mapped[str] = mapped_column(Text)
    deposit_krw: Mapped[int] = mapped_column(BigInteger)
    over_limit: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("starts <= ends", name="period"),
        CheckConstraint("self_pay_mode IN ('deposit','arrears')", name="self_pay_mode"),
        CheckConstraint("over_limit IN ('hold','company_pays')", name="over_limit"),
        CheckConstraint("deposit_krw >= 0", name="deposit_not_negative"),
    )


class AgreementVersion(Base):
    """A dated version of an agreement: `signed`, `amended` or `terminated`, with reason and evidence. Append-only.

    `ends`: the last local day that it sets, if it sets one; `ended_lines`: lines whose last day is the one before
    `effective`; `counts_from`: the first month open when it was loaded, None when no month was closed yet.
    """

    __tablename__ = "agreement_version"
    agreement: Mapped[str] = mapped_column(ForeignKey("agreement.code"), primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    effective: Mapped[date] = mapped_column(primary_key=True)
    ends: Mapped[date | None]
    ended_lines: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason: Mapped[str] = mapped_column(Text)
    evidence_reference: Mapped[str | None] = mapped_column(Text)
    evidence_sha256: Mapped[str | None] = mapped_column(Text)
    counts_from: Mapped[date | None]
    recorded_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('signed','amended','terminated')", name="kind"),
        CheckConstraint("kind = 'amended' OR ends IS NOT NULL", name="ends_of_kind"),
        CheckConstraint("extract(day FROM counts_from) = 1", name="counts_from_is_first_day"),
    )


class AgreementLine(Base):
    """A line of an agreement: supplier and cost category. Its self-pay rate never changes (domain.md §1).

    `starts`: the agreement's first local day, or that of the amendment that added it.
    """

    __tablename__ = "agreement_line"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    code: Mapped[str] = mapped_column(Text)
    agreement: Mapped[str] = mapped_column(ForeignKey("agreement.code"))
    project: Mapped[str] = mapped_column(ForeignKey("project.code"))
    supplier: Mapped[str] = mapped_column(ForeignKey("party.code"))
    category: Mapped[str] = mapped_column(Text)
    self_pay_bp: Mapped[int]
    starts: Mapped[date]
    counts_from: Mapped[date | None]
    __table_args__ = (
        UniqueConstraint("programme", "code"),
        ForeignKeyConstraint(["programme", "category"], ["category.programme", "category.code"]),
        CheckConstraint("self_pay_bp BETWEEN 0 AND 10000", name="self_pay_bp"),
    )


class LineLimit(Base):
    """A version of a line's grant limit, valid for local days of a half-open range of whole months."""

    __tablename__ = "line_limit"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    line: Mapped[int] = mapped_column(ForeignKey("agreement_line.id"))
    valid: Mapped[Range[date]] = mapped_column(DATERANGE)
    grant_limit_krw: Mapped[int] = mapped_column(BigInteger)
    effective: Mapped[date]
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        ExcludeConstraint(("line", "="), ("valid", "&&"), using="gist", name="ex_line_limit_no_overlap"),
        CheckConstraint("grant_limit_krw >= 0", name="limit_not_negative"),
        CheckConstraint("NOT isempty(valid)", name="valid_not_empty"),
    )


class Permit(Base):
    """An IRB or DRB approval for local days `approved_on` to `expires_on`, inclusive; its fee is supply of `line`."""

    __tablename__ = "permit"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.code"), index=True)
    hospital: Mapped[str | None] = mapped_column(ForeignKey("party.code"))
    kind: Mapped[str] = mapped_column(Text)
    approved_on: Mapped[date]
    expires_on: Mapped[date | None]
    fee_krw: Mapped[int] = mapped_column(BigInteger)
    line: Mapped[int | None] = mapped_column(ForeignKey("agreement_line.id"))
    counts_from: Mapped[date | None]
    __table_args__ = (
        CheckConstraint("kind IN ('irb','drb')", name="kind"),
        CheckConstraint("expires_on >= approved_on", name="period"),
        CheckConstraint("fee_krw = 0 OR line IS NOT NULL", name="fee_has_line"),
    )


class Result(Base):
    """A research result (연구성과) of a project, with its evidence; `sharing`: what is shared beside money."""

    __tablename__ = "result"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.code"))
    kind: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    dated: Mapped[date]
    evidence_reference: Mapped[str | None] = mapped_column(Text)
    evidence_sha256: Mapped[str | None] = mapped_column(Text)
    sharing: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (CheckConstraint("kind IN ('model','paper','patent')", name="kind"),)


class ResultDataset(Base):
    """Data that led to a result: what a line supplied; `works` empty: all of it."""

    __tablename__ = "result_dataset"
    result: Mapped[str] = mapped_column(ForeignKey("result.code"), primary_key=True)
    line: Mapped[str] = mapped_column(Text, primary_key=True)
    works: Mapped[list[str]] = mapped_column(ARRAY(Text))


class ResultRevenue(Base):
    """What a result earned on a local day, in won."""

    __tablename__ = "result_revenue"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    result: Mapped[str] = mapped_column(ForeignKey("result.code"))
    dated: Mapped[date]
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (CheckConstraint("amount_krw > 0", name="more_than_nothing"),)


class UserAccount(Base):
    """A portal user. `party` of a hospital's, a company's or the operator's; without a password there is no sign-in.

    `sign_outs` counts what ended all of the user's sessions: signing out, another password.
    """

    __tablename__ = "user_account"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    party: Mapped[str | None] = mapped_column(ForeignKey("party.code"))
    password_hash: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    sign_outs: Mapped[int] = mapped_column(server_default="0")
    lang: Mapped[str] = mapped_column(Text, server_default="ko")
    __table_args__ = (
        CheckConstraint("role IN ('finance','hospital','company','operator','auditor','admin')", name="role"),
        CheckConstraint("(role IN ('hospital','company','operator')) = (party IS NOT NULL)", name="party_of_role"),
        CheckConstraint("lang IN ('ko','en')", name="lang"),
    )


class SignInAttempt(Base):
    """An attempt to sign in, kept for a day: what the throttle counts. The name only as a digest: people type passwords
    there."""

    __tablename__ = "sign_in_attempt"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name_digest: Mapped[bytes]
    address: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(index=True)
    succeeded: Mapped[bool]


class LoadedObject(Base):
    """What was loaded under a code, canonical, so that a second load is recognised and a silent edit refused."""

    __tablename__ = "loaded_object"
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    content: Mapped[dict] = mapped_column(JSONB)
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())

"""The shape of reference data files (contract.md §3): strict, every key named."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

KRW_MAX = 1_000_000_000_000_000
Code = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z", max_length=64)]
Name = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+\Z", max_length=300)]
Dimension = Annotated[str, Meta(pattern=r"^[^\x00-\x20|/@\x7f]+\Z", max_length=64)]
Krw = Annotated[int, Meta(ge=0, le=KRW_MAX)]
SignedKrw = Annotated[int, Meta(ge=-KRW_MAX, le=KRW_MAX)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Year = Annotated[int, Meta(ge=2000, le=2199)]
MonthText = Annotated[str, Meta(pattern=r"^2[01]\d\d-(0[1-9]|1[0-2])\Z")]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a file."""


class SelfPay(Table, kw_only=True):
    """Self-pay rate by company size, in basis points."""

    small: BasisPoints | None = None
    medium: BasisPoints | None = None


class PlatformFee(Table, kw_only=True):
    """The operator's fee: basis points of charged supply and/or won a month, ex VAT."""

    rate_bp: BasisPoints = 0
    monthly_krw: Krw = 0


class Incentive(Table, kw_only=True):
    """The incentive pool: basis points of the platform fee, or won a month paid by `source`."""

    share_bp: BasisPoints = 0
    monthly_krw: Krw = 0
    source: Literal["operator"] | None = None


class Tier(Table, kw_only=True):
    """A tier: cap on the grant, cap on grant and self-pay, in won."""

    code: Code
    grant_cap_krw: Krw | None = None
    price_cap_krw: Krw | None = None
    slots: Count | None = None
    min_modalities: Count | None = None
    min_suppliers: Count | None = None


class Category(Table, kw_only=True):
    """A cost category (비목); `meter`: the usage of that meter is supply of its lines."""

    code: Code
    name: Name
    voucher: bool = True
    tax: Literal["taxable", "exempt", "zero"] = "taxable"
    meter: Literal["gpu", "storage"] | None = None


class TaxReason(Table, kw_only=True):
    """Why supply of a category is exempt or zero-rated: the provision, as its tax documents name it."""

    category: Code
    reason: Name


class Source(Table, kw_only=True):
    """A fund that shares the grant, in basis points."""

    code: Code
    name: Name
    share_bp: Annotated[int, Meta(ge=1, le=10_000)]


class Weight(Table, kw_only=True):
    """Contribution of one unit of a modality, a decimal as text."""

    modality: Dimension
    unit: Dimension
    weight: str


class Dated(Table, kw_only=True):
    """Money received or earned on a local day, in won."""

    on: date
    krw: Krw


class Transfer(Table, kw_only=True):
    """A change of the budget (증감) on a local day, in signed won."""

    on: date
    krw: SignedKrw
    reason: Name


class CarryOver(Table, kw_only=True):
    """What of a project's commitment is carried into the next year (다음연도이월), in won, as decided."""

    project: Code
    krw: Annotated[int, Meta(ge=1, le=KRW_MAX)]
    reason: Name


class Due(Table, kw_only=True):
    """Deadlines: days of the month after (invoices, payouts), and numbers of days (acceptance test, claim, dispute).

    `reminder_days`: after how many days overdue an unpaid invoice is at the next reminder level.
    """

    invoice_day: Annotated[int, Meta(ge=1, le=28)] = 25
    payout_day: Annotated[int, Meta(ge=1, le=28)] = 25
    acceptance_days: Annotated[int, Meta(ge=1, le=365)] = 14
    claim_days: Annotated[int, Meta(ge=1, le=365)] = 10
    dispute_days: Annotated[int, Meta(ge=1, le=365)] = 14
    reminder_days: Annotated[tuple[Annotated[int, Meta(ge=1, le=365)], ...], Meta(min_length=1)] = (1, 15, 30)


class Programme(Table, kw_only=True):
    """A programme (사업). `funding`: who the grant is paid to; `source`: the funds that share it."""

    code: Code
    name: Name
    ministry: Code
    type: Name
    agency: Code
    operator: Code | None = None
    fiscal_year: Year
    appropriation_krw: Krw
    carry_in_krw: Krw = 0
    funding: Literal["hospital", "company"] = "hospital"
    source: tuple[Source, ...] = ()
    self_pay_bp: SelfPay = SelfPay()
    platform_fee: PlatformFee = PlatformFee()
    incentive: Incentive = Incentive()
    settlement_closes_on: date
    tier: tuple[Tier, ...]
    category: tuple[Category, ...]
    weight: tuple[Weight, ...] = ()
    grant_received: tuple[Dated, ...] = ()
    interest: tuple[Dated, ...] = ()
    transfer: tuple[Transfer, ...] = ()
    carry_over: tuple[CarryOver, ...] = ()
    drop_under_10_krw: bool = False
    due: Due = Due()
    tax_reason: tuple[TaxReason, ...] = ()


class Payee(Table, kw_only=True):
    """The legal payee of a party, when it is another body; `from`: its first local day, left out: from the start."""

    name: Name
    brn: str
    since: date | None = field(name="from", default=None)


class Consortium(Table, kw_only=True):
    """The consortium that a party belongs to; `from` as of a payee."""

    name: Name
    since: date | None = field(name="from", default=None)


class Party(Table, kw_only=True):
    """A participant."""

    code: Code
    kind: Literal["ministry", "agency", "company", "hospital", "operator", "infra"]
    name: Name
    brn: str | None = None
    size: Literal["small", "medium"] | None = None
    quality: str | None = None
    payee: Payee | tuple[Payee, ...] | None = None
    consortium: str | tuple[Consortium, ...] | None = None  # msgspec takes no pattern beside a tuple: checked later
    representative: Name | None = None
    address: Name | None = None
    business_type: Name | None = None
    business_item: Name | None = None
    email: Name | None = None


class Evidence(Table, kw_only=True):
    """What stands behind a version of an agreement: a document's reference, the SHA-256 of its file, or both."""

    reference: Name | None = None
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


class Project(Table, kw_only=True):
    """A project (과제); `closes` is a month."""

    code: Code
    programme: Code
    company: Code
    tier: Code
    title: Name
    modalities: tuple[Dimension, ...]
    channel: Literal["stripe", "bank"]
    closes: MonthText | None = None
    grant_krw: Krw | None = None


class Permit(Table, kw_only=True):
    """An IRB or DRB approval; `hospital` left out: the shared one of all hospitals."""

    code: Code
    project: Code
    hospital: Code | None = None
    kind: Literal["irb", "drb"]
    approved_on: date
    expires_on: date | None = None
    fee_krw: Krw = 0
    line: Code | None = None


class Line(Table, kw_only=True):
    """An agreement line: supplier and cost category."""

    code: Code
    supplier: Code
    category: Code
    grant_limit_krw: Krw
    self_pay_bp: BasisPoints | None = None


class Amendment(Table, kw_only=True):
    """An amendment (협약변경): new limits in won by line code, from the month of `effective` on.

    `line`: lines that begin on that day; `end_lines`: lines whose last day is the one before; `ends`: the agreement's
    new last day, later than before.
    """

    effective: date
    reason: Name
    limits: dict[Code, Krw] = {}
    line: tuple[Line, ...] = ()
    end_lines: tuple[Code, ...] = ()
    ends: date | None = None
    evidence: Evidence | None = None


class Termination(Table, kw_only=True):
    """An early end (협약해지): `on` is the agreement's last local day."""

    on: date
    reason: Name
    evidence: Evidence | None = None


class Agreement(Table, kw_only=True):
    """An agreement (협약) for local days, inclusive. A draft commits nothing and takes no events until it is signed."""

    code: Code
    project: Code
    status: Literal["draft", "signed"] = "signed"
    signed_on: date | None = None
    evidence: Evidence | None = None
    starts: date
    ends: date
    self_pay_mode: Literal["deposit", "arrears"]
    deposit_krw: Krw = 0
    over_limit: Literal["hold", "company_pays"]
    line: tuple[Line, ...]
    amendment: tuple[Amendment, ...] = ()
    terminated: Termination | None = None


class RateTier(Table, kw_only=True):
    """A graduated price up to a quantity of the month's usage; the last tier leaves `up_to` out."""

    up_to: int | str | None = None
    unit_price_krw: Krw


class Rate(Table, kw_only=True):
    """A price in won per unit, ex VAT, with its dimensions. `payee`: the firm that is owed `cost_price_krw` of it."""

    meter: Literal["gpu", "cpu", "storage", "preparation"]
    model: Dimension | None = None
    storage_class: Dimension | None = field(name="class", default=None)
    work: Dimension | None = None
    unit: Dimension | None = None
    grade: Dimension | None = None
    modality: Dimension | None = None
    project: Code | None = None
    unit_price_krw: Krw | None = None
    tiers: tuple[RateTier, ...] = ()
    minimum_krw: Krw = 0
    payee: Code | None = None
    cost_price_krw: Krw | None = None


class PriceBook(Table, kw_only=True):
    """A price book (단가표) of a supplier."""

    code: Code
    supplier: Code
    effective_from: date
    rate: tuple[Rate, ...]


class DataSet(Table, kw_only=True):
    """Data that led to a result: what a line supplied, or only the named works of it (ids of performed work)."""

    line: Code
    works: tuple[Name, ...] = ()


class Revenue(Table, kw_only=True):
    """What a result earned on a local day, in won, to be shared by the hospitals of its data."""

    on: date
    krw: Annotated[int, Meta(ge=1, le=KRW_MAX)]


class Result(Table, kw_only=True):
    """A research result: a model, paper or patent, and the data sets that led to it. `sharing`: what is shared of it
    other than money.
    """

    code: Code
    project: Code
    kind: Literal["model", "paper", "patent"]
    title: Name
    on: date
    datasets: tuple[DataSet, ...]
    evidence: Evidence | None = None
    sharing: Name | None = None
    revenue: tuple[Revenue, ...] = ()


KINDS: dict[str, type[Table]] = {
    "party": Party,
    "programme": Programme,
    "project": Project,
    "agreement": Agreement,
    "permit": Permit,
    "price_book": PriceBook,
    "result": Result,
}

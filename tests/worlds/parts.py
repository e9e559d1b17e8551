"""The parts of a second derivation: items, agreement lines, what was booked, and the arithmetic of the split."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

BP = 10_000


@dataclass(kw_only=True)
class Item:
    """Accepted work, a permit's fee, or a service month's usage of an agreement line, priced: one charge line."""

    kind: str = "preparation"
    name: str = ""  # of usage: what its charge is called
    service: str = ""  # of usage: its month
    key: tuple
    work: tuple
    project: str
    line: str
    at: int
    rated_krw: int
    contribution: Fraction
    funded_krw: int = 0
    charged_krw: int = 0


@dataclass(kw_only=True)
class Terms:
    """An agreement line with what the split needs; `limit_krw` as in force in the month."""

    code: str
    project: str
    supplier: str
    taxed: bool
    voucher: bool
    rate_bp: int
    limit_krw: int
    company_pays: bool
    paid_to: str


@dataclass
class Books:
    """What earlier months booked."""

    costs: Counter = field(default_factory=Counter)  # infrastructure firm → won at cost price
    charges: Counter = field(default_factory=Counter)  # key → amount
    vat: Counter = field(default_factory=Counter)  # key → VAT
    lines: dict = field(default_factory=lambda: defaultdict(Counter))  # line → figures
    place: dict = field(default_factory=dict)  # (acceptance, line) → number of the month that first charged it
    bare: dict = field(default_factory=dict)  # (acceptance, line) → whether its booked key is LINE/work alone
    drawn: Counter = field(default_factory=Counter)  # project → deposit drawn
    pools_krw: int = 0
    carried_krw: int = 0
    contribution: dict = field(default_factory=lambda: defaultdict(Fraction))  # hospital → T(n−1)
    waiting: dict = field(default_factory=lambda: defaultdict(Fraction))  # hospital → what met no pool
    confirmed: set = field(default_factory=set)
    released: Counter = field(default_factory=Counter)  # project → commitment released
    closed: set = field(default_factory=set)
    offset: Counter = field(default_factory=Counter)  # "HOSPITAL:PROJECT" → vouchers that advances paid
    balances: Counter = field(default_factory=Counter)
    locked: list = field(default_factory=list)


def _matrix() -> dict[str, Counter]:
    return {name: Counter() for name in ("voucher", "self_pay", "company_direct")}


@dataclass
class Figures:
    """What a month shows beside its lines: the matrix, what each project's company owes, what hospitals get."""

    matrix: dict = field(default_factory=_matrix)
    owed: Counter = field(default_factory=Counter)
    hospitals: dict = field(default_factory=lambda: defaultdict(Counter))


def difference(now: Counter, before: Counter) -> Counter:
    """now − before, negative figures and zeros kept."""
    return Counter({key: now.get(key, 0) - before.get(key, 0) for key in now.keys() | before.keys()})


def smax(line: Terms) -> int | None:
    """The largest supply in won that the line's limit carries; None: no limit."""
    if line.rate_bp == BP:
        return None
    return -(-(line.limit_krw + 1) * BP // (BP - line.rate_bp)) - 1


def split(figures: Counter, line: Terms) -> None:
    """Adds voucher, self-pay and excess to a line's totals."""
    funded = figures["funded"]
    figures["voucher_krw"] = min(funded * (BP - line.rate_bp) // BP, line.limit_krw) if line.voucher else 0
    figures["self_pay_krw"] = funded - figures["voucher_krw"]
    figures["excess_krw"] = figures["supply_krw"] - funded


def largest_remainder(pool: int, weights: dict[str, Fraction]) -> dict[str, int]:
    """Parts of a pool in proportion to positive weights; ties by code; nothing when there is no pool or no weight."""
    if pool <= 0 or not weights:
        return {}
    total = sum(weights.values())
    exact = {code: pool * weight / total for code, weight in weights.items()}
    parts = {code: floor(one) for code, one in exact.items()}
    order = sorted(exact, key=lambda code: (parts[code] - exact[code], code))
    for code in order[: pool - sum(parts.values())]:
        parts[code] += 1
    return parts

"""A price in force, as a frozen value (domain.md §4). Knows no database."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class RateCard:
    """A version of a price, in won per unit ex VAT, from `valid_from`, its price version, to before `valid_until`.

    Units: GPU-hour, core-hour, GiB for a whole month, or the work's own unit. A dimension that is None matches any
    value, and `project` None any project. `tiers`: graduated prices, (up to that quantity of the project's usage within
    the service month, price); the last one is open (None); empty: `unit_price_krw` for all of it. `payee`: the
    infrastructure firm that the supplier owes `cost_price_krw` of each unit.
    """

    supplier: str
    meter: str
    model: str | None = None
    storage_class: str | None = None
    work: str | None = None
    unit: str | None = None
    grade: str | None = None
    modality: str | None = None
    project: str | None = None
    valid_from: date
    valid_until: date | None = None
    unit_price_krw: int
    tiers: tuple[tuple[Decimal | None, int], ...] = ()
    minimum_krw: int = 0
    payee: str | None = None
    cost_price_krw: int = 0

    def in_force(self, day: date) -> bool:
        """Whether this version is the price on a local day."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

"""A line of a hospital's claim (청구): one acceptance of a delivered work, as it is claimed (domain.md §8)."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True)
class ClaimLine:
    """What is claimed for one acceptance of a work item.

    `work`: the id of the performed work, from its second acceptance on `ID/ACCEPTANCE`; `kind`: the kind of work;
    days are local; quantity in thousandths of `unit`; won ex VAT and VAT apart; `tax`: taxable, exempt or zero.
    """

    work: str
    line: str
    project: str
    kind: str
    performed_on: date
    accepted_on: date
    quantity_milli: int
    unit: str
    unit_price_krw: int
    supply_krw: int
    vat_krw: int
    tax: str
    note: str = ""

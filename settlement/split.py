"""The funding split of domain.md §5: voucher, self-pay, excess and held work of each agreement line. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.money import BASIS_POINTS
from core.month import Month

Place = tuple[Month, datetime, str, str]


@dataclass(frozen=True, kw_only=True)
class FundedLine:
    """The terms of an agreement line at a close: grant limit in won, self-pay in basis points.

    `voucher` False: its category may not be paid by the voucher, the whole is company-direct. `hold_all`: the deposit
    of its project is not confirmed, the whole supply is held.
    """

    code: str
    limit_krw: int
    self_pay_bp: int
    voucher: bool
    over_limit: str
    hold_all: bool = False


@dataclass(frozen=True, kw_only=True)
class SupplyItem:
    """Accepted supply of a line, ex VAT. `place`: items booked in an earlier month first, then instant, source, id."""

    ref: str
    line: str
    supply_krw: int
    place: Place


@dataclass(frozen=True, kw_only=True)
class ItemSplit:
    """What becomes of one item, in won: funded + excess is charged, the rest is held."""

    funded_krw: int
    excess_krw: int
    held_krw: int

    @property
    def charged_krw(self) -> int:
        """The amount of its charge line."""
        return self.funded_krw + self.excess_krw


@dataclass(frozen=True, kw_only=True)
class LineSplit:
    """The split of a line over its whole life, in won; supply = voucher + self-pay + excess."""

    voucher_krw: int
    self_pay_krw: int
    excess_krw: int
    held_krw: int

    @property
    def supply_krw(self) -> int:
        """Charged supply."""
        return self.voucher_krw + self.self_pay_krw + self.excess_krw


def largest_supply_krw(limit_krw: int, self_pay_bp: int) -> int | None:
    """Smax: the largest supply that a grant limit can carry; None without a limit (self-pay of 100 %)."""
    if self_pay_bp == BASIS_POINTS:
        return None
    return -(-(limit_krw + 1) * BASIS_POINTS // (BASIS_POINTS - self_pay_bp)) - 1


def smallest_limit_krw(supply_krw: int, self_pay_bp: int) -> int:
    """The smallest grant limit that carries a supply: the inverse of Smax."""
    return supply_krw * (BASIS_POINTS - self_pay_bp) // BASIS_POINTS


def voucher_krw(funded_krw: int, limit_krw: int, self_pay_bp: int) -> int:
    """G = min(floor(F × (10000 − r) / 10000), L); the odd won falls to the company."""
    return min(funded_krw * (BASIS_POINTS - self_pay_bp) // BASIS_POINTS, limit_krw)


def split_project(
    lines: Iterable[FundedLine], items: Sequence[SupplyItem], price_cap_krw: int | None = None
) -> tuple[dict[str, LineSplit], dict[str, ItemSplit]]:
    """Splits all accepted supply of one project; returns the split by line code and by item.

    `price_cap_krw` bounds ΣF of the project (tiers with a price cap): items are funded in the order of their places
    until it is reached; the rest follows the line's `over_limit`. Neither order of arrival nor batching matters.
    """
    terms = {line.code: line for line in lines}
    room = {code: largest_supply_krw(line.limit_krw, line.self_pay_bp) for code, line in terms.items()}
    by_item = {}
    for item in sorted(items, key=lambda item: item.place):
        line = terms[item.line]
        split = _split_item(line, item.supply_krw, room[line.code], price_cap_krw)
        by_item[item.ref] = split
        if room[line.code] is not None:
            room[line.code] -= split.funded_krw
        if price_cap_krw is not None:
            price_cap_krw -= split.funded_krw
    return _by_line(terms, items, by_item), by_item


def _split_item(line: FundedLine, supply_krw: int, room_krw: int | None, cap_krw: int | None) -> ItemSplit:
    if line.hold_all:
        return ItemSplit(funded_krw=0, excess_krw=0, held_krw=supply_krw)
    if not line.voucher:
        return ItemSplit(funded_krw=0, excess_krw=supply_krw, held_krw=0)
    funded = min(krw for krw in (supply_krw, room_krw, cap_krw) if krw is not None)
    rest = supply_krw - funded
    if line.over_limit == "company_pays":
        return ItemSplit(funded_krw=funded, excess_krw=rest, held_krw=0)
    return ItemSplit(funded_krw=funded, excess_krw=0, held_krw=rest)


def _by_line(
    terms: Mapping[str, FundedLine], items: Sequence[SupplyItem], by_item: Mapping[str, ItemSplit]
) -> dict[str, LineSplit]:
    sums = {code: [0, 0, 0] for code in terms}
    for item in items:
        split = by_item[item.ref]
        for index, krw in enumerate((split.funded_krw, split.excess_krw, split.held_krw)):
            sums[item.line][index] += krw
    result = {}
    for code, (funded, excess, held) in sums.items():
        grant = voucher_krw(funded, terms[code].limit_krw, terms[code].self_pay_bp)
        result[code] = LineSplit(voucher_krw=grant, self_pay_krw=funded - grant, excess_krw=excess, held_krw=held)
    return result


def draw_deposit(wanted: Mapping[str, int], available_krw: int) -> dict[str, int]:
    """What a month draws from a project's deposit by line, in won.

    `wanted`: self-pay not drawn yet by line (negative: a correction gives back); `available_krw`: the balance at the
    freeze. Corrections first, then lines by code until the balance is used; never below zero, what is missing stays
    receivable.
    """
    left = available_krw - sum(krw for krw in wanted.values() if krw < 0)
    drawn = {}
    for code, krw in sorted(wanted.items()):
        drawn[code] = krw if krw < 0 else min(krw, max(left, 0))
        left -= max(drawn[code], 0)
    return drawn

"""The derivation of a month: T(n), less what was booked, is what the month books (domain.md §0). Pure functions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from billing.charge import REVERSED, ChargeLine, month_rows
from billing.rating import MissingRate, fee_lines, metered_lines, permit_lines, rate_usage, rate_work
from closing.entries import month_entries
from closing.inputs import MonthInputs
from core.month import Month
from ledger.journal import NewEntry
from registry.values import ProgrammeTerms
from settlement.incentive import Distribution, contribution, distribute, pool_of_fee
from settlement.line import LineResult, deposit_balances_krw, line_results, split_programme
from settlement.split import ItemSplit, SupplyItem


@dataclass(frozen=True, kw_only=True)
class Rated:
    """T(n) before the split: the companies' own usage, and the supply of agreement lines at its full price, metered
    usage of theirs included. `missing` stops the run.
    """

    usage: Sequence[ChargeLine]
    supply: Sequence[ChargeLine]
    missing: Sequence[MissingRate]


@dataclass(frozen=True, kw_only=True)
class MonthResult:
    """What a month books: charge rows, line settlements, incentives, journal entries.

    `derived`: T(n), every charge line over all service months; `contributions`: T(n) by hospital.
    """

    month: Month
    terms: ProgrammeTerms
    derived: Sequence[ChargeLine]
    charges: Sequence[ChargeLine]
    lines: Sequence[LineResult]
    incentive: Distribution
    contributions: dict[str, Fraction]
    entries: Sequence[NewEntry]


def rate_month(inputs: MonthInputs) -> Rated:
    """Every charge line up to the month, before the split."""
    terms = inputs.terms
    usage, missing = rate_usage(inputs.usages, terms.operator or "", inputs.book, metered_lines(terms))
    keys = {
        one.line.accept_seq: one.line.key
        for one in inputs.booked.values()
        if one.line.accept_seq is not None and one.line.quantity_base
    }
    work, unpriced = rate_work(inputs.items, terms, inputs.book, inputs.month, keys)
    metered = [line for line in usage if line.line is not None]
    return Rated(
        usage=[line for line in usage if line.line is None],
        supply=[*work, *permit_lines(terms, inputs.month), *metered],
        missing=[*missing, *unpriced],
    )


def settle(inputs: MonthInputs, rated: Rated) -> MonthResult:
    """Splits what was rated, and takes the difference to what was booked."""
    terms, month = inputs.terms, inputs.month
    unconfirmed = frozenset(terms.projects) - inputs.deposits_confirmed
    splits, parts = split_programme(terms, month, _items(inputs, rated.supply), unconfirmed)
    supply = [_charged(line, parts) for line in rated.supply]
    derived = [*supply, *rated.usage, *fee_lines(supply, terms, month)]
    charges = [_explained(row, inputs.void_reasons) for row in month_rows(month, derived, inputs.booked)]
    balances = deposit_balances_krw(inputs.balances, sorted(terms.projects))
    vat = _vat_by_line(charges)
    lines = line_results(terms, month, splits, vat, inputs.line_totals, balances, unconfirmed)
    contributions = _contributions(inputs, supply)
    incentive = _incentive(inputs, derived, contributions)
    entries = month_entries(inputs, charges, lines, incentive)
    return MonthResult(
        month=month, terms=terms, derived=derived, charges=charges, lines=lines, incentive=incentive,
        contributions=contributions, entries=entries,
    )  # fmt: skip


def _explained(row: ChargeLine, void_reasons: dict[int, str]) -> ChargeLine:
    """A reversal with the reason that its void gave."""
    given = void_reasons.get(row.work_seq) or void_reasons.get(row.accept_seq)
    return replace(row, reason=f"{row.reason}: {given}") if given and row.reason == REVERSED else row


def _reference(line: ChargeLine) -> str:
    return f"{line.project}/{line.service_month}/{line.line_key}"


def _items(inputs: MonthInputs, supply: Iterable[ChargeLine]) -> list[SupplyItem]:
    """Usage takes its place when its service month has ended; work when it was accepted."""
    first_months: dict[tuple, Month] = {}
    for booked in inputs.booked.values():
        if booked.first_month is not None:
            key = _item_key(booked.line)
            first_months[key] = min(first_months.get(key, booked.first_month), booked.first_month)
    return [
        SupplyItem(
            ref=_reference(line),
            line=line.line,
            supply_krw=line.rated_krw,
            place=(
                first_months.get(_item_key(line), inputs.month),
                line.accepted_at or line.service_month.end,
                *line.origin,
            ),
        )
        for line in supply
    ]


def _item_key(line: ChargeLine) -> tuple:
    """What keeps its place: an acceptance, whatever month it is moved to; the usage of one service month."""
    return line.project, line.line_key, None if line.accepted_at else line.service_month


def _charged(line: ChargeLine, parts: dict[str, ItemSplit]) -> ChargeLine:
    part = parts[_reference(line)]
    return line.charged(part.charged_krw, part.held_krw)


def _vat_by_line(charges: Iterable[ChargeLine]) -> dict[str, int]:
    vat: dict[str, int] = defaultdict(int)
    for row in charges:
        if row.line is not None:
            vat[row.line] += row.vat_krw
    return vat


def _contributions(inputs: MonthInputs, supply: Iterable[ChargeLine]) -> dict[str, Fraction]:
    """Σ quantity × weight(modality, unit) × quality over work charged in full, by hospital."""
    terms = inputs.terms
    items = {item.seq: item for item in inputs.items}
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for line in supply:
        item = items.get(line.work_seq)
        weight = terms.weights.get((item.modality, item.unit)) if item is not None else None
        if weight is not None and line.held_krw == 0:
            sums[line.supplier] += contribution(line.quantity_base, weight, terms.qualities[line.supplier])
    return dict(sums)


def _incentive(inputs: MonthInputs, derived: Iterable[ChargeLine], contributions: dict[str, Fraction]) -> Distribution:
    terms = inputs.terms
    pool_krw = terms.incentive_monthly_krw
    if not pool_krw:
        fee_krw = sum(line.amount_krw for line in derived if line.kind == "fee")
        pool_krw = pool_of_fee(fee_krw, terms.incentive_share_bp, inputs.earlier_pools_krw)
    changes = {
        hospital: contributions.get(hospital, Fraction(0)) - inputs.contributions.get(hospital, Fraction(0))
        for hospital in {*contributions, *inputs.contributions}
    }
    return distribute(pool_krw, inputs.pool_carried_krw, changes, inputs.contributions_carried)

"""Rating (domain.md §4): usage and accepted work become charge lines at the price in force. Pure functions."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from billing.charge import TAXED, ChargeLine
from billing.rate_card import RateCard
from core.money import BASIS_POINTS, floor_amount, vat_of
from core.month import Month, kst_day, kst_midnight
from metering.values import Acceptance, Usage, WorkItem
from registry.values import LineTerms, PermitTerms, ProgrammeTerms, ProjectTerms

GPU_HOUR = 3_600 * 1_000_000 * 1_000
GIB_US = 2**30 * 1_000_000
MILLI = 1_000
UNITS = {"gpu": "GPU·시간", "cpu": "코어·시간", "storage": "GiB·월"}
WORK_UNITS = {"hour": "시간", "day": "일", "study": "건", "record": "건", "case": "건", "study_set": "건"}
DIMENSIONS = ("model", "storage_class", "work", "unit", "grade", "modality", "project")


@dataclass(frozen=True, kw_only=True)
class MissingRate:
    """Usage that no rate in force covers: the run stops and lists it."""

    project: str
    supplier: str
    meter: str
    key: str
    day: date


@dataclass(frozen=True, kw_only=True)
class MeteredLine:
    """An agreement line whose supply is the usage of a meter on its local days, inclusive."""

    code: str
    supplier: str
    tax: str
    starts: date
    ends: date


MeteredLines = Mapping[tuple[str, str], Sequence[MeteredLine]]


def metered_lines(terms: ProgrammeTerms) -> dict[tuple[str, str], list[MeteredLine]]:
    """The lines of metered usage by (project, meter), in the order of their agreements."""
    found: dict[tuple[str, str], list[MeteredLine]] = defaultdict(list)
    for project in terms.projects.values():
        for agreement in project.agreements:
            for line in agreement.lines:
                if line.meter is not None:
                    found[project.code, line.meter].append(
                        MeteredLine(code=line.code, supplier=line.supplier, tax=terms.categories[line.category].tax,
                                    starts=line.starts, ends=line.ends)
                    )  # fmt: skip
    return found


class RateBook:
    """The prices of some suppliers, looked up by meter, dimensions and local day."""

    def __init__(self, cards: Iterable[RateCard]):
        self._cards: dict[tuple[str, str], list[RateCard]] = defaultdict(list)
        for card in cards:
            self._cards[card.supplier, card.meter].append(card)

    def priced(self, change: Callable[[RateCard], RateCard]) -> "RateBook":
        """The same book with every price as `change` makes of it."""
        return RateBook(change(card) for cards in self._cards.values() for card in cards)

    def find(self, supplier: str, meter: str, day: date, **dimensions: str | None) -> RateCard | None:
        """The most specific rate in force: a negotiated one of the project first, then the one with most dimensions."""
        found = [
            card
            for card in self._cards.get((supplier, meter), ())
            if card.in_force(day) and all(getattr(card, name) in (None, dimensions.get(name)) for name in DIMENSIONS)
        ]
        return max(found, key=_specificity, default=None)

    def changes(self, supplier: str) -> set[date]:
        """The local days on which a price of the supplier begins or ends."""
        days = set()
        for (owner, _meter), cards in self._cards.items():
            if owner == supplier:
                days.update(day for card in cards for day in (card.valid_from, card.valid_until) if day)
        return days


def _specificity(card: RateCard) -> tuple:
    named = [name for name in DIMENSIONS if getattr(card, name) is not None]
    return card.project is not None, len(named), card.valid_from, named


def priced_krw(quantity: int, unit_base: int, card: RateCard, before: int = 0) -> int:
    """What a quantity costs: floored once, in won ex VAT. `unit_base`: base quantity in one priced unit.

    Graduated tiers count from `before`, the project's usage of the service month that came earlier; a minimum charge
    applies to any usage.
    """
    if card.tiers:
        exact, position, end = Fraction(0), Fraction(before, unit_base), Fraction(before + quantity, unit_base)
        for up_to, price_krw in card.tiers:
            top = end if up_to is None else min(end, Fraction(up_to))
            if top > position:
                exact, position = exact + (top - position) * price_krw, top
        amount = exact.numerator // exact.denominator
    else:
        amount = floor_amount(quantity, card.unit_price_krw, 1, unit_base)
    return max(amount, card.minimum_krw) if quantity else amount


def rate_usage(
    usages: Sequence[Usage], operator: str, book: RateBook, metered: MeteredLines
) -> tuple[list[ChargeLine], list[MissingRate]]:
    """GPU and storage usage of a programme → charge lines (project, service month, meter key, price version).

    Usage of a meter of which the project has a line is supply of that line, at its supplier's price; the operator's and
    company-direct otherwise. Without an operator only such usage is charged.
    """
    sums: dict[tuple, int] = defaultdict(int)
    cards: dict[tuple, tuple[RateCard, MeteredLine | None]] = {}
    missing = []
    for usage in usages:
        line = next((one for one in metered.get((usage.project, usage.meter), ())
                     if one.starts <= usage.starts <= one.ends), None)  # fmt: skip
        supplier = operator if line is None else line.supplier
        if not supplier:
            continue
        dimension = "storage_class" if usage.meter == "storage" else "model"
        card = book.find(supplier, usage.meter, usage.starts, project=usage.project, **{dimension: usage.key})
        if card is None:
            missing.append(MissingRate(project=usage.project, supplier=supplier, meter=usage.meter, key=usage.key,
                                       day=usage.starts))  # fmt: skip
            continue
        identity = _identity(usage, card, line)
        sums[identity] += usage.quantity
        cards[identity] = card, line
    lines, before = [], defaultdict(int)
    for identity in sorted(sums):
        same = identity[:4]
        lines.append(_usage_line(identity, sums[identity], *cards[identity], before[same]))
        before[same] += sums[identity]
    return lines, missing


def _identity(usage: Usage, card: RateCard, line: MeteredLine | None) -> tuple:
    """What one charge line of usage is: project, service month, meter, key, price version; then whether negotiated,
    the agreement line, and the infrastructure firm, as the rest of its key.
    """
    rest = ("/negotiated" if card.project else "", f"/line:{line.code}" if line else "",
            f"/payee:{card.payee}" if card.payee else "")  # fmt: skip
    return usage.project, Month.of(usage.starts), usage.meter, usage.key, card.valid_from, rest


def _usage_line(identity: tuple, quantity: int, card: RateCard, line: MeteredLine | None, before: int) -> ChargeLine:
    project, month, meter, key, version, rest = identity
    unit_base = GIB_US * month.seconds if meter == "storage" else GPU_HOUR
    amount = priced_krw(quantity, unit_base, card, before)
    tax = TAXED if line is None else line.tax
    line_key = f"{meter}/{key}@{version}{''.join(rest)}"
    return ChargeLine(
        project=project, service_month=month, kind=meter, key=f"{key}@{version}", line_key=line_key,
        line=None if line is None else line.code, supplier=card.supplier, description=key, tax=tax,
        quantity_base=quantity, unit=UNITS[meter], unit_price_krw=card.unit_price_krw, price_version=version,
        rated_krw=amount, amount_krw=amount, vat_krw=vat_of(amount) if tax == TAXED else 0, payee=card.payee,
        cost_krw=floor_amount(quantity, card.cost_price_krw, 1, unit_base), origin=(meter, line_key),
    )  # fmt: skip


def rate_work(
    items: Sequence[WorkItem], terms: ProgrammeTerms, book: RateBook, until: Month, keys: Mapping[int, str]
) -> tuple[list[ChargeLine], list[MissingRate]]:
    """Accepted work → one charge line per acceptance: price of the day performed, service month of the acceptance.

    Acceptances after `until` are left for their own month. `keys`: the key under which an acceptance was booked
    before, by its sequence number; it keeps it.
    """
    lines, missing = [], []
    by_code = {(project.code, line.code): line for project in terms.projects.values() for line in project.lines}
    for item in items:
        line = by_code[item.project, item.line]
        accepted = sorted(
            (one for one in item.acceptances if Month.at(one.at) <= until), key=lambda one: (one.at, one.source, one.id)
        )
        if not accepted:
            continue
        day = kst_day(item.performed)
        card = book.find(
            line.supplier, "preparation", day, work=item.work, unit=item.unit, grade=item.grade,
            modality=item.modality, project=item.project,
        )  # fmt: skip
        if card is None:
            missing.append(MissingRate(project=item.project, supplier=line.supplier, meter="preparation",
                                       key=f"{item.work}/{item.unit}", day=day))  # fmt: skip
            continue
        tax = terms.categories[line.category].tax
        names = _work_keys(item, accepted, keys)
        lines.extend(_work_line(item, one, line, card, tax, names[one.seq]) for one in accepted)
    return lines, missing


def _work_keys(item: WorkItem, accepted: Sequence[Acceptance], keys: Mapping[int, str]) -> dict[int, str]:
    """`LINE/work` for the first acceptance that stands, `LINE/work/acceptance` from the second one on.

    A key that was booked is kept as long as the work stays on its line; on another line it is a charge of its own.
    """
    bare = f"{item.line}/{item.id}"
    names = {one.seq: keys[one.seq] for one in accepted if keys.get(one.seq) in (bare, f"{bare}/{one.id}")}
    for one in accepted:
        if one.seq not in names:
            names[one.seq] = f"{bare}/{one.id}" if bare in names.values() else bare
    return names


def _work_line(item: WorkItem, one: Acceptance, line: LineTerms, card: RateCard, tax: str, key: str) -> ChargeLine:
    amount = priced_krw(one.quantity_milli, MILLI, card)
    return ChargeLine(
        project=item.project, service_month=Month.at(one.at), kind="preparation", key=key,
        line_key=f"work/{one.seq}/{line.code}", line=line.code, supplier=line.supplier, description=item.work, tax=tax,
        quantity_base=one.quantity_milli, unit=item.unit, unit_price_krw=card.unit_price_krw,
        price_version=card.valid_from, rated_krw=amount, amount_krw=amount, vat_krw=0,
        performed_on=kst_day(item.performed),
        accepted_at=one.at, work_seq=item.seq, accept_seq=one.seq, origin=(one.source, one.id),
    )  # fmt: skip


def permit_lines(terms: ProgrammeTerms, until: Month) -> list[ChargeLine]:
    """The fees of permits: supply of the permit's line in the month of its approval."""
    return [
        _permit_line(project, permit, line, terms.categories[line.category].tax)
        for project in terms.projects.values()
        for permit in project.permits
        for line in project.lines
        if permit.fee_krw and permit.line == line.code and Month.of(permit.approved_on) <= until
    ]


def _permit_line(project: ProjectTerms, permit: PermitTerms, line: LineTerms, tax: str) -> ChargeLine:
    return ChargeLine(
        project=project.code, service_month=Month.of(permit.approved_on), kind="permit",
        key=f"{line.code}/{permit.code}", line_key=f"permit/{permit.code}", line=line.code, supplier=line.supplier,
        description=permit.code, tax=tax, quantity_base=MILLI, unit="건", unit_price_krw=permit.fee_krw,
        price_version=permit.approved_on, rated_krw=permit.fee_krw, amount_krw=permit.fee_krw, vat_krw=0,
        performed_on=permit.approved_on, accepted_at=kst_midnight(permit.approved_on), origin=("permit", permit.code),
    )  # fmt: skip


def fee_lines(charged: Iterable[ChargeLine], terms: ProgrammeTerms, until: Month) -> list[ChargeLine]:
    """The platform fee (domain.md §5), one line a project and service month.

    A rate on the charged supply, floored, and a fixed sum for every calendar month that an agreement touches.
    """
    if terms.operator is None or not (terms.fee_rate_bp or terms.fee_monthly_krw):
        return []
    base: dict[tuple[str, Month], int] = defaultdict(int)
    for line in charged:
        base[line.project, line.service_month] += line.amount_krw
    fixed = _touched_months(terms, until) if terms.fee_monthly_krw else set()
    lines = []
    for project, month in sorted({*base, *fixed}):
        supply_krw = base.get((project, month), 0)
        fixed_krw = terms.fee_monthly_krw if (project, month) in fixed else 0
        lines.append(_fee_line(terms, project, month, supply_krw, fixed_krw))
    return [line for line in lines if line.amount_krw or line.quantity_base]


def _fee_line(terms: ProgrammeTerms, project: str, month: Month, supply_krw: int, fixed_krw: int) -> ChargeLine:
    amount = supply_krw * terms.fee_rate_bp // BASIS_POINTS + fixed_krw
    return ChargeLine(
        project=project, service_month=month, kind="fee", key="platform", line_key="fee/platform", line=None,
        supplier=terms.operator, description="platform", tax=TAXED, quantity_base=supply_krw, unit="원",
        unit_price_krw=terms.fee_rate_bp, price_version=None, rated_krw=amount, amount_krw=amount,
        vat_krw=vat_of(amount),
    )  # fmt: skip


def _touched_months(terms: ProgrammeTerms, until: Month) -> set[tuple[str, Month]]:
    touched = set()
    for project in terms.projects.values():
        for agreement in project.agreements:
            month = Month.of(agreement.starts)
            while month <= min(Month.of(agreement.ends), until):
                touched.add((project.code, month))
                month += 1
    return touched

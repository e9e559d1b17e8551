"""The items of a company invoice (청구서, domain.md §8): what a month booked of a project, as its company pays it.

Self-pay and excess are figures of a whole agreement line (domain.md §5), so they are items of their own; VAT, usage and
fee stand with the charges that they belong to, those of an earlier service month apart. Pure functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from billing.charge import KIND_ORDER, USAGE_NAMES, ChargeLine
from core.month import Month
from registry.values import LineTerms, ProgrammeTerms


@dataclass(frozen=True, kw_only=True)
class OwnPart:
    """What a month booked of an agreement line for its company, in won; `voucher_krw` is what the agency pays."""

    line: str
    voucher_krw: int
    self_pay_krw: int
    excess_krw: int
    deposit_drawn_krw: int


@dataclass(frozen=True, kw_only=True)
class InvoiceItem:
    """An item in won: `own_krw` is what the company pays of it; `quantity_base` as in a charge line, None of a sum.

    kind: that of its charges, or `self_pay`, `excess`, `deposit`. `key`: that of its charges, a line's work as
    `LINE/*`, empty of a sum. `remark`: why it corrects an earlier month, or what of it is held.
    """

    kind: str
    line: str | None
    supplier: str | None
    service_month: Month
    key: str
    description: str
    quantity_base: int | None
    unit: str
    unit_price_krw: int | None
    supply_krw: int
    vat_krw: int
    own_krw: int
    remark: str


def invoice_items(
    terms: ProgrammeTerms,
    month: Month,
    charges: Iterable[ChargeLine],
    parts: Iterable[OwnPart],
    names: Mapping[str, str],
) -> dict[str, list[InvoiceItem]]:
    """The items of each project that has any, by project code: supply line by line with its self-pay, usage, fee, and
    last what the deposit paid (negative). They sum to what the month booked on the company's receivable.

    `names` of suppliers by code. Supply that the company pays for itself (`funding = "company"`) is none of ours.
    """
    lines = {line.code: line for project in terms.projects.values() for line in project.lines}
    labels = {code: _label(terms, line, names) for code, line in lines.items()}
    found: dict[str, list[InvoiceItem]] = {code: [] for code in sorted(terms.projects)}
    for row in charges:
        if row.line is None or lines[row.line].paid_to != "company":
            found[row.project].append(_of_charge(terms, month, row, labels))
    drawn = dict.fromkeys(found, 0)
    for part in parts:
        line = lines[part.line]
        drawn[line.project] += part.deposit_drawn_krw
        if line.paid_to != "company":
            found[line.project] += _of_line(terms, month, line, part, labels[line.code])
    for project, krw in drawn.items():
        found[project].append(_of_deposit(month, krw))
    whole = {project: sorted(_merged(items), key=_order) for project, items in found.items()}
    return {project: items for project, items in whole.items() if items}


def _label(terms: ProgrammeTerms, line: LineTerms, names: Mapping[str, str]) -> str:
    """`first hospital · L11 데이터 가공`."""
    return f"{names[line.supplier]} · {line.code} {terms.categories[line.category].name}"


def _of_charge(terms: ProgrammeTerms, month: Month, row: ChargeLine, labels: Mapping[str, str]) -> InvoiceItem:
    own = row.vat_krw + (row.amount_krw if row.line is None else 0)
    held = f"보류 {row.held_krw:,}원" if row.held_krw else ""
    return InvoiceItem(
        kind=row.kind, line=row.line, supplier=row.supplier, service_month=row.service_month,
        key=f"{row.line}/*" if row.kind == "preparation" else row.key,
        description=_description(terms, row, labels), quantity_base=row.quantity_base, unit=row.unit,
        unit_price_krw=None if row.kind == "fee" else row.unit_price_krw, supply_krw=row.amount_krw,
        vat_krw=row.vat_krw, own_krw=own,
        remark=row.reason or "앞선 달 정정" if row.service_month < month else held,
    )  # fmt: skip


def _description(terms: ProgrammeTerms, row: ChargeLine, labels: Mapping[str, str]) -> str:
    if row.kind == "fee":
        fixed = f" + 월 {terms.fee_monthly_krw:,}원" if terms.fee_monthly_krw else ""
        return f"{USAGE_NAMES['fee']} (과금 공급가액의 {_percent(terms.fee_rate_bp)}{fixed})"
    label = f" ({labels[row.line]})" if row.line is not None else ""
    if row.kind in USAGE_NAMES:
        dimension, _, version = row.key.partition("@")
        return f"{USAGE_NAMES[row.kind]} {dimension} · 단가 {version}{label}"
    return ("심의 수수료 " if row.kind == "permit" else "") + row.description + label


def _percent(bp: int) -> str:
    return f"{Decimal(bp).scaleb(-2):.1f}%"


def _of_line(terms: ProgrammeTerms, month: Month, line: LineTerms, part: OwnPart, label: str) -> list[InvoiceItem]:
    beyond = "한도 초과분" if terms.categories[line.category].voucher else "바우처로 지급하지 않는 비목"
    moves = "지급" if part.voucher_krw > 0 else "회수"
    said = f"바우처 {abs(part.voucher_krw):,}원은 전담기관이 {moves}" if part.voucher_krw else ""
    return [
        _sum(month, "self_pay", f"자부담 {_percent(line.self_pay_bp)} ({label})", part.self_pay_krw, line, said),
        _sum(month, "excess", f"{beyond}, 기업 직접 부담 ({label})", part.excess_krw, line),
    ]


def _of_deposit(month: Month, drawn_krw: int) -> InvoiceItem:
    description = "자부담 선납금에서 충당" if drawn_krw > 0 else "자부담 선납금으로 되돌림"
    return _sum(month, "deposit", description, -drawn_krw)


def _sum(
    month: Month, kind: str, description: str, own_krw: int, line: LineTerms | None = None, remark: str = ""
) -> InvoiceItem:
    return InvoiceItem(
        kind=kind, line=line.code if line else None, supplier=line.supplier if line else None, service_month=month,
        key="", description=description, quantity_base=None, unit="", unit_price_krw=None, supply_krw=0, vat_krw=0,
        own_krw=own_krw, remark=remark,
    )  # fmt: skip


def _merged(items: Sequence[InvoiceItem]) -> list[InvoiceItem]:
    """Charges of the same thing, month and price as one item; what came to nothing is left out."""
    found: dict[tuple, InvoiceItem] = {}
    for item in items:
        same = (item.kind, item.line, item.service_month, item.key, item.description, item.unit, item.unit_price_krw,
                item.remark)  # fmt: skip
        found[same] = _added(found[same], item) if same in found else item
    return [item for item in found.values() if (item.supply_krw, item.vat_krw, item.own_krw) != (0, 0, 0)]


def _added(one: InvoiceItem, other: InvoiceItem) -> InvoiceItem:
    return replace(
        one,
        quantity_base=None if one.quantity_base is None else one.quantity_base + other.quantity_base,
        supply_krw=one.supply_krw + other.supply_krw,
        vat_krw=one.vat_krw + other.vat_krw,
        own_krw=one.own_krw + other.own_krw,
    )


KINDS = (*KIND_ORDER, "self_pay", "excess", "deposit")


def _order(item: InvoiceItem) -> tuple:
    """Agreement lines by code, each with its self-pay after its supply; then usage, fee and deposit."""
    kind = KINDS.index(item.kind)
    return item.line is None, item.line or "", kind, item.service_month, item.description, item.remark

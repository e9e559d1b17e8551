"""Tax documents (세금계산서, 계산서; domain.md §8) as frozen values, and which charges each carries. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing.charge import USAGE_NAMES
from core.month import Month

KINDS = {"taxable": "tax_invoice", "zero": "tax_invoice", "exempt": "invoice_exempt"}
SERIES = {"tax_invoice": "TAX", "invoice_exempt": "EXM"}
MOST_ITEMS = 4
REASONS = {
    "01": "기재사항 착오정정",
    "02": "공급가액 변동",
    "03": "환입",
    "04": "계약의 해제",
    "05": "내국신용장 사후 개설",
    "06": "착오에 의한 이중발급",
}
CHANGED, TERMINATED = "02", "04"
WORK = ("preparation", "permit")
WORK_BASE = 1_000


@dataclass(frozen=True, kw_only=True)
class TaxItem:
    """An item of a tax document in won; `quantity` and `unit_price_krw` only where their product is the supply."""

    day: date
    name: str
    spec: str
    quantity: Decimal | None
    unit_price_krw: int | None
    supply_krw: int
    vat_krw: int
    note: str


@dataclass(frozen=True, kw_only=True)
class TaxParty:
    """A party as a tax document names it: the supplier under its legal payee's name and number where it has one."""

    code: str
    brn: str
    name: str
    representative: str
    address: str
    business_type: str
    business_item: str
    email: str


@dataclass(frozen=True, kw_only=True)
class Original:
    """The document that a modified one names: our number, its write date, the tax office's number once it is known."""

    number: str
    written_on: date
    approval_number: str


@dataclass(frozen=True, kw_only=True)
class TaxForm:
    """A tax document as the tax office's form shows it, in won, with what became of it.

    `tax`: taxable, zero or exempt, with `tax_reason` where it is not taxable. `role`: ordinary; change (the difference
    that a month booked of what the original carried); cancel and corrected (domain.md §8, reason 01).
    """

    id: int
    number: str
    kind: str
    tax: str
    tax_reason: str
    role: str
    month: Month
    written_on: date
    project: str
    supplier: TaxParty
    recipient: TaxParty
    supply_krw: int
    vat_krw: int
    items: tuple[TaxItem, ...]
    reason: str | None
    original: Original | None
    file: str | None
    approval_number: str | None

    @property
    def is_filed(self) -> bool:
        """Whether it has figures at all: one of no supply and no tax is nothing to the tax office."""
        return bool(self.supply_krw or self.vat_krw)

    @property
    def state(self) -> str:
        """issued (with us), exported, approved (the tax office's number is known), or nothing (to file)."""
        if not self.is_filed:
            return "nothing"
        if self.approval_number:
            return "approved"
        return "exported" if self.file else "issued"


@dataclass(frozen=True, kw_only=True)
class TaxedCharge:
    """A charge row that a document is issued for; `original`: the document that carried its line before.

    `ended`: nothing is left of its line, whose agreement was terminated.
    """

    id: int
    issuer: str
    recipient: str
    project: str
    service_month: Month
    kind: str
    key: str
    category: str | None
    tax: str
    quantity_base: int
    unit_price_krw: int
    accepted_on: date | None
    amount_krw: int
    vat_krw: int
    reason: str
    original: int | None
    ended: bool


@dataclass(frozen=True, kw_only=True)
class TaxDraft:
    """A document to issue with its charge rows: an ordinary one, or the change of what `original` carried."""

    issuer: str
    recipient: str
    project: str
    tax: str
    original: int | None
    reason: str | None
    items: tuple[TaxItem, ...]
    charges: tuple[int, ...]

    @property
    def kind(self) -> str:
        """`tax_invoice`, or `invoice_exempt` (계산서)."""
        return KINDS[self.tax]

    @property
    def supply_krw(self) -> int:
        """Supply value (공급가액)."""
        return sum(one.supply_krw for one in self.items)

    @property
    def vat_krw(self) -> int:
        """VAT (세액)."""
        return sum(one.vat_krw for one in self.items)


def drafts(charges: Iterable[TaxedCharge], month: Month) -> list[TaxDraft]:
    """A month's documents: one per issuer, project and tax type for what no document carried before, whatever its
    service month; and one per original for the changes of what an earlier document carried (domain.md §8).
    """
    groups: dict[tuple, list[TaxedCharge]] = defaultdict(list)
    for one in charges:
        groups[one.issuer, one.project, one.original or 0, one.tax, one.recipient].append(one)
    return [
        TaxDraft(
            issuer=issuer,
            recipient=recipient,
            project=project,
            tax=tax,
            original=original or None,
            reason=_reason(rows) if original else None,
            items=folded([_item(row, month) for row in rows]),
            charges=tuple(row.id for row in rows),
        )
        for (issuer, project, original, tax, recipient), rows in sorted(groups.items())
    ]


def _reason(rows: Sequence[TaxedCharge]) -> str:
    return TERMINATED if all(row.ended for row in rows) else CHANGED


def folded(items: Sequence[TaxItem]) -> tuple[TaxItem, ...]:
    """At most four items: of more, the first three and one for the rest, `외 N건`, with its sums."""
    if len(items) <= MOST_ITEMS:
        return tuple(items)
    rest = items[MOST_ITEMS - 1 :]
    return (
        *items[: MOST_ITEMS - 1],
        TaxItem(
            day=rest[0].day, name=f"외 {len(rest)}건", spec="", quantity=None, unit_price_krw=None,
            supply_krw=sum(one.supply_krw for one in rest), vat_krw=sum(one.vat_krw for one in rest), note="",
        ),
    )  # fmt: skip


def _item(row: TaxedCharge, month: Month) -> TaxItem:
    priced = row.kind in WORK and row.quantity_base * row.unit_price_krw // WORK_BASE == row.amount_krw
    in_month = row.accepted_on is not None and Month.of(row.accepted_on) == month
    late = [f"{row.service_month} 귀속", row.reason] if row.service_month < month else []
    return TaxItem(
        day=row.accepted_on if in_month else month.last,
        name=_name(row),
        spec=str(row.service_month) if row.kind == "fee" else row.key,
        quantity=Decimal(row.quantity_base).scaleb(-3).normalize() if priced else None,
        unit_price_krw=row.unit_price_krw if priced else None,
        supply_krw=row.amount_krw,
        vat_krw=row.vat_krw,
        note=" ".join(one for one in late if one),
    )


def _name(row: TaxedCharge) -> str:
    if row.kind == "permit":
        return "심의 수수료"
    return row.category or USAGE_NAMES[row.kind]


def negated(item: TaxItem) -> TaxItem:
    """The item as a cancelling document carries it."""
    return TaxItem(
        day=item.day, name=item.name, spec=item.spec, quantity=None if item.quantity is None else -item.quantity,
        unit_price_krw=item.unit_price_krw, supply_krw=-item.supply_krw, vat_krw=-item.vat_krw, note=item.note,
    )  # fmt: skip


def document_number(kind: str, issuer: str, year: int, number: int) -> str:
    """`TAX-H01-2025-000012`; of a 계산서 `EXM-…`. It stands in the note of the bulk-issue sheet."""
    return f"{SERIES[kind]}-{issuer}-{year}-{number:06d}"

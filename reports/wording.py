"""How statements name things: headers, lines, charges, quantities, references. Pure functions over the figures."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from billing.rating import WORK_UNITS
from reports.figures import Charge, Figures
from reports.layout import As, Document
from reports.words import amount_text

KIND_NAMES = {
    "preparation": "작업",
    "permit": "심의",
    "gpu": "GPU",
    "cpu": "CPU",
    "storage": "저장공간",
    "fee": "이용료",
}
WORK_KINDS = ("preparation", "permit")
KIND_ORDER = {kind: position for position, kind in enumerate(KIND_NAMES)}
EXACT_UNITS = {"gpu": (10**9, "GPU·초"), "cpu": (10**9, "코어·초"), "storage": (10**6, "바이트·초")}
GPU_HOUR = 3_600 * 10**9
GIB_US = 2**30 * 10**6
CORRECTED = "앞선 달 정정 포함"
HELD = {
    "grant_limit": "지원 한도 초과분 보류",
    "price_cap": "사업비 상한 초과분 보류",
    "deposit": "선납금 확인 전 보류",
}


def month_title(figures: Figures) -> str:
    """`2025년 11월분`."""
    return f"{figures.month.year}년 {figures.month.number}월분"


def subtitle(figures: Figures) -> str:
    """`2025년 11월분 · programme (code)`."""
    return f"{month_title(figures)} · {figures.terms.name} ({figures.terms.code})"


def issuer(figures: Figures) -> str:
    """Code of the party that issues the statements: the operator, or the agency where there is none."""
    return figures.terms.operator or figures.terms.agency


def new_document(figures: Figures, title: str, kind: str, recipient: str) -> Document:
    """A statement with its number, dated by the month's close."""
    return Document(title=title, number=figures.number(kind, recipient), closed_at=figures.closed_at)


def signed_amount_text(amount_krw: int) -> str:
    """The amount in the public-document form; below zero with △ before it."""
    return ("△ " if amount_krw < 0 else "") + amount_text(abs(amount_krw))


def line_label(figures: Figures, code: str, category: str) -> str:
    """`L11 데이터 가공`."""
    return f"{code} {category_name(figures, category)}"


def category_name(figures: Figures, category: str) -> str:
    """Name of a cost category (비목)."""
    found = figures.terms.categories.get(category)
    return found.name if found else category


def project_label(figures: Figures, project: str) -> str:
    """`P1 company`."""
    return f"{project} {figures.parties[figures.terms.projects[project].company].name}"


def rate(part: int, whole: int) -> Decimal | None:
    """part / whole to six places; None without a whole."""
    return places(Fraction(part, whole), 6) if whole else None


def basis_points(bp: int) -> Decimal:
    """1500 → 0.1500."""
    return Decimal(bp).scaleb(-4)


def percent(bp: int) -> str:
    """1500 → `15.0%`."""
    return f"{Decimal(bp).scaleb(-2):.1f}%"


def places(value: Fraction, digits: int) -> Decimal:
    """A fraction rounded half-even to a number of decimal places, for display only."""
    scaled = Fraction(value) * 10**digits
    return Decimal(round(scaled)).scaleb(-digits)


def exact_text(charge: Charge) -> str:
    """The metered quantity of a usage row, exact, as text: `1300 GPU·초`."""
    scale, unit = EXACT_UNITS[charge.kind]
    whole, rest = divmod(abs(charge.quantity_base), scale)
    digits = len(str(scale)) - 1
    decimals = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{'-' if charge.quantity_base < 0 else ''}{whole}{decimals} {unit}"


def quantity(charge: Charge) -> As:
    """The quantity as a statement shows it: rounded for display; the amount comes from the exact one."""
    base = charge.quantity_base
    if charge.kind in ("gpu", "cpu"):
        return As("quantity", places(Fraction(base, GPU_HOUR), 3))
    if charge.kind == "storage":
        return As("quantity", places(Fraction(base, GIB_US * charge.service_month.seconds), 3))
    if charge.kind == "fee":
        return As("won", base)
    exact = Decimal(base).scaleb(-3)
    if charge.unit == "hour":
        return (
            As("hours", exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN)) if base % 10 == 0 else As("quantity", exact)
        )
    return As("count", base // 1000) if base % 1000 == 0 else As("quantity", exact)


def unit(charge: Charge) -> str:
    """The unit of that quantity."""
    if charge.kind == "fee":
        return "원"
    return WORK_UNITS.get(charge.unit, charge.unit)


def unit_price(figures: Figures, charge: Charge) -> As | int:
    """The unit price; a fee's is its rate."""
    if charge.kind == "fee":
        return As("rate", basis_points(figures.terms.fee_rate_bp))
    return charge.unit_price_krw


def work_of(charge: Charge) -> str:
    """The work's id in a charge key: `L11/w1` → `w1`."""
    return charge.key.split("/", 1)[-1]


def content(figures: Figures, charge: Charge) -> str:
    """What a charge row is for, in words."""
    if charge.kind == "fee":
        fixed = f" + 월 {figures.terms.fee_monthly_krw:,}원" if figures.terms.fee_monthly_krw else ""
        return f"플랫폼 이용료 (과금 공급가액의 {percent(figures.terms.fee_rate_bp)}{fixed})"
    line = figures.lines.get(charge.line) if charge.line is not None else None
    label = line_label(figures, charge.line, line.category) if line else charge.line
    if charge.line is not None and charge.kind in WORK_KINDS:
        name = "심의 수수료" if charge.kind == "permit" else charge.description
        return f"{name} ({label}, {KIND_NAMES[charge.kind]} {work_of(charge)})"
    dimension, _, version = charge.key.partition("@")
    notes = ", ".join(one for one in (f"단가 {version}" if version else "", label or "") if one)
    return f"{KIND_NAMES[charge.kind]} {dimension}" + (f" ({notes})" if notes else "")


def remark(charge: Charge) -> str:
    """The remark of a charge row: why it corrects an earlier month, what of it is held."""
    if charge.correction:
        return charge.reason or "앞선 달 정정"
    return f"보류 {charge.held_krw:,}원" if charge.held_krw else ""


def joined(references: list[str]) -> str:
    """Several references of one cell."""
    return ", ".join(references)


def charge_order(charge: Charge) -> tuple:
    """Project, work–GPU–storage–fee, service month, key."""
    return charge.project, KIND_ORDER[charge.kind], charge.service_month, charge.key


def file_name(figures: Figures, title: str, party: str) -> str:
    """The name of a published file, NFC."""
    return f"{figures.terms.code}_{figures.month}_{title}_{party}.xlsx"

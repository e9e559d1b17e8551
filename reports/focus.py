"""The charges of a month as FOCUS, the FinOps Foundation's open format for cost and usage (version 1.2), CSV."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sqlalchemy import Connection, text

from billing.booked import month_charges
from billing.charge import ChargeLine
from core.month import Month
from reports.guarded_csv import write_csv
from reports.month import charge_reference

COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName",
    "PublisherName", "ResourceId", "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId",
    "SubAccountName", "SubAccountType", "Tags", "x_ChargeId",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Service:
    """How FOCUS names a kind of charge. `base`: base quantities to the consumed unit, `unit` empty: the charge's own.

    `priced` consumed units make one pricing unit (of storage: a GiB for that month's seconds).
    """

    name: str
    category: str
    charge_category: str = "Usage"
    frequency: str = "Usage-Based"
    base: int = 1000
    unit: str = ""
    priced: int = 1
    pricing_unit: str = ""


SERVICES = {
    "gpu": Service(name="GPU", category="Compute", base=10**9, unit="GPU-Seconds", priced=3600,
                   pricing_unit="GPU-Hours"),
    "cpu": Service(name="CPU", category="Compute", base=10**9, unit="Core-Seconds", priced=3600,
                   pricing_unit="Core-Hours"),
    "storage": Service(name="Storage", category="Storage", base=10**6, unit="Byte-Seconds", priced=2**30,
                       pricing_unit="GiB-Months"),
    "preparation": Service(name="Data preparation", category="Other"),
    "permit": Service(name="Permit", category="Other", charge_category="Purchase", frequency="One-Time"),
    "fee": Service(name="Platform fee", category="Other", charge_category="Purchase", frequency="Recurring",
                   base=1, pricing_unit="KRW of charged supply"),
}  # fmt: skip


def export_focus(connection: Connection, programmes: Sequence[str], month: Month, path: Path) -> int:
    """Writes what a month booked, one row a charge and one more for its VAT; returns how many rows.

    Amounts in won. The company is billed, its project is the sub-account, who supplies issues the invoice; a charge of
    an earlier service month is a correction (domain.md §0). Raises BadInput when the file cannot be written.
    """
    return write_csv(path, COLUMNS, (row for code in programmes for row in _rows(connection, code, month)))


def _rows(connection: Connection, programme: str, month: Month) -> Iterator[Sequence[str | int]]:
    names = dict(connection.execute(text("SELECT code, name FROM party")).all())
    projects = {
        row.code: row
        for row in connection.execute(
            text("SELECT code, title, company FROM project WHERE programme = :programme"), {"programme": programme}
        )
    }
    for _id, charge in month_charges(connection, programme, month):
        project = projects[charge.project]
        shared = {
            "BillingAccountId": project.company,
            "BillingAccountName": names[project.company],
            "SubAccountName": project.title,
            "InvoiceIssuerName": names[charge.supplier],
            "ProviderName": names[charge.supplier],
            "PublisherName": names[charge.supplier],
            "Tags": json.dumps({"programme": programme, "line": charge.line or ""}, ensure_ascii=False),
        }
        for row in _charged(month, charge):
            yield [(shared | row).get(column, "") for column in COLUMNS]


def _charged(month: Month, charge: ChargeLine) -> Iterator[Mapping[str, str | int]]:
    """The charge's row, and that of its VAT, as far as they follow from the charge itself."""
    service = SERVICES[charge.kind]
    sku, _, _version = charge.key.partition("@")
    same = {
        "BillingAccountType": "Company",
        "BillingCurrency": "KRW",
        "BillingPeriodStart": _instant(month),
        "BillingPeriodEnd": _instant(month + 1),
        "ChargeClass": "Correction" if charge.service_month < month else "",
        "ChargePeriodStart": _instant(charge.service_month),
        "ChargePeriodEnd": _instant(charge.service_month + 1),
        "ChargeFrequency": service.frequency,
        "ResourceId": f"{charge.project}/{sku}",
        "ServiceCategory": service.category,
        "ServiceName": service.name,
        "SubAccountId": charge.project,
        "SubAccountType": "Project",
        "x_ChargeId": charge_reference(month, charge),
    }
    yield (
        same
        | _costs(charge.amount_krw)
        | _quantities(service, charge)
        | {
            "ChargeCategory": service.charge_category,
            "ChargeDescription": f"{service.name} {charge.key}" + (f": {charge.reason}" if charge.reason else ""),
            "PricingCategory": "Standard",
            "SkuId": f"{charge.kind}/{sku if charge.line is None else charge.description}",
            "SkuPriceId": f"{charge.kind}/{charge.key if charge.line is None else charge.description}",
        }
    )
    if charge.vat_krw:
        description = f"VAT {service.name} {charge.key}"
        yield same | _costs(charge.vat_krw) | {"ChargeCategory": "Tax", "ChargeDescription": description}


def _costs(krw: int) -> dict[str, int]:
    return dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), krw)


def _quantities(service: Service, charge: ChargeLine) -> dict[str, str]:
    """What was used, exact, where usage is charged; the priced quantity is for display, nothing is computed from it."""
    consumed = Fraction(charge.quantity_base, service.base)
    seconds = charge.service_month.seconds if charge.kind == "storage" else 1
    found = {
        "PricingQuantity": _decimal(consumed / (service.priced * seconds)),
        "PricingUnit": service.pricing_unit or charge.unit,
    }
    if service.charge_category == "Usage":
        found |= {"ConsumedQuantity": _decimal(consumed), "ConsumedUnit": service.unit or charge.unit}
    return found


def _decimal(value: Fraction) -> str:
    """Nine places at most, rounded half to even; a consumed quantity has no more."""
    whole, part = divmod(abs(round(value * 10**9)), 10**9)
    return f"{'-' if value < 0 else ''}{whole}.{part:09d}".rstrip("0").rstrip(".")


def _instant(month: Month) -> str:
    return f"{month.start:%Y-%m-%dT%H:%M:%SZ}"

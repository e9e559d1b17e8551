"""The demo's reference data as the generator needs it: projects with their lines, each with its work and price."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from core.month import Month

REGISTRY = Path(__file__).with_name("registry.toml")

# What is delivered under a line: work, unit, modality. Hours and days stand with the category, data with the line.
DELIVERED = {
    "L11": ("record", "record", "structured"),
    "L13": ("record", "record", "text"),
    "L21": ("recording", "recording", "biosignal"),
    "L31": ("study", "study", "imaging"),
    "L33": ("study", "study", "imaging"),
    "L41": ("recording", "recording", "biosignal"),
    "L51": ("recording", "recording", "biosignal"),
    "L61": ("study", "study", "imaging"),
    "L63": ("case", "case", "omics"),
    "L71": ("study", "study", "imaging"),
    "L72": ("record", "record", "structured"),
    "L81": ("study", "study", "imaging"),
}
HOURS = {
    "pseudonymisation": ("pseudonymise_hour", "hour", None),
    "analysis": ("analyst_hour", "hour", None),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """An agreement line: what is delivered under it, at which price, and the supply in won that its limit carries."""

    code: str
    supplier: str
    work: str
    unit: str
    modality: str | None
    unit_price_krw: int
    carried_krw: int


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project with its agreement's local days and its lines."""

    code: str
    company: str
    starts: date
    ends: date
    closes: Month | None
    channel: str
    self_pay_mode: str
    deposit_krw: int
    lines: tuple[Line, ...]


def projects() -> tuple[Project, ...]:
    """The eight projects of the registry."""
    data = tomllib.loads(REGISTRY.read_text())
    by_code = {project["code"]: project for project in data["project"]}
    companies = {code: project["company"] for code, project in by_code.items()}
    sizes = {party["code"]: party.get("size") for party in data["party"]}
    prices = {
        (book["supplier"], rate["work"]): rate["unit_price_krw"]
        for book in data["price_book"]
        for rate in book["rate"]
        if rate["meter"] == "preparation"
    }
    self_pay_bp = data["programme"][0]["self_pay_bp"]
    return tuple(
        Project(
            code=agreement["project"],
            company=companies[agreement["project"]],
            starts=agreement["starts"],
            ends=agreement["ends"],
            closes=_month(by_code[agreement["project"]].get("closes")),
            channel=by_code[agreement["project"]]["channel"],
            self_pay_mode=agreement["self_pay_mode"],
            deposit_krw=agreement.get("deposit_krw", 0),
            lines=tuple(
                _line(line, self_pay_bp[sizes[companies[agreement["project"]]]], prices) for line in agreement["line"]
            ),
        )
        for agreement in data["agreement"]
    )


def _month(text: str | None) -> Month | None:
    return Month.parse(text) if text else None


def _line(line: dict, self_pay_bp: int, prices: dict[tuple[str, str], int]) -> Line:
    work, unit, modality = DELIVERED.get(line["code"]) or HOURS[line["category"]]
    return Line(
        code=line["code"],
        supplier=line["supplier"],
        work=work,
        unit=unit,
        modality=modality,
        unit_price_krw=prices[line["supplier"], work],
        carried_krw=line["grant_limit_krw"] * 10_000 // (10_000 - self_pay_bp),
    )

"""Accepted work of a hospital as it can be claimed: priced and taxed exactly as the monthly run does (domain.md §4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from billing.charge import ChargeLine
from billing.claim_line import ClaimLine
from billing.price_book import rates
from billing.rating import MissingRate, RateBook, rate_work
from core.errors import BadInput, RuleRefused
from core.month import Month, kst_day
from metering.fields import decimal_text
from metering.usage import WorkItem, last_mark, work_items
from registry.terms import programme_terms
from registry.values import ProgrammeTerms

FIELDS = {
    "project": ("과제", "project"), "line": ("협약 항목", "line"), "kind": ("종류", "kind"),
    "performed_on": ("수행일", "performed"), "accepted_on": ("검수일", "accepted"),
    "quantity_milli": ("수량", "quantity"), "unit": ("단위", "unit"), "unit_price_krw": ("단가", "unit price"),
    "supply_krw": ("공급가액", "supply"), "vat_krw": ("부가가치세", "VAT"), "tax": ("과세 구분", "tax"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AcceptedWork:
    """What can be claimed by acceptance (its sequence number), and the work that no rate in force prices; of everything
    taken in up to the intake mark.
    """

    mark: int
    lines: dict[int, ClaimLine]
    missing: Sequence[MissingRate]


def accepted_work(connection: Connection, programme: str, hospital: str, month: Month) -> AcceptedWork:
    """All accepted work of a hospital in its projects of a programme whose acceptance lies up to the month's end.

    As everything stands that was taken in by now: what is voided is gone, what is amended is as amended. Held work is
    there at its full price. Raises BadInput for an unknown programme or hospital, RuleRefused where the programme pays
    companies and not hospitals.
    """
    terms = programme_terms(connection, programme)
    _check_hospital(connection, terms, hospital)
    agreed = {(one.code, line.code) for one in terms.projects.values() for line in one.lines
              if line.supplier == hospital}  # fmt: skip
    mark = last_mark(connection)
    found = work_items(connection, sorted({project for project, _ in agreed}), mark)
    items = [one for one in found if (one.project, one.line) in agreed]
    book = RateBook(rates(connection, [hospital]))
    priced, missing = rate_work(items, terms, book, month, _known_keys(connection, programme, hospital))
    return AcceptedWork(mark=mark, lines=_claim_lines(priced, items), missing=missing)


def _check_hospital(connection: Connection, terms: ProgrammeTerms, hospital: str) -> None:
    kind = connection.scalar(text("SELECT kind FROM party WHERE code = :code"), {"code": hospital})
    if kind != "hospital":
        raise BadInput(f"'{hospital}': 등록된 병원이 아닙니다. 병원 코드를 적으세요 (not a registered hospital).")
    if terms.funding != "hospital":
        raise RuleRefused(
            f"{terms.code}: 지원금을 기업에 지급하는 사업이라 병원 청구가 없습니다. 병원은 기업에 직접 청구합니다 "
            "(the programme pays companies: hospitals bill them)."
        )


def _known_keys(connection: Connection, programme: str, hospital: str) -> dict[int, str]:
    """The key under which an acceptance was booked, or else is claimed: it keeps it."""
    rows = connection.execute(
        text(
            "SELECT accept_seq, line || '/' || work AS key, false AS booked FROM claim_line"
            " JOIN claim ON claim.id = claim_id WHERE programme = :programme AND hospital = :hospital AND live"
            " UNION ALL SELECT accept_seq, key, true FROM charge"
            "  WHERE programme = :programme AND supplier = :hospital AND kind = 'preparation'"
            "  GROUP BY accept_seq, key, project, service_month, line_key HAVING sum(quantity_base) <> 0"
            " ORDER BY booked"
        ),
        {"programme": programme, "hospital": hospital},
    )
    return {row.accept_seq: row.key for row in rows}


def _claim_lines(priced: Sequence[ChargeLine], items: Sequence[WorkItem]) -> dict[int, ClaimLine]:
    """By acceptance; works of several sources that share their id on a line are told apart by their source."""
    sources = {one.seq: one.source for one in items}
    named: set[tuple[str, str]] = set()
    lines = {}
    for charge in sorted(priced, key=lambda one: one.accept_seq):
        work = charge.key.removeprefix(f"{charge.line}/")
        if (charge.line, work) in named:
            work = f"{work}@{sources[charge.work_seq]}"
        named.add((charge.line, work))
        lines[charge.accept_seq] = _claim_line(charge, work)
    return lines


def _claim_line(charge: ChargeLine, work: str) -> ClaimLine:
    full = charge.charged(charge.rated_krw, 0)
    return ClaimLine(
        work=work, line=full.line, project=full.project, kind=full.description, performed_on=full.performed_on,
        accepted_on=kst_day(full.accepted_at), quantity_milli=full.quantity_base, unit=full.unit,
        unit_price_krw=full.unit_price_krw, supply_krw=full.amount_krw, vat_krw=full.vat_krw, tax=full.tax,
    )  # fmt: skip


def differences(claimed: ClaimLine, accepted: ClaimLine) -> list[str]:
    """What of a claimed line is not as metered and accepted: field, claimed value and the right one."""
    return [
        f"{korean} {_shown(name, getattr(claimed, name))} ≠ {_shown(name, getattr(accepted, name))} ({english})"
        for name, (korean, english) in FIELDS.items()
        if getattr(claimed, name) != getattr(accepted, name)
    ]


def _shown(name: str, value: object) -> str:
    return decimal_text(value) if name == "quantity_milli" else f"{value:,}" if isinstance(value, int) else str(value)

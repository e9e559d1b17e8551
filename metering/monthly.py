"""What `usage` shows: a month's metered usage, exact, as decimals in the contract's units (contract.md §6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from core.errors import BadInput
from core.month import Month, kst_day
from metering.fields import decimal_text
from metering.rollup import last_mark
from metering.usage import allocated_usage, volume_usage, work_items
from registry.terms import programme_codes, project_terms
from registry.values import ProjectTerms

UNITS = {"gpu": ("gpu_s", 9), "cpu": ("core_s", 9), "storage": ("byte_s", 6)}
LONG_AGO = date(1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class MeteredRow:
    """One figure: `key` is the GPU model, the volume, or line `/` work kind; `quantity` an exact decimal."""

    project: str
    meter: str
    key: str
    quantity: str
    unit: str


def metered_month(connection: Connection, month: Month, project: str | None, now: datetime) -> list[MeteredRow]:
    """Usage of a month over everything taken in so far; storage of a month that still runs counts up to today.

    Raises BadInput when the project is not known.
    """
    terms = {one.code: one for one in project_terms(connection, programme_codes(connection))}
    if project is not None and project not in terms:
        known = ", ".join(sorted(terms)) or "없음 (none)"
        raise BadInput(f"과제 '{project}'이(가) 없습니다 (no such project). 등록된 과제: {known}")
    wanted = [one for code, one in sorted(terms.items()) if project in (None, code)]
    return [*_used(connection, month, wanted, now), *_accepted(connection, month, wanted)]


def _used(connection: Connection, month: Month, wanted: Sequence[ProjectTerms], now: datetime) -> Iterator[MeteredRow]:
    mark, cuts = last_mark(connection), [LONG_AGO, month.first]
    until = month.last + timedelta(days=1)
    ends = {one.code: max(agreement.ends for agreement in one.agreements) for one in wanted if one.agreements}
    found = allocated_usage(connection, [one.code for one in wanted], mark, until, cuts)
    held_until = max(month.first, min(until, kst_day(now) + timedelta(days=1)))
    for one in [*found, *volume_usage(connection, ends, mark, held_until, cuts)]:
        if one.starts == month.first:
            unit, digits = UNITS[one.meter]
            quantity = decimal_text(one.quantity, digits)
            yield MeteredRow(project=one.project, meter=one.meter, key=one.key, quantity=quantity, unit=unit)


def _accepted(connection: Connection, month: Month, wanted: Sequence[ProjectTerms]) -> Iterator[MeteredRow]:
    sums: dict[tuple[str, str, str], int] = {}
    for item in work_items(connection, [one.code for one in wanted], last_mark(connection)):
        for acceptance in item.acceptances:
            if Month.at(acceptance.at) == month:
                name = (item.project, f"{item.line}/{item.work}", item.unit)
                sums[name] = sums.get(name, 0) + acceptance.quantity_milli
    for (project, key, unit), quantity in sorted(sums.items()):
        yield MeteredRow(project=project, meter="preparation", key=key, quantity=decimal_text(quantity), unit=unit)

"""Held work (보류) at a month's close: which items, why, and how many won of deposit or room would free each."""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Row, text

from core.errors import RuleRefused
from core.month import Month
from registry.terms import programme_terms
from registry.values import ProgrammeTerms, ProjectTerms
from reports.month import month_lines
from settlement.line import LineResult
from settlement.split import smallest_limit_krw


def held_work(connection: Connection, programme: str, month: Month | None = None) -> dict:
    """Held items by line, oldest first, as the close of a month left them; the last posted month when none is named.

    An item's `frees` says how many won are missing until it is charged in full, those before it included: of the
    deposit, of the line's grant limit, or of the project's price cap. Raises RuleRefused when the month is not posted.
    """
    month = _posted(connection, programme, month)
    terms = programme_terms(connection, programme)
    lines = {line.line: line for line in month_lines(connection, programme, month)}
    items = _items(connection, programme, month)
    found = [
        _line(connection, terms, lines, line, items.get(line.line, [])) for line in lines.values() if line.held_krw
    ]
    total = sum(line["held_krw"] for line in found)
    return {"programme": programme, "month": str(month), "held_krw": total, "lines": found}


def _posted(connection: Connection, programme: str, month: Month | None) -> Month:
    found = connection.scalar(
        text(
            "SELECT max(month) FROM line_settlement WHERE programme = :programme"
            " AND month = coalesce(CAST(:month AS date), month)"
        ),
        {"programme": programme, "month": month.first if month else None},
    )
    if found is None:
        raise RuleRefused(f"{programme} {month or ''}: 기장된 월이 없습니다 (no month is posted).")
    return Month.of(found)


def _items(connection: Connection, programme: str, month: Month) -> dict[str, list[Row]]:
    """By line, what of each item is held after the month, in the order in which it will be freed (domain.md §5)."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (project, service_month, line_key) line, project, kind, key, service_month, held_krw,"
            " accepted_at, min(month) FILTER (WHERE amount_krw <> 0) OVER item AS first_month FROM charge"
            " WHERE programme = :programme AND month <= :month AND line IS NOT NULL"
            " WINDOW item AS (PARTITION BY project, service_month, line_key)"
            " ORDER BY project, service_month, line_key, month DESC"
        ),
        {"programme": programme, "month": month.first},
    )
    held = [row for row in rows if row.held_krw]
    items: dict[str, list[Row]] = {}
    for row in sorted(held, key=_place):
        items.setdefault(row.line, []).append(row)
    return items


def _place(row: Row) -> tuple:
    first = Month.of(row.first_month) if row.first_month else Month(9999, 1)
    return first, row.accepted_at or Month.of(row.service_month).end, row.key


def _line(
    connection: Connection, terms: ProgrammeTerms, lines: Mapping[str, LineResult], line: LineResult, items: list[Row]
) -> dict:
    project = terms.projects[line.project]
    missing = _deposit_missing_krw(connection, project) if line.held_reason == "deposit" else 0
    funded = sum(
        one.total_voucher_krw + one.total_self_pay_krw for one in lines.values() if one.project == project.code
    )
    return {
        "line": line.line, "project": line.project, "supplier": line.supplier, "why": line.held_reason,
        "held_krw": line.held_krw,
        "items": list(_freed(project, line, items, missing, funded)),
    }  # fmt: skip


def _freed(
    project: ProjectTerms, line: LineResult, items: list[Row], missing_krw: int, project_funded_krw: int
) -> Iterator[dict]:
    """Each item with what it wants, those before it on the line included."""
    ahead = 0
    for item in items:
        ahead += item.held_krw
        if line.held_reason == "deposit":
            frees = {"deposit_krw": missing_krw}
        else:
            wanted = smallest_limit_krw(line.total_voucher_krw + line.total_self_pay_krw + ahead, line.self_pay_bp)
            over = project_funded_krw + ahead - project.price_cap_krw if project.price_cap_krw is not None else 0
            frees = {"limit_krw": max(0, wanted - line.limit_krw), "price_cap_krw": max(0, over)}
        yield {
            "key": item.key, "kind": item.kind, "service_month": str(Month.of(item.service_month)),
            "held_krw": item.held_krw, "frees": {name: krw for name, krw in frees.items() if krw},
        }  # fmt: skip


def _deposit_missing_krw(connection: Connection, project: ProjectTerms) -> int:
    """What the payments booked for a project's deposit lack to the agreed sum, in won."""
    agreed = sum(one.deposit_krw for one in project.agreements if one.self_pay_mode == "deposit")
    paid = connection.scalar(
        text(
            "SELECT coalesce(sum(amount_krw), 0)::bigint FROM payment WHERE account = :account AND entry_id IS NOT NULL"
        ),
        {"account": f"deposit:{project.code}"},
    )
    return max(0, agreed - paid)

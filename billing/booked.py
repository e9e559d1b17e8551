"""Charge rows in the database: what was booked before a month, and writing what a month books."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Row, text

from billing.charge import BookedLine, ChargeLine
from core.database import copy_rows
from core.month import Month

COLUMNS = (
    "programme", "month", "project", "service_month", "kind", "key", "line_key", "line", "supplier", "description",
    "tax", "quantity_base", "unit", "unit_price_krw", "price_version", "performed_on", "accepted_at", "work_seq",
    "accept_seq", "rated_krw", "held_krw", "amount_krw", "vat_krw", "payee", "cost_krw", "reason",
)  # fmt: skip


def booked_lines(connection: Connection, programme: str, month: Month) -> dict[tuple[str, Month, str], BookedLine]:
    """Every charge line that months before `month` booked: its last row with the sums over all of them."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (project, service_month, line_key) charge.*,"
            " sum(quantity_base) OVER line AS quantity_sum, (sum(amount_krw) OVER line)::bigint AS amount_sum,"
            " (sum(vat_krw) OVER line)::bigint AS vat_sum, (sum(cost_krw) OVER line)::bigint AS cost_sum,"
            " min(month) FILTER (WHERE amount_krw <> 0) OVER line AS first_month"
            " FROM charge WHERE programme = :programme AND month < :month"
            " WINDOW line AS (PARTITION BY project, service_month, line_key)"
            " ORDER BY project, service_month, line_key, month DESC"
        ),
        {"programme": programme, "month": month.first},
    )
    found = {}
    for row in rows:
        line = replace(
            charge_line(row), quantity_base=int(row.quantity_sum), amount_krw=row.amount_sum, vat_krw=row.vat_sum,
            cost_krw=row.cost_sum,
        )  # fmt: skip
        first = Month.of(row.first_month) if row.first_month else None
        found[line.identity] = BookedLine(line=line, first_month=first)
    return found


def month_charges(connection: Connection, programme: str, month: Month) -> list[tuple[int, ChargeLine]]:
    """The rows that a month booked, with their ids, in the order of the run."""
    rows = connection.execute(
        text("SELECT * FROM charge WHERE programme = :programme AND month = :month ORDER BY id"),
        {"programme": programme, "month": month.first},
    )
    return [(row.id, charge_line(row)) for row in rows]


def charge_line(row: Row) -> ChargeLine:
    """A row of `charge` as a frozen value."""
    names = ChargeLine.__dataclass_fields__.keys() - {"service_month", "quantity_base", "origin"}
    return ChargeLine(
        **{name: getattr(row, name) for name in names},
        service_month=Month.of(row.service_month),
        quantity_base=int(row.quantity_base),
    )


def write_charges(connection: Connection, programme: str, month: Month, rows: Sequence[ChargeLine]) -> None:
    """Books a month's rows. The database refuses a locked month and a second booking of the same line."""
    copy_rows(
        connection,
        "charge",
        COLUMNS,
        (
            (programme, month.first, *(_value(row, name) for name in COLUMNS[2:]))
            for row in rows
        ),
    )  # fmt: skip


def _value(row: ChargeLine, name: str) -> object:
    value = getattr(row, name)
    return value.first if name == "service_month" else value

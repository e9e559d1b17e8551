"""What earlier months settled: totals by agreement line, pools and contributions."""

from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import Connection, text

from core.month import Month
from settlement.forecast import Executed


@dataclass(frozen=True, kw_only=True)
class LineTotals:
    """What all earlier months booked of an agreement line, in won."""

    voucher_krw: int
    self_pay_krw: int
    excess_krw: int
    deposit_drawn_krw: int


@dataclass(frozen=True, kw_only=True)
class IncentiveHistory:
    """Earlier pools in won, what of them is carried, and contributions by hospital: T(n−1) and carried."""

    pools_krw: int
    carried_krw: int
    totals: dict[str, Fraction]
    carried: dict[str, Fraction]


def line_totals(connection: Connection, programme: str, month: Month) -> dict[str, LineTotals]:
    """Totals by line code before a month."""
    rows = connection.execute(
        text(
            "SELECT line, sum(voucher_krw)::bigint AS voucher_krw, sum(self_pay_krw)::bigint AS self_pay_krw,"
            " sum(excess_krw)::bigint AS excess_krw, sum(deposit_drawn_krw)::bigint AS deposit_drawn_krw"
            " FROM line_settlement WHERE programme = :programme AND month < :month GROUP BY line"
        ),
        {"programme": programme, "month": month.first},
    )
    return {
        row.line: LineTotals(**{key: value for key, value in row._mapping.items() if key != "line"}) for row in rows
    }


def executed_by_month(connection: Connection, programme: str) -> dict[str, dict[Month, Executed]]:
    """What each locked month executed of each line, and the line's limit in it, by line code."""
    rows = connection.execute(
        text(
            "SELECT line, month, voucher_krw, limit_krw FROM line_settlement JOIN month_lock USING (programme, month)"
            " WHERE programme = :programme ORDER BY line, month"
        ),
        {"programme": programme},
    )
    found: dict[str, dict[Month, Executed]] = {}
    for row in rows:
        executed = Executed(voucher_krw=row.voucher_krw, limit_krw=row.limit_krw)
        found.setdefault(row.line, {})[Month.of(row.month)] = executed
    return found


def incentive_history(connection: Connection, programme: str, month: Month) -> IncentiveHistory:
    """Pools and contributions before a month."""
    before = {"programme": programme, "month": month.first}
    pools = connection.execute(
        text(
            "SELECT coalesce(sum(pool_krw), 0)::bigint AS pools_krw,"
            " coalesce(sum(pool_krw - distributed_krw), 0)::bigint AS carried_krw"
            " FROM incentive_pool WHERE programme = :programme AND month < :month"
        ),
        before,
    ).one()
    shares = connection.execute(
        text(
            "SELECT DISTINCT ON (hospital) hospital, total_numerator, total_denominator, carried_numerator,"
            " carried_denominator FROM incentive_share WHERE programme = :programme AND month < :month"
            " ORDER BY hospital, month DESC"
        ),
        before,
    ).all()
    return IncentiveHistory(
        pools_krw=pools.pools_krw,
        carried_krw=pools.carried_krw,
        totals={row.hospital: Fraction(int(row.total_numerator), int(row.total_denominator)) for row in shares},
        carried={row.hospital: Fraction(int(row.carried_numerator), int(row.carried_denominator)) for row in shares},
    )

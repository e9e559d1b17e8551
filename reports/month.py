"""The figures of a month as `month run` and `month show` answer them (contract.md §6), read from what was booked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from billing.booked import month_charges
from billing.charge import ChargeLine
from core.month import Month
from registry.values import ProgrammeTerms
from settlement.line import LineResult
from settlement.matrix import LineFlow, Matrix, matrix
from settlement.source import source_shares

LINE_FIGURES = ("supply_krw", "voucher_krw", "self_pay_krw", "excess_krw", "vat_krw", "held_krw")


def month_lines(connection: Connection, programme: str, month: Month) -> list[LineResult]:
    """The line settlements that a month booked, by line code."""
    rows = connection.execute(
        text("SELECT * FROM line_settlement WHERE programme = :programme AND month = :month ORDER BY line"),
        {"programme": programme, "month": month.first},
    )
    return [LineResult(**{name: getattr(row, name) for name in LineResult.__dataclass_fields__}) for row in rows]


def charge_reference(month: Month, row: ChargeLine) -> str:
    """The id under which every output shows a charge row and `trace` finds it."""
    return f"charge:{month}/{row.project}/{row.service_month}/{row.kind}/{row.key}"


def charge_rows(month: Month, rows: Iterable[ChargeLine]) -> list[dict]:
    """Charge rows as the contract names them."""
    return [
        {
            "id": charge_reference(month, row),
            "kind": row.kind,
            "project": row.project,
            "service_month": str(row.service_month),
            "key": row.key,
            "amount_krw": row.amount_krw,
            "vat_krw": row.vat_krw,
            "correction": row.service_month < month,
        }
        for row in rows
    ]


def company_figures(terms: ProgrammeTerms, charges: Sequence[ChargeLine], lines: Sequence[LineResult]) -> dict:
    """By company: what it owes for the month in all, and what of it is due after the deposit."""
    total: dict[str, int] = defaultdict(int)
    drawn: dict[str, int] = defaultdict(int)
    for line in lines:
        company = terms.projects[line.project].company
        total[company] += line.owed_krw
        drawn[company] += line.deposit_drawn_krw
    for row in charges:
        if row.line is None:
            total[terms.projects[row.project].company] += row.amount_krw + row.vat_krw
    return {code: {"total_krw": krw, "due_krw": krw - drawn[code]} for code, krw in sorted(total.items())}


def hospital_figures(lines: Sequence[LineResult], shares: dict[str, int]) -> dict:
    """By hospital that the programme pays: charged supply, VAT, voucher, the company's part, incentive."""
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        if line.paid_to != "hospital":
            continue
        row = found.setdefault(line.supplier, _empty_hospital())
        row["supply_krw"] += line.supply_krw
        row["vat_krw"] += line.vat_krw
        row["voucher_krw"] += line.voucher_krw
        row["from_company_krw"] += line.own_krw
    for hospital, share in shares.items():
        found.setdefault(hospital, _empty_hospital())["incentive_krw"] = share
    return dict(sorted(found.items()))


def _empty_hospital() -> dict[str, int]:
    return dict.fromkeys(("supply_krw", "vat_krw", "voucher_krw", "from_company_krw", "incentive_krw"), 0)


def matrix_figures(
    terms: ProgrammeTerms, charges: Sequence[ChargeLine], lines: Sequence[LineResult], pool_krw: int
) -> Matrix:
    """The month's sources × uses."""
    flows = [
        LineFlow(
            use=line.use,
            voucher_krw=line.voucher_krw,
            self_pay_krw=line.self_pay_krw,
            excess_krw=line.excess_krw,
            vat_krw=line.vat_krw,
        )
        for line in lines
    ]
    fee = sum(row.amount_krw + row.vat_krw for row in charges if row.kind == "fee")
    usage = sum(row.amount_krw + row.vat_krw for row in charges if row.line is None and row.kind != "fee")
    return matrix(flows, usage, fee, pool_krw, fixed_pool=bool(terms.incentive_monthly_krw))


def incentive_figures(connection: Connection, programme: str, month: Month) -> dict:
    """The month's pool and the hospitals' shares."""
    at = {"programme": programme, "month": month.first}
    pool = connection.execute(
        text(
            "SELECT pool_krw, distributed_krw, carried_krw FROM incentive_pool"
            " WHERE programme = :programme AND month = :month"
        ),
        at,
    ).one_or_none()
    shares = connection.execute(
        text(
            "SELECT hospital, share_krw FROM incentive_share WHERE programme = :programme AND month = :month"
            " ORDER BY hospital"
        ),
        at,
    )
    figures = dict(pool._mapping) if pool else {"pool_krw": 0, "distributed_krw": 0, "carried_krw": 0}
    return {**figures, "shares": {row.hospital: row.share_krw for row in shares}}


def budget_figures(connection: Connection, terms: ProgrammeTerms, month: Month) -> dict:
    """Budget execution at the month's close (domain.md §9), from the books and the dated records up to its last day."""
    rows = connection.execute(
        text(
            "SELECT CASE WHEN starts_with(code, 'budget:executed:') THEN 'executed'"
            "  WHEN starts_with(code, 'budget:committed:') THEN 'committed'"
            "  WHEN code = 'budget:available' THEN 'available' ELSE 'appropriation' END AS item,"
            " sum(amount_krw)::bigint AS krw,"
            " coalesce(sum(amount_krw) FILTER (WHERE month = :month), 0)::bigint AS now_krw"
            " FROM posting JOIN account ON account.id = posting.account_id JOIN entry ON entry.id = posting.entry_id"
            " WHERE entry.programme = :programme AND is_budget AND month <= :month GROUP BY 1"
        ),
        {"programme": terms.code, "month": month.first},
    ).all()
    krw = defaultdict(int, {row.item: row.krw for row in rows})
    executed_month = next((row.now_krw for row in rows if row.item == "executed"), 0)
    records = connection.execute(
        text(
            "SELECT kind, sum(amount_krw)::bigint AS krw FROM budget_record"
            " WHERE programme = :programme AND dated <= :last GROUP BY kind"
        ),
        {"programme": terms.code, "last": month.last},
    )
    dated = defaultdict(int, {row.kind: row.krw for row in records})
    current = -krw["appropriation"]
    return {
        "appropriation_krw": terms.appropriation_krw,
        "current_krw": current,
        "received_krw": dated["grant_received"],
        "executed_krw": krw["executed"],
        "executed_month_krw": executed_month,
        "committed_krw": krw["committed"],
        "available_krw": krw["available"],
        "balance_krw": current - krw["executed"],
        "interest_krw": dated["interest"],
    }


def month_figures(connection: Connection, terms: ProgrammeTerms, month: Month) -> dict:
    """All figures of a month but its state, steps and ties."""
    charges = [row for _id, row in month_charges(connection, terms.code, month)]
    lines = month_lines(connection, terms.code, month)
    incentive = incentive_figures(connection, terms.code, month)
    return {
        "charges": charge_rows(month, charges),
        "lines": {line.line: {name: getattr(line, name) for name in LINE_FIGURES} for line in lines},
        "matrix": matrix_figures(terms, charges, lines, incentive["pool_krw"]),
        "company": company_figures(terms, charges, lines),
        "hospital": hospital_figures(lines, incentive["shares"]),
        "incentive": incentive,
        "budget": budget_figures(connection, terms, month),
        "sources": {
            code: {"executed_krw": one.executed_krw, "executed_month_krw": one.executed_month_krw}
            for code, one in source_shares(lines, terms.sources).items()
        },
    }

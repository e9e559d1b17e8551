"""The national view (domain.md §1, NABO): the budget execution of all programmes, rolled up by ministry and type."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, text

from core.month import Month
from registry.terms import programme_codes, programme_terms
from reports.month import budget_figures

COLUMNS = ("appropriation_krw", "current_krw", "received_krw", "executed_krw", "carried_krw", "left_krw")

# 국회예산정책처, 보건의료 데이터 재정사업 2021, in 100M won. The ministries sum to 8,455 of 8,494: shown as published.
PUBLISHED = {
    "year": 2021,
    "unit_krw": 100_000_000,
    "total": 8_494,
    "by_type": {"수집·구축": 4_624, "활용": 3_588, "표준화·정보보호": 282},
    "by_ministry": {
        "과학기술정보통신부": 4_773, "보건복지부": 1_981, "산업통상자원부": 1_279, "질병관리청": 256, "기타": 166,
    },
}  # fmt: skip


def national_view(connection: Connection, month: Month) -> dict:
    """By programme, ministry, type and in all at the end of a month, in won: budget, 예산현액 A, 교부 B, 집행 C,
    이월 D, 잔액 E; A = C + D + E.
    """
    names = dict(connection.execute(text("SELECT code, name FROM party WHERE kind = 'ministry'")).all())
    rows = [_programme(connection, code, month, names) for code in programme_codes(connection)]
    return {
        "month": str(month),
        "programmes": rows,
        "ministries": _rolled_up(rows, lambda row: row["ministry_name"]),
        "types": _rolled_up(rows, lambda row: row["type"]),
        "total": _sums(rows),
        "published": PUBLISHED,
    }


def _programme(connection: Connection, code: str, month: Month, names: dict[str, str]) -> dict:
    terms = programme_terms(connection, code)
    budget = budget_figures(connection, terms, month)
    carried = _carried_krw(connection, code, month)
    return {
        "programme": code, "name": terms.name, "fiscal_year": terms.fiscal_year, "type": terms.type,
        "ministry": terms.ministry, "ministry_name": names[terms.ministry],
        **{name: budget[name] for name in ("appropriation_krw", "current_krw", "received_krw", "executed_krw")},
        "carried_krw": carried, "left_krw": budget["balance_krw"] - carried,
    }  # fmt: skip


def _carried_krw(connection: Connection, programme: str, month: Month) -> int:
    """What is carried into the next year, once the programme is finally settled."""
    return connection.scalar(
        text(
            "SELECT coalesce(sum(amount_krw), 0)::bigint FROM carry_over JOIN programme_lock USING (programme)"
            " WHERE programme = :programme AND programme_lock.month <= :month"
        ),
        {"programme": programme, "month": month.first},
    )


def _sums(rows: Iterable[dict]) -> dict[str, int]:
    members = list(rows)
    return {name: sum(row[name] for row in members) for name in COLUMNS}


def _rolled_up(rows: list[dict], key: Callable[[dict], str]) -> dict[str, dict[str, int]]:
    return {name: _sums(row for row in rows if key(row) == name) for name in sorted({key(row) for row in rows})}

"""Research results (연구성과) and the data that led to them: written once, their revenue grows (domain.md §10)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, insert, text

from registry import models
from registry.changes import Plan, added
from registry.reference import Result, Revenue


@dataclass(frozen=True, kw_only=True)
class ResultTerms:
    """A result as it is on record: `datasets` are (line, works, none of them: all), `revenue` (local day, won)."""

    code: str
    project: str
    kind: str
    title: str
    dated: date
    evidence: str | None
    sharing: str | None
    datasets: tuple[tuple[str, tuple[str, ...]], ...]
    revenue: tuple[tuple[date, int], ...]


def write_results(connection: Connection, changes: Plan) -> None:
    """Writes the new results of a plan, and what others have earned since."""
    new = [table for (kind, _), table in changes.new.items() if kind == "result"]
    grown = [change for (kind, _), change in changes.changed.items() if kind == "result"]
    _insert(connection, models.Result, map(_row, new))
    _insert(
        connection,
        models.ResultDataset,
        ({"result": one.code, "line": data.line, "works": list(data.works)} for one in new for data in one.datasets),
    )
    _insert(connection, models.ResultRevenue, (row for one in new for row in _revenue(one.code, one.revenue)))
    earned = ((change.new.code, added(change.old.revenue, change.new.revenue)) for change in grown)
    _insert(connection, models.ResultRevenue, (row for code, fresh in earned for row in _revenue(code, fresh)))


def _insert(connection: Connection, model: type, rows: Iterable[dict]) -> None:
    values = list(rows)
    if values:
        connection.execute(insert(model), values)


def _row(result: Result) -> dict:
    evidence = result.evidence
    return {name: getattr(result, name) for name in ("code", "project", "kind", "title", "sharing")} | {
        "dated": result.on,
        "evidence_reference": evidence.reference if evidence else None,
        "evidence_sha256": evidence.sha256 if evidence else None,
    }


def _revenue(code: str, items: Sequence[Revenue]) -> Iterable[dict]:
    return ({"result": code, "dated": one.on, "amount_krw": one.krw} for one in items)


def results_of(connection: Connection, programme: str) -> list[ResultTerms]:
    """Every result of a programme's projects, by code."""
    of = {"programme": programme}
    among = "IN (SELECT result.code FROM result JOIN project ON project.code = project WHERE programme = :programme)"
    datasets: dict[str, list] = {}
    for row in connection.execute(
        text(f"SELECT result, line, works FROM result_dataset WHERE result {among} ORDER BY result, line"),  # noqa: S608
        of,
    ):
        datasets.setdefault(row.result, []).append((row.line, tuple(row.works)))
    revenue: dict[str, list] = {}
    for row in connection.execute(
        text(f"SELECT result, dated, amount_krw FROM result_revenue WHERE result {among} ORDER BY dated, id"),  # noqa: S608
        of,
    ):
        revenue.setdefault(row.result, []).append((row.dated, row.amount_krw))
    rows = connection.execute(
        text(
            "SELECT code, project, kind, title, dated, coalesce(evidence_reference, evidence_sha256) AS evidence,"  # noqa: S608
            f" sharing FROM result WHERE code {among} ORDER BY code"
        ),
        of,
    )
    return [
        ResultTerms(**row._mapping, datasets=tuple(datasets[row.code]), revenue=tuple(revenue.get(row.code, ())))
        for row in rows
    ]

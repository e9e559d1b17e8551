"""Usage derived anew from the raw events: the other side of every tie with the roll-up."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, text

from core.month import day_of_number
from metering import rules
from metering.corrected import corrected_trees, project_ids, seq_limit
from metering.corrections import Slice, usage_slices
from metering.fields import instant, milli_of
from metering.rollup import Totals, last_mark
from metering.slices import day_slices

FETCH_ROWS = 50_000


def raw_totals(connection: Connection, projects: Sequence[str], mark: int) -> Totals:
    """(project, meter, key) → effective GPU usage from the raw rows and their corrections, not from the roll-up."""
    ids = project_ids(connection, projects)
    rows = connection.execute(
        text(
            "SELECT project_id, value AS model, sum((end_us - start_us)::numeric * gpus_milli) AS quantity FROM event"
            " JOIN term ON term.id = model_id WHERE type = 0 AND project_id = ANY(:projects) AND seq < :limit"
            " GROUP BY project_id, value"
        ),
        {"projects": list(ids), "limit": seq_limit(mark)},
    )
    totals = Counter({(ids[row.project_id], "gpu", row.model): int(row.quantity) for row in rows})
    for root in corrected_trees(connection, mark, [rules.GPU]).values():
        values = root.values
        start_us, end_us = (instant(values[name], name)[0] for name in ("start", "end"))
        totals[values["project"], "gpu", values["model"]] -= (end_us - start_us) * milli_of(values["gpus"])
        for (project, model, _), quantity in usage_slices(root).items():
            totals[project, "gpu", model] += quantity
    return {key: quantity for key, quantity in totals.items() if quantity and key[0] in set(projects)}


def rederive(connection: Connection, projects: Sequence[str], mark: int | None = None) -> list[tuple[str, str]]:
    """Slices every raw GPU event anew and compares with the roll-up, day by day: (what differs, its reference)."""
    mark = last_mark(connection) if mark is None else mark
    raw, rolled = _raw_days(connection, projects, mark), _rolled_days(connection, projects, mark)
    found = []
    for project, model, day in sorted({*raw, *rolled}):
        left, right = (days.get((project, model, day), 0) for days in (raw, rolled))
        if left != right:
            local = day_of_number(day)
            message = f"{project} {model} {local}: 원시 이벤트 {left} ≠ 일 사용량 {right} (µs × 1/1000 GPU)"
            found.append((message, f"usage:{project}/gpu/{model}/{local}"))
    return found


def _raw_days(connection: Connection, projects: Sequence[str], mark: int) -> dict[Slice, int]:
    ids = project_ids(connection, projects)
    trees = corrected_trees(connection, mark, [rules.GPU])
    rows = connection.execute(
        text(
            "SELECT seq, project_id, model_id, start_us, end_us, gpus_milli FROM event"
            " WHERE type = 0 AND project_id = ANY(:projects) AND seq < :limit"
        ),
        {"projects": list(ids), "limit": seq_limit(mark)},
        execution_options={"yield_per": FETCH_ROWS},
    )
    by_id: Counter = Counter()
    for seq, project_id, model_id, start_us, end_us, gpus_milli in rows:
        if seq not in trees:
            for day, quantity in day_slices(start_us, end_us, gpus_milli):
                by_id[project_id, model_id, day] += quantity
    models = _texts(connection, {model_id for _, model_id, _ in by_id})
    days = Counter({(ids[p], models[m], day): quantity for (p, m, day), quantity in by_id.items()})
    for root in trees.values():
        for key, quantity in usage_slices(root).items():
            if key[0] in set(projects):
                days[key] += quantity
    return days


def _texts(connection: Connection, ids: set[int]) -> dict[int, str]:
    rows = connection.execute(text("SELECT id, value FROM term WHERE id = ANY(:ids)"), {"ids": sorted(ids)})
    return {row.id: row.value for row in rows}


def _rolled_days(connection: Connection, projects: Sequence[str], mark: int) -> dict[Slice, int]:
    rows = connection.execute(
        text(
            "SELECT project.value AS project, model.value AS model, day, sum(quantity) AS quantity FROM usage_delta"
            " JOIN term AS project ON project.id = project_id JOIN term AS model ON model.id = model_id"
            " WHERE meter = 0 AND batch_id <= :mark AND project.value = ANY(:projects) GROUP BY 1, 2, 3"
        ),
        {"mark": mark, "projects": list(projects)},
    )
    return {(row.project, row.model, row.day): int(row.quantity) for row in rows}

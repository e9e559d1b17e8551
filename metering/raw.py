"""Usage derived anew from the raw events: the other side of every tie with the roll-up."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from core.month import day_of_number
from metering import rules
from metering.corrections import GPU_METER, METERED, Slice, usage_slices, value_slices
from metering.fields import instant, milli_of
from metering.forest import corrected_trees, project_ids, seq_limit
from metering.rollup import METERS, Totals, last_mark
from metering.slices import day_slices

FETCH_ROWS = 50_000
SECOND = 1_000_000 * 1_000


def raw_totals(connection: Connection, projects: Sequence[str], mark: int) -> Totals:
    """(project, meter, key) → effective usage from the raw rows and their corrections, not from the roll-up."""
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
    totals.update(_job_totals(connection, ids, mark))
    for root in corrected_trees(connection, mark, METERED).values():
        totals.subtract(_uncut(root.type, root.values))
        for (project, meter, model, _), quantity in usage_slices(root).items():
            totals[project, METERS[meter], model] += quantity
    return {key: quantity for key, quantity in totals.items() if quantity and key[0] in set(projects)}


def _job_totals(connection: Connection, ids: Mapping[int, str], mark: int) -> Totals:
    rows = connection.execute(
        text(
            "SELECT project_id, data::jsonb ->> 'model' AS model,"
            " sum((data::jsonb ->> 'elapsed_s')::numeric * (data::jsonb ->> 'gpu_count')::int) AS gpu_s,"
            " sum((data::jsonb ->> 'elapsed_s')::numeric * (data::jsonb ->> 'core_count')::int) AS core_s FROM event"
            " WHERE type = :job AND project_id = ANY(:projects) AND seq < :limit GROUP BY 1, 2"
        ),
        {"job": rules.JOB, "projects": list(ids), "limit": seq_limit(mark)},
    )
    totals = {}
    for row in rows:
        totals[ids[row.project_id], "gpu", row.model] = int(row.gpu_s) * SECOND
        totals[ids[row.project_id], "cpu", row.model] = int(row.core_s) * SECOND
    return totals


def _uncut(number: int, values: Mapping[str, Any]) -> Totals:
    """What an event adds up to as a whole, by its canonical values."""
    project, model = values["project"], values["model"]
    if number == rules.JOB:
        counts = zip(METERS, (values["gpu_count"], values["core_count"]), strict=True)
        return {(project, meter, model): values["elapsed_s"] * SECOND * count for meter, count in counts}
    start_us, end_us = (instant(values[name], name)[0] for name in ("start", "end"))
    return {(project, "gpu", model): (end_us - start_us) * milli_of(values["gpus"])}


def rederive(connection: Connection, projects: Sequence[str], mark: int | None = None) -> list[tuple[str, str]]:
    """Slices every raw event anew and compares with the roll-up, day by day: (what differs, its reference)."""
    mark = last_mark(connection) if mark is None else mark
    raw, rolled = _raw_days(connection, projects, mark), _rolled_days(connection, projects, mark)
    found = []
    for project, meter, model, day in sorted({*raw, *rolled}):
        left, right = (days.get((project, meter, model, day), 0) for days in (raw, rolled))
        if left != right:
            local, name = day_of_number(day), METERS[meter]
            message = f"{project} {model} {local}: 원시 이벤트 {left} ≠ 일 사용량 {right} (µs × 1/1000 {name.upper()})"
            found.append((message, f"usage:{project}/{name}/{model}/{local}"))
    return found


def _raw_days(connection: Connection, projects: Sequence[str], mark: int) -> dict[Slice, int]:
    ids = project_ids(connection, projects)
    trees = corrected_trees(connection, mark, METERED)
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
    days = Counter({(ids[p], GPU_METER, models[m], day): quantity for (p, m, day), quantity in by_id.items()})
    for values in _jobs(connection, ids, mark, trees):
        days.update(value_slices(rules.JOB, values))
    for root in trees.values():
        for key, quantity in usage_slices(root).items():
            if key[0] in set(projects):
                days[key] += quantity
    return days


def _jobs(connection: Connection, ids: Mapping[int, str], mark: int, corrected: Collection[int]) -> Iterator[dict]:
    """The canonical values of the jobs of some projects that nothing corrects."""
    rows = connection.execute(
        text(
            "SELECT data FROM event WHERE type = :job AND project_id = ANY(:projects) AND seq < :limit"
            " AND seq <> ALL(:corrected)"
        ),
        {"job": rules.JOB, "projects": list(ids), "limit": seq_limit(mark), "corrected": sorted(corrected)},
        execution_options={"yield_per": FETCH_ROWS},
    )
    return (msgspec.json.decode(data) for (data,) in rows)


def _texts(connection: Connection, ids: set[int]) -> dict[int, str]:
    rows = connection.execute(text("SELECT id, value FROM term WHERE id = ANY(:ids)"), {"ids": sorted(ids)})
    return {row.id: row.value for row in rows}


def _rolled_days(connection: Connection, projects: Sequence[str], mark: int) -> dict[Slice, int]:
    rows = connection.execute(
        text(
            "SELECT project.value AS project, model.value AS model, meter, day, sum(quantity) AS quantity"
            " FROM usage_delta"
            " JOIN term AS project ON project.id = project_id JOIN term AS model ON model.id = model_id"
            " WHERE batch_id <= :mark AND project.value = ANY(:projects) GROUP BY 1, 2, 3, 4"
        ),
        {"mark": mark, "projects": list(projects)},
    )
    return {(row.project, row.meter, row.model, row.day): int(row.quantity) for row in rows}

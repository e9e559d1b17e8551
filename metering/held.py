"""Storage usage of projects: the step function of what was held, cut at local midnights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from heapq import merge

import msgspec
from sqlalchemy import Connection, text

from metering import rules
from metering.corrections import Node, amended, stands
from metering.fields import instant
from metering.forest import corrected_trees, project_ids, seq_limit
from metering.slices import midnight_us
from metering.storage import Reading, Step, steps
from metering.values import Usage

FETCH_ROWS = 50_000
STORAGE = (rules.SNAPSHOT, rules.DELETED)


def storage_steps(connection: Connection, projects: Sequence[str], mark: int) -> Iterator[Step]:
    """The steps of every volume of some projects, from readings of batches up to `mark`, corrections applied."""
    return steps(storage_readings(connection, projects, mark))


def storage_readings(connection: Connection, projects: Sequence[str], mark: int) -> Iterator[Reading]:
    """The snapshots and deletions that steps are made of, sorted."""
    trees = corrected_trees(connection, mark, STORAGE)
    fixed = (_effective(root) for root in trees.values() if stands(root))
    wanted = sorted((one for one in fixed if one.project in set(projects)), key=lambda one: one.order)
    ids = project_ids(connection, projects)
    rows = connection.execute(
        text(
            "SELECT seq, type, source.value AS source, event_id, project_id, start_us, data FROM event"
            " JOIN term AS source ON source.id = source_id JOIN term AS project ON project.id = project_id"
            " WHERE type IN (1, 2) AND project_id = ANY(:projects) AND seq < :limit AND seq <> ALL(:fixed)"
            ' ORDER BY project.value COLLATE "C", data::jsonb ->> \'volume\' COLLATE "C", start_us, type,'
            ' source.value COLLATE "C", event_id COLLATE "C"'
        ),
        {"projects": list(ids), "limit": seq_limit(mark), "fixed": sorted(trees)},
        execution_options={"yield_per": FETCH_ROWS},
    )
    yield from merge(map(_reading, rows), wanted, key=lambda one: one.order)


def _reading(row) -> Reading:
    return _of_values(row.seq, row.type, row.source, row.event_id, msgspec.json.decode(row.data), row.start_us)


def _effective(root: Node) -> Reading:
    values = amended(root)
    return _of_values(root.seq, root.type, root.source, root.id, values, instant(values["at"], "at")[0])


def _of_values(seq: int, number: int, source: str, event_id: str, values: Mapping, at_us: int) -> Reading:
    return Reading(
        seq=seq, type=number, source=source, id=event_id, project=values["project"], volume=values["volume"],
        zone=values.get("zone", ""), storage_class=values.get("class", "standard"), at_us=at_us,
        held_bytes=values.get("bytes", 0),
    )  # fmt: skip


def stored_usage(
    connection: Connection, ends: Mapping[str, date], mark: int, until: date, cuts: Sequence[date]
) -> list[Usage]:
    """Storage by class in microseconds × bytes, on local days before `until`, summed between ascending cuts.

    `ends`: project → last local day of its agreements, where its usage is cut; what is held runs on until then.
    """
    return _summed(connection, ends, mark, until, cuts, lambda one: one.storage_class)


def volume_usage(
    connection: Connection, ends: Mapping[str, date], mark: int, until: date, cuts: Sequence[date]
) -> list[Usage]:
    """The same by volume."""
    return _summed(connection, ends, mark, until, cuts, lambda one: one.volume)


def _summed(
    connection: Connection, ends: Mapping[str, date], mark: int, until: date, cuts: Sequence[date],
    key: Callable[[Reading], str],
) -> list[Usage]:  # fmt: skip
    starts_us = [midnight_us(day) for day in cuts]
    until_us = midnight_us(until)
    ends_us = {code: midnight_us(day, 1) for code, day in ends.items()}
    sums: dict[tuple[str, str, date], int] = {}
    for step in storage_steps(connection, list(ends), mark):
        reading = step.begun_by
        last_us = min(until_us, ends_us[reading.project])
        for starts, start_us, end_us in zip(cuts, starts_us, (*starts_us[1:], last_us), strict=True):
            quantity = step.within(start_us, min(end_us, last_us))
            if quantity:
                name = (reading.project, key(reading), starts)
                sums[name] = sums.get(name, 0) + quantity
    return [
        Usage(project=project, meter="storage", key=name, starts=starts, quantity=quantity)
        for (project, name, starts), quantity in sorted(sums.items())
    ]


def uncut_storage(connection: Connection, ends: Mapping[str, date], mark: int, until: date) -> int:
    """All storage of some projects before `until`, microseconds × bytes, each step as a whole: the other side of a tie
    with what was cut at months and price changes."""
    until_us = midnight_us(until)
    total = 0
    for step in storage_steps(connection, list(ends), mark):
        last_us = min(until_us, midnight_us(ends[step.begun_by.project], 1))
        total += step.within(step.begun_by.at_us, last_us)
    return total

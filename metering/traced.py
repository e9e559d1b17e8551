"""From a usage figure to the events behind it, and from an event to the figures that it is part of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from sqlalchemy import Connection, text

from core.month import day_of_number, kst_day
from metering import forest, rules, store
from metering.corrections import METERED, Node, amended, usage_slices
from metering.fields import instant, moment_of
from metering.forest import corrected_trees, project_ids, seq_limit
from metering.held import storage_steps
from metering.rollup import METERS, last_mark
from metering.slices import midnight_us
from metering.storage import Step

COUNTS = {"gpu": "gpu_count", "cpu": "core_count"}


@dataclass(frozen=True, kw_only=True)
class EventFigures:
    """An event's reference, and the usage figures of which it is part: `meters` empty where it is none of usage.

    `first_day` and `last_day`: local days on which it counts, inclusive.
    """

    seq: int
    reference: dict
    project: str | None
    meters: tuple[str, ...] = ()
    key: str | None = None
    first_day: date | None = None
    last_day: date | None = None


def events_by_seq(connection: Connection, seqs: Sequence[int]) -> list[dict]:
    """{source, id, topic, partition, offset, hash} of stored events, in order of intake.

    `hash`: the whole SHA-256 of the content, computed anew from the canonical fields that are stored.
    """
    rows = connection.execute(
        text(
            f"SELECT {forest.COLUMNS}, coalesce(held.held_record, event.record) AS record,"  # noqa: S608
            " topic.value AS topic, coalesce(held_partition, partition) AS partition"
            f" FROM {forest.TABLES} JOIN intake_batch ON intake_batch.id = event.seq >> 20"
            " LEFT JOIN (SELECT seq AS held_seq, record AS held_record, partition AS held_partition,"
            "  topic_id AS held_topic_id FROM quarantine) AS held ON held_seq = event.seq"
            " JOIN term AS topic ON topic.id = coalesce(held_topic_id, topic_id)"
            " WHERE event.seq = ANY(:seqs) ORDER BY event.seq"
        ),
        {"seqs": list(seqs)},
    )
    return [_reference(row) for row in rows]


def with_corrections(connection: Connection, seqs: Sequence[int]) -> list[int]:
    """The sequence numbers and those of every void and amendment of them, in order of intake."""
    found, newest = set(seqs), list(seqs)
    while newest:
        newest = list(
            connection.scalars(
                text("SELECT seq FROM event WHERE target_seq = ANY(:seqs) AND type = ANY(:types)"),
                {"seqs": newest, "types": [rules.VOIDED, rules.AMENDED]},
            )
        )
        found.update(newest)
    return sorted(found)


def void_reasons(connection: Connection, seqs: Sequence[int], mark: int) -> dict[int, str]:
    """Why events were taken out, by their sequence number: the reason of the first void up to a mark."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (target_seq) target_seq, data::jsonb ->> 'reason' AS reason FROM event"
            " WHERE type = :void AND target_seq = ANY(:seqs) AND seq < :limit ORDER BY target_seq, seq"
        ),
        {"void": rules.VOIDED, "seqs": list(seqs), "limit": seq_limit(mark)},
    )
    return {row.target_seq: row.reason for row in rows}


def _reference(row) -> dict:
    data = rules.canonical_json(forest.node_of(row).values)
    return {
        "source": row.source, "id": row.event_id, "topic": row.topic, "partition": row.partition,
        "offset": row.record, "hash": rules.content_hash(row.type, data).hex(),
    }  # fmt: skip


def event_refs(
    connection: Connection, project: str, meter: str, key: str, start: date, end: date, mark: int, limit: int
) -> list[dict]:
    """The events behind a usage figure of local days `start` to before `end`, `limit` at most.

    `meter`: gpu, cpu or storage; `key`: GPU model; storage class or volume. An event that was corrected comes with its
    corrections.
    """
    start_us, end_us = midnight_us(start), midnight_us(end)
    if meter == "storage":
        seqs = _storage_seqs(connection, project, key, start_us, end_us, mark)
    else:
        seqs = _allocated_seqs(connection, project, meter, key, (start, end), mark, limit)
    return events_by_seq(connection, sorted(islice(dict.fromkeys(seqs), limit)))


def _allocated_seqs(
    connection: Connection, project: str, meter: str, model: str, days: tuple[date, date], mark: int, limit: int
) -> Iterator[int]:
    trees = corrected_trees(connection, mark, METERED)
    arguments = {
        "projects": list(project_ids(connection, [project])), "model": model, "count": COUNTS[meter],
        "start": midnight_us(days[0]), "end": midnight_us(days[1]), "limit": seq_limit(mark),
        "corrected": sorted(trees), "rows": limit,
    }  # fmt: skip
    overlapping = (
        " AND project_id = ANY(:projects) AND start_us < :end AND end_us > :start AND seq < :limit"
        " AND seq <> ALL(:corrected) ORDER BY seq LIMIT :rows"
    )
    if meter == "gpu":
        of_model = "SELECT seq FROM event JOIN term ON term.id = model_id WHERE type = 0 AND value = :model"
        yield from connection.scalars(text(of_model + overlapping), arguments)
    jobs = (
        "SELECT seq FROM event WHERE type = 9 AND data::jsonb ->> 'model' = :model"
        " AND (data::jsonb ->> :count)::int > 0"
    )
    yield from connection.scalars(text(jobs + overlapping), arguments)
    wanted = (project, METERS.index(meter), model)
    for root in trees.values():
        if any(key[:3] == wanted and days[0] <= day_of_number(key[3]) < days[1] for key in usage_slices(root)):
            yield from _tree_seqs(root)


def _tree_seqs(root: Node) -> Iterator[int]:
    yield root.seq
    for child in root.children:
        yield from _tree_seqs(child)


def _storage_seqs(
    connection: Connection, project: str, key: str, start_us: int, end_us: int, mark: int
) -> Iterator[int]:
    trees = corrected_trees(connection, mark, [rules.SNAPSHOT, rules.DELETED])
    for step in storage_steps(connection, [project], mark):
        if key in (step.begun_by.storage_class, step.begun_by.volume) and step.within(start_us, end_us):
            for reading in (step.begun_by, step.ended_by):
                if reading is not None:
                    yield from _tree_seqs(trees[reading.seq]) if reading.seq in trees else (reading.seq,)


def event_by_identity(connection: Connection, source: str, event_id: str) -> EventFigures | None:
    """A stored event and the usage figure it is part of (of its target, for a correction); None when not stored."""
    key = rules.identity(source, event_id)
    seq = store.seen_identities(connection, key).get(key, (0, None))[1]
    if seq is None:
        return None
    root = forest.load(connection, [seq])[seq].root
    reference = events_by_seq(connection, [seq])[0]
    values = amended(root)
    project = values["project"]
    if root.type in METERED:
        first, last = _days(instant(values["start"], "start")[0], instant(values["end"], "end")[0] - 1)
        return EventFigures(
            seq=seq, reference=reference, project=project, key=values["model"], first_day=first, last_day=last,
            meters=tuple(name for name in METERS if values.get(COUNTS[name], name == "gpu")),
        )  # fmt: skip
    if root.type in (rules.SNAPSHOT, rules.DELETED):
        of_project = storage_steps(connection, [project], last_mark(connection))
        return _storage_figures(seq, reference, root, project, of_project)
    return EventFigures(seq=seq, reference=reference, project=project)


def _storage_figures(seq: int, reference: dict, root: Node, project: str, found: Iterable[Step]) -> EventFigures:
    """The days of the steps that a snapshot or deletion begins or ends; its own day when it is part of none."""
    mine = [one for one in found if root.seq in (one.begun_by.seq, one.ended_by.seq if one.ended_by else None)]
    at_us = instant(amended(root)["at"], "at")[0]
    first_us = min((one.begun_by.at_us for one in mine), default=at_us)
    last_us = max((one.ended_by.at_us for one in mine if one.ended_by), default=at_us)
    first, last = _days(first_us, last_us)
    return EventFigures(
        seq=seq, reference=reference, project=project, meters=("storage",),
        key=mine[0].begun_by.storage_class if mine else amended(root).get("class", "standard"),
        first_day=first, last_day=date.max if any(one.ended_by is None for one in mine) else last,
    )  # fmt: skip


def _days(first_us: int, last_us: int) -> tuple[date, date]:
    return kst_day(moment_of(first_us)), kst_day(moment_of(last_us))

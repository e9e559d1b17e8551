"""What an operator should look at (domain.md §3): none of it is an error, and nothing is changed by it.

Set-based over the stored events, each in its form after voids and amendments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from core.month import Month, kst_day
from metering.corrections import METERED, amended, stands
from metering.fields import decimal_text, instant, milli_of, moment_of
from metering.forest import corrected_trees
from metering.held import storage_readings
from metering.rollup import last_mark
from metering.rules import DELETED, GPU
from metering.status import sources
from metering.storage import Reading
from metering.work import work_items
from registry.values import ProjectTerms

SECOND_US = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """`project` None where several or none are meant; `subject`: session, node, volume, work or source."""

    kind: str
    project: str | None
    subject: str
    detail: str
    refs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on something is an anomaly. `node_gpus`: how many GPUs a node has."""

    node_gpus: int = 8
    silent_hours: int = 24
    skew_s: int = 60
    acceptance_days: int = 30


def anomalies(
    connection: Connection, terms: Sequence[ProjectTerms], month: Month | None, now: datetime, limits: Limits
) -> list[Anomaly]:
    """Everything found, by kind; of usage that touches a local month, or of all."""
    _prepare(connection, month)
    mark, codes = last_mark(connection), [one.code for one in terms]
    return [
        *_overlaps(connection),
        *_gaps(connection),
        *_crowded_nodes(connection, limits.node_gpus),
        *_skewed(connection, month, limits.skew_s),
        *_emptied(connection, codes, mark, month),
        *_silent(connection, terms, now, limits.silent_hours),
        *_waiting(connection, codes, mark, now, limits.acceptance_days),
    ]


def _bounds(month: Month | None) -> dict[str, int]:
    """The first microsecond of a month and the first after it; all of time without one."""
    if month is None:
        return {"from_us": -(1 << 62), "until_us": 1 << 62}
    first, last = (round(one.timestamp()) * SECOND_US for one in (month.start, month.end))
    return {"from_us": first, "until_us": last}


def _prepare(connection: Connection, month: Month | None) -> None:
    """The table `used` of the transaction: intervals of GPU usage and of jobs, as they stand."""
    trees = corrected_trees(connection, last_mark(connection), METERED)
    fixed = [(root, amended(root)) for root in trees.values() if stands(root)]
    between = "start_us < :until_us AND end_us > :from_us"
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.used"))
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE used ON COMMIT DROP AS"  # noqa: S608
            " SELECT seq, type, 'event:' || source.value || '#' || event_id AS ref, project.value AS project, session,"
            "  coalesce(cluster.value, '') AS cluster, node.value AS node, model.value AS model, start_us, end_us,"
            "  gpus_milli::bigint AS gpus_milli FROM event JOIN term AS source ON source.id = source_id"
            "  JOIN term AS project ON project.id = project_id JOIN term AS model ON model.id = model_id"
            "  LEFT JOIN term AS node ON node.id = node_id LEFT JOIN term AS cluster ON cluster.id = cluster_id"
            f"  WHERE type = 0 AND seq <> ALL(:corrected) AND {between}"
            " UNION ALL SELECT seq, type, 'event:' || source.value || '#' || event_id, data::jsonb ->> 'project',"
            "  data::jsonb ->> 'session',"
            "  coalesce(data::jsonb ->> 'cluster', ''), CASE WHEN (data::jsonb ->> 'elapsed_s')::numeric * 1000000"
            "   = end_us - start_us THEN data::jsonb ->> 'node' END, data::jsonb ->> 'model', start_us, end_us,"
            "  (data::jsonb ->> 'gpu_count')::bigint * 1000 FROM event JOIN term AS source ON source.id = source_id"
            f"  WHERE type = 9 AND seq <> ALL(:corrected) AND {between}"
            " UNION ALL SELECT * FROM unnest(CAST(:seqs AS bigint[]), CAST(:types AS smallint[]),"
            "  CAST(:refs AS text[]), CAST(:projects AS text[]), CAST(:sessions AS text[]),"
            "  CAST(:clusters AS text[]), CAST(:nodes AS text[]), CAST(:models AS text[]), CAST(:starts AS bigint[]),"
            "  CAST(:ends AS bigint[]), CAST(:gpus AS bigint[]))"
            f"  AS fixed (a, b, c, d, e, f, g, h, start_us, end_us, k) WHERE {between}"
        ),
        {"corrected": sorted(trees), **_columns(fixed), **_bounds(month)},
    )


def _columns(fixed: Sequence[tuple]) -> dict[str, list]:
    """The corrected events, column by column."""
    return {
        "seqs": [root.seq for root, _ in fixed],
        "types": [root.type for root, _ in fixed],
        "refs": [f"event:{root.source}#{root.id}" for root, _ in fixed],
        "projects": [values["project"] for _, values in fixed],
        "sessions": [values["session"] for _, values in fixed],
        "clusters": [values.get("cluster", "") for _, values in fixed],
        "nodes": [values.get("node") for _, values in fixed],
        "models": [values["model"] for _, values in fixed],
        "starts": [instant(values["start"], "start")[0] for _, values in fixed],
        "ends": [instant(values["end"], "end")[0] for _, values in fixed],
        "gpus": [_gpus_milli(root.type, values) for root, values in fixed],
    }


def _gpus_milli(number: int, values: Mapping) -> int:
    return milli_of(values["gpus"]) if number == GPU else values["gpu_count"] * 1000


def _of_sessions(connection: Connection, kind: str, where: str, odd: str, length: str) -> Iterator[tuple[Anomaly, Any]]:
    """Sessions with odd intervals: how many, how long in all, and the first of them, each after the one before."""
    rows = connection.execute(
        text(
            "SELECT project, session, count(*) AS times, sum(length_us)::bigint AS length_us,"  # noqa: S608
            " min(start_us) AS first_us, (array_agg(ARRAY[before, ref] ORDER BY start_us, seq))[1:5] AS refs"
            f" FROM (SELECT *, {length} AS length_us FROM (SELECT *, lag(ref) OVER session AS before,"
            "   max(end_us) OVER (session ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached_us"
            f"   FROM used WHERE {where} WINDOW session AS"
            "   (PARTITION BY project, cluster, session, node, model ORDER BY start_us, end_us, seq)) AS ordered"
            f"  WHERE {odd}) AS found"
            ' GROUP BY project, session ORDER BY project COLLATE "C", session COLLATE "C"'
        )
    )
    for row in rows:
        refs = tuple(dict.fromkeys(one for pair in row.refs for one in pair))
        yield Anomaly(kind=kind, project=row.project, subject=row.session, detail="", refs=refs), row


def _overlaps(connection: Connection) -> Iterator[Anomaly]:
    length = "least(end_us, reached_us) - start_us"
    for one, row in _of_sessions(connection, "overlap", "true", "start_us < reached_us", length):
        span, first = _span(row.length_us), _shown(row.first_us)
        yield replace(one, detail=f"구간 {row.times}개가 앞 구간과 {span} 겹칩니다, 처음은 {first} (overlap)")


def _gaps(connection: Connection) -> Iterator[Anomaly]:
    """Of GPU sessions; a job that is queued again begins anew as a rule."""
    for one, row in _of_sessions(connection, "gap", "type = 0", "start_us > reached_us", "start_us - reached_us"):
        span, first = _span(row.length_us), _shown(row.first_us)
        yield replace(one, detail=f"빈 구간 {row.times}개, 모두 {span}, 처음은 {first} 앞 (gap)")


def _crowded_nodes(connection: Connection, node_gpus: int) -> Iterator[Anomaly]:
    """More GPUs allocated on a node at one instant than it has; a list of nodes (`n[01-04]`) cannot be told apart."""
    rows = connection.execute(
        text(
            "WITH edges AS (SELECT cluster, node, start_us AS at_us, gpus_milli FROM used"
            "  WHERE node IS NOT NULL AND node !~ '[][,]'"
            "  UNION ALL SELECT cluster, node, end_us, -gpus_milli FROM used"
            "  WHERE node IS NOT NULL AND node !~ '[][,]'),"
            " levels AS (SELECT cluster, node, at_us, sum(sum(gpus_milli)) OVER node AS held, lead(at_us) OVER node"
            "  AS until_us FROM edges GROUP BY cluster, node, at_us"
            "  WINDOW node AS (PARTITION BY cluster, node ORDER BY at_us)),"
            " found AS (SELECT cluster, node, max(held)::bigint AS held, sum(until_us - at_us)::bigint AS length_us,"
            "  sum((until_us - at_us)::numeric * (held - :limit))::numeric AS beyond, min(at_us) AS first_us"
            "  FROM levels WHERE held > :limit GROUP BY cluster, node)"
            " SELECT found.*, array_agg(DISTINCT project) AS projects,"
            "  (array_agg(ref ORDER BY start_us, seq))[1:10] AS refs FROM found JOIN used"
            "  ON used.cluster = found.cluster AND used.node = found.node"
            "  AND start_us <= first_us AND end_us > first_us"
            " GROUP BY found.cluster, found.node, held, length_us, beyond, first_us"
            ' ORDER BY found.cluster COLLATE "C", found.node COLLATE "C"'
        ),
        {"limit": node_gpus * 1000},
    )
    for row in rows:
        detail = (
            f"GPU {decimal_text(row.held)}개까지 배정, 노드에는 {node_gpus}개: {_span(row.length_us)} 동안"
            f" {decimal_text(int(row.beyond), 9)} GPU·초 초과, 처음은 {_shown(row.first_us)} (more than the node has)"
        )
        project = row.projects[0] if len(row.projects) == 1 else None
        subject = f"{row.cluster}/{row.node}" if row.cluster else row.node
        yield Anomaly(kind="node_overcommitted", project=project, subject=subject, detail=detail, refs=tuple(row.refs))


def _skewed(connection: Connection, month: Month | None, skew_s: int) -> Iterator[Anomaly]:
    """Events that were recorded before they happened, by source."""
    rows = connection.execute(
        text(
            "SELECT source.value AS source, count(*) AS times, max(ahead_us)::bigint AS ahead_us,"
            " array_agg(DISTINCT project.value) AS projects, (array_agg('event:' || source.value || '#' || event_id"
            "  ORDER BY ahead_us DESC, seq))[1:10] AS refs FROM (SELECT seq, source_id, project_id, event_id,"
            "  greatest(start_us, end_us) - (extract(epoch FROM recorded_at) * 1000000)::bigint AS ahead_us"
            "  FROM event JOIN intake_batch ON intake_batch.id = seq >> 20"
            "  WHERE start_us < :until_us AND coalesce(end_us, start_us + 1) > :from_us) AS heard"
            " JOIN term AS source ON source.id = source_id LEFT JOIN term AS project ON project.id = project_id"
            " WHERE ahead_us > :skew_us GROUP BY source.value ORDER BY source.value"
        ),
        {"skew_us": skew_s * SECOND_US, **_bounds(month)},
    )
    for row in rows:
        detail = f"받은 시각보다 뒤인 이벤트 {row.times}건, {_span(row.ahead_us)}까지 앞섬 (from the future)"
        project = row.projects[0] if len(row.projects) == 1 else None
        yield Anomaly(kind="clock_skew", project=project, subject=row.source, detail=detail, refs=tuple(row.refs))


def _emptied(connection: Connection, projects: Sequence[str], mark: int, month: Month | None) -> Iterator[Anomaly]:
    bounds = _bounds(month)
    for before, empty in emptied(storage_readings(connection, projects, mark)):
        if bounds["from_us"] <= empty.at_us < bounds["until_us"]:
            detail = (
                f"{before.held_bytes:,} 바이트가 {_shown(empty.at_us)} 에 0이 되었으나 삭제 증명서가 없습니다"
                " (emptied without a certificate)"
            )
            refs = tuple(f"event:{one.source}#{one.id}" for one in (before, empty))
            yield Anomaly(kind="volume_emptied", project=empty.project, subject=empty.volume, detail=detail, refs=refs)


def emptied(readings: Sequence[Reading] | Iterator[Reading]) -> Iterator[tuple[Reading, Reading]]:
    """(the snapshot before, the empty one) of zones that shrank to nothing and were not deleted right after that."""
    for _, of_volume in groupby(readings, key=lambda one: (one.project, one.volume)):
        held: dict[str, Reading] = {}
        shrunk: dict[str, tuple[Reading, Reading]] = {}
        for reading in of_volume:
            if reading.type == DELETED:
                held, shrunk = {}, {}
                continue
            if reading.held_bytes and reading.zone in shrunk:
                yield shrunk.pop(reading.zone)
            before = held.get(reading.zone)
            if not reading.held_bytes and before is not None and before.held_bytes:
                shrunk[reading.zone] = (before, reading)
            held[reading.zone] = reading
        yield from shrunk.values()


def _silent(
    connection: Connection, terms: Sequence[ProjectTerms], now: datetime, silent_hours: int
) -> Iterator[Anomaly]:
    """Sources not heard any more, of projects with an agreement in force."""
    today = kst_day(now)
    running = [one.code for one in terms if any(each.starts <= today <= each.ends for each in one.agreements)]
    rows = connection.execute(
        text(
            "SELECT DISTINCT source.value FROM event JOIN term AS source ON source.id = source_id"
            " JOIN term AS project ON project.id = project_id WHERE project.value = ANY(:projects)"
        ),
        {"projects": running},
    )
    wanted = set(rows.scalars())
    for one in sources(connection):
        if one.source in wanted and now - one.last_at > timedelta(hours=silent_hours):
            hours = int((now - one.last_at) / timedelta(hours=1))
            detail = f"{hours:,}시간째 이벤트가 없습니다, 마지막은 {one.last_at.isoformat()} (silent)"
            yield Anomaly(kind="silent_source", project=None, subject=one.source, detail=detail, refs=())


def _waiting(connection: Connection, projects: Sequence[str], mark: int, now: datetime, days: int) -> Iterator[Anomaly]:
    for item in work_items(connection, projects, mark):
        decided = item.rejected_milli + sum(one.quantity_milli for one in item.acceptances)
        if decided < item.quantity_milli and now - item.performed > timedelta(days=days):
            detail = (
                f"{kst_day(item.performed)} 수행한 {decimal_text(item.quantity_milli - decided)} {item.unit} 이(가)"
                f" {(now - item.performed).days}일째 검수를 기다립니다 (waits for acceptance)"
            )
            refs = (f"event:{item.source}#{item.id}",)
            subject = f"{item.line}/{item.work}"
            yield Anomaly(kind="acceptance_overdue", project=item.project, subject=subject, detail=detail, refs=refs)


def _span(us: int) -> str:
    """A length of time as `2d 03:04:05`, down to the microsecond where it has one."""
    seconds, rest_us = divmod(us, SECOND_US)
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    fraction = f".{rest_us:06d}" if rest_us else ""
    return (f"{days}d " if days else "") + clock + fraction


def _shown(us: int) -> str:
    return moment_of(us).isoformat()

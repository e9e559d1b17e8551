"""GPU and CPU usage over the daily roll-up, and the mark that a freeze takes."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, text

from core.month import day_number
from metering import rules
from metering.forest import project_ids, seq_limit
from metering.store import INTAKE_LOCK
from metering.values import Usage

METERS = ("gpu", "cpu")
Totals = dict[tuple[str, str, str], int]


def freeze_mark(connection: Connection) -> int:
    """The last committed intake batch, after all running ones have ended; 0 when there is none.

    Takes the intake lock alone until the transaction ends, so that no batch with a lower number commits later.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": INTAKE_LOCK})
    return last_mark(connection)


def last_mark(connection: Connection) -> int:
    """The highest committed intake batch; 0 when there is none."""
    return connection.scalar(text("SELECT coalesce(max(id), 0) FROM intake_batch"))


def unsettled_events(connection: Connection, projects: Sequence[str], mark: int) -> int:
    """How many events of some projects, or referring to theirs, came after a mark; exports of results have no quantity
    and do not count."""
    return connection.scalar(
        text(
            "WITH RECURSIVE fresh AS (SELECT seq, project_id, target_seq FROM event"
            "  WHERE seq >= :limit AND type <> :exported AND (project_id = ANY(:projects) OR target_seq IS NOT NULL)"
            " UNION ALL SELECT fresh.seq, event.project_id, event.target_seq FROM fresh"
            "  JOIN event ON event.seq = fresh.target_seq)"
            " SELECT count(DISTINCT seq) FROM fresh WHERE project_id = ANY(:projects)"
        ),
        {
            "limit": seq_limit(mark),
            "exported": rules.EXPORTED,
            "projects": list(project_ids(connection, projects)),
        },
    )


def allocated_usage(
    connection: Connection, projects: Sequence[str], mark: int, until: date, cuts: Sequence[date]
) -> list[Usage]:
    """GPU and CPU usage of batches up to `mark` on local days before `until`, summed between ascending cuts.

    `cuts[0]` is not later than the first day. Quantity in microseconds × thousandths.
    """
    rows = connection.execute(
        text(
            "SELECT project.value AS project, model.value AS model, meter,"
            " width_bucket(day, CAST(:cuts AS int[])) AS segment, sum(quantity) AS quantity FROM usage_delta"
            " JOIN term AS project ON project.id = project_id JOIN term AS model ON model.id = model_id"
            " WHERE batch_id <= :mark AND day < :until AND project.value = ANY(:projects)"
            " GROUP BY 1, 2, 3, 4 HAVING sum(quantity) <> 0"
            ' ORDER BY project.value COLLATE "C", 3, model.value COLLATE "C", 4'
        ),
        {
            "cuts": [day_number(day) for day in cuts],
            "mark": mark,
            "until": day_number(until),
            "projects": list(projects),
        },
    )
    return [
        Usage(
            project=row.project, meter=METERS[row.meter], key=row.model, starts=cuts[row.segment - 1],
            quantity=int(row.quantity),
        )
        for row in rows
    ]  # fmt: skip


def rolled_totals(connection: Connection, projects: Sequence[str], mark: int) -> Totals:
    """(project, meter, key) → everything in the roll-up up to a mark, microseconds × thousandths."""
    used = allocated_usage(connection, projects, mark, date.max, [date.min])
    return {(one.project, one.meter, one.key): one.quantity for one in used}

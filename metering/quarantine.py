"""Events that could not be attributed: listed, tried again, dismissed. All on record (domain.md §3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, text

from core.errors import BadInput, RuleRefused
from metering import columns, rules, store
from metering.batch import RELEASES, Batch
from metering.intake import Intake
from metering.references import event_of_row
from metering.store import Counts

RETRY_EVENTS = 50_000
LOAD_CURES = ["unknown_project", "unknown_line", "outside_agreement", "no_permit"]


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """One event in quarantine, and where it came from."""

    id: int
    source: str
    event_id: str
    type: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    recorded_at: datetime


def listed(connection: Connection) -> list[Quarantined]:
    """Everything that waits, oldest first."""
    rows = connection.execute(
        text(
            "SELECT quarantine.id, source, event_id, type, reason, detail, term.value AS topic, partition,"
            ' record AS "offset", recorded_at FROM quarantine JOIN term ON term.id = topic_id'
            " WHERE status = 'waiting' ORDER BY quarantine.id"
        )
    )
    return [Quarantined(**{**row._mapping, "type": rules.TYPES[row.type]}) for row in rows]


def retry(engine: Engine, now: datetime, ids: Sequence[int] | None = None) -> Counts:
    """Tries waiting events again, all or some, through the path of intake; returns what was stored or known.

    Raises BadInput naming ids that do not wait.
    """
    with engine.connect() as connection:
        rows = store.waiting(connection, ids)
    _refuse_unknown(ids, {row.id for row in rows})
    return _take_again(engine, now, rows)


def retry_loaded(engine: Engine, now: datetime) -> int:
    """Tries again what waits for reference data, once some was loaded (domain.md §3); returns how many events left
    quarantine, those that waited for them included."""
    with engine.connect() as connection:
        ids = connection.scalars(
            text("SELECT id FROM quarantine WHERE status = 'waiting' AND reason = ANY(:reasons)"),
            {"reasons": LOAD_CURES},
        ).all()
        if not ids:
            return 0
        rows, before = store.waiting(connection, ids), _waiting_count(connection)
    _take_again(engine, now, rows)
    with engine.connect() as connection:
        return before - _waiting_count(connection)


def _waiting_count(connection: Connection) -> int:
    return connection.scalar(text("SELECT count(*) FROM quarantine WHERE status = 'waiting'"))


def _take_again(engine: Engine, now: datetime, rows: Sequence[Row]) -> Counts:
    intake, total = Intake(engine), Counts()
    for first in range(0, len(rows), RETRY_EVENTS):
        part = rows[first : first + RETRY_EVENTS]
        batch = Batch(
            topic=RELEASES, partition=0, held=[row.id for row in part],
            events=columns.of_events([event_of_row(row) for row in part], [row.record for row in part]),
        )  # fmt: skip
        total += intake.take(batch, now)
    return total


def dismiss(connection: Connection, now: datetime, quarantine_id: int, reason: str) -> None:
    """Puts a waiting event aside for good; it stays in the counts and its identity stays guarded.

    Raises BadInput for an unknown id, RuleRefused when it was released or dismissed before.
    """
    if not reason.strip():
        raise BadInput("--reason: 사유를 적으세요 (say why).")
    store.take_reference_lock(connection)
    status = connection.scalar(text("SELECT status FROM quarantine WHERE id = :id FOR UPDATE"), {"id": quarantine_id})
    _refuse_unknown([quarantine_id], {quarantine_id} if status else set())
    if status != "waiting":
        raise RuleRefused(f"{quarantine_id}: 이미 처리되었습니다 (already {status}).")
    connection.execute(
        text("UPDATE quarantine SET status = 'dismissed', resolved_at = :now, resolution = :reason WHERE id = :id"),
        {"now": now, "reason": reason, "id": quarantine_id},
    )


def _refuse_unknown(ids: Sequence[int] | None, known: set[int]) -> None:
    unknown = [str(one) for one in ids or () if one not in known]
    if unknown:
        raise BadInput(
            f"{', '.join(unknown)}: 격리된 이벤트가 아닙니다. `jeongsan quarantine list` 로 번호를 확인하세요"
            " (no waiting event has this id)."
        )


def intake_counts(connection: Connection) -> dict[str, int | bool]:
    """The counting identity over everything ever received, each part counted where it lies (domain.md §3).

    A dead letter that could be read later was received anew then, and no longer counts as it first came.
    """
    row = connection.execute(
        text(
            "SELECT ((SELECT coalesce(sum(received), 0) FROM intake_batch)"
            " - (SELECT count(*) FROM dead_letter WHERE status = 'released'))::bigint AS received,"
            " (SELECT count(*) FROM event) AS stored,"
            " (SELECT coalesce(sum(duplicate), 0) FROM intake_batch)::bigint AS duplicate,"
            " (SELECT count(*) FROM quarantine WHERE status <> 'released') AS quarantined,"
            " (SELECT count(*) FROM dead_letter WHERE status = 'waiting') AS dead_lettered"
        )
    ).one()
    parts = row.stored + row.duplicate + row.quarantined + row.dead_lettered
    return {**row._mapping, "balanced": row.received == parts}


@dataclass(frozen=True, kw_only=True)
class Problems:
    """What of a topic was not stored since a mark: the first dead letters, and quarantined events by reason."""

    dead_letters: list[tuple[int, str, str]]
    quarantined: dict[str, int]


def problems(connection: Connection, topic: str, since: int, limit: int) -> Problems:
    """Dead letters (record, reason, detail), `limit` at most, and quarantined events, of batches after a mark."""
    of_topic = {"topic": topic, "since": since, "limit": limit}
    letters = connection.execute(
        text(
            "SELECT record, reason, detail FROM dead_letter JOIN term ON term.id = topic_id"
            " WHERE value = :topic AND batch_id > :since ORDER BY record, dead_letter.id LIMIT :limit"
        ),
        of_topic,
    )
    held = connection.execute(
        text(
            "SELECT reason, count(*) AS count FROM quarantine JOIN term ON term.id = topic_id"
            " WHERE value = :topic AND batch_id > :since AND status = 'waiting' GROUP BY reason ORDER BY reason"
        ),
        of_topic,
    )
    return Problems(dead_letters=[tuple(row) for row in letters], quarantined={row.reason: row.count for row in held})

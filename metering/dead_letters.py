"""Dead letters from the database: to be published, each once it is committed; tried again after a fix."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from metering import modes
from metering.batch import Batch
from metering.intake import Intake
from metering.record_batches import Record
from metering.store import Counts

LOCK = 0x6A73_0003
PART_LETTERS, PART_BYTES = 500, 64 << 20
NAMES = "dead_letter.id, term.value AS topic, partition, record, reason, detail, payload, headers"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A record that could not be read, and where it came from. `headers`: those of the record."""

    id: int
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes
    headers: modes.Headers


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of dead letters that were tried again: `read` of `tried` can be read now, with these counts."""

    tried: int
    read: int
    counts: Counts


class Raced(Exception):
    """Another replay has released one of the letters meanwhile."""


def publish_next(connection: Connection, now: datetime, send) -> int:
    """Sends the next unpublished letters (`send` takes them, and returns when all are acknowledged) and marks them.

    At least once: what was sent and not marked is sent again, under the same key. One publisher at a time; 0 when
    there is another, or nothing to publish.
    """
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}):
        return 0
    letters = _part(connection, "published_at IS NULL", 0)
    if letters:
        send(letters)
        connection.execute(
            text("UPDATE dead_letter SET published_at = :now WHERE id = ANY(:ids)"),
            {"now": now, "ids": [one.id for one in letters]},
        )
    return len(letters)


def replay(engine: Engine, now: datetime) -> Replayed:
    """Tries every waiting letter again by the current rules. What can be read is taken in as what it is, and the letter
    released, in one transaction; the others stay as they are."""
    intake, after, tried, read, counts = Intake(engine), 0, 0, 0, Counts()
    while True:
        with engine.connect() as connection:
            letters = _part(connection, "status = 'waiting'", after)
        if not letters:
            break
        after, tried = letters[-1].id, tried + len(letters)
        for batch, ids in _readable(letters):
            counts += intake.take(batch, now, lambda connection, ids=ids: _release(connection, now, ids))
            read += len(ids)
    intake.sweep(now)
    return Replayed(tried=tried, read=read, counts=counts)


def release_read(connection: Connection, now: datetime, topic: str, since: int) -> None:
    """Releases the letters of a file that was taken in again after the mark `since`: what could be read this time.

    A row of accounting is read with a map, so that `replay`, which has none, cannot try it.
    """
    connection.execute(
        text(
            "UPDATE dead_letter SET status = 'released', resolved_at = :now, resolution = 'ingested again'"
            " FROM term WHERE term.id = topic_id AND value = :topic AND status = 'waiting' AND batch_id <= :since"
            " AND NOT EXISTS (SELECT FROM dead_letter AS newer WHERE newer.topic_id = dead_letter.topic_id"
            "  AND newer.record = dead_letter.record AND newer.batch_id > :since AND newer.status = 'waiting')"
        ),
        {"now": now, "topic": topic, "since": since},
    )


def _part(connection: Connection, which: str, after: int) -> list[DeadLetter]:
    """The next letters, of bounded size together."""
    rows = connection.execute(
        text(
            f"SELECT {NAMES} FROM dead_letter JOIN term ON term.id = topic_id WHERE dead_letter.id IN ("  # noqa: S608
            " SELECT id FROM (SELECT id, sum(length(payload)) OVER (ORDER BY id) - length(payload) AS before FROM"
            f" (SELECT id, payload FROM dead_letter WHERE {which} AND id > :after ORDER BY id LIMIT :letters) AS next"
            " ) AS sized WHERE before < :bytes) ORDER BY dead_letter.id"
        ),
        {"after": after, "letters": PART_LETTERS, "bytes": PART_BYTES},
    )
    return [
        DeadLetter(
            id=row.id, topic=row.topic, partition=row.partition, offset=row.record, reason=row.reason,
            detail=row.detail, payload=bytes(row.payload), headers=modes.headers_of(row.headers),
        )
        for row in rows
    ]  # fmt: skip


def _readable(letters: Sequence[DeadLetter]) -> Iterator[tuple[Batch, list[int]]]:
    """(batch, ids of its letters) of what can be read whole now, by origin."""
    origins = defaultdict(list)
    for one in letters:
        origins[one.topic, one.partition].append(one)
    for (topic, partition), among in origins.items():
        good = [one for one in among if _reads(one)]
        if good:
            yield modes.read(topic, partition, [_record(one) for one in good]), [one.id for one in good]


def _record(letter: DeadLetter) -> Record:
    return Record(letter.offset, letter.headers, letter.payload)


def _reads(letter: DeadLetter) -> bool:
    batch = modes.read(letter.topic, letter.partition, [_record(letter)])
    return len(batch.events) > 0 and not batch.rejections


def _release(connection: Connection, now: datetime, ids: Sequence[int]) -> None:
    done = connection.execute(
        text(
            "UPDATE dead_letter SET status = 'released', resolved_at = :now, resolution = 'replayed'"
            " WHERE id = ANY(:ids) AND status = 'waiting'"
        ),
        {"now": now, "ids": list(ids)},
    )
    if done.rowcount != len(ids):
        raise Raced

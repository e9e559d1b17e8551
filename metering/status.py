"""How intake stands: lag per partition, rates, last event per source, what waits and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from metering.metrics import dead_letter_reasons, quarantine_reasons

RATE_BATCHES = 100


@dataclass(frozen=True, kw_only=True)
class PartitionStatus:
    """`next_offset`: as committed; `end_offset`, `lag`: None while the broker is not asked."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int | None
    lag: int | None


@dataclass(frozen=True, kw_only=True)
class TopicRate:
    """The last batches of a topic: `events_per_s` whole events; None where they span no time."""

    topic: str
    batches: int
    received: int
    span_ms: int
    events_per_s: int | None
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """The last stored event of a source: when it was recorded."""

    source: str
    events: int
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class Status:
    """Everything that `jeongsan status` shows."""

    partitions: list[PartitionStatus]
    rates: list[TopicRate]
    sources: list[SourceStatus]
    dead_letters: dict[str, int]
    quarantine: dict[str, int]


def status(connection: Connection, ends: Mapping[str, Mapping[int, int]] | None) -> Status:
    """`ends`: topic → partition → the broker's end offset; None while the broker is not asked."""
    return Status(
        partitions=_partitions(connection, ends), rates=_rates(connection), sources=sources(connection),
        dead_letters=dead_letter_reasons(connection), quarantine=quarantine_reasons(connection),
    )  # fmt: skip


def topics(connection: Connection) -> list[str]:
    """The topics that were ever consumed."""
    return list(connection.scalars(text("SELECT DISTINCT topic FROM consumer_offset ORDER BY topic")))


def _partitions(connection: Connection, ends: Mapping[str, Mapping[int, int]] | None) -> list[PartitionStatus]:
    rows = connection.execute(text("SELECT topic, partition, next_offset FROM consumer_offset"))
    committed = {(row.topic, row.partition): row.next_offset for row in rows}
    known = {(topic, partition): end for topic, found in (ends or {}).items() for partition, end in found.items()}
    return [
        PartitionStatus(
            topic=name[0], partition=name[1], next_offset=committed.get(name, 0), end_offset=known.get(name),
            lag=max(0, known[name] - committed.get(name, 0)) if name in known else None,
        )
        for name in sorted({*committed, *known})
    ]  # fmt: skip


def _rates(connection: Connection) -> list[TopicRate]:
    """Over the last batches of each topic of the broker; the first of them only begins the clock."""
    rows = connection.execute(
        text(
            "SELECT term.value AS topic, count(*) AS batches, sum(received)::bigint AS received,"
            " (sum(received) - (array_agg(received ORDER BY last.id))[1])::bigint AS timed,"
            " max(recorded_at) AS last_at,"
            " (extract(epoch FROM max(recorded_at) - min(recorded_at)) * 1000)::bigint AS span_ms"
            " FROM (SELECT DISTINCT topic FROM consumer_offset) AS consumed JOIN term ON term.value = consumed.topic"
            " CROSS JOIN LATERAL (SELECT id, received, recorded_at FROM intake_batch"
            "  WHERE topic_id = term.id AND received > 0 ORDER BY id DESC LIMIT :batches) AS last"
            " GROUP BY term.value ORDER BY term.value"
        ),
        {"batches": RATE_BATCHES},
    )
    return [
        TopicRate(
            topic=row.topic, batches=row.batches, received=row.received, span_ms=row.span_ms, last_at=row.last_at,
            events_per_s=row.timed * 1000 // row.span_ms if row.span_ms else None,
        )
        for row in rows
    ]  # fmt: skip


def sources(connection: Connection) -> list[SourceStatus]:
    """Every source that ever got an event in, by name."""
    rows = connection.execute(
        text(
            "SELECT value AS source, events, recorded_at AS last_at FROM (SELECT source_id, count(*) AS events,"
            "  max(seq >> 20) AS batch FROM event GROUP BY source_id) AS heard"
            " JOIN term ON term.id = source_id JOIN intake_batch ON intake_batch.id = batch ORDER BY value"
        )
    )
    return [SourceStatus(**row._mapping) for row in rows]

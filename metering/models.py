"""Usage events as they were taken in, and what was made of them (domain.md §3)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class Term(Base):
    """Dictionary of the texts that repeat in events: sources, topics, projects, models, nodes, clusters."""

    __tablename__ = "term"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    __table_args__ = (UniqueConstraint("value"),)


class IntakeBatch(Base):
    """One committed batch of records from one (topic, partition); its id is the intake mark of a freeze.

    The counts are as they were on arrival; a release from quarantine is a batch of its own with `received` 0.
    """

    __tablename__ = "intake_batch"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    topic_id: Mapped[int]
    partition: Mapped[int]
    recorded_at: Mapped[datetime]
    received: Mapped[int]
    stored: Mapped[int]
    duplicate: Mapped[int]
    quarantined: Mapped[int]
    dead_lettered: Mapped[int]
    __table_args__ = (
        CheckConstraint("received = 0 OR received = stored + duplicate + quarantined + dead_lettered", name="counts"),
    )


class Seen(Base):
    """The guard of exactly-once: every identity (source, id) ever taken in, for ever.

    `key`: 128 bits of the hash of (source, id); `content`: 64 bits of the SHA-256 of the canonical content;
    `seq`: the event's intake sequence number, batch id × 2^20 + position.
    """

    __tablename__ = "seen"
    key: Mapped[UUID] = mapped_column(primary_key=True)
    content: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)


class Event(Base):
    """A stored event, partitioned by the UTC month of recording (yyyymm). GPU usage is typed; others keep `data`.

    `record`: offset in the topic's partition (or line of the file); `*_us`: microseconds since 1970-01-01 UTC;
    `start_us` is also the one instant of an event that has only one; `target_seq`: the event that its `ref` names.
    """

    __tablename__ = "event"
    seq: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[int] = mapped_column(BigInteger)
    start_us: Mapped[int | None] = mapped_column(BigInteger)
    end_us: Mapped[int | None] = mapped_column(BigInteger)
    source_id: Mapped[int]
    project_id: Mapped[int | None]
    model_id: Mapped[int | None]
    gpus_milli: Mapped[int | None]
    node_id: Mapped[int | None]
    cluster_id: Mapped[int | None]
    recorded_month: Mapped[int]
    type: Mapped[int] = mapped_column(SmallInteger)
    target_seq: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[str] = mapped_column(Text)
    session: Mapped[str | None] = mapped_column(Text)
    data: Mapped[str | None] = mapped_column(Text)
    __mapper_args__ = {"primary_key": [seq]}  # noqa: RUF012
    __table_args__ = (
        Index("ix_event_seq", "seq", postgresql_using="brin"),
        Index("ix_event_not_gpu", "project_id", "seq", postgresql_where=text("type <> 0")),
        Index("ix_event_not_gpu_seq", "seq", postgresql_where=text("type <> 0")),
        Index("ix_event_target_seq", "target_seq", postgresql_where=text("target_seq IS NOT NULL")),
        {"postgresql_partition_by": "LIST (recorded_month)"},
    )


class UsageDelta(Base):
    """Roll-up of GPU and CPU usage, append-only: what one batch adds to a project's local day, exact.

    `quantity` in microseconds × thousandths of a GPU (meter 0) or of a core (meter 1); `day`: days since 1970-01-01.
    """

    __tablename__ = "usage_delta"
    batch_id: Mapped[int] = mapped_column(BigInteger)
    project_id: Mapped[int] = mapped_column()
    model_id: Mapped[int] = mapped_column()
    day: Mapped[int] = mapped_column()
    meter: Mapped[int] = mapped_column(SmallInteger)
    quantity: Mapped[Decimal]
    __mapper_args__ = {"primary_key": [batch_id, project_id, model_id, day, meter]}  # noqa: RUF012
    __table_args__ = (Index("ix_usage_delta_project_day", "project_id", "day"),)


class Quarantine(Base):
    """A well-formed event that could not be attributed; `status` waiting, released or dismissed, all on record."""

    __tablename__ = "quarantine"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[int] = mapped_column(BigInteger)
    topic_id: Mapped[int]
    partition: Mapped[int]
    key: Mapped[UUID]
    content: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    type: Mapped[int] = mapped_column(SmallInteger)
    data: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    waits_for: Mapped[UUID | None] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None] = mapped_column(Text)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        CheckConstraint("status IN ('waiting','released','dismissed')", name="status"),
        UniqueConstraint("key", "content"),
        Index("ix_quarantine_waiting", "reason", postgresql_where=text("status = 'waiting'")),
        Index("ix_quarantine_seq", "seq", postgresql_where=text("seq IS NOT NULL")),
    )


class ConsumerOffset(Base):
    """How far a partition was taken in, written with its usage in one transaction (domain.md §3).

    `epoch` grows by one with each worker that takes the partition over: a worker with an older one commits nothing.
    """

    __tablename__ = "consumer_offset"
    topic: Mapped[str] = mapped_column(Text, primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_offset: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int] = mapped_column(BigInteger)


class DeadLetter(Base):
    """A record that cannot be read, with its original bytes; `status` waiting, or released once it could be read.

    `headers`: those of its record, as a JSON array of [name, base64 of the value or null]; `published_at`: when it was
    sent to the topic of dead letters.
    """

    __tablename__ = "dead_letter"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger)
    topic_id: Mapped[int]
    partition: Mapped[int]
    record: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[str | None] = mapped_column(Text)
    recorded_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(Text, server_default="waiting")
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None] = mapped_column(Text)
    published_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("status IN ('waiting','released')", name="status"),
        Index("ix_dead_letter_waiting", "id", postgresql_where=text("status = 'waiting'")),
        Index("ix_dead_letter_unpublished", "id", postgresql_where=text("published_at IS NULL")),
    )


class DroppedField(Base):
    """How often a source sent a field that is not known and was dropped, per batch."""

    __tablename__ = "dropped_field"
    batch_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    source_id: Mapped[int] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int]

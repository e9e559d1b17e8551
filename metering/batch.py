"""A batch of decoded records, and what is decided about each of its events on the way into the database."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy
from sqlalchemy import Connection

from metering import columns
from metering.attribution import Attribution, Hold
from metering.columns import Events
from metering.rules import Rejection
from metering.store import SEQ_BITS, Terms

BATCH_RECORDS = 100_000
BATCH_BYTES = 64 << 20
RELEASES = "quarantine"
Read = Callable[[Sequence[tuple[int, bytes]]], tuple[Events, list[tuple[int, Rejection]]]]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Decoded records of one (topic, partition). `held`: their ids, when the events come out of quarantine.

    `headers`: those of the records that were rejected, by offset, as dead letters keep them.
    """

    topic: str
    partition: int
    events: Events = field(default_factory=columns.empty)
    rejections: Sequence[tuple[int, Rejection]] = ()
    headers: Mapping[int, str] = field(default_factory=dict)
    held: Sequence[int] | None = None


def decode(
    topic: str, partition: int, records: Iterable[tuple[int, bytes]], read: Read = columns.read
) -> Iterator[Batch]:
    """Reads records (offset, bytes) into batches of bounded size."""
    for part in _parts(records):
        events, rejections = read(part)
        yield Batch(topic=topic, partition=partition, events=events, rejections=rejections)


def _parts(records: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    part, size = [], 0
    for record in records:
        part.append(record)
        size += len(record[1])
        if size >= BATCH_BYTES or len(part) >= BATCH_RECORDS:
            yield part
            part, size = [], 0
    if part:
        yield part


@dataclass(kw_only=True)
class Work:
    """A batch being written at `now`. Positions are indexes into its events."""

    connection: Connection
    batch: Batch
    now: datetime
    release_id: int
    batch_id: int
    terms: Attribution
    ids: Terms
    duplicates: set[int] = field(default_factory=set)
    holds: dict[int, Hold] = field(default_factory=dict)
    looked_up: set[int] = field(default_factory=set)
    stored: int = 0
    released: dict[int, tuple[str, int | None]] = field(default_factory=dict)

    @property
    def recorded_month(self) -> int:
        """The partition of the raw events: yyyymm in UTC."""
        moment = self.now.astimezone(UTC)
        return moment.year * 100 + moment.month

    @property
    def first_seq(self) -> int:
        """The sequence number of position 0."""
        return self.batch_id << SEQ_BITS

    def undecided(self, positions: Iterable[int]) -> list[int]:
        """Those positions about which nothing is decided yet."""
        return [one for one in positions if one not in self.duplicates and one not in self.holds]

    def undecided_gpu(self) -> numpy.ndarray:
        """The positions of GPU events about which nothing is decided yet."""
        wanted = self.batch.events.group >= 0
        wanted[[*self.duplicates, *self.holds]] = False
        return numpy.flatnonzero(wanted)

    def held(self, position: int) -> int | None:
        """The event's id in quarantine, if it comes from there."""
        return self.batch.held[position] if self.batch.held is not None else None

    def store(self, positions: Iterable[int]) -> None:
        """Notes that events are stored; those out of quarantine are released."""
        for position in positions if self.batch.held is not None else ():
            self.released[self.batch.held[position]] = ("stored", self.first_seq + int(position))

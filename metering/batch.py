"""A batch of decoded records, and what is decided about each of its events on the way into the database."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection

from metering import rules
from metering.attribution import Attribution, Hold
from metering.rules import Rejection, UsageEvent
from metering.store import SEQ_BITS, Terms

BATCH_EVENTS = 100_000
BATCH_BYTES = 64 << 20
RELEASES = "quarantine"


@dataclass(kw_only=True)
class Batch:
    """Decoded records of one (topic, partition). `held`: their ids, when the events come out of quarantine."""

    topic: str
    partition: int
    events: list[UsageEvent] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    held: Sequence[int] | None = None


def decode(topic: str, partition: int, records: Iterable[tuple[int, bytes]]) -> Iterator[Batch]:
    """Reads records (offset, bytes) into batches of bounded size."""
    batch, size = Batch(topic=topic, partition=partition), 0
    for offset, payload in records:
        size += len(payload)
        for one in rules.read_record(payload):
            if type(one) is UsageEvent:
                batch.events.append(one)
                batch.records.append(offset)
            else:
                batch.rejections.append((offset, one))
        if len(batch.events) >= BATCH_EVENTS or size >= BATCH_BYTES or len(batch.rejections) >= BATCH_EVENTS:
            yield batch
            batch, size = Batch(topic=topic, partition=partition), 0
    if batch.events or batch.rejections:
        yield batch


@dataclass(kw_only=True)
class Work:
    """A batch being written at `now`. Positions are indexes into its events; `seqs` those that were stored."""

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
    stored: set[int] = field(default_factory=set)

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

    def held(self, position: int) -> int | None:
        """The event's id in quarantine, if it comes from there."""
        return self.batch.held[position] if self.batch.held is not None else None

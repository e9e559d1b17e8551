"""Intake: records in, each batch one transaction (domain.md §3). Files use it today, Kafka's consumer the very same.

A batch is guarded by `seen` alone; the filter in memory only says where a look-up is likely to be worth it.
"""

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

from psycopg.errors import DeadlockDetected
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from metering import columns, identity, rules, store
from metering.batch import RELEASES, Batch, Read, Work, decode
from metering.identity import SeenFilter
from metering.primaries import store_primaries
from metering.references import Placed, place_references
from metering.store import Counts, GuardMissed, HeldRow

ATTEMPTS, SWITCHES_PER_S = 5, 5_000


@contextmanager
def in_batches() -> Iterator[None]:
    """Python at work on batches: no garbage collection, since they hold many objects and no cycles; and the thread that
    writes need not wait long for the one that reads."""
    was_on, interval_s = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(1 / SWITCHES_PER_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        if was_on:
            gc.enable()


class Intake:
    """Takes batches in, one transaction each. Keeps the dictionary of texts and the filter between batches."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._ids = store.Terms(engine)
        self._filter = SeenFilter()
        self._suspicious = False

    def ingest(
        self, topic: str, partition: int, records: Iterable[tuple[int, bytes]], now: datetime,
        read: Read = columns.read,
    ) -> Counts:  # fmt: skip
        """Takes in records (offset, bytes) of a topic's partition, recorded at `now`; returns what became of them.

        While one batch is written the next is read.
        """
        total, writing = Counts(), None
        with in_batches(), ThreadPoolExecutor(max_workers=1) as writer:
            for batch in decode(topic, partition, records, read):
                total += writing.result() if writing else Counts()
                writing = writer.submit(self.take, batch, now)
            total += writing.result() if writing else Counts()
        self.sweep(now)
        return total

    def sweep(self, now: datetime) -> None:
        """Releases what waits for an event that another worker has stored meanwhile."""
        self.take(Batch(topic=RELEASES, partition=0, held=()), now)

    def take(self, batch: Batch, now: datetime, also: Callable[[Connection], None] = lambda _: None) -> Counts:
        """One batch in a transaction of its own, tried again when another worker was faster.

        `also` writes what is to be committed with it; an error there undoes the batch.
        """
        for _ in range(ATTEMPTS):
            try:
                with self._engine.begin() as connection:
                    counts = self.write(connection, batch, now)
                    also(connection)
                    return counts
            except GuardMissed as error:
                self._suspicious, last = True, error
            except (DeadlockDetected, OperationalError) as error:
                if not isinstance(getattr(error, "orig", error), DeadlockDetected):
                    raise
                last = error
        raise last

    def write(self, connection: Connection, batch: Batch, now: datetime) -> Counts:
        """Writes a batch inside the caller's transaction, which may hold consumer offsets as well.

        Raises GuardMissed when another worker was faster; the transaction is then to be rolled back and tried again.
        """
        store.take_lock(connection)
        release_id, batch_id = store.next_batch_ids(connection)
        terms = store.load_attribution(connection, now)
        work = Work(
            connection=connection, batch=batch, now=now, release_id=release_id, batch_id=batch_id, terms=terms,
            ids=self._ids,
        )  # fmt: skip
        store.ensure_partition(connection, work.recorded_month)
        self._settle_identities(work)
        store_primaries(work, self._filter.add)
        identity.identify(work, list(work.holds))
        placed = place_references(work)
        return _close(work, placed)

    def _settle_identities(self, work: Work) -> None:
        """Decides what the filter, the quarantine or the batch itself knows; the guard decides the rest."""
        events, pairs = work.batch.events, identity.repeats(work)
        everything = self._suspicious or work.batch.held is not None
        likely = range(len(events)) if everything else {*self._filter.maybe(events.keys), *(one for one, _ in pairs)}
        identity.identify(work, likely)
        self._suspicious = self._suspicious and bool(work.duplicates)
        identity.check_held(work, range(len(events)))
        identity.settle_repeats(work, pairs)


def _close(work: Work, placed: Placed) -> Counts:
    """Writes the batch's own row, its quarantine and dead letters, and the outcome of what came out of quarantine."""
    released: dict[int, tuple[str, int | None]] = {one.held: ("duplicate", None) for one in placed.known}
    again = {}
    for seq, one in placed.stored.items():
        if one.held is None:
            work.stored += 1
            work.store([seq - work.first_seq])
        else:
            released[one.held] = ("stored", seq)
    for seq, (one, hold) in placed.holds.items():
        if one.held is None:
            work.holds[seq - work.first_seq] = hold
        else:
            again[one.held] = hold
    _write_releases(work, released)
    released.update(work.released)
    if work.batch.held is not None:
        released.update((work.batch.held[one], ("duplicate", None)) for one in work.duplicates)
        again.update((work.batch.held[one], hold) for one, hold in work.holds.items())
    store.resolve(work.connection, work.now, released)
    store.hold_again(work.connection, again)
    return _write_batch(work)


def _write_releases(work: Work, released: dict[int, tuple[str, int | None]]) -> None:
    if not released:
        return
    outcomes = Counter(resolution for resolution, _ in released.values())
    counts = Counts(stored=outcomes["stored"], duplicate=outcomes["duplicate"])
    topic_id = work.ids([RELEASES])[RELEASES]
    store.insert_batch(work.connection, work.release_id, topic_id, 0, work.now, counts)


def _write_batch(work: Work) -> Counts:
    batch, connection, now = work.batch, work.connection, work.now
    topic_id = work.ids([batch.topic])[batch.topic]
    fresh = batch.held is None
    quarantined = 0
    if fresh:
        rows = [_held_row(work, position) for position in sorted(work.holds)]
        quarantined = store.quarantine(connection, work.batch_id, topic_id, batch.partition, now, rows)
    counts = Counts(
        received=len(batch.events) + len(batch.rejections) if fresh else 0,
        stored=work.stored,
        duplicate=len(work.duplicates) + (len(work.holds) - quarantined if fresh else 0),
        quarantined=quarantined,
        dead_lettered=len(batch.rejections),
    )
    if counts == Counts():
        return counts
    letters = [
        (record, one.reason, one.detail, one.payload, batch.headers.get(record)) for record, one in batch.rejections
    ]
    if letters:
        store.copy_dead_letters(connection, work.batch_id, topic_id, batch.partition, now, letters)
    _write_dropped(work)
    store.insert_batch(connection, work.batch_id, topic_id, batch.partition, now, counts)
    return counts


def _held_row(work: Work, position: int) -> HeldRow:
    event = work.batch.events[position]
    data = event.data or rules.canonical_json(rules.gpu_values(event))
    return HeldRow(
        record=int(work.batch.events.records[position]), key=event.key, content=event.content, source=event.source,
        event_id=event.id, type=event.type, data=data.decode(), hold=work.holds[position],
    )  # fmt: skip


def _write_dropped(work: Work) -> None:
    events = work.batch.events
    dropped = Counter((events[one].source, name) for one, names in events.dropped.items() for name in names)
    if dropped:
        ids = work.ids({source for source, _ in dropped})
        counts = {(ids[source], name): count for (source, name), count in dropped.items()}
        store.copy_dropped(work.connection, work.batch_id, counts)

"""Batches of a partition into the database with its offset, one transaction each; waits while the database is away.

Knows records as (offset, headers, value) and nothing of the broker's client.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psycopg
from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy import Connection, Engine

from metering import modes, offsets
from metering.batch import Batch
from metering.intake import Intake
from metering.offsets import PartitionLost, Position
from metering.record_batches import Record
from metering.rules import Rejection
from metering.store import Counts, GuardMissed

TOPIC = "usage.events"
BACKOFF_FIRST_MS, BACKOFF_MAX_MS = 200, 10_000
AWAY = ("08", "40", "53", "55", "57", "58")  # classes of SQLSTATE: connection, serialisation, resources, locks, server
DETAIL_LIMIT = 500
Say = Callable[[str, str], None]
T = TypeVar("T")


class Stopped(Exception):
    """The worker is to stop; what was being written is rolled back."""


@dataclass(kw_only=True)
class Taken:
    """A partition that this worker has taken: `written` is the next offset in the database, `lost` that another has
    taken it since."""

    topic: str
    partition: int
    epoch: int
    written: int
    lost: bool = False


class Writer:
    """Writes what a worker has read; tells `say` once when the database is away, and once when it is back."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], say: Say, stopping: threading.Event):
        self._engine, self._clock, self._say, self._stopping = engine, clock, say, stopping
        self._intake = Intake(engine)

    def take(self, topic: str, partition: int, first_offset: int) -> Position:
        """Takes a partition over. Raises Stopped."""

        def taking() -> Position:
            with self._engine.begin() as connection:
                return offsets.take(connection, topic, partition, first_offset)

        return self.patiently(taking)

    def advance(self, taken: Taken, next_offset: int) -> None:
        """Moves on where nothing is to be written: the broker's own marks, or records that are no longer there."""

        def moving() -> None:
            with self._engine.begin() as connection:
                self._advance(connection, taken, next_offset)

        self._unless_lost(taken, next_offset, lambda: self.patiently(moving))

    def sweep(self) -> None:
        """Releases what waits for events that other workers have stored."""
        self.patiently(lambda: self._intake.sweep(self._clock()))

    def write(self, taken: Taken, batch: Batch, records: Sequence[Record], next_offset: int) -> None:
        """Writes a batch, read from `records`, with its offset; nothing when the partition is lost. Raises Stopped.

        Records that the database or we ourselves cannot take are found by halving, and become dead letters.
        """
        try:
            self._unless_lost(taken, next_offset, lambda: self._write(taken, batch, next_offset))
        except Stopped:
            raise
        except Exception as error:  # one bad record must not stop those after it, whatever is wrong with it
            self.halve(taken, records, next_offset, error)

    def _write(self, taken: Taken, batch: Batch, next_offset: int) -> Counts:
        def also(connection: Connection) -> None:
            self._advance(connection, taken, next_offset)

        return self.patiently(lambda: self._intake.take(batch, self._clock(), also))

    def _advance(self, connection: Connection, taken: Taken, next_offset: int) -> None:
        offsets.advance(connection, taken.topic, taken.partition, taken.epoch, taken.written, next_offset)

    def _unless_lost(self, taken: Taken, next_offset: int, action: Callable[[], object]) -> None:
        if taken.lost:
            return
        try:
            action()
            taken.written = next_offset
        except PartitionLost as error:
            taken.lost = True
            where = f"{error.topic}[{error.partition}]"
            self._say(
                f"{where}: 다른 작업자가 맡았습니다. 쓰던 묶음은 되돌렸습니다.", f"{where}: taken over; rolled back."
            )

    def halve(self, taken: Taken, records: Sequence[Record], next_offset: int, error: Exception) -> None:
        """Takes records in by halves, until the one that cannot be taken is alone: a dead letter. Raises Stopped."""
        if len(records) > 1:
            middle = len(records) // 2
            parts = ((records[:middle], records[middle].offset), (records[middle:], next_offset))
        else:
            parts = ()
            self._refuse(taken, records[0], next_offset, error)
        for part, end in parts:
            try:
                batch = modes.read(taken.topic, taken.partition, part)
            except Exception as problem:  # the same here: reading must stop at no record
                self.halve(taken, part, end, problem)
            else:
                self.write(taken, batch, part, end)

    def _refuse(self, taken: Taken, record: Record, next_offset: int, error: Exception) -> None:
        offset, headers, value, _ = record
        detail = f"{type(error).__name__}: {str(error)[:DETAIL_LIMIT]!r}"
        self._say(f"{taken.topic}[{taken.partition}] {offset}: {detail}", f"… refused: {detail}")
        letter = Rejection(reason="refused", detail=detail, payload=value or b"")
        batch = Batch(topic=taken.topic, partition=taken.partition, rejections=[(offset, letter)],
                      headers={offset: modes.headers_text(headers)} if headers else {})  # fmt: skip
        self._unless_lost(taken, next_offset, lambda: self._write(taken, batch, next_offset))

    def patiently(self, action: Callable[[], T]) -> T:
        """Does something in the database; while it is away, again and again. Raises Stopped when told to stop."""
        wait_ms, away = BACKOFF_FIRST_MS, False
        while True:
            try:
                done = action()
            except Exception as error:
                if not is_away(error):
                    raise
                if not away and not isinstance(error, GuardMissed):
                    away, said = True, str(getattr(error, "orig", error)).splitlines()[:1]
                    self._say(f"데이터베이스를 기다립니다: {said}", f"waiting for the database: {said}")
                if self._stopping.wait(wait_ms / 1000):
                    raise Stopped from None
                wait_ms = min(wait_ms * 2, BACKOFF_MAX_MS)
                continue
            if away:
                self._say("데이터베이스가 돌아왔습니다.", "the database is back.")
            return done


def is_away(error: Exception) -> bool:
    """Whether trying again may help: the server is gone or going, is out of room, or another worker was faster."""
    cause = getattr(error, "orig", error)
    if isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError)):
        return cause.sqlstate is None or cause.sqlstate[:2] in AWAY
    return isinstance(cause, (GuardMissed, IdleInTransactionSessionTimeout))


def milliseconds() -> int:
    """A clock that only goes forward, in whole milliseconds."""
    return time.monotonic_ns() // 1_000_000

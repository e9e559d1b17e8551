"""How far each partition was taken in, fenced: a worker that lost its partition commits nothing (domain.md §3)."""

from dataclasses import dataclass

from sqlalchemy import Connection, text


class PartitionLost(Exception):
    """Another worker has taken the partition over, or its offset is not where this worker left it."""

    def __init__(self, topic: str, partition: int, epoch: int, expected: int):
        super().__init__(f"{topic}[{partition}]: epoch {epoch}, next offset {expected}: not any more")
        self.topic, self.partition, self.epoch, self.expected = topic, partition, epoch, expected


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a partition goes on. `epoch` 1: it was never taken before."""

    epoch: int
    next_offset: int


def take(connection: Connection, topic: str, partition: int, first_offset: int) -> Position:
    """Takes a partition over: the epoch grows by one, and whoever had it before commits nothing more.

    `first_offset`: where to begin when it was never read.
    """
    row = connection.execute(
        text(
            "INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES (:topic, :partition, :first, 1)"
            " ON CONFLICT (topic, partition) DO UPDATE SET epoch = consumer_offset.epoch + 1"
            " RETURNING epoch, next_offset"
        ),
        {"topic": topic, "partition": partition, "first": first_offset},
    ).one()
    return Position(epoch=row.epoch, next_offset=row.next_offset)


def advance(connection: Connection, topic: str, partition: int, epoch: int, expected: int, next_offset: int) -> None:
    """Moves a partition from the offset `expected` to `next_offset`, in the transaction that writes its usage.

    Raises PartitionLost when the epoch or the offset is another by now.
    """
    done = connection.execute(
        text(
            "UPDATE consumer_offset SET next_offset = :next WHERE topic = :topic AND partition = :partition"
            " AND epoch = :epoch AND next_offset = :expected"
        ),
        {"topic": topic, "partition": partition, "epoch": epoch, "expected": expected, "next": next_offset},
    )
    if done.rowcount != 1:
        raise PartitionLost(topic, partition, epoch, expected)


def stored(connection: Connection, topic: str) -> dict[int, int]:
    """partition → next offset, of every partition that was ever taken."""
    rows = connection.execute(
        text("SELECT partition, next_offset FROM consumer_offset WHERE topic = :topic"), {"topic": topic}
    )
    return {row.partition: row.next_offset for row in rows}

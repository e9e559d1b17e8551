"""Storage as a step function: bytes held from a snapshot to the next or to a certified deletion. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from metering.rules import DELETED


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A snapshot or, by its `type`, a certified deletion of a volume; zone empty when not said."""

    seq: int
    type: int
    source: str
    id: str
    project: str
    volume: str
    zone: str
    storage_class: str
    at_us: int
    held_bytes: int

    @property
    def order(self) -> tuple:
        """How readings are sorted: at one instant a deletion wins, then the highest (source, id)."""
        return (self.project, self.volume, self.at_us, self.type, self.source, self.id)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a snapshot makes a zone of a volume hold, until `ended_by` (None: it goes on)."""

    begun_by: Reading
    ended_by: Reading | None

    def within(self, start_us: int, end_us: int) -> int:
        """Microseconds × bytes inside [start, end)."""
        until = end_us if self.ended_by is None else min(end_us, self.ended_by.at_us)
        return max(0, until - max(start_us, self.begun_by.at_us)) * self.begun_by.held_bytes


def steps(readings: Iterable[Reading]) -> Iterator[Step]:
    """The steps of sorted readings. A deletion ends every zone; a snapshot strictly later begins a new life."""
    for _, of_volume in groupby(readings, key=lambda one: (one.project, one.volume)):
        held: dict[str, Reading] = {}
        for reading in of_volume:
            ending = list(held) if reading.type == DELETED else [reading.zone] if reading.zone in held else []
            for zone in ending:
                yield Step(begun_by=held.pop(zone), ended_by=reading)
            if reading.type != DELETED:
                held[reading.zone] = reading
        for reading in held.values():
            yield Step(begun_by=reading, ended_by=None)

"""A filter in memory over the identities that this process has stored: a hint where to look, never the guard."""

from collections.abc import Sequence

import numpy

SLOTS = 1 << 25
PROBES = 3


class SeenFilter:
    """A Bloom filter of one byte a slot. What it does not know may still be stored, what it knows may not be."""

    def __init__(self):
        self._slots = numpy.zeros(SLOTS, numpy.bool_)

    def add(self, keys: Sequence[bytes]) -> None:
        """Remembers identities."""
        if keys:
            for probe in self._probes(keys):
                self._slots[probe] = True

    def maybe(self, keys: Sequence[bytes]) -> list[int]:
        """The positions of those keys that are likely to have been added."""
        if not keys:
            return []
        hits = numpy.ones(len(keys), numpy.bool_)
        for probe in self._probes(keys):
            hits &= self._slots[probe]
        return numpy.flatnonzero(hits).tolist()

    def _probes(self, keys: Sequence[bytes]) -> list[numpy.ndarray]:
        halves = numpy.frombuffer(b"".join(keys), numpy.uint64).reshape(-1, 2)
        mask = numpy.uint64(SLOTS - 1)
        return [(halves[:, 0] + halves[:, 1] * numpy.uint64(number)) & mask for number in range(PROBES)]

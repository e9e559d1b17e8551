"""A filter in memory over the identities that this process has stored: a hint where to look, never the guard."""

import numpy

SLOTS = 1 << 25
PROBES = 3


class SeenFilter:
    """A Bloom filter of one byte a slot. What it does not know may still be stored, what it knows may not be."""

    def __init__(self):
        self._slots = numpy.zeros(SLOTS, numpy.bool_)

    def add(self, keys: numpy.ndarray) -> None:
        """Remembers identities, two halves each."""
        for probe in self._probes(keys):
            self._slots[probe] = True

    def maybe(self, keys: numpy.ndarray) -> list[int]:
        """The positions of those keys that are likely to have been added."""
        hits = numpy.ones(len(keys), numpy.bool_)
        for probe in self._probes(keys):
            hits &= self._slots[probe]
        return numpy.flatnonzero(hits).tolist()

    def _probes(self, keys: numpy.ndarray) -> list[numpy.ndarray]:
        halves = numpy.array(keys, numpy.uint64)
        mask = numpy.uint64(SLOTS - 1)
        return [(halves[:, 0] + halves[:, 1] * numpy.uint64(number)) & mask for number in range(PROBES)]

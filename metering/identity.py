"""Identity (source, id) is for ever: same content is a duplicate, other content a conflict (domain.md §3).

The guard is the database's. A filter in memory only says where a look-up is likely to be worth it.
"""

from collections.abc import Iterable, Sequence

import numpy

from metering import store
from metering.attribution import Hold
from metering.batch import Work
from metering.rules import UsageEvent

SLOTS = 1 << 25
PROBES = 3


class SeenFilter:
    """A Bloom filter, of one byte a slot, over the identities that this process has stored. What it does not know may
    still be stored, what it knows may not be."""

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


def conflict(event: UsageEvent) -> Hold:
    """The hold of an identity that came before with other content."""
    detail = f"{event.source} 의 '{event.id}' 은(는) 다른 내용으로 이미 들어왔습니다 (known with other content)"
    return Hold(reason="conflict", detail=detail)


def repeats(work: Work) -> list[tuple[int, int]]:
    """(position, position of the first) of identities that come more than once in the batch."""
    keys = numpy.array(work.batch.events.keys, numpy.uint64)
    halves = numpy.sort(keys[:, 0])
    if not (halves[1:] == halves[:-1]).any():
        return []
    order = numpy.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    same = (ordered[1:] == ordered[:-1]).all(axis=1)
    pairs, last, first = [], -1, -1
    for place in numpy.flatnonzero(same).tolist():
        if place != last + 1 or first < 0:
            first = int(order[place])
        pairs.append((int(order[place + 1]), first))
        last = place
    return sorted(pairs)


def settle_repeats(work: Work, pairs: Sequence[tuple[int, int]]) -> None:
    """Within a batch the first of an identity stands."""
    contents = work.batch.events.contents
    for position, first in pairs:
        if position in work.duplicates or position in work.holds:
            continue
        if contents[position] == contents[first]:
            work.duplicates.add(position)
        else:
            work.holds[position] = conflict(work.batch.events[position])


def identify(work: Work, positions: Iterable[int]) -> None:
    """Looks identities up in the guard."""
    wanted = [one for one in positions if one not in work.looked_up]
    events = work.batch.events
    packed = events.packed_keys(wanted)
    known = store.seen_identities(work.connection, packed)
    work.looked_up.update(wanted)
    for number, position in enumerate(wanted) if known else ():
        found = known.get(packed[number * 16 : number * 16 + 16])
        if found is not None:
            work.holds.pop(position, None)
            if found[0] == events.contents[position]:
                work.duplicates.add(position)
            else:
                work.holds[position] = conflict(events[position])


def check_held(work: Work, positions: Sequence[int]) -> None:
    """Identities that stand in quarantine are guarded too; one that only waits as a conflict does not stand."""
    events = work.batch.events
    packed = events.packed_keys(positions)
    known = store.held_identities(work.connection, packed)
    for number, position in enumerate(positions) if known else ():
        rows = known.get(packed[number * 16 : number * 16 + 16])
        if rows is None or position in work.duplicates or position in work.holds:
            continue
        others = [one for one in rows if one.id != work.held(position)]
        if any(one.content == events.contents[position] for one in others):
            work.duplicates.add(position)
        elif any(one.status == "waiting" and one.reason != "conflict" for one in others):
            work.holds[position] = conflict(events[position])

"""Rows of the raw events, packed as binary COPY wants them (columns: store.EVENT_COLUMNS), and their roll-up."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy

from core.month import DAY_US, KST_OFFSET_US
from metering.attribution import Attribution
from metering.columns import Events
from metering.rules import GPU, UsageEvent
from metering.slices import day_slices
from metering.store import EVENT_COLUMNS, NULL

COLUMN_COUNT = len(EVENT_COLUMNS)
HEAD = (
    ("columns", ">i2"), ("seq_bytes", ">i4"), ("seq", ">i8"), ("record_bytes", ">i4"), ("record", ">i8"),
    ("start_bytes", ">i4"), ("start", ">i8"), ("end_bytes", ">i4"), ("end", ">i8"),
)  # fmt: skip
LENGTH_BITS = 20  # a text is shorter than a record
PART_ROWS = 8192  # about a range of the index by sequence number
NEVER_US = 1 << 62
DAY_BITS, DAY_SHIFT = 23, 1 << 20
_big = struct.Struct(">iq").pack
_int = struct.Struct(">ii").pack
_small = struct.Struct(">ih").pack
_length = struct.Struct(">i").pack
Ids = Callable[[Iterable[str]], Mapping[str, int]]
Deltas = dict[tuple[int, int, int], int]


class GpuRows:
    """Attributes, packs and rolls up the GPU events of a batch: by group where groups are few and events many."""

    def __init__(self, terms: Attribution, events: Events):
        self._windows = [terms.windows.get(group.project, ()) for group in events.groups]
        self._events = events

    def attribute(self, positions: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The positions of events that lie inside one agreement, and those of the others."""
        events = self._events
        group, start_us, end_us = (column[positions] for column in (events.group, events.start_us, events.end_us))
        inside = numpy.zeros(len(positions), numpy.bool_)
        for number in range(max(map(len, self._windows), default=0)):
            windows = [one[number] if number < len(one) else (NEVER_US, 0) for one in self._windows]
            firsts, lasts = numpy.array(windows, numpy.int64).T
            inside |= (firsts[group] <= start_us) & (end_us <= lasts[group])
        return positions[inside], positions[~inside]

    def _used(self, good: numpy.ndarray) -> list[int]:
        """The groups of some events."""
        return numpy.unique(self._events.group[good]).tolist()

    def pack(self, good: numpy.ndarray, first_seq: int, ids: Ids, recorded_month: int) -> Iterator[bytes]:
        """The rows of some events: in each part those of one shape together, which are laid out at once."""
        shared = self._shared(self._used(good), ids, recorded_month)
        sizes = numpy.zeros(len(self._events.groups), numpy.int64)
        sizes[list(shared)] = [len(one) for one in shared.values()]
        for first in range(0, len(good), PART_ROWS):
            yield from self._packed(good[first : first + PART_ROWS], first_seq, shared, sizes)

    def _packed(
        self, good: numpy.ndarray, first_seq: int, shared: Mapping[int, bytes], sizes: numpy.ndarray
    ) -> Iterator[bytes]:
        events, group = self._events, self._events.group[good]
        names, sessions = ([texts[one] for one in good.tolist()] for texts in (events.ids, events.sessions))
        name_bytes, session_bytes = (numpy.fromiter(map(len, texts), numpy.int64, len(good))
                                     for texts in (names, sessions))  # fmt: skip
        shape = (sizes[group] << 2 * LENGTH_BITS) + (name_bytes << LENGTH_BITS) + session_bytes
        order = numpy.argsort(shape, kind="stable")
        for same in numpy.split(order, numpy.flatnonzero(numpy.diff(shape[order])) + 1):
            chosen = same.tolist()
            parts = ([shared[one] for one in group[same].tolist()],
                     [names[one] for one in chosen], [sessions[one] for one in chosen])  # fmt: skip
            yield self._laid_out(good[same], first_seq, *parts)

    def _laid_out(
        self, good: numpy.ndarray, first_seq: int, shared: list[bytes], names: list[bytes], sessions: list[bytes]
    ) -> bytes:
        """Rows of one shape."""
        widths = [len(texts[0]) for texts in (shared, names, sessions)]
        row = [*HEAD, ("shared", f"V{widths[0]}"), ("name_bytes", ">i4"), ("name", f"V{widths[1]}"),
               ("session_bytes", ">i4"), ("session", f"V{widths[2]}")]  # fmt: skip
        rows = numpy.empty(len(good), row)
        rows["columns"], rows["name_bytes"], rows["session_bytes"] = COLUMN_COUNT, *widths[1:]
        for name in ("seq", "record", "start", "end"):
            rows[name + "_bytes"] = 8
        events = self._events
        rows["seq"], rows["record"] = first_seq + good, events.records[good]
        rows["start"], rows["end"] = events.start_us[good], events.end_us[good]
        for name, width, texts in zip(("shared", "name", "session"), widths, (shared, names, sessions), strict=True):
            rows[name] = numpy.frombuffer(b"".join(texts), f"V{width}")
        return rows.tobytes()

    def _shared(self, used: Iterable[int], ids: Ids, recorded_month: int) -> dict[int, bytes]:
        """What the rows of each group share, packed."""
        groups = [(number, self._events.groups[number]) for number in used]
        texts = {text for _, one in groups for text in (one.source, one.project, one.model, one.node, one.cluster)}
        known = ids(texts - {None})
        front = _int(4, recorded_month) + _small(2, GPU) + NULL + NULL
        return {
            number: b"".join((
                front, *(_int(4, known[text]) for text in (one.source, one.project, one.model)),
                _int(4, one.gpus_milli), *(_int(4, known[text]) if text else NULL for text in (one.node, one.cluster)),
            ))
            for number, one in groups
        }  # fmt: skip

    def deltas(self, good: numpy.ndarray, ids: Ids) -> Deltas:
        """(project id, model id, day) → microseconds × thousandths of some events, exact."""
        events = self._events
        group, start_us, end_us = (column[good] for column in (events.group, events.start_us, events.end_us))
        first = (start_us + KST_OFFSET_US) // DAY_US
        one_day = (end_us - 1 + KST_OFFSET_US) // DAY_US == first
        pairs, place = numpy.unique((group[one_day] << DAY_BITS) + first[one_day] + DAY_SHIFT, return_inverse=True)
        lengths_us = numpy.zeros(len(pairs), numpy.int64)
        numpy.add.at(lengths_us, place, (end_us - start_us)[one_day])
        used = {number: events.groups[number] for number in self._used(good)}
        known = ids({text for one in used.values() for text in (one.project, one.model)})
        sums: Deltas = {}

        def add(number: int, day: int, quantity: int) -> None:
            key = (known[used[number].project], known[used[number].model], day)
            sums[key] = sums.get(key, 0) + quantity

        for pair, length_us in zip(pairs.tolist(), lengths_us.tolist(), strict=True):
            number, day = pair >> DAY_BITS, (pair & ((1 << DAY_BITS) - 1)) - DAY_SHIFT
            add(number, day, length_us * used[number].gpus_milli)
        longer = ~one_day
        for number, *interval in zip(*(one[longer].tolist() for one in (group, start_us, end_us)), strict=True):
            for day, quantity in day_slices(*interval, used[number].gpus_milli):
                add(number, day, quantity)
        return sums


def pack_event(
    event: UsageEvent, seq: int, record: int, recorded_month: int, target_seq: int | None, project: str | None,
    known: Mapping[str, int],
) -> bytes:  # fmt: skip
    """The row of an event other than GPU usage; `project`: its own, or the one of the work it refers to."""
    event_id = event.id.encode()
    return b"".join((
        COLUMN_COUNT.to_bytes(2, "big"), _big(8, seq), _big(8, record),
        *(_big(8, one) if one is not None else NULL for one in (event.start_us, event.end_us)),
        _int(4, recorded_month), _small(2, event.type), _big(8, target_seq) if target_seq is not None else NULL,
        _length(len(event.data)), event.data, _int(4, known[event.source]),
        _int(4, known[project]) if project is not None else NULL, NULL, NULL, NULL, NULL,
        _length(len(event_id)), event_id, NULL,
    ))  # fmt: skip

"""Rows of the raw events, packed as binary COPY wants them (columns: store.EVENT_COLUMNS), and their roll-up."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.month import DAY_US, KST_OFFSET_US
from metering.attribution import Attribution, Window
from metering.rules import GPU, UsageEvent
from metering.slices import day_slices
from metering.store import EVENT_COLUMNS, NULL

COLUMN_COUNT = len(EVENT_COLUMNS)
_head = struct.Struct(">hiqiqiqiq").pack
_big = struct.Struct(">iq").pack
_int = struct.Struct(">ii").pack
_small = struct.Struct(">ih").pack
_length = struct.Struct(">i").pack
Ids = Callable[[Iterable[str]], Mapping[str, int]]


@dataclass(kw_only=True, slots=True)
class Group:
    """What the events of one source, project, model, gpus, node and cluster share in a batch."""

    project: str
    model: str
    windows: tuple[Window, ...]
    columns: bytes = b""
    days: dict[int, int] = field(default_factory=dict)


class GpuRows:
    """Attributes, packs and rolls up the GPU events of a batch: by group, since groups are few and events many."""

    def __init__(self, terms: Attribution):
        self._terms = terms
        self._groups: dict[tuple, Group] = {}

    def attribute(
        self, events: Sequence[UsageEvent], positions: Iterable[int]
    ) -> tuple[list[int], list[Group], list[int]]:
        """The positions of events inside an agreement, their groups, and the positions of the others."""
        good, owners, others = [], [], []
        groups, windows = self._groups, self._terms.windows
        for position in positions:
            event = events[position]
            name = (event.source, event.project, event.model, event.gpus_milli, event.node, event.cluster)
            group = groups.get(name)
            if group is None:
                found = windows.get(event.project, ())
                group = groups[name] = Group(project=event.project, model=event.model, windows=found)
            for start_us, end_us in group.windows:
                if start_us <= event.start_us and event.end_us <= end_us:
                    good.append(position)
                    owners.append(group)
                    break
            else:
                others.append(position)
        return good, owners, others

    def prepare(self, ids: Ids, recorded_month: int) -> None:
        """Packs what each group's rows share; only groups that may hold a stored event are named in the dictionary."""
        groups = [(name, group) for name, group in self._groups.items() if group.windows]
        known = ids({text for name, _ in groups for text in (*name[:3], *name[4:]) if text is not None})
        shared = _int(4, recorded_month) + _small(2, GPU) + NULL + NULL
        for (source, project, model, gpus_milli, node, cluster), group in groups:
            terms = [_int(4, known[text]) for text in (source, project, model)]
            places = [_int(4, known[text]) if text is not None else NULL for text in (node, cluster)]
            group.columns = b"".join((shared, *terms, _int(4, gpus_milli), *places))

    def pack(
        self, events: Sequence[UsageEvent], records: Sequence[int], first_seq: int, good: Sequence[int],
        owners: Sequence[Group],
    ) -> bytes:  # fmt: skip
        """The rows of stored events; adds them to their groups' days."""
        out: list[bytes] = []
        append = out.append
        for position, group in zip(good, owners, strict=True):
            event = events[position]
            start_us, end_us = event.start_us, event.end_us
            event_id, session = event.id.encode(), event.session.encode()
            append(_head(COLUMN_COUNT, 8, first_seq + position, 8, records[position], 8, start_us, 8, end_us))
            append(group.columns)
            append(_length(len(event_id)))
            append(event_id)
            append(_length(len(session)))
            append(session)
            days, day = group.days, (start_us + KST_OFFSET_US) // DAY_US
            if (end_us - 1 + KST_OFFSET_US) // DAY_US == day:
                days[day] = days.get(day, 0) + (end_us - start_us) * event.gpus_milli
            else:
                for one, quantity in day_slices(start_us, end_us, event.gpus_milli):
                    days[one] = days.get(one, 0) + quantity
        return b"".join(out)

    def deltas(self, ids: Ids) -> dict[tuple[int, int, int], int]:
        """(project id, model id, day) → microseconds × thousandths of what was packed."""
        known = ids(())
        sums: dict[tuple[int, int, int], int] = {}
        for group in self._groups.values():
            for day, quantity in group.days.items():
                key = (known[group.project], known[group.model], day)
                sums[key] = sums.get(key, 0) + quantity
        return sums


def pack_event(
    event: UsageEvent, seq: int, record: int, recorded_month: int, target_seq: int | None, project: str | None,
    known: Mapping[str, int],
) -> bytes:  # fmt: skip
    """The row of an event other than GPU usage; `project`: its own, or the one of the work it refers to."""
    event_id = event.id.encode()
    return b"".join((
        COLUMN_COUNT.to_bytes(2, "big"), _big(8, seq), _big(8, record),
        _big(8, event.start_us) if event.start_us is not None else NULL, NULL,
        _int(4, recorded_month), _small(2, event.type), _big(8, target_seq) if target_seq is not None else NULL,
        _length(len(event.data)), event.data, _int(4, known[event.source]),
        _int(4, known[project]) if project is not None else NULL, NULL, NULL, NULL, NULL,
        _length(len(event_id)), event_id, NULL,
    ))  # fmt: skip

"""The events of a batch as columns: GPU usage, nearly all of what comes, is read and kept in arrays. Pure.

Whatever the quick reading does not take goes through rules.read_event, which decides; both give the same events.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import compress
from typing import NamedTuple

import msgspec
import numpy

from metering import fields, rules
from metering.instants import instants
from metering.rules import GPU, Rejection, UsageEvent

CHUNK_RECORDS = 256
TAIL = b'Z"},"type":"gpu.usage"}'
_special = re.compile(rb'["\\\x00-\x1f]')
_text = msgspec.json.Encoder().encode
_unfolded = lru_cache(maxsize=1)(rules.unfold)  # a batch's refused events come one after another


class Group(NamedTuple):
    """What GPU events of one kind share."""

    source: str
    project: str
    model: str
    gpus_milli: int
    node: str | None
    cluster: str | None


@dataclass(kw_only=True)
class Events:
    """Events by position, in order of arrival. `others`: those that are not GPU usage; `group` is -1 for them.

    `keys`: two big-endian halves of each identity; `records`: offsets; `ids` and `sessions` as UTF-8.
    """

    keys: numpy.ndarray
    contents: numpy.ndarray
    records: numpy.ndarray
    start_us: numpy.ndarray
    end_us: numpy.ndarray
    group: numpy.ndarray
    ids: list[bytes]
    sessions: list[bytes]
    groups: list[Group] = field(default_factory=list)
    others: dict[int, UsageEvent] = field(default_factory=dict)
    dropped: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def key(self, position: int) -> bytes:
        """The identity of an event."""
        return self.keys[position].tobytes()

    def packed_keys(self, positions: Sequence[int] | numpy.ndarray) -> bytes:
        """The identities of some events, 16 bytes each."""
        return self.keys[positions].tobytes() if len(positions) else b""

    def __getitem__(self, position: int) -> UsageEvent:
        """One event by itself."""
        if position in self.others:
            return self.others[position]
        source, project, model, gpus_milli, node, cluster = self.groups[self.group[position]]
        return UsageEvent(
            GPU, source, self.ids[position].decode(), self.key(position), int(self.contents[position]), project,
            self.sessions[position].decode(), int(self.start_us[position]), int(self.end_us[position]), gpus_milli,
            model, node, cluster, dropped=self.dropped.get(position, ()),
        )  # fmt: skip


def read(records: Iterable[tuple[int, bytes]]) -> tuple[Events, list[tuple[int, Rejection]]]:
    """The events of records (offset, bytes), batches unfolded, and what cannot be read."""
    offsets, payloads, found, rejections = _opened(records)
    missed = [place for place, one in enumerate(found) if one is None]
    places = [place for place, one in enumerate(found) if one is not None] if missed else list(range(len(found)))
    events, refused = _quick(places, [one for one in found if one is not None] if missed else found)
    careful = sorted([*refused, *missed])
    slow: list[tuple[int, UsageEvent]] = []
    for place in careful:
        one = rules.read_event(_payload(payloads[place]))
        if isinstance(one, Rejection):
            rejections.append((offsets[place], one))
        else:
            slow.append((place, one))
    if slow:
        events = _merged(events, slow)
    events.records = numpy.array(offsets, numpy.int64)[events.records]
    return events, rejections


def of_events(events: Sequence[UsageEvent], records: Sequence[int]) -> Events:
    """The columns of events that were read one by one."""
    found = _merged(empty(), list(enumerate(events)))
    found.records = numpy.array(records, numpy.int64)
    return found


def _opened(records: Iterable[tuple[int, bytes]]) -> tuple[list[int], list, list, list[tuple[int, Rejection]]]:
    """By event: offset, bytes (or its batch and its place there), the GPU record or None; and what is no batch."""
    offsets, payloads, found, single, rejections = [], [], [], [], []
    for offset, payload in records:
        if payload[:1] == b"{":
            single.append(len(payloads))
            payloads.append(payload)
            found.append(None)
            offsets.append(offset)
        elif batch := _decoded_batch(payload):
            payloads += [(payload, place) for place in range(len(batch))]
            found += batch
            offsets += [offset] * len(batch)
        elif isinstance(parts := rules.unfold(payload), Rejection):
            rejections.append((offset, parts))
        else:
            single += range(len(payloads), len(payloads) + len(parts))
            payloads += parts
            found += [None] * len(parts)
            offsets += [offset] * len(parts)
    for first in range(0, len(single), CHUNK_RECORDS):
        places = single[first : first + CHUNK_RECORDS]
        for place, one in zip(places, _decoded([payloads[place] for place in places]), strict=True):
            found[place] = one
    return offsets, payloads, found, rejections


def _payload(payload: bytes | tuple[bytes, int]) -> bytes:
    """An event's own bytes, also those out of a batch."""
    return payload if isinstance(payload, bytes) else _unfolded(payload[0])[payload[1]]


def _decoded_batch(payload: bytes) -> list | None:
    """The GPU records of a batch that holds nothing else; None when it is to be unfolded."""
    if b"\\u0000" in payload or len(payload) > rules.RECORD_LIMIT_BYTES:
        return None
    try:
        return rules.gpu_batch.decode(payload)
    except (ValueError, RecursionError):
        return None


def _decoded(payloads: list[bytes]) -> list:
    """GPU records by place; None where the record is something else, or not to be read quickly."""
    joined = b"\n".join(payloads)
    if (
        joined.count(b"\n") == len(payloads) - 1
        and b"\\u0000" not in joined
        and len(joined) <= rules.RECORD_LIMIT_BYTES
    ):
        try:
            found = rules.gpu_record.decode_lines(joined)
        except (ValueError, RecursionError):
            found = []
        if len(found) == len(payloads):
            return found
    return [_decoded_one(payload) for payload in payloads]


def _decoded_one(payload: bytes):
    if b'"gpu.usage"' not in payload or b"\\u0000" in payload or len(payload) > rules.RECORD_LIMIT_BYTES:
        return None
    try:
        return rules.gpu_record.decode(payload)
    except (ValueError, RecursionError):
        return None


def _quick(places: list[int], records: list) -> tuple[Events, list[int]]:
    """The columns of GPU records; `records` holds their places. And the places of those that are to be refused."""
    if not places:
        return empty(), []
    data = [one.data for one in records]
    start_us, start_read, starts = instants([one.start for one in data])
    end_us, end_read, ends = instants([one.end for one in data])
    groups, group = _grouped(records, data)
    good = start_read & end_read & (start_us < end_us) & (group >= 0) & _times_read(records, data)
    refused = []
    if not good.all():
        refused = list(compress(places, (~good).tolist()))
        lists = (places, records, data, starts, ends)
        places, records, data, starts, ends = (list(compress(one, good.tolist())) for one in lists)
        start_us, end_us, group = start_us[good], end_us[good], group[good]
    ids, sessions = [one.id.encode() for one in records], [one.session.encode() for one in data]
    events = Events(
        keys=_keys(groups, group, ids), contents=_contents(groups, group, sessions, starts, ends),
        records=numpy.array(places, numpy.int64), start_us=start_us, end_us=end_us, group=group, ids=ids,
        sessions=sessions, groups=groups,
    )  # fmt: skip
    return events, refused


def _times_read(records: list, data: list) -> numpy.ndarray:
    """Whether the optional `time` is an instant; mostly it is the event's end again."""
    read = numpy.ones(len(records), numpy.bool_)
    other = [place for place, (one, its) in enumerate(zip(records, data, strict=True)) if one.time != its.end]
    other = [place for place in other if records[place].time is not None]
    if other:
        read[other] = instants([records[place].time for place in other])[1]
    return read


def _grouped(records: list, data: list) -> tuple[list[Group], numpy.ndarray]:
    """Groups and each record's group; -1 where `gpus` cannot be read."""
    numbers: dict[tuple, int] = {}
    setdefault = numbers.setdefault
    group = [
        setdefault((one.source, its.project, its.model, bytes(its.gpus), its.node, its.cluster), len(numbers))
        for one, its in zip(records, data, strict=True)
    ]
    groups, unreadable = [], []
    for number, (source, project, model, raw, node, cluster) in enumerate(numbers):
        try:
            gpus_milli = fields.milli(raw, "data.gpus", fields.GPUS_LIMIT_MILLI)
        except fields.FieldError:
            gpus_milli = 0
            unreadable.append(number)
        groups.append(Group(source, project, model, gpus_milli, node, cluster))
    found = numpy.array(group, numpy.int64)
    if unreadable:
        found[numpy.isin(found, unreadable)] = -1
    return groups, found


def _keys(groups: list[Group], group: numpy.ndarray, ids: list[bytes]) -> numpy.ndarray:
    begun = [rules.source_state(one.source).copy for one in groups]
    digests = []
    for one, event_id in zip(group.tolist(), ids, strict=True):
        state = begun[one]()
        state.update(event_id)
        digests.append(state.digest())
    return numpy.ascontiguousarray(numpy.frombuffer(b"".join(digests), ">u8").reshape(-1, 4)[:, :2])


def _contents(
    groups: list[Group], group: numpy.ndarray, sessions: list[bytes], starts: list[bytes], ends: list[bytes]
) -> numpy.ndarray:
    """The leading 64 bits of the SHA-256 of each content, as rules.content_hash has it."""
    parts = [_canonical_parts(one) for one in groups]
    if _special.search(b"".join(sessions)):
        sessions = [_text(one.decode())[1:-1] for one in sessions]
    join, digests = b"".join, []
    for one, end, session, start in zip(group.tolist(), ends, sessions, starts, strict=True):
        head, middle = parts[one]
        digests.append(sha256(join((head, end, middle, session, b'","start":"', start, TAIL))).digest())
    return numpy.frombuffer(b"".join(digests), ">i8").reshape(-1, 4)[:, 0]


def _canonical_parts(group: Group) -> tuple[bytes, bytes]:
    """Canonical JSON of a group's events up to the end's text, and from there into the session."""
    _, project, model, gpus_milli, node, cluster = group
    placed = b"" if cluster is None else b'"cluster":' + _text(cluster) + b","
    on_node = b"" if node is None else b'"node":' + _text(node) + b","
    gpus = fields.decimal_text(gpus_milli).encode()
    named = b'"model":' + _text(model) + b"," + on_node + b'"project":' + _text(project)
    return b'{"data":{' + placed + b'"end":"', b'Z","gpus":"' + gpus + b'",' + named + b',"session":"'


def empty() -> Events:
    """No events."""
    none = numpy.zeros(0, numpy.int64)
    return Events(keys=numpy.zeros((0, 2), ">u8"), contents=none, records=none, start_us=none, end_us=none, group=none,
                  ids=[], sessions=[])  # fmt: skip


def _appended(column: numpy.ndarray, more: Sequence) -> numpy.ndarray:
    """A column with more values, of the same type to the byte order."""
    return numpy.array(numpy.concatenate([column, numpy.array(more, column.dtype)]), column.dtype)


def _merged(quick: Events, slow: list[tuple[int, UsageEvent]]) -> Events:
    """Columns with events that were read one by one, in order of their places."""
    groups = list(quick.groups)
    numbers = {group: number for number, group in enumerate(groups)}
    group = []
    for _, one in slow:
        name = Group(one.source, one.project, one.model, one.gpus_milli, one.node, one.cluster)
        if one.type == GPU and name not in numbers:
            numbers[name] = len(groups)
            groups.append(name)
        group.append(numbers[name] if one.type == GPU else -1)
    columns = {
        "keys": numpy.frombuffer(b"".join(one.key for _, one in slow), ">u8").reshape(-1, 2),
        "contents": [one.content for _, one in slow], "records": [place for place, _ in slow],
        "start_us": [one.start_us or 0 for _, one in slow], "end_us": [one.end_us or 0 for _, one in slow],
        "group": group,
    }  # fmt: skip
    joined = {name: _appended(getattr(quick, name), more) for name, more in columns.items()}
    order = numpy.argsort(joined["records"], kind="stable")
    ids = quick.ids + [one.id.encode() for _, one in slow]
    sessions = quick.sessions + [(one.session or "").encode() for _, one in slow]
    at = numpy.empty(len(order), numpy.int64)
    at[order] = numpy.arange(len(order))
    new = dict(zip(at[len(quick) :].tolist(), (one for _, one in slow), strict=True))
    return Events(
        **{name: column[order] for name, column in joined.items()},
        ids=[ids[one] for one in order.tolist()], sessions=[sessions[one] for one in order.tolist()],
        groups=groups, others={place: one for place, one in new.items() if one.type != GPU},
        dropped={place: one.dropped for place, one in new.items() if one.dropped},
    )  # fmt: skip

"""Records of files → messages for Kafka: the inverse of modes, and as strict. Pure.

Nothing is judged here. What does not fit the asked mode goes out as it is, in structured mode: the consumer judges it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from metering import rules
from metering.modes import BATCH, CONTENT_TYPE, STRUCTURED
from metering.rules import RECORD_LIMIT_BYTES, Rejection, UsageEvent
from metering.sacct import SacctReader

SINGLE_MODE, BATCH_MODE, BINARY_MODE = MODES = ("single", "batch", "binary")
BATCH_EVENTS = 100
JSON = "application/json"
_attribute = re.compile(r"[a-z0-9]{1,100}", re.ASCII)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_text = msgspec.json.Decoder(str | None)


class _Data(msgspec.Struct, gc=False):
    project: str | None = None


class _Head(msgspec.Struct, gc=False):
    data: _Data | None = None


_head = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message for Kafka, and how many events it carries. `key`: the project's code, where it can be read."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    events: int


def messages(records: Iterable[bytes], mode: str) -> Iterator[Message]:
    """The messages of records, in their order; in batch mode in that order for each key."""
    events = (event for record in records for event in _events(record))
    if mode == BATCH_MODE:
        yield from _batches(events)
    else:
        yield from map(_binary if mode == BINARY_MODE else _structured, events)


def _events(record: bytes) -> list[bytes]:
    """The events of a line; a line that is no readable batch is sent as it is."""
    parts = rules.unfold(record)
    return [record] if isinstance(parts, Rejection) or not parts else parts


def job_records(reader: SacctReader, rows: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The events of accounting rows in JSON; a row that cannot be read or is not mapped comes as it is."""
    for row in rows:
        events, rejections = reader.read([row])
        for event in (events[place] for place in range(len(events))):
            yield event_json(event)
        yield from (rejection.payload for _, rejection in rejections)


def event_json(event: UsageEvent) -> bytes:
    """An event that is not GPU usage in CloudEvents JSON."""
    known = {"specversion": "1.0", "id": event.id, "source": event.source, "type": rules.TYPES[event.type]}
    return rules.canonical_json(known | {"data": event.values})


def project_key(event: bytes) -> bytes | None:
    """`data.project` of an event's JSON; None where there is none or it cannot be read."""
    try:
        data = _head.decode(event).data
        return data.project.encode() if data and data.project else None
    except (ValueError, RecursionError):
        return None


def _structured(event: bytes) -> Message:
    headers = ((CONTENT_TYPE, STRUCTURED.encode()),)
    return Message(key=project_key(event), value=event, headers=headers, events=1)


def _batches(events: Iterable[bytes]) -> Iterator[Message]:
    """Batches of one key each, of at most 100 events and 1 MiB. What is no JSON object goes alone."""
    waiting: dict[bytes | None, list[bytes]] = {}
    sizes: dict[bytes | None, int] = {}
    for event in events:
        if not _is_object(event) or len(event) + 2 > RECORD_LIMIT_BYTES:
            yield _structured(event)
            continue
        key = project_key(event)
        if sizes.get(key, 2) + len(event) + 1 > RECORD_LIMIT_BYTES:
            yield _batch(key, waiting.pop(key))
            del sizes[key]
        waiting.setdefault(key, []).append(event)
        sizes[key] = sizes.get(key, 2) + len(event) + 1
        if len(waiting[key]) == BATCH_EVENTS:
            yield _batch(key, waiting.pop(key))
            del sizes[key]
    for key, together in waiting.items():
        yield _batch(key, together)


def _batch(key: bytes | None, events: list[bytes]) -> Message:
    value = b"[" + b",".join(events) + b"]"
    return Message(key=key, value=value, headers=((CONTENT_TYPE, BATCH.encode()),), events=len(events))


def _is_object(event: bytes) -> bool:
    try:
        _object.decode(event)
    except (ValueError, RecursionError):
        return False
    return True


def _binary(event: bytes) -> Message:
    """Attributes as `ce_` headers and data as the value; structured where that would change what the event says."""
    try:
        top = _object.decode(event)
        data = bytes(top.pop("data"))
        attributes = {name: _any_text.decode(raw) for name, raw in top.items()}
    except (KeyError, ValueError, RecursionError):
        return _structured(event)
    content_type = attributes.pop("datacontenttype", None) or JSON
    if content_type != JSON or data == b"null" or not all(map(_attribute.fullmatch, attributes)):
        return _structured(event)
    known = [(f"ce_{name}", value.encode()) for name, value in attributes.items() if value is not None]
    headers = ((CONTENT_TYPE, content_type.encode()), *known)
    return Message(key=project_key(event), value=data, headers=headers, events=1)

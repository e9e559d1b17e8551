"""A record's headers and value → the bytes of its event in CloudEvents JSON, or why there are none. Pure.

CloudEvents' Kafka binding 1.0 in structured and in binary mode, and our extension, batches; a record without headers
is read as structured.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence

import msgspec
from msgspec import structs

from metering import columns, rules
from metering.batch import Batch
from metering.rules import Rejection

Headers = Sequence[tuple[str, bytes | None]]
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
CONTENT_TYPE, ATTRIBUTE = "content-type", "ce_"
NOT_ATTRIBUTES = ("data", "data_base64", "datacontenttype")
_any_json = msgspec.json.Decoder(msgspec.Raw)
_encode = msgspec.json.Encoder().encode


def read(topic: str, partition: int, records: Sequence[tuple[int, Headers, bytes | None, str]]) -> Batch:
    """Reads records (offset, headers, value, why it is broken) of a partition. What cannot be read keeps its value
    and its headers."""
    readable, refused, composed, plain = [], [], {}, ()
    for offset, headers, value, broken in records:
        if (headers is plain or not headers) and value is not None and not broken:
            readable.append((offset, value))
            continue
        payload = Rejection(reason="corrupt", detail=broken, payload=value) if broken else payload_of(headers, value)
        if isinstance(payload, Rejection):
            refused.append((offset, payload))
            continue
        readable.append((offset, payload))
        if payload is value:
            plain = headers  # those that follow often share the very same
        else:
            composed[offset] = value
    events, rejections = columns.read(readable)
    for offset, one in rejections:
        refused.append((offset, structs.replace(one, payload=composed[offset]) if offset in composed else one))
    wanted = {offset for offset, _ in refused}
    return Batch(
        topic=topic, partition=partition, events=events, rejections=sorted(refused, key=lambda one: one[0]),
        headers={one[0]: headers_text(one[1]) for one in records if wanted and one[1] and one[0] in wanted},
    )  # fmt: skip


def headers_text(headers: Headers) -> str:
    """Headers as dead letters keep them: a JSON array of [name, base64 of the value or null]."""
    return json.dumps([[name, None if raw is None else b64encode(raw).decode()] for name, raw in headers])


def headers_of(text: str | None) -> list[tuple[str, bytes | None]]:
    """The headers that headers_text wrote."""
    return [(name, None if raw is None else b64decode(raw)) for name, raw in json.loads(text or "[]")]


def payload_of(headers: Headers, value: bytes | None) -> bytes | Rejection:
    """The event's JSON (or a batch's array), as rules.unfold reads it; a Rejection keeps the value as it came.

    Reasons: `tombstone`, `content_type`, and in binary mode those of rules.
    """
    if value is None:
        return Rejection(reason="tombstone", detail="값이 없는 레코드입니다 (a record without a value)", payload=b"")
    if not headers:
        return value
    content_type, attributes, problem = None, {}, ""
    for name, raw in headers:
        lowered = name.lower()
        if lowered == CONTENT_TYPE:
            content_type = (raw or b"").decode("utf-8", "replace")
        elif lowered.startswith(ATTRIBUTE) and lowered[3:] not in NOT_ATTRIBUTES:
            try:
                attributes[lowered[3:]] = (raw or b"").decode()
            except UnicodeDecodeError:
                problem = f"{lowered[: rules.NAME_LIMIT]!r}: UTF-8이 아닙니다 (not UTF-8)"
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind in (STRUCTURED, BATCH) or (content_type is None and not attributes):
        return value
    if problem:
        return Rejection(reason="schema", detail=problem, payload=value)
    if not attributes or not _is_json(kind, content_type):
        return _unknown(content_type, value)
    return _composed(attributes, value)


def _is_json(kind: str, content_type: str | None) -> bool:
    """Whether the data of a binary event is JSON, which it also is when nothing is said."""
    return content_type is None or kind == "application/json" or kind.endswith("+json")


def _unknown(content_type: str | None, value: bytes) -> Rejection:
    detail = f"content-type: {(content_type or '')[:60]!r} {STRUCTURED}, {BATCH} 또는 ce_ 헤더와 application/json 만"
    return Rejection(reason="content_type", detail=f"{detail} 읽습니다 (not read)", payload=value)


def _composed(attributes: dict[str, str], value: bytes) -> bytes | Rejection:
    """One JSON object of attributes and data; rules say what is wrong with a value that is not one whole JSON value."""
    if len(value) > rules.RECORD_LIMIT_BYTES or not _is_whole(value):
        return rules.read_event(value)
    return _encode(attributes)[:-1] + b',"data":' + value + b"}"


def _is_whole(value: bytes) -> bool:
    try:
        _any_json.decode(value)
    except (ValueError, RecursionError):
        return False
    return True

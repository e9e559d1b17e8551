"""One record's bytes → usage events, or a rejection with its reason (domain.md §3, contract.md §4).

Pure: the intake worker and a distributed engine over the archived raw events run these very functions. GPU usage,
nearly all of what comes, is read in one pass; everything else, and whatever that pass refuses, field by field.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from metering import fields
from metering.fields import FieldError, Text

RECORD_LIMIT_BYTES = 1 << 20
NAME_LIMIT = 100
GPU, SNAPSHOT, DELETED, PERFORMED, ACCEPTED, REJECTED, EXPORTED, VOIDED, AMENDED, JOB = range(10)
TYPES = (
    "gpu.usage", "storage.snapshot", "storage.deleted", "preparation.performed", "preparation.accepted",
    "preparation.rejected", "result.exported", "usage.voided", "usage.amended", "slurm.job",
)  # fmt: skip
NUMBERS = {name: number for number, name in enumerate(TYPES)}
REQUIRED = (
    ("project", "session", "start", "end", "gpus", "model"),
    ("project", "volume", "at", "bytes"),
    ("project", "volume", "at", "certificate"),
    ("project", "line", "work", "unit", "quantity", "performed"),
    ("ref", "at", "by"),
    ("ref", "at", "by", "reason"),
    ("project", "at", "kind", "digest"),
    ("ref", "reason", "author"),
    ("ref", "reason", "author", "fields"),
    ("project", "session", "start", "end", "elapsed_s", "gpu_count", "core_count", "model"),
)
OPTIONAL = (
    ("node", "cluster"), ("class", "zone"), (), ("modality", "grade"), ("quantity",), ("quantity",), (), (), (),
    ("node", "cluster"),
)  # fmt: skip
KNOWN = tuple(frozenset(required + optional) for required, optional in zip(REQUIRED, OPTIONAL, strict=True))
ENVELOPE = frozenset(
    ("specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data")
)
CHOICES = {"zone": ("provider", "analysis"), "kind": ("model", "analysis", "raw")}
AMENDABLE = frozenset().union(*KNOWN) - {"ref"}
REMOVABLE = frozenset().union(*OPTIONAL)


class Rejection(Struct, frozen=True, gc=False, kw_only=True):
    """Bytes that cannot be read: `reason` is a word to count by, `detail` names the field and what is wrong."""

    reason: str
    detail: str
    payload: bytes


class UsageEvent(Struct, gc=False):
    """An event as read. GPU usage is typed (`data` None); others keep canonical JSON in `data`, its values in `values`.

    `key`: 128 bits for (source, id); `content`: the leading 64 bits of the content's SHA-256, signed, as stored;
    `start_us` is also the one instant of an event that has only one.
    """

    type: int
    source: str
    id: str
    key: bytes
    content: int
    project: str | None = None
    session: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    gpus_milli: int | None = None
    model: str | None = None
    node: str | None = None
    cluster: str | None = None
    data: bytes | None = None
    values: dict[str, Any] | None = None
    dropped: tuple[str, ...] = ()


class _GpuData(Struct, gc=False, forbid_unknown_fields=True):
    project: Text
    session: Text
    start: str
    end: str
    gpus: Raw
    model: Text
    node: Text | None = None
    cluster: Text | None = None


class _GpuRecord(Struct, gc=False, forbid_unknown_fields=True):
    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Literal["gpu.usage"]
    data: _GpuData
    time: str | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None


class _GpuCanonical(Struct, gc=False):
    cluster: str | UnsetType
    end: str
    gpus: str
    model: str
    node: str | UnsetType
    project: str
    session: str
    start: str


class _GpuContent(Struct, gc=False):
    data: _GpuCanonical
    type: str = "gpu.usage"


gpu_record = msgspec.json.Decoder(_GpuRecord)
gpu_batch = msgspec.json.Decoder(list[_GpuRecord])
_object = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])
_plain = msgspec.json.Decoder()
_encode = msgspec.json.Encoder(order="sorted").encode
_encode_gpu = msgspec.json.Encoder().encode
_UNREADABLE = (ValueError, RecursionError)
_sources: dict[str, Any] = {}
_gpus: dict[bytes, tuple[int, str]] = {}


def read_record(payload: bytes) -> list[UsageEvent | Rejection]:
    """Every event of a record: one, or those of a JSON array (a batch). What cannot be read is a Rejection each."""
    parts = unfold(payload)
    return [parts] if isinstance(parts, Rejection) else [read_event(one) for one in parts]


def unfold(payload: bytes) -> list[bytes] | Rejection:
    """The events' bytes of a record: its own, or those of a batch."""
    if payload[:64].lstrip()[:1] != b"[":
        return [payload]
    if len(payload) > RECORD_LIMIT_BYTES:
        return _too_large(payload)
    try:
        return [bytes(one) for one in _array.decode(payload)]
    except _UNREADABLE as error:
        return _not_json(payload, error)


def read_event(payload: bytes) -> UsageEvent | Rejection:
    """The event of a record in CloudEvents 1.0 JSON, or why it cannot be read."""
    if len(payload) > RECORD_LIMIT_BYTES:
        return _too_large(payload)
    try:
        record = gpu_record.decode(payload)
        if b"\\u0000" in payload:
            return _read_carefully(payload)
        return _gpu_event(record)
    except _UNREADABLE:
        return _read_carefully(payload)


def _gpu_event(record: _GpuRecord) -> UsageEvent:
    """A GPU event from the one-pass record; raises FieldError for what only field by field can be explained."""
    data = record.data
    start_us, start = fields.instant(data.start, "data.start")
    end_us, end = fields.instant(data.end, "data.end")
    if start_us >= end_us:
        raise FieldError("data.end", "")
    if record.time is not None and record.time != data.end:
        fields.instant(record.time, "time")
    raw = bytes(data.gpus)
    known = _gpus.get(raw)
    if known is None:
        gpus_milli = fields.milli(raw, "data.gpus", fields.GPUS_LIMIT_MILLI)
        if len(_gpus) >= fields.CACHE_LIMIT:
            _gpus.clear()
        known = _gpus[raw] = (gpus_milli, fields.decimal_text(gpus_milli))
    node, cluster = data.node, data.cluster
    canonical = _GpuCanonical(
        UNSET if cluster is None else cluster, end, known[1], data.model, UNSET if node is None else node,
        data.project, data.session, start,
    )  # fmt: skip
    content = int.from_bytes(sha256(_encode_gpu(_GpuContent(canonical))).digest()[:8], "big", signed=True)
    return UsageEvent(
        GPU, record.source, record.id, identity(record.source, record.id), content, data.project, data.session,
        start_us, end_us, known[0], data.model, node, cluster,
    )  # fmt: skip


def identity(source: str, event_id: str) -> bytes:
    """128 bits that stand for (source, id); the source's length goes first, so that no two pairs run together."""
    state = source_state(source).copy()
    state.update(event_id.encode())
    return state.digest()[:16]


def source_state(source: str) -> Any:
    """The hash of identities of a source before their id, to be copied."""
    state = _sources.get(source)
    if state is None:
        encoded = source.encode()
        if len(_sources) >= fields.CACHE_LIMIT:
            _sources.clear()
        state = _sources[source] = sha256(len(encoded).to_bytes(4, "big") + encoded)
    return state


def content_hash(number: int, data: bytes) -> bytes:
    """SHA-256 over the canonical JSON of type and known data (domain.md §3)."""
    return sha256(b'{"data":' + data + b',"type":"' + TYPES[number].encode() + b'"}').digest()


def canonical_gpu(
    project: str, session: str, start_us: int, end_us: int, gpus_milli: int, model: str,
    node: str | None = None, cluster: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The canonical data of a GPU event from its typed columns."""
    values = {
        "project": project, "session": session, "start": fields.instant_text(start_us),
        "end": fields.instant_text(end_us), "gpus": fields.decimal_text(gpus_milli), "model": model,
    }  # fmt: skip
    return values | {name: value for name, value in (("node", node), ("cluster", cluster)) if value is not None}


def gpu_values(event: UsageEvent) -> dict[str, Any]:
    """The canonical data of a GPU event as read."""
    return canonical_gpu(
        event.project, event.session, event.start_us, event.end_us, event.gpus_milli, event.model, event.node,
        event.cluster,
    )  # fmt: skip


def canonical_json(values: dict[str, Any]) -> bytes:
    """Canonical JSON of known data: fields sorted, UTF-8, no spaces."""
    return _encode(values)


def _read_carefully(payload: bytes) -> UsageEvent | Rejection:
    try:
        top = _object.decode(payload)
        payload.decode()
    except _UNREADABLE as error:
        return _not_json(payload, error)
    try:
        return _event_of(top)
    except FieldError as error:
        return Rejection(reason="schema", detail=str(error), payload=payload)
    except RecursionError:
        return Rejection(reason="schema", detail="data: 너무 깊습니다 (nested too deeply)", payload=payload)


def _event_of(top: dict[str, Raw]) -> UsageEvent:
    version, event_id, source, name = (_attribute(top, one) for one in ("specversion", "id", "source", "type"))
    if version != "1.0":
        raise FieldError("specversion", f"{version!r} CloudEvents 1.0 만 읽습니다 (only 1.0 is read)")
    if name not in NUMBERS:
        raise FieldError("type", f"{name[:60]!r} 모르는 종류입니다 (unknown type)")
    if "time" in top and bytes(top["time"]) != b"null":
        fields.instant(fields.text(bytes(top["time"]), "time"), "time")
    if "data" not in top:
        raise FieldError("data", "없습니다 (required)")
    data = _object_of(top["data"], "data")
    number = NUMBERS[name]
    dropped = (
        *(one for one in top if one not in ENVELOPE),
        *(f"data.{one}" for one in data if one not in KNOWN[number]),
    )
    values = read_values(number, {one: bytes(raw) for one, raw in data.items()}, source)
    return usage_event(source, event_id, number, values, tuple(repr(one[:NAME_LIMIT])[1:-1] for one in dropped))


def _attribute(top: dict[str, Raw], name: str) -> str:
    if name not in top:
        raise FieldError(name, "없습니다 (required)")
    return fields.text(bytes(top[name]), name)


def _object_of(raw: Raw | bytes, field: str) -> dict[str, Raw]:
    try:
        return _object.decode(bytes(raw))
    except ValueError:
        raise FieldError(field, "객체가 아닙니다 (not an object)") from None


def usage_event(
    source: str, event_id: str, number: int, values: dict[str, Any], dropped: tuple[str, ...] = ()
) -> UsageEvent:
    """The event of canonical values, as read_values gives them."""
    data = canonical_json(values)
    event = UsageEvent(number, source, event_id, identity(source, event_id), 0)
    event.content = int.from_bytes(content_hash(number, data)[:8], "big", signed=True)
    event.project, event.values, event.dropped = values.get("project"), values, dropped
    moment = values.get("start") or values.get("at") or values.get("performed")
    event.start_us = fields.instant(moment, "at")[0] if moment else None
    if "end" in values:
        event.end_us = fields.instant(values["end"], "end")[0]
    if number == GPU:
        event.gpus_milli = fields.milli_of(values["gpus"])
        event.session, event.model = values["session"], values["model"]
        event.node, event.cluster = values.get("node"), values.get("cluster")
    else:
        event.data = data
    return event


def read_values(number: int, raw: dict[str, bytes], source: str, prefix: str = "data.") -> dict[str, Any]:
    """The canonical values of a type's known fields from their JSON. Raises FieldError naming the field."""
    values: dict[str, Any] = {}
    for name in REQUIRED[number]:
        if name not in raw:
            raise FieldError(prefix + name, "없습니다 (required)")
        values[name] = read_field(name, raw[name], source, prefix)
    for name in OPTIONAL[number]:
        if raw.get(name, b"null") != b"null":
            values[name] = read_field(name, raw[name], source, prefix)
    if number == GPU and values["start"] >= values["end"]:
        raise FieldError(prefix + "end", f"{values['end']} 시작보다 뒤여야 합니다 (end must be after start)")
    if number == JOB:
        fields.check_elapsed(values["start"], values["end"], values["elapsed_s"], prefix)
    if number == SNAPSHOT:
        values.setdefault("class", "standard")
    return values


def reread(number: int, values: dict[str, Any], source: str) -> dict[str, Any]:
    """Reads canonical values again, as an amendment leaves them. Raises FieldError naming what does not fit."""
    return read_values(number, {name: _encode(value) for name, value in values.items()}, source, "")


def _instant(raw: bytes, field: str, source: str) -> str:
    return fields.instant(fields.text(raw, field), field)[1]


def _gpus_text(raw: bytes, field: str, source: str) -> str:
    return fields.decimal_text(fields.milli(raw, field, fields.GPUS_LIMIT_MILLI))


def _quantity(raw: bytes, field: str, source: str) -> str:
    return fields.decimal_text(fields.milli(raw, field))


def _whole(limit: int) -> Callable[[bytes, str, str], int]:
    return lambda raw, field, source: fields.whole(raw, field, limit)


def _choice(raw: bytes, field: str, source: str) -> str:
    value, choices = fields.text(raw, field), CHOICES[field.rpartition(".")[2]]
    if value not in choices:
        raise FieldError(field, f"{value[:60]!r} {' / '.join(choices)} 가운데 하나여야 합니다 (must be one of these)")
    return value


def _ref(raw: bytes, field: str, source: str) -> dict[str, str]:
    """`{source, id}`; a bare string is an id of the same source (contract.md §4)."""
    if raw[:1] == b'"':
        return {"id": fields.text(raw, field), "source": source}
    parts = _object_of(raw, field)
    if set(parts) != {"source", "id"}:
        raise FieldError(field, "source 와 id 가 있어야 합니다 (needs source and id, nothing else)")
    return {name: fields.text(bytes(parts[name]), f"{field}.{name}") for name in ("id", "source")}


def _fields(raw: bytes, field: str, source: str) -> dict[str, Any]:
    """The fields that an amendment replaces; null takes an optional one away."""
    given = {name: bytes(value) for name, value in _object_of(raw, field).items()}
    if not given:
        raise FieldError(field, "비어 있습니다 (names no field)")
    values = {}
    for name, value in sorted(given.items()):
        if name not in AMENDABLE:
            raise FieldError(f"{field}.{name[:60]!r}", "고칠 수 있는 항목이 아닙니다 (not a field that can be amended)")
        removed = value == b"null" and name in REMOVABLE
        values[name] = None if removed else read_field(name, value, source, f"{field}.")
    return values


READERS: dict[str, Callable[[bytes, str, str], Any]] = {
    "start": _instant, "end": _instant, "at": _instant, "performed": _instant, "gpus": _gpus_text,
    "quantity": _quantity, "zone": _choice, "kind": _choice, "ref": _ref, "fields": _fields,
    "bytes": _whole(fields.BYTES_LIMIT), "elapsed_s": _whole(fields.ELAPSED_LIMIT_S),
    "gpu_count": _whole(fields.COUNT_LIMIT), "core_count": _whole(fields.COUNT_LIMIT),
}  # fmt: skip


def read_field(name: str, raw: bytes, source: str, prefix: str) -> Any:
    """One field's canonical value from its JSON; texts where no reader of its own is listed."""
    reader = READERS.get(name)
    return reader(raw, prefix + name, source) if reader else fields.text(raw, prefix + name)


def _too_large(payload: bytes) -> Rejection:
    detail = f"{len(payload):,} 바이트: 한 기록은 {RECORD_LIMIT_BYTES:,} 바이트까지입니다 (the record is too large)"
    return Rejection(reason="too_large", detail=detail, payload=payload)


def _not_json(payload: bytes, error: Exception) -> Rejection:
    return Rejection(reason="not_json", detail=f"JSON 이 아닙니다 (not JSON): {error}"[:500], payload=payload)

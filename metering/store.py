"""The SQL of intake: guard, raw rows, roll-up, quarantine, dead letters. Set-based, in the caller's transaction."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Engine, text

from core.database import PackedUuids, copy_into, copy_rows
from core.month import kst_day
from ledger.books import closed_programmes, locked_months
from metering.attribution import Attribution, Hold, attribution
from metering.corrections import Slice
from registry.terms import project_terms

INTAKE_LOCK = 0x6A73_0001
REFERENCE_LOCK = 0x6A73_0002
SEQ_BITS = 20
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
SEEN_ROW = numpy.dtype(
    [("fields", ">i2"), ("key_bytes", ">i4"), ("high", ">u8"), ("low", ">u8"), ("content_bytes", ">i4"),
     ("content", ">i8"), ("seq_bytes", ">i4"), ("seq", ">i8")]
)  # fmt: skip
EVENT_COLUMNS = (
    "seq", "record", "start_us", "end_us", "recorded_month", "type", "target_seq", "data", "source_id", "project_id",
    "model_id", "gpus_milli", "node_id", "cluster_id", "event_id", "session",
)  # fmt: skip
length = struct.Struct(">i").pack


class GuardMissed(Exception):
    """Another worker stored an identity of the batch between look-up and guard: the batch is to be tried again."""


class Terms:
    """The dictionary of repeating texts, cached in the process; new ones are committed by themselves, in order."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._ids: dict[str, int] = {}

    def __call__(self, values: Iterable[str]) -> Mapping[str, int]:
        """The ids of at least the given texts."""
        missing = sorted(set(values) - self._ids.keys())
        if missing:
            with self._engine.begin() as connection:
                wanted = {"values": missing}
                connection.execute(
                    text(
                        "INSERT INTO term (value) SELECT wanted FROM unnest(CAST(:values AS text[])) AS wanted"
                        " WHERE NOT EXISTS (SELECT 1 FROM term WHERE value = wanted) ON CONFLICT DO NOTHING"
                    ),
                    wanted,
                )
                rows = connection.execute(text("SELECT value, id FROM term WHERE value = ANY(:values)"), wanted)
                self._ids.update((row.value, row.id) for row in rows)
        return self._ids


def take_lock(connection: Connection) -> None:
    """Shared by running batches; a freeze takes it alone and so waits for them (see usage.freeze_mark)."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": INTAKE_LOCK})


def take_reference_lock(connection: Connection) -> None:
    """One worker at a time places events that refer to others, or releases what waits for them."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": REFERENCE_LOCK})


def next_batch_ids(connection: Connection) -> tuple[int, int]:
    """Two batch ids: the lower for what is released from quarantine, the higher for what has come."""
    first, second = connection.execute(text("SELECT nextval('intake_batch_id'), nextval('intake_batch_id')")).one()
    return first, second


def load_attribution(connection: Connection, now: datetime) -> Attribution:
    """What events are attributed by at an instant: a programme that is finally settled takes none, nor one after its
    settlement has closed, unless it was never settled (history may be loaded before the first settlement)."""
    rows = connection.execute(text("SELECT code, settlement_closes_on FROM programme ORDER BY code")).all()
    closed = {
        row.code: row.settlement_closes_on
        for row in rows
        if kst_day(now) > row.settlement_closes_on and locked_months(connection, row.code)
    } | closed_programmes(connection)
    return attribution(project_terms(connection, [row.code for row in rows]), closed)


def seen_identities(connection: Connection, keys: bytes) -> dict[bytes, tuple[int, int]]:
    """key → (content, seq) of those identities, 16 bytes each, that are stored already."""
    if not keys:
        return {}
    rows = connection.execute(
        text("SELECT key, content, seq FROM seen WHERE key = ANY(:keys)"), {"keys": PackedUuids(keys)}
    )
    return {row.key.bytes: (row.content, row.seq) for row in rows}


@dataclass(frozen=True, kw_only=True)
class Held:
    """An identity in quarantine, waiting or dismissed."""

    id: int
    content: int
    status: str
    reason: str


def held_identities(connection: Connection, keys: bytes) -> dict[bytes, list[Held]]:
    """key → what stands in quarantine, not released, of those identities."""
    any_held = connection.scalar(text("SELECT EXISTS (SELECT 1 FROM quarantine WHERE status <> 'released')"))
    if not keys or not any_held:
        return {}
    rows = connection.execute(
        text("SELECT key, id, content, status, reason FROM quarantine WHERE status <> 'released' AND key = ANY(:keys)"),
        {"keys": PackedUuids(keys)},
    )
    found: dict[bytes, list[Held]] = {}
    for row in rows:
        one = Held(id=row.id, content=row.content, status=row.status, reason=row.reason)
        found.setdefault(row.key.bytes, []).append(one)
    return found


def guard(connection: Connection, keys: numpy.ndarray, contents: Sequence[int], seqs: Sequence[int]) -> bool:
    """COPYs identities (two halves each) into `seen`, in key order.

    False, and nothing written, when one of them is there already.
    """
    if not len(keys):
        return True
    rows = numpy.empty(len(keys), SEEN_ROW)
    halves = numpy.array(keys, numpy.uint64)
    order = numpy.argsort(halves[:, 0])
    rows["fields"], rows["key_bytes"], rows["content_bytes"], rows["seq_bytes"] = 3, 16, 8, 8
    rows["high"], rows["low"] = halves[order, 0], halves[order, 1]
    rows["content"] = numpy.array(contents, numpy.int64)[order]
    rows["seq"] = numpy.array(seqs, numpy.int64)[order]
    savepoint = connection.begin_nested()
    try:
        copy_binary(connection, "seen", ("key", "content", "seq"), [rows.tobytes()])
    except UniqueViolation:
        savepoint.rollback()
        return False
    savepoint.commit()
    return True


def copy_binary(connection: Connection, target: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """COPYs rows that are packed already."""
    with copy_into(connection, target, columns, binary=True) as copy:
        copy.write(COPY_HEAD)
        for packed in rows:
            copy.write(packed)
        copy.write(COPY_TAIL)


def ensure_partition(connection: Connection, recorded_month: int) -> None:
    """Creates the month's partition of the raw events when it is missing."""
    connection.execute(text("SELECT ensure_event_partition(:month)"), {"month": recorded_month})


def copy_deltas(connection: Connection, batch_id: int, deltas: Mapping[tuple[int, int, int], int], meter: int) -> None:
    """Appends (project id, model id, day) → quantity to the roll-up; zeros are left out."""
    copy_rows(
        connection, "usage_delta", ("batch_id", "project_id", "model_id", "day", "meter", "quantity"),
        ((batch_id, *key, meter, quantity) for key, quantity in sorted(deltas.items()) if quantity),
    )  # fmt: skip


def copy_slices(connection: Connection, batch_id: int, slices: Mapping[Slice, int], known: Mapping[str, int]) -> None:
    """The same by (project, meter, model, day) in words; `known`: their ids in the dictionary."""
    copy_rows(
        connection, "usage_delta", ("batch_id", "project_id", "meter", "model_id", "day", "quantity"),
        (
            (batch_id, known[project], meter, known[model], day, quantity)
            for (project, meter, model, day), quantity in sorted(slices.items()) if quantity
        ),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HeldRow:
    """An event to put into quarantine."""

    record: int
    key: bytes
    content: int
    source: str
    event_id: str
    type: int
    data: str
    hold: Hold


def quarantine(
    connection: Connection, batch_id: int, topic_id: int, partition: int, now: datetime, rows: Sequence[HeldRow]
) -> int:
    """Puts events into quarantine; returns how many were not there yet (the others are duplicates)."""
    if not rows:
        return 0
    columns = {
        "records": [row.record for row in rows], "keys": [UUID(bytes=row.key) for row in rows],
        "contents": [row.content for row in rows], "sources": [row.source for row in rows],
        "ids": [row.event_id for row in rows], "types": [row.type for row in rows],
        "datas": [row.data for row in rows], "reasons": [row.hold.reason for row in rows],
        "details": [row.hold.detail for row in rows],
        "waits": [UUID(bytes=row.hold.waits_for) if row.hold.waits_for else None for row in rows],
    }  # fmt: skip
    done = connection.execute(
        text(
            "INSERT INTO quarantine (batch_id, record, topic_id, partition, key, content, source, event_id, type, data,"
            " reason, detail, waits_for, status, recorded_at)"
            " SELECT :batch_id, record, :topic_id, :partition, key, content, source, event_id, type, data, reason,"
            " detail, waits_for, 'waiting', :now FROM unnest(CAST(:records AS bigint[]), CAST(:keys AS uuid[]),"
            " CAST(:contents AS bigint[]), CAST(:sources AS text[]), CAST(:ids AS text[]), CAST(:types AS smallint[]),"
            " CAST(:datas AS text[]), CAST(:reasons AS text[]), CAST(:details AS text[]), CAST(:waits AS uuid[]))"
            " WITH ORDINALITY AS row (record, key, content, source, event_id, type, data, reason, detail, waits_for, n)"
            " ORDER BY n ON CONFLICT (key, content) DO NOTHING RETURNING id"
        ),
        {"batch_id": batch_id, "topic_id": topic_id, "partition": partition, "now": now, **columns},
    )
    return len(done.all())


def resolve(connection: Connection, now: datetime, outcomes: Mapping[int, tuple[str, int | None]]) -> None:
    """Marks quarantined events as released: id → (resolution `stored` or `duplicate`, seq)."""
    if not outcomes:
        return
    connection.execute(
        text(
            "UPDATE quarantine SET status = 'released', resolved_at = :now, resolution = outcome.resolution,"
            " seq = outcome.seq FROM unnest(CAST(:ids AS bigint[]), CAST(:resolutions AS text[]),"
            " CAST(:seqs AS bigint[])) AS outcome (id, resolution, seq) WHERE quarantine.id = outcome.id"
        ),
        {
            "now": now,
            "ids": list(outcomes),
            "resolutions": [resolution for resolution, _ in outcomes.values()],
            "seqs": [seq for _, seq in outcomes.values()],
        },
    )


def hold_again(connection: Connection, holds: Mapping[int, Hold]) -> None:
    """Writes why quarantined events still cannot be attributed."""
    if not holds:
        return
    connection.execute(
        text(
            "UPDATE quarantine SET reason = hold.reason, detail = hold.detail, waits_for = hold.waits_for"
            " FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[]), CAST(:details AS text[]),"
            " CAST(:waits AS uuid[])) AS hold (id, reason, detail, waits_for)"
            " WHERE quarantine.id = hold.id AND (quarantine.reason, quarantine.detail) <> (hold.reason, hold.detail)"
        ),
        {
            "ids": list(holds),
            "reasons": [hold.reason for hold in holds.values()],
            "details": [hold.detail for hold in holds.values()],
            "waits": [UUID(bytes=hold.waits_for) if hold.waits_for else None for hold in holds.values()],
        },
    )


WAITING = "SELECT id, record, source, event_id, type, data FROM quarantine WHERE status = 'waiting'"


def freed_references(
    connection: Connection, touched: Iterable[bytes], named: Iterable[bytes], tried: Iterable[int], room: int
) -> list:
    """Waiting events that may be placed now, oldest first, without those `tried`, at most `room`.

    Their target has come, or its tree (`touched`: roots) has changed, or what corrects them has come (`named`).
    """
    anything = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE waits_for IS NOT NULL AND status = 'waiting')"
    if not connection.scalar(text(anything)):
        return []
    return list(
        connection.execute(
            text(
                f"{WAITING} AND id <> ALL(:tried) AND ("  # noqa: S608
                " (reason = 'ref_missing' AND EXISTS (SELECT 1 FROM seen WHERE seen.key = quarantine.waits_for))"
                " OR (reason <> 'ref_missing' AND waits_for = ANY(CAST(:touched AS uuid[])))"
                " OR (reason <> 'ref_missing' AND waits_for IS NOT NULL AND key = ANY(CAST(:named AS uuid[]))))"
                " ORDER BY id LIMIT :room"
            ),
            {"tried": sorted(tried), "touched": _uuids(touched), "named": _uuids(named), "room": room},
        )
    )


def waiting_for(connection: Connection, keys: Iterable[bytes]) -> list:
    """Events that wait for one of the identities to arrive, oldest first."""
    where = " AND reason = 'ref_missing' AND waits_for = ANY(CAST(:keys AS uuid[])) ORDER BY id"
    return list(connection.execute(text(WAITING + where), {"keys": _uuids(keys)}))


def _uuids(keys: Iterable[bytes]) -> list[UUID]:
    return [UUID(bytes=key) for key in sorted(keys)]


def waiting(connection: Connection, ids: Sequence[int] | None) -> list:
    """Waiting quarantined events, all or some, oldest first."""
    among = " AND id = ANY(:ids)" if ids is not None else ""
    return list(connection.execute(text(f"{WAITING}{among} ORDER BY id"), {"ids": list(ids or ())}))


def copy_dead_letters(
    connection: Connection, batch_id: int, topic_id: int, partition: int, now: datetime, letters: Iterable[tuple]
) -> None:
    """COPYs (record, reason, detail, original bytes, headers); binary, since an original may be very long."""
    columns = ("batch_id", "topic_id", "partition", "recorded_at", "record", "reason", "detail", "payload", "headers")
    with copy_into(connection, "dead_letter", columns, binary=True) as copy:
        copy.set_types(["int8", "int4", "int4", "timestamptz", "int8", "text", "text", "bytea", "text"])
        for letter in letters:
            copy.write_row((batch_id, topic_id, partition, now, *letter))


def copy_dropped(connection: Connection, batch_id: int, counts: Mapping[tuple[int, str], int]) -> None:
    """COPYs (source id, field) → how often it was dropped."""
    copy_rows(
        connection, "dropped_field", ("batch_id", "source_id", "field", "count"),
        ((batch_id, *key, count) for key, count in sorted(counts.items())),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the records of a batch, or of a file (domain.md §3)."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    dead_lettered: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        names = self.__dataclass_fields__
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})


def insert_batch(
    connection: Connection, batch_id: int, topic_id: int, partition: int, now: datetime, counts: Counts
) -> None:
    """Writes the batch's row: from here on it counts."""
    connection.execute(
        text(
            "INSERT INTO intake_batch (id, topic_id, partition, recorded_at, received, stored, duplicate, quarantined,"
            " dead_lettered) VALUES (:id, :topic_id, :partition, :now, :received, :stored, :duplicate, :quarantined,"
            " :dead_lettered)"
        ),
        {"id": batch_id, "topic_id": topic_id, "partition": partition, "now": now, **counts.__dict__},
    )

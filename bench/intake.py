"""Intake of JSON lines to committed events, one process, beside bare binary `COPY` of the very rows that it stored."""

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from bench.place import fresh_database, in_child, timed
from bench.table import Row, rate, times
from core.database import copy_into, owner_engine, service_engine
from core.settings import Settings
from demo import work
from demo.programme import REGISTRY, projects
from demo.sent import MONTHS, instant, local
from demo.service import call
from metering import files
from metering.intake import Intake

SIZES = (100_000, 1_000_000)
REPEATS = 3
DUPLICATES_PERCENT = 10
GOAL = "≥ 0.25×"
NOW = datetime(2025, 10, 2, tzinfo=UTC)
TYPES = {
    **dict.fromkeys(("seq", "record", "start_us", "end_us", "target_seq"), "int8"),
    **dict.fromkeys(
        ("source_id", "project_id", "model_id", "gpus_milli", "node_id", "cluster_id", "recorded_month"), "int4"
    ),
    **dict.fromkeys(("event_id", "session", "data"), "text"),
    "type": "int2",
}
MODELS = ("A100", "H100", "H200")


def rows() -> Iterator[Row]:
    """Events a second at 10^5 and 10^6 events, with and without repeats, and the rates of bare COPY itself."""
    for label, repeated in (("", 0), (f", {DUPLICATES_PERCENT} % duplicates", DUPLICATES_PERCENT)):
        small, large = (_measured(size, repeated) for size in SIZES)
        for size, one in zip(SIZES, (small, large), strict=True):
            yield Row(
                what=f"intake: {size:,} JSON lines{label}",
                result=rate(size, one.took_s, "events"),
                ratio=times(one.bare_s / one.took_s),
                growth=times(large.took_s / small.took_s) if one is large else "",
                goal=GOAL,
                memory=f"{one.memory_mib} MiB",
            )
        if not repeated:
            packed = times(large.bare_s / large.packed_s)
            yield Row(what="  bare COPY, from rows", result=rate(large.rows, large.bare_s, "rows"), ratio=times(1))
            yield Row(what="  bare COPY, packed before", result=rate(large.rows, large.packed_s, "rows"), ratio=packed)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of intake, and of bare COPY of the rows that it stored: from Python values, and packed before."""

    took_s: float
    bare_s: float
    packed_s: float
    rows: int
    memory_mib: int


def _measured(size: int, repeated_percent: int) -> Measured:
    """Medians of each, measured in turns."""
    print(f"    {size:,} events …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        write_events(path, size, repeated_percent)
        found = [_once(path) for _ in range(REPEATS)]
    names = Measured.__dataclass_fields__
    return Measured(**{name: sorted(getattr(one, name) for one in found)[REPEATS // 2] for name in names})


def _once(path: Path) -> Measured:
    with fresh_database() as settings:
        call("load", REGISTRY, now="2025-09-01T09:00:00+09:00")
        took_s, memory_mib = in_child(lambda: _ingest(settings, path))
        bare_s, packed_s, count = bare_copy(owner_engine(settings))
    return Measured(took_s=took_s, bare_s=bare_s, packed_s=packed_s, rows=count, memory_mib=memory_mib)


def _ingest(settings: Settings, path: Path) -> None:
    records = files.records(path, lambda _done: None)
    Intake(service_engine(settings)).ingest(files.topic_of(path), 0, records, NOW)


def bare_copy(engine: Engine) -> tuple[float, float, int]:
    """Seconds to COPY the stored rows into a table without index, key or partition: by values, and packed; how many."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in ("bare", "bare_packed"):
            connection.exec_driver_sql(f"CREATE TABLE {name} AS SELECT * FROM event LIMIT 0")  # noqa: S608
        found = connection.exec_driver_sql("SELECT * FROM event ORDER BY seq")
        columns, values = list(found.keys()), [tuple(row) for row in found]
        cursor = connection.connection.driver_connection.cursor()
        with cursor.copy("COPY (SELECT * FROM event ORDER BY seq) TO STDOUT (FORMAT BINARY)") as copy:
            packed = b"".join(copy)
        connection.exec_driver_sql("CHECKPOINT")

    def by_values() -> None:
        with engine.begin() as connection, copy_into(connection, "bare", columns, binary=True) as copy:
            copy.set_types([TYPES[name] for name in columns])
            for row in values:
                copy.write_row(row)

    def by_bytes() -> None:
        with engine.begin() as connection, copy_into(connection, "bare_packed", columns, binary=True) as copy:
            copy.write(packed)

    return timed(by_values), timed(by_bytes), len(values)


def write_events(path: Path, size: int, repeated_percent: int) -> None:
    """`size` JSON lines: GPU slices of the eight projects, a few deliveries, and repeats of earlier lines."""
    rng, among = random.Random(size), projects()
    delivered = [one for project in among for one in work.deliveries(random.Random(1), project)]
    lines = [event.line + b"\n" for one in delivered for event in work.told(one, -1) if event.known_at < MONTHS[0].end]
    begin = local(MONTHS[0].first)
    while len(lines) < size:
        number = len(lines)
        if rng.randrange(100) < repeated_percent:
            lines.append(lines[rng.randrange(max(0, number - 500_000), number)])
            continue
        start = begin + timedelta(seconds=rng.randrange(29 * 86_400))
        end = start + timedelta(seconds=rng.randrange(60, 3600), microseconds=rng.randrange(10**6))
        lines.append(
            f'{{"specversion":"1.0","id":"gpu-{number:08d}","source":"/cluster/a","type":"gpu.usage","time":'
            f'"{instant(end)}","datacontenttype":"application/json","subject":"{among[number % 8].code}","data":'
            f'{{"project":"{among[number % 8].code}","session":"job-{number // 20}","start":"{instant(start)}","end":'
            f'"{instant(end)}","gpus":"{rng.choice(("0.5", "1", "2", "8"))}","model":"{MODELS[number % 3]}","node":'
            f'"node-{number % 64:03d}","cluster":"a"}}}}\n'.encode()
        )
    path.write_bytes(b"".join(lines[:size]))

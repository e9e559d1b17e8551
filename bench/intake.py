"""Intake of JSON lines to committed events, one process, beside bare binary `COPY` of the same events' rows."""

import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, Engine, text

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
STORED = {
    **dict.fromkeys(("seq", "record", "start_us", "end_us", "target_seq"), "int8"),
    **dict.fromkeys(
        ("source_id", "project_id", "model_id", "gpus_milli", "node_id", "cluster_id", "recorded_month"), "int4"
    ),
    **dict.fromkeys(("event_id", "session", "data"), "text"),
    "type": "int2",
}
SENT = {
    **dict.fromkeys(("topic", "source", "id", "type", "project", "session", "model", "node", "cluster"), "text"),
    **dict.fromkeys(("starts", "ends", "recorded_at"), "timestamptz"),
    "partition": "int4", "record": "int8", "gpus": "numeric", "content": "int8",
}  # fmt: skip
ROWS_MAX = 1_000_000
MODELS = ("A100", "H100", "H200")


def rows() -> Iterator[Row]:
    """Events a second at 10^5 and 10^6 events, with and without repeats, and the rates of bare COPY itself."""
    for label, repeated in (("", 0), (f", {DUPLICATES_PERCENT} % duplicates", DUPLICATES_PERCENT)):
        small, large = (_measured(size, repeated) for size in SIZES)
        for size, one in zip(SIZES, (small, large), strict=True):
            yield Row(
                what=f"intake: {size:,} JSON lines{label}",
                result=rate(size, one.took_s, "events"),
                ratio=one.bare.ratios(size / one.took_s),
                growth=times(large.took_s / small.took_s) if one is large else "",
                goal=GOAL,
                memory=f"{one.memory_mib} MiB",
            )
        if not repeated:
            yield from large.bare.rows()


@dataclass(frozen=True, kw_only=True)
class Bare:
    """Rates of bare binary COPY from Python values, rows a second: of events as they were sent, texts in each row, and
    of the rows as they are stored, with the dictionary's numbers instead; and the bytes of a row on disk."""

    sent: float
    stored: float
    sent_bytes: int
    stored_bytes: int

    def ratios(self, events_per_s: float) -> str:
        """A rate beside both."""
        return f"{times(events_per_s / self.sent)} as sent, {times(events_per_s / self.stored)} as stored"

    def rows(self) -> Iterator[Row]:
        """The baselines themselves."""
        for name, found, size in (("sent", self.sent, self.sent_bytes), ("stored", self.stored, self.stored_bytes)):
            yield Row(what=f"  bare COPY of rows as {name}, {size} B", result=f"{found:,.0f} rows/s")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of intake, and bare COPY of its rows."""

    took_s: float
    bare: Bare
    memory_mib: int


def _measured(size: int, repeated_percent: int) -> Measured:
    """Medians of each, measured in turns."""
    print(f"    {size:,} events …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        write_events(path, size, repeated_percent)
        found = [_once(path) for _ in range(REPEATS)]
    return Measured(
        took_s=median(one.took_s for one in found),
        bare=median_bare([one.bare for one in found]),
        memory_mib=median(one.memory_mib for one in found),
    )


def median_bare(found: Sequence[Bare]) -> Bare:
    """The median of each."""
    return Bare(**{name: median(getattr(one, name) for one in found) for name in Bare.__dataclass_fields__})


def _once(path: Path) -> Measured:
    with fresh_database() as settings:
        call("load", REGISTRY, now="2025-09-01T09:00:00+09:00")
        took_s, memory_mib = in_child(lambda: _ingest(settings, path))
        return Measured(took_s=took_s, bare=bare_copy(owner_engine(settings)), memory_mib=memory_mib)


def _ingest(settings: Settings, path: Path) -> None:
    records = files.records(path, lambda _done: None)
    Intake(service_engine(settings)).ingest(files.topic_of(path), 0, records, NOW)


def bare_copy(engine: Engine) -> Bare:
    """COPYs the last events stored into tables without index, key or partition, as they were sent and as stored."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE bare_stored AS SELECT * FROM event WHERE type = 0 ORDER BY seq DESC LIMIT {ROWS_MAX}"  # noqa: S608
        )
        connection.exec_driver_sql(
            "CREATE TABLE bare_sent AS SELECT text 'usage.events' AS topic, 0 AS partition, record,"
            " source.value AS source, event_id AS id, text 'gpu.usage' AS type, project.value AS project, session,"
            " timestamptz 'epoch' + start_us * interval '1 microsecond' AS starts,"
            " timestamptz 'epoch' + end_us * interval '1 microsecond' AS ends,"
            " gpus_milli::numeric / 1000 AS gpus, model.value AS model, node.value AS node, cluster.value AS cluster,"
            " seen.content, now() AS recorded_at FROM bare_stored JOIN seen USING (seq)"
            " JOIN term source ON source.id = source_id JOIN term project ON project.id = project_id"
            " JOIN term model ON model.id = model_id JOIN term node ON node.id = node_id"
            " JOIN term cluster ON cluster.id = cluster_id"
        )
        found = {name: _copied(engine, connection, f"bare_{name}", types)
                 for name, types in (("sent", SENT), ("stored", STORED))}  # fmt: skip
        connection.exec_driver_sql("DROP TABLE bare_sent, bare_stored")
    return Bare(
        sent=found["sent"][0], stored=found["stored"][0], sent_bytes=found["sent"][1], stored_bytes=found["stored"][1]
    )


def _copied(engine: Engine, connection: Connection, table: str, types: Mapping[str, str]) -> tuple[float, int]:
    """Rows a second of COPYing a table's own rows into it once it is empty, and bytes of a row."""
    found = connection.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608
    columns, values = list(found.keys()), [tuple(row) for row in found]
    size = connection.scalar(text(f"SELECT pg_relation_size('{table}')"))
    connection.exec_driver_sql(f"TRUNCATE {table}")
    connection.exec_driver_sql("CHECKPOINT")

    def copying() -> None:
        with engine.begin() as writing, copy_into(writing, table, columns, binary=True) as copy:
            copy.set_types([types[name] for name in columns])
            for row in values:
                copy.write_row(row)

    return len(values) / timed(copying), size // len(values)


def write_events(path: Path, size: int, repeated_percent: int, first: int = 0) -> None:
    """`size` JSON lines: GPU slices of the eight projects, a few deliveries, and repeats of earlier lines.

    `first`: how many slices other files hold already.
    """
    rng, among = random.Random(size + first), projects()
    delivered = [one for project in among for one in work.deliveries(random.Random(1), project)] if not first else []
    lines = [event.line + b"\n" for one in delivered for event in work.told(one, -1) if event.known_at < MONTHS[0].end]
    begin = local(MONTHS[0].first)
    while len(lines) < size:
        number = len(lines) + first
        if rng.randrange(100) < repeated_percent:
            lines.append(lines[rng.randrange(max(0, len(lines) - 500_000), len(lines))])
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

"""From a real broker to committed rows, beside bare kafka-python and bare binary `COPY` of the very rows it stored.

The records are produced in one Kafka transaction, which is committed when the workers wait for them: what is measured
begins there and ends when the database has the last of them.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import Engine, text

from bench.intake import DUPLICATES_PERCENT, NOW, Bare, bare_copy, median_bare, write_events
from bench.place import HOME, fresh_database, in_child
from bench.table import Row, times
from core.database import owner_engine
from core.settings import Settings
from demo.programme import REGISTRY
from demo.service import call
from metering import kafka_client, kafka_consumer, offsets
from metering.kafka_consumer import ARGUMENTS
from metering.messages import messages
from metering.quarantine import intake_counts

ROOT = Path(__file__).parents[1]
SIZES, PART, PARTS = (100_000, 1_000_000), 1_000_000, 10
CASES = tuple(itertools.product(("single", "batch"), (1, 2)))
REPEATS = 3
PARTITIONS = 4
PATIENCE_S = 1200
GOALS = {("single", 1): "≥ 0.25× COPY, ≥ 0.60× poll", ("batch", 1): "≥ 0.25× COPY"}
GOAL_TWO, GOAL_GROWTH, GOAL_DUPLICATES = "≥ 0.40× COPY", "≥ 0.70× of 10^5", "≤ 1.20×"
DISK_GOAL = "≤ 230 B"
numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Events a second from the records' commit to the last committed row, of bare polling and decoding, of bare COPY;
    and disk bytes an event."""

    taken: float
    polled: float
    bare: Bare
    disk_bytes: int

    def row(self, what: str, growth: str = "", goal: str = "") -> Row:
        """As the table has it."""
        return Row(
            what=f"consume: {what}", result=f"{self.taken:,.0f} events/s", growth=growth, goal=goal,
            ratio=f"{self.bare.ratios(self.taken)}, {times(self.taken / self.polled)} poll",
            memory=f"{self.disk_bytes} B an event ({DISK_GOAL})",
        )  # fmt: skip


def rows(full: bool = False) -> Iterator[Row]:
    """Single-event and batch records, one worker and two, at each number of events stored."""
    with _broker() as bootstrap:
        first: dict = {}
        for mode, workers in CASES:
            for size in SIZES:
                one = _median(bootstrap, mode, workers, size)
                small = first.setdefault((mode, workers), one)
                goal = GOALS.get((mode, workers), GOAL_TWO)
                yield one.row(
                    _what(size, mode, workers), times(one.taken / small.taken) if one is not small else "", goal
                )
        yield _duplicates(bootstrap)
        if full:
            yield from _many_stored(bootstrap, first)


def _what(stored: int, mode: str, workers: int) -> str:
    return f"{stored:,}, {mode}, {workers} worker{'s' * (workers > 1)}"


def _median(bootstrap: str, mode: str, workers: int, size: int, repeated_percent: int = 0) -> Measured:
    print(f"    {size:,} events, {mode}, {workers} …", file=sys.stderr, flush=True)
    found = []
    with _events(size, repeated_percent) as path:
        for _ in range(REPEATS):
            with _database() as engine:
                found.append(_measured(bootstrap, engine, path, mode, workers, size))
    names = ("taken", "polled", "disk_bytes")
    middle = {name: median(getattr(one, name) for one in found) for name in names}
    return Measured(bare=median_bare([one.bare for one in found]), **middle)


def _duplicates(bootstrap: str) -> Row:
    """One event in ten comes again: events a second beside those of all different ones."""
    size = SIZES[-1]
    plain, repeated = (_median(bootstrap, "batch", 1, size, percent) for percent in (0, DUPLICATES_PERCENT))
    what = f"{_what(size, 'batch', 1)}, {DUPLICATES_PERCENT} % duplicates"
    return repeated.row(what, f"{times(plain.taken / repeated.taken)} the cost", GOAL_DUPLICATES)


def _many_stored(bootstrap: str, first: Mapping[tuple[str, int], Measured]) -> Iterator[Row]:
    """The rate of another million when ten are stored."""
    with _database() as engine:
        for number in range(PARTS):
            print(f"    {number * PART:,} stored …", file=sys.stderr, flush=True)
            with _events(PART, 0, number * PART) as path, _topic(bootstrap) as topic:
                _consumed(bootstrap, engine, topic, path, "batch", 2)
        for number, (mode, workers) in enumerate(CASES, start=PARTS):
            with _events(PART, 0, number * PART) as path:
                one = _measured(bootstrap, engine, path, mode, workers, PART)
            growth = times(one.taken / first[mode, workers].taken)
            yield one.row(_what(PARTS * PART, mode, workers), growth, GOAL_GROWTH)


@contextlib.contextmanager
def _events(size: int, repeated_percent: int, first: int = 0) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        write_events(path, size, repeated_percent, first)
        yield path


@contextlib.contextmanager
def _database() -> Iterator[Engine]:
    with fresh_database() as made:
        call("load", REGISTRY, now="2025-09-01T09:00:00+09:00")
        yield owner_engine(made)


@contextlib.contextmanager
def _topic(bootstrap: str) -> Iterator[str]:
    name, settings = f"bench-{os.getpid()}-{next(numbers)}", Settings(kafka_bootstrap=bootstrap, home=HOME)
    with kafka_client.admin(settings) as admin:
        admin.create_topics({name: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)
    yield name
    with kafka_client.admin(settings) as admin:
        admin.delete_topics([name])


class _broker:
    """A broker of the benchmarks' own."""

    def _run(self, action: str) -> str:
        environment = {**os.environ, "JEONGSAN_HOME": str(HOME)}
        command = [ROOT / "kafka" / "broker", action]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout

    def __enter__(self) -> str:
        self._run("wipe")
        bootstrap = self._run("start").strip().removeprefix("KAFKA_BOOTSTRAP=")
        os.environ["KAFKA_BOOTSTRAP"] = bootstrap
        return bootstrap

    def __exit__(self, *_error) -> None:
        self._run("wipe")


def _measured(bootstrap: str, engine: Engine, path: Path, mode: str, workers: int, size: int) -> Measured:
    with engine.connect() as connection:
        before = intake_counts(connection)["received"]
    with _topic(bootstrap) as topic:
        took_s = _consumed(bootstrap, engine, topic, path, mode, workers)
        polled_s, _ = in_child(lambda: _polled(bootstrap, topic))
    with engine.connect() as connection:
        counts = intake_counts(connection)
        disk = connection.scalar(text("SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
                                      " WHERE relkind = 'r' AND (relname LIKE 'event_p%' OR relname IN"
                                      " ('seen', 'usage_delta', 'intake_batch', 'consumer_offset'))"))  # fmt: skip
    assert (counts["received"] - before, counts["balanced"]) == (size, True), counts
    return Measured(
        taken=size / took_s, polled=size / polled_s, bare=bare_copy(engine), disk_bytes=disk // counts["stored"]
    )


def _consumed(bootstrap: str, engine: Engine, topic: str, path: Path, mode: str, workers: int) -> float:
    """Seconds from the records' commit in the broker to the last committed row."""
    settings = Settings(kafka_bootstrap=bootstrap, home=HOME)
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic, transaction_timeout_ms=900_000,
                             linger_ms=20, batch_size=256 << 10)  # fmt: skip
    producer.init_transactions()
    producer.begin_transaction()
    records = 0
    with path.open("rb") as lines:
        for one in messages((line.rstrip(b"\n") for line in lines), mode):
            producer.send(topic, one.value, one.key, headers=list(one.headers))
            records += 1
    producer.flush()
    command = [Path(sys.executable).with_name("jeongsan"), "consume", "--topic", topic, "--workers", str(workers)]
    process = subprocess.Popen([*command, "--now", NOW.isoformat()], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _until(lambda: _settled(settings, engine, topic, workers), process)
        time.sleep(3)
        begin = time.perf_counter()
        producer.commit_transaction()
        producer.close()
        log = kafka_consumer.Log({"bootstrap_servers": [bootstrap]}, topic)
        _until(lambda: sum(log.ends().values()) > records, process)  # the transaction's end shows a moment later
        wanted = log.ends()
        log.close()
        _until(lambda: _at(engine, topic, wanted), process)
        return time.perf_counter() - begin
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _until(condition, process) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, "the consumer ended"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def _settled(settings: Settings, engine: Engine, topic: str, workers: int) -> bool:
    """Every partition is taken, and every worker has some."""
    with engine.connect() as connection:
        if len(offsets.stored(connection, topic)) < PARTITIONS:
            return False
    with kafka_client.admin(settings) as admin:
        (group,) = admin.describe_groups([kafka_consumer.group_of(topic)]).values()
    if group["group_state"] != "Stable":
        return False
    return len([one for one in group["members"] if one["member_assignment"]["assigned_partitions"]]) == workers


def _at(engine: Engine, topic: str, ends: dict[int, int]) -> bool:
    """Whether the last record of each partition is committed; the mark of the transaction's end follows it."""
    with engine.connect() as connection:
        known = offsets.stored(connection, topic)
    return all(known[partition] >= end - 1 for partition, end in ends.items())


def _polled(bootstrap: str, topic: str) -> None:
    """Bare kafka-python, and the JSON of each value decoded."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, **{**ARGUMENTS, "auto_offset_reset": "earliest"})
    partitions = [TopicPartition(topic, one) for one in range(PARTITIONS)]
    consumer.assign(partitions)
    ends, decode = consumer.end_offsets(partitions), msgspec.json.decode
    while any(consumer.position(one) < end for one, end in ends.items()):
        for records in consumer.poll(timeout_ms=500).values():
            for one in records:
                decode(one.value)
    consumer.close()

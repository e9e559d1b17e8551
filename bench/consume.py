"""From a real broker to committed rows, beside bare kafka-python and bare binary `COPY` of the very rows it stored.

The records are produced in one Kafka transaction, which is committed when the workers wait for them: what is measured
begins there and ends when the database has the last of them.
"""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import text

from bench.intake import NOW, bare_copy, write_events
from bench.place import HOME, fresh_database, in_child
from bench.table import Row, rate, times
from core.database import owner_engine
from core.settings import Settings
from demo.programme import REGISTRY
from demo.service import call
from metering import kafka_client, kafka_consumer, offsets
from metering.kafka_consumer import ARGUMENTS
from metering.messages import messages
from metering.quarantine import intake_counts

ROOT = Path(__file__).parents[1]
SIZES, FULL_SIZE = (100_000, 1_000_000), 10_000_000
REPEATS = 3
PARTITIONS = 4
PATIENCE_S = 1200
GOALS = {1: "≥ 0.25× COPY", 2: "≥ 0.40× COPY"}
DISK_GOAL = "≤ 230 B"
numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds from the records' commit to the last committed row, of the bare baselines, and disk bytes an event."""

    took_s: float
    polled_s: float
    copied_s: float
    disk_bytes: int


def rows(full: bool = False) -> Iterator[Row]:
    """Single-event and batch records, one worker and two, at each size."""
    with _broker() as bootstrap:
        for mode, workers in itertools.product(("single", "batch"), (1, 2)):
            first = None
            for size in (*SIZES, FULL_SIZE) if full else SIZES:
                one = _median(bootstrap, mode, workers, size)
                first = first or size / one.took_s
                yield Row(
                    what=f"consume: {size:,}, {mode}, {workers} worker{'s' * (workers > 1)}",
                    result=rate(size, one.took_s, "events"),
                    ratio=f"{times(one.copied_s / one.took_s)} COPY, {times(one.polled_s / one.took_s)} poll",
                    growth=times(size / one.took_s / first) if size > SIZES[0] else "",
                    goal=GOALS[workers],
                    memory=f"{one.disk_bytes} B an event ({DISK_GOAL})",
                )


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


def _median(bootstrap: str, mode: str, workers: int, size: int) -> Measured:
    print(f"    {size:,} events, {mode}, {workers} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        write_events(path, size, 0)
        found = [_once(bootstrap, path, mode, workers, size) for _ in range(REPEATS if size == SIZES[0] else 1)]
    names = Measured.__dataclass_fields__
    return Measured(**{name: sorted(getattr(one, name) for one in found)[len(found) // 2] for name in names})


def _once(bootstrap: str, path: Path, mode: str, workers: int, size: int) -> Measured:
    topic = f"bench-{os.getpid()}-{next(numbers)}"
    settings = Settings(kafka_bootstrap=bootstrap, home=HOME)
    with kafka_client.admin(settings) as admin:
        admin.create_topics({topic: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)
    with fresh_database() as made:
        call("load", REGISTRY, now="2025-09-01T09:00:00+09:00")
        engine = owner_engine(made)
        took_s = _consumed(engine, settings, topic, path, mode, workers)
        polled_s, _ = in_child(lambda: _polled(bootstrap, topic))
        with engine.connect() as connection:
            counts = intake_counts(connection)
            disk = connection.scalar(text("SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
                                          " WHERE relkind = 'r' AND (relname LIKE 'event_p%' OR relname IN"
                                          " ('seen', 'usage_delta', 'intake_batch', 'consumer_offset'))"))  # fmt: skip
        assert (counts["received"], counts["balanced"]) == (size, True), counts
        copied_s, _, _ = bare_copy(engine)
    with kafka_client.admin(settings) as admin:
        admin.delete_topics([topic])
    return Measured(took_s=took_s, polled_s=polled_s, copied_s=copied_s, disk_bytes=disk // size)


def _consumed(engine, settings: Settings, topic: str, path: Path, mode: str, workers: int) -> float:
    bootstrap = settings.kafka_bootstrap
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


def _settled(settings: Settings, engine, topic: str, workers: int) -> bool:
    """Every partition is taken, and every worker has some."""
    with engine.connect() as connection:
        if len(offsets.stored(connection, topic)) < PARTITIONS:
            return False
    with kafka_client.admin(settings) as admin:
        (group,) = admin.describe_groups([kafka_consumer.group_of(topic)]).values()
    having = [one for one in group["members"] if one["member_assignment"]["assigned_partitions"]]
    return group["group_state"] == "Stable" and len(having) == workers


def _at(engine, topic: str, ends: dict[int, int]) -> bool:
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

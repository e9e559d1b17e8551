"""A consumer under fire: generated events with their exact totals, workers killed, broker and database restarted."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import text

from metering import offsets
from metering.kafka_consumer import SESSION_MS
from tests.conftest import ROOT

TOPIC, LETTERS = "usage.events", "usage.dead-letter"
BOUNDARY = datetime(2025, 10, 31, 15, tzinfo=UTC)  # midnight in Seoul: October ends
PARTITIONS, BATCH_EVENTS = 4, 50
FROZEN_S = SESSION_MS // 1000 + 3
BATCH = [("content-type", b"application/cloudevents-batch+json")]
SETTLE_S = 300


@dataclass(kw_only=True)
class Totals:
    """What the generated events come to: GPU microseconds × thousandths by (month, project, model), and counts."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    dead_lettered: int = 0
    accepted: int = 0
    quantity: Counter = field(default_factory=Counter)


def instant(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def generated(size: int, rng: random.Random) -> tuple[list[tuple[int, bytes]], Totals]:
    """`size` events as (partition, JSON), shuffled, and their totals: one in ten comes twice, one in a hundred is
    broken, one of an unknown project, and one in fifty is work or its acceptance, in another partition."""
    events, totals = [], Totals(received=size)
    unique = size - size // 10
    boundary_us = int(BOUNDARY.timestamp()) * 1_000_000
    while len(events) < unique:
        number, kind = len(events), rng.randrange(100)
        if kind == 0:
            line = rng.choice((b"{", b"\xff\x00", b'{"specversion":"1.0"}', b"null"))
            events.append(line + b" " * 2 + str(number).encode())
            totals.dead_lettered += 1
        elif kind == 1 and len(events) < unique - 1:
            events += work(number)
            totals.stored, totals.accepted = totals.stored + 2, totals.accepted + 1
        else:
            events.append(gpu(number, kind == 2, rng, boundary_us, totals))
    good = [one for one in events if one.startswith(b'{"specversion":"1.0","id"')]
    events += [rng.choice(good) for _ in range(size - unique)]
    totals.duplicate = size - unique
    rng.shuffle(events)
    return [(rng.randrange(PARTITIONS), one) for one in events], totals


def gpu(number: int, unknown: bool, rng: random.Random, boundary_us: int, totals: Totals) -> bytes:
    project = "P9" if unknown else rng.choice(("P1", "P2"))
    model, milli = rng.choice(("H100", "A100")), rng.choice((125, 500, 1000, 8000))
    start = boundary_us + rng.randrange(-10 * 86_400_000_000, 10 * 86_400_000_000)
    end = start + rng.randrange(1, 2 * 86_400_000_000)
    if unknown:
        totals.quarantined += 1
    else:
        totals.stored += 1
        for month, first, last in (
            ("2025-10", start, min(end, boundary_us)),
            ("2025-11", max(start, boundary_us), end),
        ):
            if first < last:
                totals.quantity[month, project, model] += (last - first) * milli
    return (
        f'{{"specversion":"1.0","id":"g{number}","source":"/soak","type":"gpu.usage","data":{{"project":"{project}",'
        f'"session":"s{number // 9}","start":"{instant(start)}","end":"{instant(end)}","gpus":"{milli / 1000}",'
        f'"model":"{model}"}}}}'
    ).encode()


def work(number: int) -> list[bytes]:
    same = {"specversion": "1.0", "source": "/soak"}
    performed = {"project": "P1", "line": "L11", "work": "study", "unit": "study", "quantity": "2",
                 "performed": "2025-11-10T05:00:00Z"}  # fmt: skip
    accepted = {"ref": f"w{number}", "at": "2025-11-14T05:00:00Z", "by": "C1"}
    return [
        json.dumps(same | {"id": f"{letter}{number}", "type": kind, "data": data}, separators=(",", ":")).encode()
        for letter, kind, data in (("w", "preparation.performed", performed), ("a", "preparation.accepted", accepted))
    ]


class Fire:
    """A `jeongsan consume` under the given environment, and what is done to it."""

    def __init__(self, bootstrap: str, broker_home: Path, engine, rng: random.Random):
        self.bootstrap, self.broker_home, self.engine, self.rng = bootstrap, broker_home, engine, rng
        self.kills = self.freezes = 0
        command = [ROOT / ".venv" / "bin" / "jeongsan", "consume", "--workers", "2", "--json", "--lang", "en"]
        self.log = (broker_home / "consume.log").open("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def produce(self, events: list[tuple[int, bytes]]) -> None:
        """Singles and batches by halves, acknowledged."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=20, enable_idempotence=True)
        middle = len(events) // 2
        for partition, line in events[:middle]:
            producer.send(TOPIC, line, partition=partition)
        for partition in range(PARTITIONS):
            lines = [line for place, line in events[middle:] if place == partition]
            for line in (line for line in lines if not is_json(line)):
                producer.send(TOPIC, line, partition=partition)
            good = [line for line in lines if is_json(line)]
            for first in range(0, len(good), BATCH_EVENTS):
                batch = b"[" + b",".join(good[first : first + BATCH_EVENTS]) + b"]"
                producer.send(TOPIC, batch, partition=partition, headers=BATCH)
        producer.flush()
        producer.close()

    def kill_one(self) -> None:
        """kill -9 of a random worker."""
        found = self._workers()
        if found:
            os.kill(self.rng.choice(found), signal.SIGKILL)
            self.kills += 1

    def freeze_one(self) -> None:
        """Stops a random worker for longer than its session, so that it wakes up when others have its partitions."""
        found = self._workers()
        if found:
            frozen = self.rng.choice(found)
            os.kill(frozen, signal.SIGSTOP)
            time.sleep(FROZEN_S)
            os.kill(frozen, signal.SIGCONT)
            self.freezes += 1

    def _workers(self) -> list[int]:
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=False
        )
        return [int(one) for one in found.stdout.split()]

    def restart_broker(self) -> None:
        """Stops and starts the broker on its port."""
        environment = {**os.environ, "JEONGSAN_HOME": str(self.broker_home)}
        for action in ("stop", "start"):
            subprocess.run([ROOT / "kafka" / "broker", action], env=environment, check=True, capture_output=True)

    def restart_database(self, superuser) -> None:
        """Restarts the server at once, as a crash would."""
        with superuser.connect() as connection:
            data = connection.execute(text("SHOW data_directory")).scalar_one()
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            binaries = Path(f"/proc/{pid}/exe").resolve().parent
        superuser.dispose()
        owner = Path(data).stat()
        subprocess.run(
            [binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "restart"], check=True, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            **({"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}),
        )  # fmt: skip

    def settled(self) -> dict:
        """Waits until everything is read, and stops: what `consume` answers."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap)
        ends = consumer.end_offsets([TopicPartition(TOPIC, one) for one in range(PARTITIONS)])
        consumer.close()
        wanted = {one.partition: offset for one, offset in ends.items()}
        end = time.monotonic() + SETTLE_S
        while self._offsets() != wanted:
            assert time.monotonic() < end, (self._offsets(), wanted, self.said())
            assert self.process.poll() is None, self.said()
            time.sleep(0.3)
        time.sleep(3)
        self.process.send_signal(signal.SIGTERM)
        answer, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.said()
        return json.loads(answer)

    def _offsets(self) -> dict[int, int]:
        with self.engine.connect() as connection:
            return offsets.stored(connection, TOPIC)

    def said(self) -> str:
        """The last that the consumer said."""
        self.log.seek(0)
        return self.log.read()[-3000:]

    def close(self) -> None:
        """Leaves nothing running."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.log.close()


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def chunks(events: list, count: int) -> Iterator[list]:
    """The events in `count` parts of about one size."""
    size = -(-len(events) // count)
    for first in range(0, len(events), size):
        yield events[first : first + size]

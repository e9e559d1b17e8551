"""Metrics as Prometheus reads them from the consumer's port."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from kafka import KafkaProducer
from sqlalchemy import create_engine, text

from core.errors import BadInput
from metering.metrics import Metrics, served
from tests.events import NOW, gpu, lines, take

AT = datetime.fromisoformat(NOW)


def shown(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_served__shows_what_is_committed_lag_and_what_waits(loaded):
    take(loaded, [gpu("before")], AT, topic="t")
    with loaded.begin() as connection:
        mark = connection.scalar(text("SELECT max(id) FROM intake_batch"))
        connection.execute(
            text("INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES ('t', 3, 95, 1)")
        )
    metrics = Metrics(loaded, "t", mark, ends=lambda: {3: 107, 4: 2}, restarted=lambda: 2)
    with served(metrics, 0) as port:
        assert shown(port)['jeongsan_events_total{outcome="stored"}'] == 0
        take(loaded, [gpu("a"), gpu("a"), gpu("b", project="P9"), b"?"], AT, topic="t")
        take(loaded, [gpu("elsewhere")], AT, topic="other")
        found = shown(port)
    for outcome in ("stored", "duplicate", "quarantined", "dead_lettered"):
        assert found[f'jeongsan_events_total{{outcome="{outcome}"}}'] == 1
    assert found['jeongsan_next_offset{partition="3",topic="t"}'] == 95
    assert found['jeongsan_lag_records{partition="3",topic="t"}'] == 12
    assert found['jeongsan_lag_records{partition="4",topic="t"}'] == 2
    assert found['jeongsan_quarantine_waiting{reason="unknown_project"}'] == 1
    assert found['jeongsan_dead_letters_waiting{reason="not_json"}'] == 1
    assert found["jeongsan_worker_restarts_total"] == 2
    assert (found['jeongsan_up{server="broker"}'], found['jeongsan_up{server="database"}']) == (1, 1)


def test_served__with_both_servers_away_says_so():
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with served(Metrics(nowhere, "t", 0, ends=lambda: None, restarted=lambda: 0), 0) as port:
        found = shown(port)
    assert (found['jeongsan_up{server="broker"}'], found['jeongsan_up{server="database"}']) == (0, 0)
    assert not [name for name in found if name.startswith("jeongsan_events")]


def test_served__on_a_port_that_is_taken_is_refused(loaded):
    metrics = Metrics(loaded, "t", 0, ends=dict, restarted=lambda: 0)
    with served(metrics, 0) as port, pytest.raises(BadInput, match=str(port)), served(metrics, port):
        pass


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def scraped(port: int, name: str, wanted: float) -> dict[str, float]:
    """What is shown once a figure has become what is wanted."""
    found: dict[str, float] = {}
    for _ in range(300):
        try:
            found = shown(port)
        except (URLError, ConnectionError):
            found = {}
        if found.get(name) == wanted:
            return found
        time.sleep(0.1)
    raise AssertionError((name, wanted, found))


def test_consume__serves_metrics_and_status_asks_the_broker(loaded, jeongsan, kafka_settings, new_topic):
    topic, port = new_topic(2), free_port()
    command = [sys.executable, "-c", "from portal.cli import main; main()", "consume", "--topic", topic, "--now", NOW,
               "--metrics-port", str(port)]  # fmt: skip
    with KafkaProducer(bootstrap_servers=kafka_settings.kafka_bootstrap) as producer:
        for number, one in enumerate(lines([gpu("a"), gpu("b"), b"?"])):
            producer.send(topic, one, partition=number % 2)
        producer.flush()
        consumer = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL)
        try:
            found = scraped(port, 'jeongsan_events_total{outcome="stored"}', 2)
            assert found['jeongsan_up{server="broker"}'] == 1
            scraped(port, f'jeongsan_next_offset{{partition="0",topic="{topic}"}}', 2)
            scraped(port, f'jeongsan_lag_records{{partition="1",topic="{topic}"}}', 0)
        finally:
            consumer.send_signal(signal.SIGTERM)
            assert consumer.wait(60) == 0
        producer.send(topic, lines([gpu("c")])[0], partition=1)
        producer.flush()
    answer = jeongsan("status")
    assert answer["broker"] == "ok"
    assert [(one["next_offset"], one["end_offset"], one["lag"]) for one in answer["partitions"]] == [
        (2, 2, 0), (1, 2, 1),
    ]  # fmt: skip

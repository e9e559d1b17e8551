"""Metrics as Prometheus reads them from the consumer's port."""

from datetime import datetime
from urllib.request import urlopen

import pytest
from sqlalchemy import create_engine, text

from core.errors import BadInput
from metering.metrics import Metrics, served
from tests.events import NOW, gpu, take

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

"""Kafka → database: exactly once over restarts, kills, rebalances; a record becomes an event or a dead letter."""

from collections.abc import Iterable

import pytest
from kafka import KafkaProducer

from tests.events import NOW, gpu, lines

COUNTS = ("received", "stored", "duplicate", "quarantined", "dead_lettered")


@pytest.fixture
def topic(new_topic):
    """A topic of four partitions."""
    return new_topic(4)


@pytest.fixture
def send(kafka_settings, topic):
    """Sends events (dictionaries, bytes, None) to the topic: send(events, partition=…, headers=…, …producer's own)."""

    def sending(events: Iterable, partition: int | None = None, headers=None, **arguments) -> None:
        producer = KafkaProducer(
            bootstrap_servers=kafka_settings.kafka_bootstrap, max_request_size=80 << 20, **arguments
        )
        for number, one in enumerate(events):
            value = one if one is None else lines([one])[0]
            producer.send(topic, value, partition=number % 4 if partition is None else partition, headers=headers)
        producer.flush()
        producer.close()

    return sending


@pytest.fixture
def consume(jeongsan, topic, loaded):
    """`jeongsan consume --until-idle …` on the topic → its answer."""

    def consuming(*options) -> dict:
        return jeongsan("consume", "--topic", topic, "--until-idle", "0.5", *options, now=NOW)

    return consuming


def counted(answer: dict) -> dict[str, int]:
    return {name: answer[name] for name in COUNTS if answer[name]}


def test_consume__a_second_run_goes_on_where_the_first_ended(send, consume, jeongsan):
    send(gpu(f"g{n}") for n in range(100))
    assert counted(consume()) == {"received": 100, "stored": 100}
    assert counted(consume()) == {}
    send([gpu("g1"), gpu("new"), b"{"])
    assert counted(consume()) == {"received": 3, "stored": 1, "duplicate": 1, "dead_lettered": 1}
    assert jeongsan("intake")["balanced"]

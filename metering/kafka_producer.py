"""Messages → the broker: idempotent, acknowledged by all replicas, with what is unacknowledged held in bounds."""

from collections.abc import Iterable
from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from core.errors import BadInput
from core.settings import Settings
from metering import kafka_client, kafka_topics
from metering.messages import Message

COMPRESSIONS = ("none", "gzip", "lz4", "zstd", "snappy")
BATCH_BYTES = 256 << 10
LINGER_MS = 20
IN_FLIGHT_BYTES = 32 << 20
REQUEST_LIMIT_BYTES = 72 << 20
DELIVERY_TIMEOUT_MS = 60_000
REQUEST_TIMEOUT_MS = 20_000


@dataclass(frozen=True, kw_only=True)
class Produced:
    """What was acknowledged: Kafka records, the events in them, and the bytes of their values."""

    records: int = 0
    events: int = 0
    value_bytes: int = 0

    def __add__(self, other: "Produced") -> "Produced":
        return Produced(
            records=self.records + other.records,
            events=self.events + other.events,
            value_bytes=self.value_bytes + other.value_bytes,
        )


class Producer:
    """A producer for one topic; a context manager. Raises ServerUnreachable when the broker does not answer, BadInput
    when the topic is missing or refuses a record's size."""

    def __init__(self, settings: Settings, topic: str, compression: str = "none"):
        kafka_topics.require_topic(settings, topic)
        self._settings, self._topic = settings, topic
        self._failures: list[Exception] = []
        with kafka_client.reached(settings):
            self._client = KafkaProducer(
                **kafka_client.client_arguments(settings),
                client_id="jeongsan",
                acks="all",
                enable_idempotence=True,
                compression_type=None if compression == "none" else compression,
                batch_size=BATCH_BYTES,
                linger_ms=LINGER_MS,
                max_request_size=REQUEST_LIMIT_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                allow_auto_create_topics=False,
            )

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._client.close(timeout=None if error is None else 0)

    def send(self, messages: Iterable[Message]) -> Produced:
        """Sends messages and waits until all are acknowledged."""
        records = events = value_bytes = waiting_bytes = 0
        for message in messages:
            if waiting_bytes + len(message.value) > IN_FLIGHT_BYTES:
                self._acknowledged()
                waiting_bytes = 0
            self._send_one(message)
            records, events = records + 1, events + message.events
            value_bytes, waiting_bytes = value_bytes + len(message.value), waiting_bytes + len(message.value)
        self._acknowledged()
        return Produced(records=records, events=events, value_bytes=value_bytes)

    def _send_one(self, message: Message) -> None:
        with kafka_client.reached(self._settings):
            try:
                sent = self._client.send(self._topic, message.value, message.key, list(message.headers))
            except MessageSizeTooLargeError as error:
                raise self._too_large(error) from None
        sent.add_errback(self._failures.append)

    def _acknowledged(self) -> None:
        """Waits for what was sent; raises the first failure."""
        with kafka_client.reached(self._settings):
            self._client.flush()
            if self._failures:
                error = self._failures[0]
                if isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
                    raise self._too_large(error)
                raise error

    def _too_large(self, error: KafkaError) -> BadInput:
        return BadInput(
            f"{self._topic}: 토픽의 max.message.bytes 보다 큰 기록이 있습니다. 나누어 보내세요 "
            f"(a record is larger than the topic takes; send it in parts): {error}"
        )


def produce(settings: Settings, topic: str, messages: Iterable[Message], compression: str = "none") -> Produced:
    """Sends messages to a topic, once each, and waits until all are acknowledged."""
    with Producer(settings, topic, compression) as producer:
        return producer.send(messages)

"""Dead letters → the topic of dead letters, with why and from where; at least once, from the database (an outbox)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from sqlalchemy import Engine

from core.settings import Settings
from metering import dead_letters, kafka_client
from metering.dead_letters import DeadLetter

TOPIC = "usage.dead-letter"
REQUEST_LIMIT_BYTES = 256 << 20
CUT_BYTES = 1 << 19
SEND_TIMEOUT_S = 30
BLOCK_MS = 5_000


class Publisher:
    """Publishes what the database holds, whenever it is called. Errors of the broker are the caller's to wait out."""

    def __init__(self, settings: Settings, topic: str = TOPIC):
        self._settings, self._topic, self._producer = settings, topic, None

    def __call__(self, engine: Engine) -> None:
        """Publishes everything that waits; returns at once when nothing does."""
        with engine.begin() as connection:
            count = dead_letters.publish_next(connection, datetime.now(UTC), self._send)
        if count:
            self(engine)

    def close(self) -> None:
        """Closes the connection, if one was needed."""
        if self._producer is not None:
            self._producer.close(timeout=SEND_TIMEOUT_S)

    def _send(self, letters: Sequence[DeadLetter]) -> None:
        self._producer = self._producer or KafkaProducer(
            **kafka_client.client_arguments(self._settings), client_id="jeongsan-dead-letters", acks="all",
            enable_idempotence=True, max_request_size=REQUEST_LIMIT_BYTES, compression_type="zstd",
            max_block_ms=BLOCK_MS, allow_auto_create_topics=False,
        )  # fmt: skip
        sent = [(one, self._begin(one, one.payload)) for one in letters]
        for letter, future in sent:
            if future is None or not self._fits(future):
                cut = self._begin(letter, letter.payload[:CUT_BYTES], ("truncated", str(len(letter.payload)).encode()))
                cut.get(timeout=SEND_TIMEOUT_S)

    def _fits(self, future) -> bool:
        try:
            future.get(timeout=SEND_TIMEOUT_S)
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            return False
        return True

    def _begin(self, letter: DeadLetter, payload: bytes, *more: tuple[str, bytes]):
        """Begins to send; None when it is too large to be sent at all."""
        origin = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
        headers = [
            ("reason", letter.reason.encode()), ("detail", letter.detail.encode()), ("id", str(letter.id).encode()),
            *((f"origin-{name}", str(value).encode()) for name, value in origin.items()),
            *((f"header-{name}", value or b"") for name, value in letter.headers), *more,
        ]  # fmt: skip
        key = f"{letter.topic}:{letter.partition}:{letter.offset}".encode()
        try:
            return self._producer.send(self._topic, payload, key, headers=headers)
        except MessageSizeTooLargeError:
            return None

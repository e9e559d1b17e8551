"""How far the broker's partitions go, for tools that show lag."""

from collections.abc import Sequence

from core.settings import Settings
from metering import kafka_client
from metering.kafka_consumer import Log

ASK_TIMEOUT_MS = 3_000


def end_offsets(settings: Settings, topics: Sequence[str]) -> dict[str, dict[int, int]]:
    """topic → partition → the offset after its last record. Raises ServerUnreachable when the broker is away."""
    arguments = {**kafka_client.client_arguments(settings), "bootstrap_timeout_ms": ASK_TIMEOUT_MS}
    found = {}
    for topic in topics:
        log = Log(arguments, topic)
        try:
            with kafka_client.reached(settings):
                found[topic] = log.ends()
        finally:
            log.close()
    return found

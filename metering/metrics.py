"""What the consumer tells Prometheus, on a port of this machine only; the one door of prometheus-client.

Served by the parent of the workers and read from the database, which alone knows what is committed: a worker that is
killed takes nothing with it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core.errors import BadInput
from metering import offsets
from metering.store import Counts

ADDRESS = "127.0.0.1"
OUTCOMES = ("stored", "duplicate", "quarantined", "dead_lettered")
PARTITION = ["topic", "partition"]


class Metrics:
    """Figures of a topic's consumer. `mark`: events of batches after it count, as this consumer's own.

    `ends`: partition → the broker's end, None while the broker is away; `restarted`: workers begun again so far.
    """

    def __init__(
        self, engine: Engine, topic: str, mark: int, ends: Callable[[], Mapping[int, int] | None],
        restarted: Callable[[], int],
    ):  # fmt: skip
        self._engine, self._topic, self._mark = engine, topic, mark
        self._ends, self._restarted, self._one_at_a_time = ends, restarted, Lock()

    def describe(self) -> Iterator[Metric]:
        """Nothing before the first scrape: the database is asked only then."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Called by a scrape; what is asked of a server that is away is left out, and `jeongsan_up` says so."""
        with self._one_at_a_time:
            ends, found = self._ends(), []
            try:
                with self._engine.connect() as connection:
                    found = [self._events(connection), *self._waiting(connection)]
                    found += self._partitions(connection, ends or {})
            except DBAPIError:
                found = []
        up = GaugeMetricFamily("jeongsan_up", "Whether a server answers.", labels=["server"])
        up.add_metric(["broker"], int(ends is not None))
        up.add_metric(["database"], int(bool(found)))
        restarts = CounterMetricFamily(
            "jeongsan_worker_restarts", "Workers that died and were started again.", value=self._restarted()
        )
        yield from (up, restarts, *found)

    def _events(self, connection: Connection) -> Metric:
        counts = counts_since(connection, self._topic, self._mark)
        family = CounterMetricFamily("jeongsan_events", "Events taken in, by what became of them.", labels=["outcome"])
        for outcome in OUTCOMES:
            family.add_metric([outcome], getattr(counts, outcome))
        return family

    def _partitions(self, connection: Connection, ends: Mapping[int, int]) -> Iterator[Metric]:
        committed = offsets.stored(connection, self._topic)
        lags = {one: max(0, end - committed.get(one, 0)) for one, end in ends.items()}
        families = (
            ("jeongsan_next_offset", "Next offset of a partition, as committed.", committed),
            ("jeongsan_lag_records", "Records in the broker that are not taken in yet.", lags),
        )
        for name, text_, values in families:
            family = GaugeMetricFamily(name, text_, labels=PARTITION)
            for partition, value in sorted(values.items()):
                family.add_metric([self._topic, str(partition)], value)
            yield family

    def _waiting(self, connection: Connection) -> Iterator[Metric]:
        for name, text_, found in (
            ("jeongsan_quarantine_waiting", "Events that wait in quarantine.", quarantine_reasons(connection)),
            ("jeongsan_dead_letters_waiting", "Records that cannot be read.", dead_letter_reasons(connection)),
        ):
            family = GaugeMetricFamily(name, text_, labels=["reason"])
            for reason, count in found.items():
                family.add_metric([reason], count)
            yield family


def counts_since(connection: Connection, topic: str, mark: int) -> Counts:
    """What became of a topic's events in the batches after a mark."""
    row = connection.execute(
        text(
            "SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,"
            " coalesce(sum(duplicate), 0)::bigint AS duplicate, coalesce(sum(quarantined), 0)::bigint AS quarantined,"
            " coalesce(sum(dead_lettered), 0)::bigint AS dead_lettered FROM intake_batch"
            " JOIN term ON term.id = topic_id WHERE term.value = :topic AND intake_batch.id > :mark"
        ),
        {"topic": topic, "mark": mark},
    ).one()
    return Counts(**row._mapping)


def quarantine_reasons(connection: Connection) -> dict[str, int]:
    """reason → how many events wait because of it."""
    rows = connection.execute(
        text(
            "SELECT reason, count(*) AS waiting FROM quarantine WHERE status = 'waiting'"
            " GROUP BY reason ORDER BY reason"
        )
    )
    return {row.reason: row.waiting for row in rows}


def dead_letter_reasons(connection: Connection) -> dict[str, int]:
    """reason → how many records could not be read because of it, and cannot still."""
    rows = connection.execute(
        text(
            "SELECT reason, count(*) AS waiting FROM dead_letter WHERE status = 'waiting'"
            " GROUP BY reason ORDER BY reason"
        )
    )
    return {row.reason: row.waiting for row in rows}


@contextmanager
def served(metrics: Metrics, port: int) -> Iterator[int]:
    """Serves /metrics on 127.0.0.1 meanwhile; gives the port (0 asks for a free one). Raises BadInput when taken."""
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        server, thread = start_http_server(port, addr=ADDRESS, registry=registry)
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"--metrics-port {port}: 열 수 없습니다. 다른 포트를 주세요 (cannot be opened; choose another): {error}"
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

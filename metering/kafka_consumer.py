"""A worker of the consumer group: polls its partitions, reads, and hands batches to the writer (domain.md §3).

The database says where a partition goes on: on assignment the worker takes the partition over there and seeks. What
the group has committed in the broker only mirrors it, for tools that show lag.
"""

import contextlib
import gc
import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import MemberToRemove
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaConnectionError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import MemberState, OffsetAndMetadata

from metering import modes
from metering.consuming import (
    BACKOFF_FIRST_MS,
    BACKOFF_MAX_MS,
    TOPIC,
    Say,
    Stopped,
    Taken,
    Writer,
    milliseconds,
)
from metering.intake import in_batches
from metering.kafka_client import knock
from metering.record_batches import Record, records_of

GROUP = "jeongsan"
BATCH_RECORDS, BATCH_BYTES = 100_000, 24 << 20
FETCH_PARTITION_BYTES, FETCH_BYTES, RESPONSE_BYTES = 8 << 20, 32 << 20, (1 << 31) - 1
POLL_MS, LINGER_MS, SWEEP_MS, ASK_MS, ASK_TIMEOUT_MS = 200, 500, 10_000, 5_000, 2_000
SESSION_MS, HEARTBEAT_MS, POLL_GAP_MAX_MS, COLLECT_MS = 10_000, 2_000, 600_000, 60_000
ARGUMENTS = {
    "enable_auto_commit": False, "auto_offset_reset": "none", "allow_auto_create_topics": False,
    "isolation_level": "read_committed", "max_poll_records": BATCH_RECORDS, "fetch_max_bytes": FETCH_BYTES,
    "max_partition_fetch_bytes": FETCH_PARTITION_BYTES, "receive_message_max_bytes": RESPONSE_BYTES,
    "session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": HEARTBEAT_MS, "max_poll_interval_ms": POLL_GAP_MAX_MS,
}  # fmt: skip
logging.getLogger("kafka").propagate = False


def group_of(topic: str) -> str:
    """The name of the consumer group: `jeongsan`, and for a topic of another name one of its own."""
    return GROUP if topic == TOPIC else f"{GROUP}-{topic}"


@dataclass(kw_only=True)
class Reading:
    """A taken partition as the poll loop sees it: `read` is the next offset to come; `records` wait for a batch."""

    taken: Taken
    read: int
    records: list[Record] = field(default_factory=list)
    size_bytes: int = 0
    since_ms: int = 0


class Assigned(ConsumerRebalanceListener):
    """Notes what the group assigns, and pauses it until the loop has asked the database where it goes on."""

    def __init__(self, consumer: KafkaConsumer):
        self._consumer, self._fresh = consumer, set()
        self._lock = threading.Lock()

    def on_partitions_revoked(self, revoked) -> None:
        """Nothing: a batch of a partition that another worker has taken is refused by its epoch."""

    def on_partitions_assigned(self, assigned) -> None:
        """Called on the client's own thread, before anything is fetched."""
        self._consumer.pause(*assigned)
        with self._lock:
            self._fresh.update(assigned)

    def fresh(self) -> set[TopicPartition]:
        """What was assigned since the last call, once."""
        with self._lock:
            found, self._fresh = self._fresh, set()
        return found


class Opened(Fetcher.PartitionRecords):
    """What a fetch brought, opened by record_batches: nothing that a record holds stops the ones after it."""

    def _unpack_records(self, tp, records, *_deserializers) -> Iterator[Record]:
        try:
            while (batch := records.next_batch()) is not None:
                if not self._skips(batch):
                    yield from self._records_of(batch)
                self.next_fetch_offset = batch.next_offset
        finally:
            self.drain()

    def _skips(self, batch) -> bool:
        """Whether it is the broker's own, or of a transaction that was given up."""
        self.leader_epoch = batch.leader_epoch
        if batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return batch.is_control_batch

    def _records_of(self, batch) -> Iterator[Record]:
        body = bytes(memoryview(batch._buffer)[batch._pos :])
        if batch.validate_crc():
            found = records_of(batch.base_offset, batch.attributes, batch.records_count, body)
        else:
            found = [Record(batch.base_offset, (), body, "the batch fails its checksum")]
        for one in found:
            self.next_fetch_offset = one.offset + 1
            yield one


class Worker:
    """One process of the group. Runs until `stopping` is set."""

    def __init__(self, client: Mapping[str, Any], topic: str, writer: Writer, say: Say, stopping: threading.Event):
        self._topic, self._writer, self._say, self._stopping = topic, writer, say, stopping
        self._client = {**client, **ARGUMENTS}
        self._readings: dict[TopicPartition, Reading] = {}
        self._writing: Future | None = None
        self._broker_away = self._unswept = False
        self._asked_ms = self._swept_ms = self._settled_ms = self._collected_ms = milliseconds()

    def run(self) -> None:
        """Polls and writes. A batch that is being written when told to stop is finished, or rolled back."""
        self._consumer = self._opened()
        listener = Assigned(self._consumer)
        with contextlib.suppress(KafkaError):
            self._consumer.partitions_for_topic(self._topic)  # what is shared out at first is then the whole topic
        self._consumer.subscribe([self._topic], listener=listener)
        try:
            with in_batches(), ThreadPoolExecutor(max_workers=1) as self._thread:
                while not self._stopping.is_set():
                    self._once(listener)
                self._written()
                if self._unswept:
                    self._writer.sweep()
                self._mirror(wait=True)
        except Stopped:
            pass
        finally:
            self._consumer.close(autocommit=False, timeout_ms=SESSION_MS)

    def _opened(self) -> KafkaConsumer:
        wait_ms = BACKOFF_FIRST_MS
        while True:
            try:
                consumer = _connected(group_id=group_of(self._topic), **self._client)
                consumer._fetcher.PartitionRecords = Opened
                return consumer
            except KafkaError as error:
                self._broker_gone(error)
            if self._stopping.wait(wait_ms / 1000):
                raise Stopped
            wait_ms = min(wait_ms * 2, BACKOFF_MAX_MS)

    def _once(self, listener: Assigned) -> None:
        found = None
        try:
            self._settle(listener.fresh())
            found = self._consumer.poll(timeout_ms=POLL_MS)
        except NoOffsetForPartitionError:
            pass  # assigned a moment ago: the next round asks the database
        except OffsetOutOfRangeError as error:
            for partition in error.args[0]:
                self._readings.pop(partition, None)
        except KafkaError as error:
            self._broker_gone(error)
            self._stopping.wait(BACKOFF_FIRST_MS / 1000)
        for partition, records in (found or {}).items():
            self._collect(partition, records)
        self._hand_over(everything=not found)
        if found is not None and not found:
            self._idle()
        if milliseconds() - self._swept_ms >= SWEEP_MS:
            self._sweep()
        self._rejoin_when_stuck(listener)

    def _rejoin_when_stuck(self, listener: Assigned) -> None:
        """Joins the group anew when a rebalance does not end within a session: the client library may have dropped
        the answer to its joining, and would then wait for ever (kafka-python 3.0.12, coordinator.join_group_async)."""
        if self._consumer.group_metadata().state != MemberState.REBALANCING:
            self._settled_ms = milliseconds()
        elif milliseconds() - self._settled_ms >= SESSION_MS:
            self._settled_ms = milliseconds()
            self._say("그룹에 다시 들어갑니다.", "joining the group anew.")
            with contextlib.suppress(KafkaError):
                self._consumer.unsubscribe()
                self._consumer.subscribe([self._topic], listener=listener)

    def _settle(self, fresh: set[TopicPartition]) -> None:
        """Takes what the group has assigned over, lets go of what it has not, and seeks where it has forgotten."""
        assigned = self._consumer.assignment()
        for gone in self._readings.keys() - assigned:
            del self._readings[gone]
        for partition in sorted(assigned):
            reading = self._readings.get(partition)
            if reading is None or reading.taken.lost:
                self._readings[partition] = self._take(partition)
            elif partition not in fresh:
                continue
            self._consumer.seek(partition, self._readings[partition].read)
            self._consumer.resume(partition)

    def _take(self, partition: TopicPartition) -> Reading:
        first = self._consumer.beginning_offsets([partition])[partition]
        position = self._writer.take(partition.topic, partition.partition, first)
        taken = Taken(topic=partition.topic, partition=partition.partition, epoch=position.epoch,
                      written=position.next_offset)  # fmt: skip
        end = self._consumer.end_offsets([partition])[partition]
        if not first <= position.next_offset <= end:
            self._begin_anew(taken, first, end)
        return Reading(taken=taken, read=taken.written)

    def _begin_anew(self, taken: Taken, first: int, end: int) -> None:
        """The stored offset is none of the log: read again what is there; events known already are duplicates."""
        where, lost = f"{taken.topic}[{taken.partition}] {taken.written} → {first}", first - taken.written
        if lost > 0:
            self._say(
                f"{where}: {lost:,}건이 읽기 전에 지워졌습니다.", f"{where}: {lost:,} records were deleted unread."
            )
        else:
            self._say(f"{where}: 새로 만든 토픽입니다 (끝 {end}).", f"{where}: the topic was made anew (end {end}).")
        self._writer.advance(taken, first)

    def _collect(self, partition: TopicPartition, records: list) -> None:
        reading = self._readings.get(partition)
        if reading is None or reading.taken.lost:
            return
        new = records if records[0].offset >= reading.read else [one for one in records if one.offset >= reading.read]
        if new:
            reading.since_ms = reading.since_ms if reading.records else milliseconds()
            reading.records += new
            reading.size_bytes += sum(len(one.value or b"") for one in new)
            reading.read = new[-1].offset + 1
            self._broker_back()

    def _hand_over(self, everything: bool) -> None:
        """Gives full batches, or all that has waited long enough, to the writer."""
        for reading in list(self._readings.values()):
            full = reading.size_bytes >= BATCH_BYTES or len(reading.records) >= BATCH_RECORDS
            waited = milliseconds() - reading.since_ms >= LINGER_MS
            if reading.records and (full or waited or everything):
                records, reading.records, reading.size_bytes = reading.records, [], 0
                self._submit(reading, records)

    def _submit(self, reading: Reading, records: list[Record]) -> None:
        taken, end = reading.taken, reading.read
        self._unswept = True
        try:
            batch = modes.read(taken.topic, taken.partition, records)
        except Exception as error:  # found by halving
            self._written()
            self._writing = self._thread.submit(self._writer.halve, taken, records, end, error)
            return
        self._written()
        self._writing = self._thread.submit(self._writer.write, taken, batch, records, end)

    def _written(self) -> None:
        """Waits until the batch before is written; the client's own thread keeps the worker in the group."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        writing.result()
        self._mirror()

    def _mirror(self, wait: bool = False) -> None:
        """Shows the broker how far the database is; whether that arrives does not matter."""
        told = {
            partition: OffsetAndMetadata(reading.taken.written, "", -1)
            for partition, reading in self._readings.items()
            if not reading.taken.lost
        }
        if told and not wait:
            self._consumer.commit_async(told)
        elif told:
            with contextlib.suppress(KafkaError):
                self._consumer.commit(told, timeout_ms=ASK_TIMEOUT_MS)

    def _idle(self) -> None:
        self._written()
        if self._unswept:
            self._sweep()
        try:
            for partition in self._readings.keys() & self._consumer.assignment():
                reading, position = self._readings[partition], self._consumer.position(partition, timeout_ms=POLL_MS)
                if position is not None and position > reading.read and not reading.taken.lost:
                    self._writer.advance(reading.taken, position)  # the broker's own marks, which are no records
                    reading.read = position
            if milliseconds() - self._asked_ms >= ASK_MS and self._readings:
                self._asked_ms = milliseconds()
                self._consumer.end_offsets(list(self._readings), timeout_ms=ASK_TIMEOUT_MS)
                self._broker_back()
        except KafkaError as error:
            self._broker_gone(error)

    def _sweep(self) -> None:
        self._written()
        self._writer.sweep()
        self._swept_ms, self._unswept = milliseconds(), False
        if milliseconds() - self._collected_ms >= COLLECT_MS:
            gc.collect()  # the client's few cycles
            self._collected_ms = milliseconds()

    def _broker_gone(self, error: object) -> None:
        if not self._broker_away:
            self._broker_away = True
            self._say(f"브로커를 기다립니다: {error}", f"waiting for the broker: {error}")

    def _broker_back(self) -> None:
        if self._broker_away:
            self._broker_away = False
            self._say("브로커가 돌아왔습니다.", "the broker is back.")


def _connected(**arguments: Any) -> KafkaConsumer:
    """A consumer, once somebody listens: where nobody does, the client library leaves a thread behind each time."""
    for address in arguments["bootstrap_servers"]:
        try:
            knock(address, ASK_TIMEOUT_MS // 1000)
            return KafkaConsumer(**arguments)
        except OSError as error:
            refusal = error
    raise KafkaConnectionError(refusal)


BrokerError = (KafkaError, OSError)


class Log:
    """The topic as the broker has it: how far each partition goes."""

    def __init__(self, client: Mapping[str, Any], topic: str):
        self._client, self._topic, self._consumer = client, topic, None

    def ends(self) -> dict[int, int]:
        """partition → the offset after its last record; empty when the topic is not there. Raises KafkaError."""
        if self._consumer is None:
            self._consumer = _connected(group_id=None, **self._client, **ARGUMENTS)
        partitions = self._consumer.partitions_for_topic(self._topic)
        wanted = [TopicPartition(self._topic, one) for one in sorted(partitions)]
        found = self._consumer.end_offsets(wanted, timeout_ms=ASK_TIMEOUT_MS) if wanted else {}
        return {one.partition: offset for one, offset in found.items()}

    def close(self) -> None:
        """Closes the connection."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)


def evict(client: Mapping[str, Any], topic: str, client_id: str) -> None:
    """Takes a dead worker out of the group at once, so that the others need not wait for its session to end."""
    admin = KafkaAdminClient(**client)
    try:
        for group in admin.describe_groups([group_of(topic)]).values():
            members = [one["member_id"] for one in group["members"] if one["client_id"] == client_id]
            admin.remove_group_members(group_of(topic), [MemberToRemove(member_id=one) for one in members])
    finally:
        admin.close()

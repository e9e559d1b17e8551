"""The parts of kafka-python that are not its promise: what to look at again when its version is raised."""

import inspect
from importlib.metadata import version

from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import MemberState

LOOKED_AT = "3.0.12"
AGAIN = """
metering/kafka_consumer.py: class Opened (what _unpack_records does with transactions, control batches and offsets),
Worker._opened (who makes PartitionRecords), Worker._rejoin_when_stuck (coordinator.join_group_async: is the workaround
still needed?), OffsetOutOfRangeError.args · metering/kafka_client.py: class _Reasons (the words of the library's log) ·
tests/integration/test_consume_faults.py: test_rebalance__whose_answer_the_client_library_dropped_is_joined_anew.
Then run tests/integration/test_consume*.py and `make soak`, and write the version here.
"""


def test_private_parts__were_looked_at_in_this_version_of_the_library():
    assert version("kafka-python") == LOOKED_AT, AGAIN


def test_private_parts__are_still_there():
    opened = Fetcher.PartitionRecords
    unpack = list(inspect.signature(opened._unpack_records).parameters)
    assert unpack == ["self", "tp", "records", "key_deserializer", "value_deserializer"], AGAIN
    used = ("_consume_aborted_transactions_up_to", "_contains_abort_marker", "_is_batch_aborted", "drain")
    assert [name for name in used if not callable(getattr(opened, name, None))] == [], AGAIN
    assert "self.PartitionRecords(" in inspect.getsource(Fetcher), AGAIN
    batch = DefaultRecordBatch(bytearray(61))
    assert (batch._buffer, batch._pos) == (bytearray(61), 61), AGAIN  # what comes next is the batch's body
    assert hasattr(MemberState, "REBALANCING"), AGAIN

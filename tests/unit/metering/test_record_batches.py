"""Record batches: as the client library reads them, and nothing in them raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from metering import modes
from metering.record_batches import Record, records_of
from metering.rules import Rejection

HEADERS = st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=200)), max_size=4)
RECORDS = st.lists(
    st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=300), HEADERS), min_size=1, max_size=30
)


def batch_of(records, codec=0):
    builder = MemoryRecordsBuilder(2, codec, 1 << 20)
    for number, (key, value, headers) in enumerate(records):
        builder.append(1_700_000_000_000 + number * 997, key, value, headers)
    builder.close()
    return MemoryRecords(bytes(builder.buffer())).next_batch()


def opened(batch) -> list[Record]:
    return records_of(batch.base_offset, batch.attributes, batch.records_count, bytes(batch._buffer[batch._pos :]))


@settings(deadline=None)
@given(RECORDS, st.sampled_from(range(5)))
def test_records_of__are_those_that_the_client_library_reads(records, codec):
    found = opened(batch_of(records, codec))
    theirs = [(one.offset, one.headers, one.value) for one in batch_of(records, codec)]
    assert [(one.offset, list(one.headers), one.value) for one in found] == theirs
    assert not any(one.broken for one in found)


@given(st.integers(0, 7), st.integers(0, 5), st.binary(max_size=200))
def test_records_of__whatever_the_bytes_are_gives_records(codec, count, body):
    for one in records_of(7, codec, count, body):
        assert isinstance(one, Record)


def test_records_of__a_broken_header_name_hides_no_other_record():
    batch = batch_of([(None, b"a", []), (None, b"b", [("name", b"v")]), (None, b"c", [])])
    body = bytes(batch._buffer[batch._pos :]).replace(b"name", b"n\xff\xfee")
    found = records_of(0, 0, 3, body)
    assert [one.broken != "" for one in found] == [False, True, False]
    assert b"n\xff\xfee" in found[1].value


def test_records_of__what_opens_to_too_much_is_one_broken_record(monkeypatch):
    monkeypatch.setattr("metering.record_batches.OPENED_LIMIT_BYTES", 1000)
    for codec in (1, 2, 3, 4):
        (one,) = opened(batch_of([(None, b" " * 5000, [])], codec))
        assert "1000 bytes" in one.broken


@given(HEADERS, st.none() | st.binary(max_size=50))
def test_payload_of__whatever_headers_and_value_are(headers, value):
    payload = modes.payload_of(headers, value)
    assert isinstance(payload, (bytes, Rejection))


@pytest.mark.parametrize("value", [b'{},"id":"other"', b"{}}", b'{"a":1}{', b""])
def test_payload_of__binary_data_cannot_reach_out_of_its_field(value):
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"mine"), ("ce_source", b"/t"), ("ce_type", b"gpu.usage")]
    assert modes.payload_of(headers, value).reason == "not_json"

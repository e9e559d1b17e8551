"""Messages say what the lines said, in every mode; what cannot be read goes out as it is."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering import modes, rules
from metering.messages import MODES, Message, messages, project_key
from metering.rules import Rejection
from tests.events import accepted, amended, deleted, gpu, performed, snapshot, voided

KNOWN = [
    gpu("g1"), gpu("g2", project="P2", gpus="0.125"), gpu("g3", unknown="x"), performed("w1"), accepted("a1", "w1"),
    voided("v1", "g1"), amended("m1", "g2", gpus=2), snapshot("s1", "2025-11-10T00:00:00Z", 5), 
    deleted("d1", "2025-11-11T00:00:00Z"),
]  # fmt: skip
STRANGE = [
    {**KNOWN[0], "id": 5}, {**KNOWN[0], "ID": "other"}, {**KNOWN[0], "time": None}, {**KNOWN[0], "time": "soon"},
    {**KNOWN[0], "datacontenttype": "application/json"}, {**KNOWN[0], "datacontenttype": "text/plain"},
    {**KNOWN[0], "data": None}, {**KNOWN[0], "data": "text"}, {**KNOWN[0], "id": "한글 %41\n"},
    {**KNOWN[0], "id": "\0"},
    {**KNOWN[0], "specversion": "0.3"}, {**KNOWN[0], "extension": True}, {**KNOWN[0], "extension": "x"},
    {**KNOWN[0], "data_base64": "e30="}, {**KNOWN[0], "": "x"}, {**KNOWN[0], "data": {"project": 5}},
    {"type": "gpu.usage"}, {},
]  # fmt: skip
BROKEN = [b"{", b"null", b"[]", b"[1,", b'"text"', b"\xff\xfe", b"[" * 5000]
ODD = [b"[1,2]", b'{"id":"a","id":"b","data":{}}', json.dumps(KNOWN[:3]).encode()]
LINES = [*(json.dumps(one).encode() for one in (*KNOWN, *STRANGE)), *BROKEN, *ODD]
BATCH = MODES[1]


def read(payload) -> Counter:
    """What a record says: identity, content and dropped fields of its events, and why the rest is none."""
    found = [payload] if isinstance(payload, Rejection) else rules.read_record(payload)
    return Counter(one.reason if isinstance(one, Rejection) else (one.key, one.content, one.dropped) for one in found)


def received(message: Message) -> Counter:
    return read(modes.payload_of(message.headers, message.value))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:60].decode(errors="replace"))
def test_messages__say_what_the_line_said(mode, line):
    assert sum(map(received, messages([line], mode)), Counter()) == read(line)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("line", BROKEN, ids=lambda line: line[:60].decode(errors="replace"))
def test_messages__a_broken_line_goes_out_byte_by_byte(mode, line):
    for whole in (line, b" " + line):
        assert [message.value for message in messages([whole], mode)] == [whole]


@given(st.lists(st.sampled_from(LINES), max_size=30), st.sampled_from(MODES))
def test_messages__nothing_is_lost_and_nothing_is_added(lines, mode):
    sent = list(messages(lines, mode))
    assert sum(map(received, sent), Counter()) == sum(map(read, lines), Counter())
    assert sum(message.events for message in sent) == sum(received(message).total() or 1 for message in sent)


def test_messages__key_is_the_project_where_it_can_be_read():
    assert project_key(b'{"data":{"project":"P1"}}') == b"P1"
    for event in (
        b"{",
        b"{}",
        b"null",
        b'{"data":null}',
        b'{"data":{"project":5}}',
        b'{"data":{"project":""}}',
        b'{"data":[]}',
    ):
        assert project_key(event) is None
    for mode in MODES:
        keys = [message.key for message in messages([json.dumps(one).encode() for one in (KNOWN[1], KNOWN[4])], mode)]
        assert keys == [b"P2", None]


def test_messages__headers_say_the_mode():
    line = json.dumps({**gpu("g1"), "time": "2025-11-10T01:00:00Z"}).encode()
    single, batch, binary = (next(messages([line], mode)) for mode in MODES)
    assert (single.headers, single.value) == ((("content-type", b"application/cloudevents+json"),), line)
    assert (batch.headers, batch.value) == (
        (("content-type", b"application/cloudevents-batch+json"),),
        b"[" + line + b"]",
    )
    assert dict(binary.headers) == {
        "content-type": b"application/json", "ce_specversion": b"1.0", "ce_id": b"g1", "ce_source": b"/t",
        "ce_type": b"gpu.usage", "ce_time": b"2025-11-10T01:00:00Z",
    }  # fmt: skip
    assert json.loads(binary.value) == gpu("g1")["data"]


def test_messages__batches_hold_a_hundred_events_of_one_key():
    lines = [json.dumps(gpu(f"e{number}", project=f"P{number % 3}")).encode() for number in range(650)]
    sent = list(messages(lines, BATCH))
    assert Counter((message.key, message.events) for message in sent) == {
        (b"P0", 100): 2, (b"P0", 17): 1, (b"P1", 100): 2, (b"P1", 17): 1, (b"P2", 100): 2, (b"P2", 16): 1,
    }  # fmt: skip
    assert all({event["data"]["project"] for event in json.loads(one.value)} == {one.key.decode()} for one in sent)


def test_messages__a_batch_never_outgrows_what_is_read():
    lines = [json.dumps(gpu(f"e{number}", unknown="x" * 300_000)).encode() for number in range(10)]
    lines.append(json.dumps(gpu("huge", unknown="x" * (rules.RECORD_LIMIT_BYTES - 230))).encode())
    sent = list(messages(lines, BATCH))
    assert sorted(message.events for message in sent) == [1, 1, 3, 3, 3]
    assert all(len(message.value) <= rules.RECORD_LIMIT_BYTES for message in sent)

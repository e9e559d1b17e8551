"""Files as records: lines, arrays, batches, long and broken ones."""

import json

import pytest

from core.errors import BadInput
from metering import files
from metering.rules import read_record
from tests.events import gpu


def records(tmp_path, content: bytes) -> list[tuple[int, bytes]]:
    path = tmp_path / "events"
    path.write_bytes(content)
    return list(files.records(path, lambda _done: None))


def test_records__lines_are_numbered_and_blank_ones_left_out(tmp_path):
    assert records(tmp_path, b'\xef\xbb\xbf{"a":1}\n\n  \r\n{"b":2}\r\n{"c"') == [
        (1, b'{"a":1}'), (4, b'{"b":2}\r'), (5, b'{"c"')]  # fmt: skip


def test_records__an_array_gives_its_elements_by_line(tmp_path):
    events = [gpu("a", session='"}],[{'), gpu("b", session="x\\"), gpu("c")]
    found = records(tmp_path, json.dumps(events, indent=1).encode())
    assert [json.loads(payload) for _, payload in found] == events
    assert [line for line, _ in found] == [2, 16, 30]
    one_line = records(tmp_path, json.dumps(events).encode())
    assert [one.id for _, payload in one_line for one in read_record(payload)] == ["a", "b", "c"]


def test_records__a_broken_element_does_not_stop_the_others(tmp_path):
    found = records(tmp_path, b'[\n{"id": 1},\n {"id": NaN}, 7, "x",\n{"id": 2},\n{"id": 3')
    assert found == [
        (2, b'{"id": 1}'),
        (3, b'{"id": NaN}'),
        (3, b"7"),
        (3, b'"x"'),
        (4, b'{"id": 2}'),
        (5, b'{"id": 3'),
    ]


def test_records__lines_of_batches_stay_lines(tmp_path):
    lines = b'[{"id":1},{"id":2}]\n[{"id":3}]\n'
    assert records(tmp_path, lines) == [(1, b'[{"id":1},{"id":2}]'), (2, b'[{"id":3}]')]


def test_records__a_line_or_an_element_longer_than_a_chunk_is_one_record(tmp_path):
    long = b'{"x":"' + b"a" * (3 * files.CHUNK_BYTES) + b'"}'
    assert records(tmp_path, b'{"a":1}\n' + long + b'\n{"b":2}\n') == [(1, b'{"a":1}'), (2, long), (3, b'{"b":2}')]
    assert records(tmp_path, b'[{"a":1},\n' + long + b',\n{"b":2}]\n') == [(1, b'{"a":1}'), (2, long), (3, b'{"b":2}')]


def test_records__what_cannot_be_opened_is_bad_input(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadInput, match=str(path)):
            files.topic_of(path)

"""Kafka → database: exactly once over restarts, kills, rebalances; a record becomes an event or a dead letter."""

import json
from datetime import datetime

import pytest
from sqlalchemy import text

from metering import kafka_dead_letters, modes, rules
from metering.intake import Intake
from metering.record_batches import Record
from tests.events import NOW, counted, gpu, lines


def test_consume__a_second_run_goes_on_where_the_first_ended(send, consume, jeongsan):
    send(gpu(f"g{n}") for n in range(100))
    assert counted(consume()) == {"received": 100, "stored": 100}
    assert counted(consume()) == {}
    send([gpu("g1"), gpu("new"), b"{"])
    assert counted(consume()) == {"received": 3, "stored": 1, "duplicate": 1, "dead_lettered": 1}
    assert jeongsan("intake")["balanced"]


def letters(engine) -> list:
    with engine.connect() as connection:
        return list(
            connection.execute(
                text("SELECT record, reason, detail, payload, headers, status FROM dead_letter ORDER BY id")
            )
        )


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_consume__every_compression_is_read(send, consume, codec):
    send([gpu(f"g{n}") for n in range(500)], compression_type=codec, linger_ms=50)
    assert counted(consume()) == {"received": 500, "stored": 500}


CT = "content-type"
MODES = [
    ("a tombstone", None, [], "tombstone"),
    ("a tombstone with headers", None, [("ce_id", b"1")], "tombstone"),
    ("text", b"hello", [(CT, b"text/plain")], "content_type"),
    ("avro", b"\x00\x01", [(CT, b"application/cloudevents+avro")], "content_type"),
    ("binary, but not of JSON", b"<a/>", [(CT, b"application/xml"), ("ce_id", b"1")], "content_type"),
    ("no JSON", b"\xff\xfe\x00", [], "not_json"),
    ("an empty value", b"", [], "not_json"),
    ("binary: data that reach out of themselves", b'{"a":1},"id":"other"', [(CT, b"application/json"), ("ce_id", b"1")],
     "not_json"),
    ("binary: an attribute that is no text", b"{}", [(CT, b"application/json"), ("ce_id", b"\xff")], "schema"),
    ("binary: attributes missing", b"{}", [(CT, b"application/json"), ("ce_id", b"1")], "schema"),
    ("50 MB", b"[" + b" " * 50_000_000 + b"]", [(CT, b"application/cloudevents-batch+json")], "too_large"),
]  # fmt: skip


def test_consume__what_cannot_be_read_becomes_a_dead_letter_and_stops_nothing(send, consume, loaded, jeongsan):
    for number, (_, value, headers, _) in enumerate(MODES):
        send([value], partition=0, headers=headers)
        send([gpu(f"after{number}")], partition=0)
    assert counted(consume()) == {"received": 2 * len(MODES), "stored": len(MODES), "dead_lettered": len(MODES)}
    for row, (what, value, headers, reason) in zip(letters(loaded), MODES, strict=True):
        assert (row.reason, bytes(row.payload), modes.headers_of(row.headers)) == (reason, value or b"", headers), what
    assert jeongsan("intake")["balanced"]


def test_dead_letters__are_published_once_with_origin_reason_and_bytes(send, consume, published, topic):
    send([b"{", gpu("a"), b"<a/>"], partition=2, headers=[("content-type", b"application/json")])
    send([b"<a/>"], partition=1)
    consume()
    consume()
    found = {one.key.decode(): (dict(one.headers), one.value) for one in published()}
    assert len(published()) == 4
    headers, value = found[f"{topic}:1:0"]
    assert (headers["reason"], headers["origin-topic"], headers["origin-partition"], headers["origin-offset"]) == (
        b"not_json", topic.encode(), b"1", b"0",
    )  # fmt: skip
    assert value == b"<a/>"
    headers, value = found[f"{topic}:2:2"]
    assert (headers["reason"], headers["header-content-type"], value) == (b"content_type", b"application/json", b"<a/>")


def test_dead_letters__one_that_the_topic_does_not_take_is_published_cut(
    send, consume, published, new_topic, monkeypatch
):
    monkeypatch.setattr(kafka_dead_letters, "REQUEST_LIMIT_BYTES", 1 << 20)
    send([b"[" + b" " * 2_000_000])
    consume()
    (one,) = published()
    assert dict(one.headers)["truncated"] == b"2000001"


def test_replay__what_can_be_read_after_a_fix_is_stored_and_the_rest_stays(
    send, consume, loaded, jeongsan, monkeypatch
):
    with monkeypatch.context() as before:
        before.setattr(rules, "RECORD_LIMIT_BYTES", 300)
        batch = json.dumps([gpu("c"), {"no": "event"}, gpu("d", node="n" * 300)]).encode()
        records = [Record(0, (), lines([gpu("a", node="n" * 300)])[0]), Record(1, (), b"{"), Record(2, (), batch)]
        Intake(loaded).take(modes.read("t", 0, records), datetime.fromisoformat(NOW))
    counts = jeongsan("intake")
    assert (counts["received"], counts["dead_lettered"], counts["balanced"]) == (3, 3, True)
    done = jeongsan("replay", "--from-dead-letter", now=NOW)
    assert (done["tried"], done["read"], done["stored"]) == (3, 1, 1)
    counts = jeongsan("intake")
    assert (counts["received"], counts["stored"], counts["dead_lettered"], counts["balanced"]) == (3, 1, 2, True)
    assert [row.status for row in letters(loaded)] == ["released", "waiting", "waiting"]
    assert jeongsan("replay", "--from-dead-letter", now=NOW)["read"] == 0
    assert jeongsan("replay", exit_code=2)["error"] == "BadInput"

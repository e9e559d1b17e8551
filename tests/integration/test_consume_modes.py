"""Structured, binary and batch mode, ours and the CloudEvents SDK's, are metered the same; the worked case too."""

import json

import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as older_sdk
from cloudevents.v1.http import CloudEvent as OlderCloudEvent
from sqlalchemy import text

from tests.events import accepted, counted, gpu, performed, snapshot, voided
from tests.worked import LOADED, expected, needs_case, prepare, run

EVENTS = [
    gpu("g1"), gpu("g2", gpus="0.125", node="n1", session="세션 2"), snapshot("s1", "2025-11-03T00:00:00Z", 1 << 40),
    performed("w1"), accepted("a1", "w1"), voided("v1", "g1"),
]  # fmt: skip
JSON = ("content-type", b"application/json; charset=UTF-8")


def binary(event: dict) -> tuple[bytes, list]:
    headers = [JSON, *((f"ce_{name}", event[name].encode()) for name in ("specversion", "id", "source", "type"))]
    return json.dumps(event["data"], ensure_ascii=False).encode(), headers


def structured(event: dict) -> tuple[bytes, list]:
    return json.dumps(event).encode(), [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def sdk_event(event: dict) -> CloudEvent:
    attributes = {name: event[name] for name in ("specversion", "id", "source", "type")}
    return CloudEvent({**attributes, "datacontenttype": "application/json"}, event["data"])


def sdk_binary(event: dict) -> tuple[bytes, list]:
    message = sdk.to_binary(sdk_event(event), JSONFormat())
    return message.value, list(message.headers.items())


def sdk_structured(event: dict) -> tuple[bytes, list]:
    message = sdk.to_structured(sdk_event(event), JSONFormat())
    return message.value, list(message.headers.items())


def older_sdk_binary(event: dict) -> tuple[bytes, list]:
    attributes = {name: event[name] for name in ("specversion", "id", "source", "type")}
    message = older_sdk.to_binary(OlderCloudEvent({**attributes, "datacontenttype": "application/json"}, event["data"]))
    return message.value, list(message.headers.items())


def older_sdk_structured(event: dict) -> tuple[bytes, list]:
    attributes = {name: event[name] for name in ("specversion", "id", "source", "type")}
    message = older_sdk.to_structured(OlderCloudEvent(attributes, event["data"]))
    return message.value, list(message.headers.items())


def stored(engine) -> list:
    with engine.connect() as connection:
        events = connection.execute(
            text(
                "SELECT event_id, content, type, start_us, end_us, gpus_milli, session, data FROM event"
                " JOIN seen USING (seq) ORDER BY event_id"
            )
        ).all()
        deltas = connection.execute(
            text("SELECT project_id, model_id, day, sum(quantity) FROM usage_delta GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
        ).all()
    return [tuple(row) for row in (*events, *deltas)]


MODES = [binary, structured, sdk_binary, sdk_structured, older_sdk_binary, older_sdk_structured]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
def test_modes__an_event_is_the_same_in_each_of_them(send, consume, loaded, jeongsan, tmp_path, mode):
    for event in EVENTS:
        value, headers = mode(event)
        send([value], headers=headers, partition=0)
    assert counted(consume()) == {"received": len(EVENTS), "stored": len(EVENTS)}
    found = stored(loaded)
    assert len(found) > len(EVENTS)
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, EVENTS)))
    assert jeongsan("ingest", path, now=LOADED)["duplicate"] == len(EVENTS)
    assert stored(loaded) == found


def test_batch__many_events_in_one_record_and_each_bad_one_by_itself(send, consume, loaded):
    batch = json.dumps([*EVENTS, {"id": "bad"}, EVENTS[0]]).encode()
    send([batch], headers=[("content-type", b"application/cloudevents-batch+json")])
    counts = {"received": len(EVENTS) + 2, "stored": len(EVENTS), "duplicate": 1, "dead_lettered": 1}
    assert counted(consume()) == counts
    with loaded.connect() as connection:
        assert bytes(connection.scalar(text("SELECT payload FROM dead_letter"))) == b'{"id": "bad"}'


@needs_case
@pytest.mark.parametrize("mode", ["single", "batch", "binary"])
def test_worked_case__through_the_broker_gives_the_figures_of_the_files(jeongsan, topic, letter_topic, mode):
    def through_the_broker(name, *arguments, now=None):
        if name != "ingest":
            return jeongsan(name, *arguments, now=now)
        jeongsan("produce", *arguments, "--topic", topic, "--mode", mode)
        return jeongsan("consume", "--topic", topic, "--dead-letters", letter_topic, "--until-idle", "0.5", now=now)

    prepare(through_the_broker, "2025-12")
    document, want = run(jeongsan, "2025-12"), expected()["2025-12"]
    assert document["differences"] == 0
    for code, line in want["lines"].items():
        assert {name: document["lines"][code][name] for name in line} == line
    charges = [{name: charge[name] for name in want["charges"][0]} for charge in document["charges"]]
    assert sorted(charges, key=str) == sorted(want["charges"], key=str)
    assert jeongsan("balances", "--programme", "MAIDV-2025") == want["balances_after_run"]

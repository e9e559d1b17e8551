"""The examples of docs/metering.md, run as they stand there against a real broker: what they send is read."""

import json
import os
import re
import subprocess

import pytest

from metering import modes, rules
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "metering.md").read_text()
BLOCKS = re.findall(r"^```(bash|python|go)\n(.*?)^```", TEXT, re.M | re.S)
PYTHON = [code for language, code in BLOCKS if language == "python"]
BASH = [code for language, code in BLOCKS if language == "bash"]
GO = [code for language, code in BLOCKS if language == "go"]


def the_event(records) -> tuple[str, str]:
    (record,) = records
    assert record.key == b"P1"
    (event,) = rules.read_record(modes.payload_of(record.headers, record.value))
    assert isinstance(event, rules.UsageEvent), event
    return event.id, rules.TYPES[event.type]


@pytest.mark.parametrize(
    ("code", "sent"),
    [*zip(PYTHON, [("v-3/2025-11-10", "storage.snapshot"), ("w-12", "preparation.performed")], strict=True)],
    ids=["kafka-python", "sdk"],
)
def test_documented__python_examples_send_events_that_are_read(new_topic, consumed, code, sent):
    topic = new_topic(4)
    exec(compile(code.replace("usage.events", topic), "docs/metering.md", "exec"), {})
    assert the_event(consumed(topic)) == sent


def test_documented__the_console_producer_sends_an_event_that_is_read(new_topic, consumed, broker):
    (code,), topic = BASH, new_topic(4)
    command = ["bash", "-euo", "pipefail", "-c", code.replace("usage.events", topic)]
    environment = {**os.environ, "KAFKA_BOOTSTRAP": broker}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert the_event(consumed(topic)) == ("g-1", "gpu.usage")


def test_documented__the_go_example_sends_an_event_that_can_be_read():
    (code,) = GO
    value = re.search(r"Value: \[\]byte\(`(.*?)`\)", code, re.S)[1]
    event = rules.read_event(value.encode())
    assert isinstance(event, rules.UsageEvent), event
    assert (event.id, json.loads(value)["type"]) == ("d-3", "storage.deleted")

"""The development broker and the topics: started, checked, refused."""

import re
import subprocess
from pathlib import Path

import pytest

from core.errors import BadInput, ServerUnreachable
from core.settings import Settings
from metering import kafka_topics
from metering.kafka_topics import Difference, Topic, ensure_topics, read_topics
from tests.conftest import ROOT, run_broker

TOPIC = """
[[topic]]
name = "{name}"
partitions = 2
retention_days = 30
cleanup_policy = "delete"
max_message_bytes = 1_000_000
"""


@pytest.fixture
def topics_file(tmp_path, new_topic):
    """A file of one topic that the broker has with three partitions, kept for seven days, compacted."""
    name = new_topic(3, retention_ms="604800000", cleanup_policy="compact", max_message_bytes="1000000")
    path = tmp_path / "topics.toml"
    path.write_text(TOPIC.format(name=name))
    return path, name


def test_broker__started_again_says_where_it_is(broker):
    again = run_broker("start")
    assert (again.returncode, again.stdout) == (0, f"KAFKA_BOOTSTRAP={broker}\n")
    assert "already running" in again.stderr
    assert run_broker("status").stdout == again.stdout
    assert re.fullmatch(r"127\.0\.0\.1:\d+", broker)


def test_broker__listens_on_this_machine_only(broker):
    pid = (ROOT / ".jeongsan" / "tests" / "kafka" / "pid").read_text().strip()
    sockets = {Path(link).readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{name}").read_text().split("\n")[1:]
    ]
    listening = [row[1].partition(":")[0] for row in rows if row and row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    assert len(listening) >= 2
    assert {address[-8:] for address in listening} == {"0100007F"}


def test_broker__of_a_home_where_none_runs(tmp_path, monkeypatch):
    environment = {"JEONGSAN_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for action, code, said in (("status", 3, "not running"), ("stop", 0, "not running"), ("wipe", 0, "wiped")):
        done = subprocess.run(
            [ROOT / "kafka" / "broker", action], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
    with pytest.raises(ServerUnreachable, match="kafka/broker start"):
        ensure_topics(Settings(home=tmp_path), read_topics())


def test_broker__stops_only_a_process_that_is_a_broker(tmp_path):
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "kafka").mkdir()
        (tmp_path / "kafka" / "pid").write_text(f"{sleeper.pid}\n")
        environment = {"JEONGSAN_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [ROOT / "kafka" / "broker", "stop"], env=environment, capture_output=True, text=True, check=True
        )
        assert "not running" in done.stderr
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_topics__are_created_and_then_as_they_should_be(jeongsan, kafka_settings):
    jeongsan("topics")
    again = jeongsan("topics")
    assert again == {
        "ok": True,
        "topics": [
            {"name": "usage.events", "created": False, "differences": []},
            {"name": "usage.dead-letter", "created": False, "differences": []},
        ],
    }


def test_topics__a_missing_one_is_created_as_the_file_says(tmp_path, kafka_settings, new_topic):
    topic = Topic(
        name=new_topic() + "-more", partitions=2, retention_days=3, cleanup_policy="delete", max_message_bytes=9999
    )
    first, second = (ensure_topics(kafka_settings, [topic])[0] for _ in range(2))
    assert (first.created, first.differences) == (True, ())
    assert (second.created, second.differences) == (False, ())


def test_topics__each_difference_is_reported_and_none_is_changed(jeongsan, topics_file):
    path, name = topics_file
    wanted = {
        "partitions": ("2", "3"),
        "retention.ms": ("2592000000", "604800000"),
        "cleanup.policy": ("delete", "compact"),
    }
    for _ in range(2):
        answer = jeongsan("topics", "--file", path, exit_code=1)
        assert answer["ok"] is False
        (topic,) = answer["topics"]
        assert (topic["name"], topic["created"]) == (name, False)
        assert {one["setting"]: (one["wanted"], one["found"]) for one in topic["differences"]} == wanted


def test_topics__a_difference_compares_texts():
    topic = read_topics()[0]
    configs = {name: {"value": value} for name, value in topic.configs.items()}
    assert kafka_topics._differences(topic, 4, configs) == []
    assert kafka_topics._differences(topic, 5, configs) == [Difference(setting="partitions", wanted="4", found="5")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one"),
        ("[[topic]\n", "not TOML"),
        (TOPIC.format(name="t").replace("partitions = 2", "partitions = 0"), "topic[1].partitions: 0"),
        (TOPIC.format(name="t") + "compact = true\n", "topic[1].compact"),
        (TOPIC.format(name=""), "topic[1].name"),
    ],
)
def test_topics__a_file_that_is_wrong_is_bad_input(tmp_path, text, said):
    path = tmp_path / "topics.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_topics(path)
    assert said in str(refused.value)
    with pytest.raises(BadInput, match=r"missing\.toml"):
        read_topics(tmp_path / "missing.toml")

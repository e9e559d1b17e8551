"""Events from files to a real broker, in each mode and each compression, as a consumer finds them."""

import json
from collections import Counter

import pytest

from core.errors import BadInput
from core.settings import Settings
from metering import modes, rules
from metering.kafka_client import client_arguments
from metering.kafka_producer import COMPRESSIONS, Producer, produce
from metering.messages import MODES, Message, messages
from tests.events import accepted, gpu, lines, performed

EVENTS = [
    *(gpu(f"e{number}", project=f"P{number % 5}") for number in range(250)),
    performed("w1"),
    accepted("a1", "w1"),
]


@pytest.fixture
def events_file(tmp_path):
    """A file of 252 events and two lines that cannot be read."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*lines(EVENTS), b"{broken", b"\xff"]))
    return path


def said(records) -> Counter:
    """What records say, by identity and content; what cannot be read by its reason."""
    read = [one for record in records for one in rules.read_record(modes.payload_of(record.headers, record.value))]
    return Counter(one.reason if isinstance(one, rules.Rejection) else (one.key, one.content) for one in read)


@pytest.mark.parametrize(("mode", "records"), [*zip(MODES, (254, 8, 254), strict=True)])
def test_produce__each_mode_says_the_same_events(jeongsan, new_topic, consumed, events_file, mode, records):
    topic = new_topic(4)
    answer = jeongsan("produce", events_file, "--mode", mode, "--topic", topic)
    assert (answer["topic"], answer["events"], answer["records"]) == (topic, 254, records)
    assert answer["files"][0]["file"] == str(events_file)
    found = consumed(topic)
    assert (len(found), sum(len(one.value) for one in found)) == (records, answer["value_bytes"])
    read = [one for line in [*lines(EVENTS), b"{broken", b"\xff"] for one in rules.read_record(line)]
    assert said(found) == Counter(
        one.reason if isinstance(one, rules.Rejection) else (one.key, one.content) for one in read
    )


def test_produce__a_project_stays_in_one_partition(kafka_settings, new_topic, consumed):
    topic = new_topic(4)
    produce(kafka_settings, topic, messages(lines(EVENTS), "single"))
    places = {(one.key, one.partition) for one in consumed(topic) if one.key is not None}
    assert len(places) == len({key for key, _ in places}) == 5
    assert len({partition for _, partition in places}) > 1


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_produce__each_compression_is_read_again(kafka_settings, new_topic, consumed, compression):
    topic = new_topic()
    done = produce(kafka_settings, topic, messages(lines(EVENTS), "single"), compression)
    assert (done.records, done.events) == (252, 252)
    assert [one.value for one in consumed(topic)] == lines(EVENTS)


def test_produce__a_record_of_50_mb_arrives(kafka_settings, new_topic, consumed):
    topic, value = new_topic(), b"x" * 50_000_000
    done = produce(kafka_settings, topic, [Message(key=None, value=value, headers=(), events=1)] * 2)
    assert (done.records, done.value_bytes) == (2, 100_000_000)
    assert [one.value == value for one in consumed(topic)] == [True, True]


@pytest.mark.parametrize("size", [2_000_000, 80_000_000])
def test_produce__a_record_that_the_topic_does_not_take_is_bad_input(kafka_settings, new_topic, size):
    topic = new_topic(max_message_bytes="1000000")
    with pytest.raises(BadInput, match=r"max\.message\.bytes"):
        produce(kafka_settings, topic, [Message(key=None, value=b"x" * size, headers=(), events=1)])


def test_produce__a_topic_that_is_not_there_is_bad_input(jeongsan, kafka_settings, events_file):
    answer = jeongsan("produce", events_file, "--topic", "nowhere", exit_code=2)
    assert "jeongsan topics" in answer["messages"][0]


def test_produce__a_file_that_is_not_there_sends_nothing(jeongsan, new_topic, consumed, events_file, tmp_path):
    topic = new_topic()
    answer = jeongsan("produce", events_file, tmp_path / "missing.jsonl", "--topic", topic, exit_code=2)
    assert "missing.jsonl" in answer["messages"][0]
    assert consumed(topic) == []


def test_produce__no_broker_is_exit_code_4(jeongsan, monkeypatch, events_file):
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    answer = jeongsan("produce", events_file, exit_code=4)
    assert "127.0.0.1:1" in answer["messages"][0]


def test_produce__slurm_accounting_goes_out_as_job_events(jeongsan, new_topic, consumed, tmp_path):
    rows, names, topic = tmp_path / "sacct.txt", tmp_path / "map.toml", new_topic()
    rows.write_text(
        "jobidraw|partition|account|start|end|elapsed|alloctres\n"
        "7|gpu|lab|2025-11-10T00:00:00|2025-11-10T01:00:00|01:00:00|cpu=8,gres/gpu=2\n"
        "8|gpu|lab|2025-11-10T00:00:00|Unknown|01:00:00|cpu=8,gres/gpu=2\n"
    )
    names.write_text('[project]\nlab = "P1"\n[model]\ngpu = "H100"\n')
    answer = jeongsan("produce", rows, "--map", names, "--topic", topic)
    assert (answer["events"], answer["files"][0]["running"]) == (1, 1)
    (record,) = consumed(topic)
    event = json.loads(record.value)
    assert record.key == b"P1"
    assert (event["type"], event["id"], event["data"]["gpu_count"]) == ("slurm.job", "7@2025-11-10T00:00:00", 2)
    assert isinstance(rules.read_event(record.value), rules.UsageEvent)


def test_producer__nothing_is_sent_twice_and_a_second_send_follows(kafka_settings, new_topic, consumed):
    topic = new_topic()
    with Producer(kafka_settings, topic) as producer:
        for event_id in ("first", "second"):
            assert producer.send(messages(lines([gpu(event_id)]), "single")).records == 1
    assert [json.loads(one.value)["id"] for one in consumed(topic)] == ["first", "second"]


def test_client_arguments__say_which_setting_is_wrong():
    wrong = {
        "KAFKA_BOOTSTRAP": Settings(kafka_bootstrap="nowhere"),
        "KAFKA_SECURITY_PROTOCOL": Settings(kafka_bootstrap="a:1", kafka_security_protocol="TLS"),
    }
    for name, settings in wrong.items():
        with pytest.raises(BadInput, match=name):
            client_arguments(settings)

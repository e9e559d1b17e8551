"""Reading one record: what is refused, with which field; one content however it is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering import rules
from metering.rules import Rejection, UsageEvent
from tests.events import accepted, amended, deleted, event, gpu, performed, snapshot, voided


def read(one):
    return rules.read_event(one if isinstance(one, bytes) else json.dumps(one).encode())


def detail(one) -> str:
    found = read(one)
    assert isinstance(found, Rejection), found
    return found.detail


def with_raw(field: str, raw: str) -> bytes:
    """A GPU event with a field's JSON written as given."""
    return json.dumps(gpu("a", **{field: "@"})).replace('"@"', raw).encode()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("start", "2025-11-10T00:00:00", "no offset"),
        ("start", "2025-11-10T24:00:00Z", "no such day or time"),
        ("start", "2025-02-30T00:00:00Z", "no such day or time"),
        ("start", "2025-11-10T00:00:60Z", "not an RFC 3339"),
        ("start", "2025-11-10T00:00:00.1234567Z", "six fraction digits"),
        ("start", "2025-11-10 00:00:00Z", "not an RFC 3339"),
        ("start", "２025-11-10T00:00:00Z", "not an RFC 3339"),
        ("start", "2025-W46-1T00:00:00Z", "not an RFC 3339"),
        ("start", "2025-11-10T00:00:00+25:00", "no such day or time"),
        ("start", "0000-11-10T00:00:00Z", "no such day or time"),
        ("start", "9999-12-31T23:59:59-14:00", "no such day or time"),
        ("end", "2025-11-10T00:00:00Z", "after start"),
        ("end", "2025-11-09T00:00:00Z", "after start"),
        ("model", "", "length >= 1"),
        ("model", "x" * 1025, "length <= 1024"),
        ("model", "a\0b", "NUL"),
        ("node", {"a": 1}, "got `object`"),
        ("session", 7, "got `int`"),
    ],
)
def test_read_event__refuses_and_names_the_field(field, value, says):
    assert detail(gpu("a", **{field: value})).startswith(f"data.{field}: ")
    assert says in detail(gpu("a", **{field: value}))


@pytest.mark.parametrize(
    "raw",
    ['"1e400"', "1e400", '"1e999999999"', "1e999999999", '"NaN"', '"Infinity"', '"1_000"', '"１"', '" 1"', "true",
     "null", "[]", "{}", "0", "-1", '"0.0001"', "0.0001", "1e-4", '""', "1" * 30, "1000001", f'"{"9" * 5000}"'],
)  # fmt: skip
def test_read_event__quantity_out_of_reach_is_refused(raw):
    assert detail(with_raw("gpus", raw)).startswith("data.gpus: ")


@pytest.mark.parametrize(
    ("raw", "milli"),
    [("1", 1000), ('"1.000"', 1000), ("0.46", 460), ('"0.460"', 460), ("1e3", 1_000_000), ("25E-1", 2500)],
)
def test_read_event__quantity_is_read_exactly(raw, milli):
    assert read(with_raw("gpus", raw)).gpus_milli == milli


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "01", "1.", '"\\ud800x"', "'1'"])
def test_read_event__what_is_no_json_is_refused(raw):
    assert read(with_raw("gpus", raw)).reason == "not_json"


@pytest.mark.parametrize(
    ("one", "says"),
    [
        ({**gpu("a"), "specversion": "0.3"}, "specversion"),
        ({**gpu("a"), "specversion": 1.0}, "specversion"),
        ({**gpu("a"), "type": "gpu.used"}, "type"),
        ({**gpu("a"), "id": ""}, "id"),
        ({**gpu("a"), "source": None}, "source"),
        ({**gpu("a"), "data": "x"}, "data: "),
        ({**gpu("a"), "time": "2025-11-10"}, "time: "),
        ({key: value for key, value in gpu("a").items() if key != "data"}, "data: "),
        (event("gpu.usage", "a", project="P1"), "data.session: "),
        (snapshot("a", "2025-11-10T00:00:00Z", -1), "data.bytes: "),
        (snapshot("a", "2025-11-10T00:00:00Z", 1, zone="moon"), "data.zone: "),
        (event("usage.voided", "a", ref={"id": "x"}, reason="r", author="a"), "data.ref: "),
        (amended("a", "x"), "data.fields: "),
        (amended("a", "x", ref="y"), "data.fields.'ref': "),
        (amended("a", "x", quantity="many"), "data.fields.quantity: "),
        (amended("a", "x", project=None), "data.fields.project: "),
    ],
)
def test_read_event__schema_is_held_to(one, says):
    assert detail(one).startswith(says)


def test_read_event__rejection_keeps_the_original_bytes():
    for payload in (
        b'{"specversion":"1.0","id":"x1"',
        b"\xff\xfe",
        b"[",
        b'"text"',
        b"{" * 100_000,
        b'{"a":' * 100_000,
    ):
        found = rules.read_event(payload)
        assert isinstance(found, Rejection)
        assert found.payload == payload


def test_read_event__record_over_one_mebibyte_is_refused_whole():
    payload = json.dumps(gpu("a", session="x" * (1 << 20))).encode()
    found = read(payload)
    assert found.reason == "too_large"
    assert found.payload is payload


def test_read_event__last_of_duplicate_keys_counts_on_either_path():
    one = json.dumps(gpu("a")).replace('"gpus": "1"', '"gpus": "x", "gpus": "2"').encode()
    other = one.replace(b'"gpus"', b'"extra": 1, "gpus"', 1)
    assert read(one).gpus_milli == read(other).gpus_milli == 2000
    assert read(one).content == read(other).content


def test_read_event__unknown_fields_are_dropped_and_named():
    one = {**gpu("a", patient="Kim"), "traceparent": "00"}
    assert read(one).dropped == ("traceparent", "data.patient")
    assert read(one).content == read(gpu("a")).content


def test_read_event__one_content_however_instants_and_numbers_are_written():
    one = read(gpu("a", "2025-11-10T00:00:00Z", "2025-11-10T01:00:00.5Z", gpus="1.000", node=None))
    other = read(gpu("b", "2025-11-10T09:00:00+09:00", "2025-11-10T06:30:00.500000+05:30", gpus=1))
    assert (one.content, one.start_us, one.end_us) == (other.content, other.start_us, other.end_us)
    assert one.key != other.key


def test_read_event__bare_reference_is_an_id_of_the_same_source():
    bare = event("usage.voided", "u", ref="x", reason="twice", author="ops")
    assert read(bare).content == read(voided("u", "x")).content


@pytest.mark.parametrize(
    "one",
    [gpu("a", node="n", cluster="c"), snapshot("a", "2025-11-10T00:00:00Z", 0, **{"class": "cold", "zone": "analysis"}),
     deleted("a", "2025-11-10T00:00:00Z"), performed("a", grade="g"), accepted("a", "w", quantity="0.5"),
     voided("a", "w"), amended("a", "w", gpus="2", grade=None)],
)  # fmt: skip
def test_usage_event__is_the_same_read_again_from_its_canonical_data(one):
    found = read(one)
    assert isinstance(found, UsageEvent)
    values = json.loads(found.data) if found.data else rules.gpu_values(found)
    again = rules.usage_event(found.source, found.id, found.type, values)
    assert (again.content, again.key, again.start_us) == (found.content, found.key, found.start_us)
    assert rules.canonical_json(values) == (found.data or rules.canonical_json(rules.gpu_values(again)))


TEXTS = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text and text.isprintable())


@given(TEXTS, TEXTS, TEXTS, st.integers(1, 10**9), st.none() | TEXTS, st.integers(0, 10**6 - 1))
def test_read_event__both_paths_give_the_same_event(event_id, session, model, gpus_milli, node, us):
    start = f"2025-11-10T00:00:00.{us:06d}Z"
    one = gpu(
        event_id, start, gpus=f"{gpus_milli // 1000}.{gpus_milli % 1000:03d}", session=session, model=model, node=node
    )
    plain, careful = read(one), read({**one, "extension": 1})
    assert careful.dropped == ("extension",)
    for name in ("content", "key", "start_us", "end_us", "gpus_milli", "model", "session", "node"):
        assert getattr(plain, name) == getattr(careful, name)


def test_identity__source_and_id_do_not_run_together():
    assert rules.identity("/a", "bc") != rules.identity("/ab", "c")


def test_read_record__a_batch_gives_each_event_or_its_rejection():
    payload = json.dumps([gpu("a"), {"specversion": "1.0"}, gpu("b")]).encode()
    first, second, third = rules.read_record(payload)
    assert (first.id, third.id) == ("a", "b")
    assert second.payload == b'{"specversion": "1.0"}'
    assert [one.reason for one in rules.read_record(b'[{"a":1},')] == ["not_json"]
    assert rules.read_record(b"[]") == []

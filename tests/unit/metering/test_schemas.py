"""kafka/schemas and the decoder give one verdict, name the same fields, and the documentation names them too."""

import json
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from metering import rules
from tests.events import accepted, amended, deleted, event, gpu, performed, rejected, snapshot, voided

ROOT = Path(__file__).parents[3]
SCHEMAS = {
    path.name: json.loads(path.read_text(), parse_float=Decimal)
    for path in sorted((ROOT / "kafka" / "schemas").glob("*.json"))
}
REGISTRY = Registry().with_resources([(name, Resource.from_contents(one)) for name, one in SCHEMAS.items()])
FORMATS = FormatChecker(formats=[])
GOOD = {
    one["type"]: one
    for one in (
        gpu("e", node="n", cluster="c"), snapshot("e", "2025-11-10T00:00:00Z", 5, zone="analysis", **{"class": "fast"}),
        deleted("e", "2025-11-10T00:00:00Z"), performed("e", grade="senior"), accepted("e", "w", quantity="1.5"),
        rejected("e", "w", quantity=2), voided("e", "w"), amended("e", "w", gpus="2", node=None),
        event("result.exported", "e", project="P1", at="2025-11-10T00:00:00Z", kind="model", digest="sha256:0"),
        event("slurm.job", "e", project="P1", session="7", start="2025-11-10T00:00:00Z", end="2025-11-10T01:00:00Z",
              elapsed_s=3600, gpu_count=2, core_count=8, model="H100", node="n", cluster="c"),
    )
}  # fmt: skip
NUMBERS = [
    "0", "1", "-1", "1.0", "1.5", "1e2", "1e30", "0.001", "0.0005", "123456.789", "1000000", "1000001", "1000000.001",
    "10000000000", "10000000001", "1000000000000", "1000000000000.001", "1000000000000000000", "1000000000000000001",
    "99999999999999999999",
]  # fmt: skip
TEXTS = [
    "1", "0", "00.100", "1.2340", "1.2345", "-1", "+1", "1.", ".5", "1000000", "1000000.001", "1000000000000",
    "1000000000001", "0.000", "１", "x", "한글", "a\\nb", "\\u0000", "2025-11-10T00:00:00Z",
    "2025-11-10T00:30:00.123456+09:00", "2024-02-29T00:00:00Z", "2025-02-29T00:00:00Z", "2025-11-10T24:00:00Z",
    "2025-11-10T23:59:60Z", "2025-11-10T00:00:00", "2025-11-10T00:00:00.1234567Z", "2025-11-10T00:00Z",
    "2025-11-10T00:00:00z", "0001-01-01T00:00:00+09:00", "0000-01-01T00:00:00Z", "2025-11-10T00:00:00+24:00",
    "2025-13-01T00:00:00Z", "provider", "analysis", "raw", "Raw", "", " 1", "2025-11-10 00:00:00Z", "x" * 1024,
    "x" * 1025,
]  # fmt: skip
OBJECTS = [
    "null", "true", "[]", "{}", '{"source":"/t","id":"w"}', '{"id":"w"}', '{"source":"/t","id":"w","more":1}',
    '{"source":"","id":"w"}', '{"gpus":"1"}', '{"gpus":null}', '{"node":null}', '{"ref":"w"}', '{"nothing":1}',
    '{"bytes":1.5}', '{"fields":{"zone":"raw"}}', '{"fields":{"zone":"provider"}}', '{"kind":"raw","quantity":0}',
]  # fmt: skip
VALUES = [*NUMBERS, *(f'"{text}"' for text in TEXTS), *OBJECTS]


@FORMATS.checks("date-time", raises=(ValueError, OverflowError))
def is_instant(value) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value).astimezone(UTC))


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMAS[f"{name}.json"], registry=REGISTRY, format_checker=FORMATS)


VALIDATORS = {name: validator(name) for name in rules.TYPES}


def json_of(one: dict[str, str]) -> bytes:
    """JSON from fields that are JSON already, so that a number stays as it is written."""
    return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in one.items()) + "}").encode()


def beyond(data: dict) -> bool:
    """What a schema cannot say: an interval that ends before it begins, a job that ran longer than it lasted."""
    start, end = (datetime.fromisoformat(data[name]) for name in ("start", "end"))
    return end <= start or data.get("elapsed_s", 0) > (end - start).total_seconds()


def agree(name: str, payload: bytes) -> None:
    one = json.loads(payload, parse_float=Decimal)
    found = rules.read_event(payload)
    with localcontext(prec=100):
        valid = VALIDATORS[name].is_valid(one)
    if valid and isinstance(found, rules.Rejection) and {"start", "end"} <= set(one["data"]):
        assert beyond(one["data"]), (payload, found)
    else:
        assert valid == isinstance(found, rules.UsageEvent), (payload, found)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas__are_schemas(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == name


def test_schemas__one_for_each_type():
    assert set(SCHEMAS) == {f"{name}.json" for name in (*rules.TYPES, "envelope", "fields")}
    assert set(GOOD) == set(rules.TYPES)
    envelope = SCHEMAS["envelope.json"]
    assert envelope["properties"]["type"]["enum"] == list(rules.TYPES)
    assert set(envelope["properties"]) == rules.ENVELOPE


@pytest.mark.parametrize("name", rules.TYPES)
def test_schemas__name_the_fields_of_the_decoder(name):
    number, data = rules.NUMBERS[name], SCHEMAS[f"{name}.json"]["properties"]["data"]
    assert SCHEMAS[f"{name}.json"]["properties"]["type"] == {"const": name}
    assert tuple(data["required"]) == rules.REQUIRED[number]
    assert tuple(data["properties"]) == rules.REQUIRED[number] + rules.OPTIONAL[number]


def test_schemas__name_what_can_be_amended():
    kinds = SCHEMAS["fields.json"]["$defs"]
    properties = kinds["fields"]["properties"]
    assert set(properties) == rules.AMENDABLE
    assert {name for name, one in properties.items() if {"type": "null"} in one.get("oneOf", [])} == rules.REMOVABLE
    assert {name: tuple(kinds[name]["enum"]) for name in rules.CHOICES} == rules.CHOICES


@pytest.mark.parametrize("name", rules.TYPES)
def test_schemas__a_good_event_is_good_for_both(name):
    assert isinstance(rules.read_event(json.dumps(GOOD[name]).encode()), rules.UsageEvent)
    assert VALIDATORS[name].is_valid(GOOD[name])


@pytest.mark.parametrize("name", rules.TYPES)
def test_schemas__each_value_in_each_field_gets_one_verdict(name):
    good = {key: json.dumps(value) for key, value in GOOD[name].items()}
    data = {key: json.dumps(value) for key, value in GOOD[name]["data"].items()}
    for field in (*data, "unknown"):
        agree(name, json_of({**good, "data": json_of({**data, field: "0"}).decode()}))
        for value in VALUES:
            agree(name, json_of({**good, "data": json_of({**data, field: value}).decode()}))
        agree(name, json_of({**good, "data": json_of({one: data[one] for one in data if one != field}).decode()}))
    for field in (*good, "time", "subject", "unknown"):
        for value in VALUES:
            agree(name, json_of({**good, field: value}))
        agree(name, json_of({one: good[one] for one in good if one != field}))


@settings(max_examples=300)
@given(st.sampled_from(rules.TYPES), st.data())
def test_schemas__several_changes_at_once_get_one_verdict(name, drawn):
    good = {key: json.dumps(value) for key, value in GOOD[name].items()}
    data = {key: json.dumps(value) for key, value in GOOD[name]["data"].items()}
    fields = sorted({*data, *rules.AMENDABLE})
    data |= drawn.draw(st.dictionaries(st.sampled_from(fields), st.sampled_from(VALUES), max_size=3))
    good |= drawn.draw(
        st.dictionaries(st.sampled_from(["id", "source", "time", "extra"]), st.sampled_from(VALUES), max_size=1)
    )
    agree(name, json_of({**good, "data": json_of(data).decode()}))


def test_schemas__the_documentation_names_every_field():
    text = (ROOT / "docs" / "metering.md").read_text()
    for name in rules.TYPES:
        schema = SCHEMAS[f"{name}.json"]
        data = schema["properties"]["data"]
        required = ", ".join(f"`{one}`" for one in data["required"])
        optional = ", ".join(f"`{one}`" for one in data["properties"] if one not in data["required"]) or "–"
        assert f"| `{name}` | {schema['title']} | {required} | {optional} |" in text

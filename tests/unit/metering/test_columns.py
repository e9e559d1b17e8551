"""Events as columns: the quick reading of many gives what reading one by one gives."""

import json

from hypothesis import given
from hypothesis import strategies as st

from metering import columns, fields, rules
from metering.instants import instants
from metering.rules import Rejection
from tests.events import accepted, gpu, performed

GOOD = gpu("a")
TEXTS = st.text(min_size=1, max_size=6)
INSTANTS = st.one_of(
    st.datetimes().map(lambda one: one.isoformat() + "Z"),
    st.sampled_from(
        [
            "2025-11-10T00:00:00Z",
            "2025-11-10T09:00:00+09:00",
            "2025-11-10T00:00:00.5Z",
            "2025-11-10T00:00:00.123456-03:30",
            "2024-02-29T23:59:59.999999Z",
            "2025-02-29T00:00:00Z",
            "2025-11-31T00:00:00Z",
            "2025-11-10T24:00:00Z",
            "2025-11-10T00:00:60Z",
            "2025-11-10T00:00:00",
            "2025-11-10T00:00:00.Z",
            "2025-11-10T00:00:00.1234567Z",
            "2025-11-10T00:00:00+24:00",
            "2025-11-10T00:00:00*09:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+09:00",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T23:59:59-00:01",
            "２025-11-10T00:00:00Z",
            "",
            "Z" * 20,
            "2025-13-01T00:00:00Z",
            "2025-11-10T00:00:00.12+0900",
            "2025-11-10t00:00:00Z",
            "2025-11-10T00:00:00z",
            "1900-02-29T00:00:00Z",
        ]
    ),
)
GPU_USAGE = st.builds(
    gpu,
    TEXTS,
    INSTANTS,
    INSTANTS,
    session=TEXTS,
    model=st.sampled_from(["H100", 'A"1\\0', "가속기", ""]),
    gpus=st.sampled_from(["1", "1.000", 1, 0.46, "0.46", "x", 0]),
    node=st.none() | TEXTS,
    project=st.sampled_from(["P1", "P2"]),
)
RECORDS = st.one_of(
    (GPU_USAGE | st.lists(GPU_USAGE, max_size=4)).map(
        lambda one: json.dumps(one, ensure_ascii=False).encode(errors="replace")
    ),
    st.builds(lambda one, time: json.dumps({**one, "time": time}).encode(), st.just(GOOD), INSTANTS),
    st.sampled_from(
        [
            json.dumps({**GOOD, "extra": 1}).encode(),
            json.dumps(performed("w")).encode(),
            json.dumps(accepted("c", "w")).encode(),
            json.dumps(GOOD, indent=1).encode(),
            json.dumps(GOOD).encode() + b"\n" + json.dumps(GOOD).encode(),
            b"",
            b"{",
            b"\xff",
            json.dumps([GOOD, {"id": 1}, performed("v")]).encode(),
            b"[",
            b"[]",
            b" " + json.dumps(GOOD).encode(),
            json.dumps(gpu("n", session="a\0b")).encode(),
            json.dumps(gpu("n", session="a\x1f\x7fé\u2028")).encode(),
        ]
    ),
)


@given(st.lists(RECORDS, max_size=12), st.sampled_from([1, 3, 256]))
def test_read__many_at_once_is_the_same_as_one_by_one(payloads, chunk):
    before, columns.CHUNK_RECORDS = columns.CHUNK_RECORDS, chunk
    try:
        events, rejections = columns.read(enumerate(payloads))
    finally:
        columns.CHUNK_RECORDS = before
    one_by_one = [(offset, one) for offset, payload in enumerate(payloads) for one in rules.read_record(payload)]
    assert [(int(events.records[n]), events[n]) for n in range(len(events))] == [
        (offset, _as_stored(one)) for offset, one in one_by_one if not isinstance(one, Rejection)
    ]
    refused = [(offset, one) for offset, one in one_by_one if isinstance(one, Rejection)]
    assert sorted(rejections, key=repr) == sorted(refused, key=repr)


def _as_stored(one):
    """GPU usage out of columns has no values dictionary beside its typed fields."""
    if one.type == rules.GPU:
        one.values = None
    return one


@given(st.lists(INSTANTS, max_size=20))
def test_instants__reads_what_the_single_reader_reads(texts):
    us, read, canonical = instants(texts)
    for number, text in enumerate(texts):
        try:
            expected = fields.instant(text, "x")
        except fields.FieldError:
            expected = None
        assert bool(read[number]) == (expected is not None), text
        if expected is not None:
            assert (int(us[number]), canonical[number].decode() + "Z") == expected

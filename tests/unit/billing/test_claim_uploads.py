"""Bad uploads of a claim's sheet: a clear answer each, in bounded time and memory, and never a crash."""

import time
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.claim_check import check
from billing.claim_reader import read_upload
from billing.claim_sheet import marked
from core.errors import BadInput
from tests.claim_files import CELLS, FILES, FORM, LINES, OTHERS, SHEET, many_rows, packed, parts, upload

GOOD = upload()
HOSTILE = [
    "a zip bomb", "10^5 rows", "10^5 merged cells", "a workbook of 10^5 elements", "a billion laughs",
    "a number of a million digits",
]  # fmt: skip


def test_table__is_of_sixty_or_more_uploads():
    names = [bad.name for bad in (*FILES, *CELLS)]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_bad_file__is_refused_as_a_whole_with_what_is_wrong_and_what_to_do(bad):
    content = bad.made(GOOD)
    started = time.process_time()
    with pytest.raises(BadInput) as refused:
        read_upload(content, "claim.xlsx", FORM)
    assert bad.says in str(refused.value)
    assert all(problem.startswith("claim.xlsx: ") and len(problem) < 500 for problem in refused.value.problems)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("bad", CELLS, ids=lambda bad: bad.name)
def test_bad_cell__is_named_with_what_is_wrong_and_comes_back_marked(bad):
    content = bad.made(GOOD)
    started = time.process_time()
    checked = check(read_upload(content, "claim.xlsx", FORM), LINES, OTHERS)
    found = {one.cell: one for one in checked.findings}
    assert bad.says in found[bad.cell].korean
    assert len(str(found[bad.cell])) < 500
    again = check(read_upload(marked(FORM, checked), "claim.xlsx", FORM), LINES, OTHERS)
    shown_now = {"a hidden row", "a row of no height"}
    forgotten = shown_now | {"another VAT typed over the formula", "a file that counts from 1904"}
    assert bad.name in forgotten or bad.cell in {one.cell for one in again.findings}
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file__is_answered_in_little_memory(name):
    content = next(bad for bad in (*FILES, *CELLS) if bad.name == name).made(GOOD)
    tracemalloc.start()
    try:
        check(read_upload(content, "claim.xlsx", FORM), LINES, OTHERS)
    except BadInput:
        pass
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 100 << 20


@settings(max_examples=50, deadline=None)
@given(
    place=st.integers(0, 3_000), removed=st.integers(0, 9),
    put=st.binary(max_size=4) | st.sampled_from([b"1", b"-", b"<v>", b"</c>", b"<f>", b't="s"', b"_xD800_", b"&lt;"]),
)  # fmt: skip
def test_damage__of_any_kind_is_answered_and_claims_nothing_but_accepted_work(place, removed, put):
    sheet = parts(GOOD)[SHEET]
    at = sheet.index(b'<row r="9"') + place
    content = packed(parts(GOOD) | {SHEET: sheet[:at] + put + sheet[at + removed :]})
    try:
        checked = check(read_upload(content, "claim.xlsx", FORM), LINES, OTHERS)
    except BadInput:
        return
    assert all(replace(one, note="") in LINES for one in checked.lines)
    read_upload(marked(FORM, checked), "claim.xlsx", FORM)


def test_many_rows__are_not_read_to_their_end():
    content = many_rows(GOOD)
    started = time.process_time()
    with pytest.raises(BadInput, match="B209"):
        read_upload(content, "claim.xlsx", FORM)
    assert time.process_time() - started < 1

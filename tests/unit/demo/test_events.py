"""The demo's events: seeded, all kinds in them, a file a month in the order in which they became known."""

import json
import tomllib
from collections import Counter
from itertools import pairwise

import pytest

from core.month import Month
from demo.events import all_events, write
from demo.programme import REGISTRY, projects
from demo.sent import MONTHS
from registry.brn import is_valid_brn


@pytest.fixture(scope="module")
def sent():
    return all_events()


def said(events):
    for one in events:
        try:
            yield json.loads(one.line)
        except ValueError:
            continue


def test_events__the_same_seed_gives_the_same_bytes_and_another_seed_others(sent):
    one = projects()[3:4]
    assert all_events(1, one) == all_events(1, one)
    assert all_events(1, one) != all_events(2, one)


def test_events__a_hundred_thousand_or_more_in_the_order_in_which_they_became_known(sent):
    assert len(sent) >= 100_000
    assert all(before.known_at <= after.known_at for before, after in pairwise(sent))
    assert {Month.at(one.known_at) for one in sent} == set(MONTHS)


def test_events__hold_every_kind_and_every_flaw(sent):
    lines = Counter(one.line for one in sent)
    kinds = Counter(event["type"] for event in said(sent))
    assert kinds["usage.voided"] >= 3
    assert kinds["usage.amended"] == 1
    assert kinds["preparation.rejected"] == 2
    assert kinds["storage.deleted"] >= 2
    duplicates = sum(count - 1 for count in lines.values())
    assert len(sent) // 200 < duplicates < len(sent) // 50
    assert len(sent) - sum(kinds.values()) == len(MONTHS) * 2, "a truncated line and one of other bytes each month"


def test_events__some_are_known_only_after_their_month_was_closed(sent):
    late = 0
    for month in MONTHS:
        known = [one for one in sent if Month.at(one.known_at) == month + 1]
        late += sum(one["type"] == "gpu.usage" and one["time"] < month.end.isoformat() for one in said(known))
    assert 100 < late < 1_000


def test_write__a_file_a_month_and_the_second_time_none_is_written_again(tmp_path):
    paths = write(tmp_path)
    written = {month: path.stat().st_mtime_ns for month, path in paths.items()}
    assert list(paths) == list(MONTHS)
    assert {month: path.stat().st_mtime_ns for month, path in write(tmp_path).items()} == written


def test_registry__the_43_hospitals_are_facts_and_every_invented_number_is_valid_and_fictitious():
    parties = tomllib.loads(REGISTRY.read_text())["party"]
    real = [party for party in parties if "consortium" in party]
    assert len(real) == 43
    assert len({party["consortium"] for party in real}) == 7
    numbers = [party["brn"] for party in parties if "brn" in party]
    assert len(numbers) == len(set(numbers)) == 18
    assert all(is_valid_brn(number) and number.startswith("999-") for number in numbers)
    assert not [party["name"] for party in real if "brn" in party]

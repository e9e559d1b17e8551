"""Random worlds: every figure of every month that the product shows, beside the second derivation."""

import os
import time
from random import SystemRandom

import pytest

from tests.worlds.driving import Drive
from tests.worlds.generator import world

ONE = os.environ.get("JEONGSAN_WORLD")
FEW = [int(ONE)] if ONE else range(1, 13)
MANY = [] if ONE else range(13, 213)


def _told(seed: int, found: list[str]) -> str:
    return f"JEONGSAN_WORLD={seed}\n" + "\n".join(found[:25]) + (f"\n… {len(found)} in all" if len(found) > 25 else "")


@pytest.mark.parametrize("seed", FEW)
def test_world__every_figure_is_derived_a_second_time(seed, jeongsan, tmp_path):
    found = Drive(jeongsan, tmp_path, world(seed)).run()
    assert not found, _told(seed, found)


@pytest.mark.soak
@pytest.mark.parametrize("seed", MANY)
def test_soak_of_known_worlds__every_figure_is_derived_a_second_time(seed, jeongsan, tmp_path):
    found = Drive(jeongsan, tmp_path, world(seed)).run()
    assert not found, _told(seed, found)


@pytest.mark.soak
def test_soak_of_new_worlds__every_figure_is_derived_a_second_time(jeongsan, new_database, tmp_path, soak_seconds):
    end = time.monotonic() + soak_seconds
    while time.monotonic() < end:
        seed = SystemRandom().randrange(10**9)
        folder = tmp_path / str(seed)
        folder.mkdir()
        new_database()
        found = Drive(jeongsan, folder, world(seed)).run()
        assert not found, _told(seed, found)

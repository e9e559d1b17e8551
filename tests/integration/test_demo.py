"""`make demo` as a person calls it: it settles four months, and a second run finds them there."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder():
    """A working folder of its own inside the project's private one, where the server's account can walk to."""
    place = ROOT / ".jeongsan" / f"test-demo-{os.getpid()}"
    place.mkdir(parents=True)
    yield place
    for _ in range(100):
        if not list(place.rglob("postmaster.pid")):
            break
        time.sleep(0.1)
    shutil.rmtree(place)


def demo(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "JEONGSAN_"))}
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo__ends_reconciled_and_a_second_run_changes_nothing(folder):
    first = demo(folder)
    assert first.returncode == 0, first.stderr[-2000:]
    assert first.stdout.splitlines()[-1] == "reconciled: 0 differences"
    written = {path.name: path.read_bytes() for path in folder.rglob("*.xlsx")}
    assert len(written) >= 4 * 6
    second = demo(folder)
    assert second.stdout == first.stdout
    assert second.stderr.count("이미 마감되어 있습니다") == 4
    assert {path.name: path.read_bytes() for path in folder.rglob("*.xlsx")} == written
    english = demo(folder, "--lang", "en")
    assert english.stdout.splitlines()[-1] == "reconciled: 0 differences"
    assert "closed already" in english.stderr
    assert "Events: received 111,014 = stored" in english.stdout
    for finding in ("held beyond grant_limit", "spending before the deposit", "project without a permit"):
        assert finding in english.stdout

"""`make demo` as a person calls it: it settles four months, and a second run finds them there."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.run import HOME
from tests.integration.test_export import bean_check, beancount_balances, hledger_balances, requires_hledger

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
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


def inside(folder, *command):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "JEONGSAN_"))}
    environment["JEONGSAN_HOME"] = str(folder / HOME)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def demo(folder, *arguments):
    return inside(folder, sys.executable, "-m", "demo", *arguments)


def jeongsan(folder, *arguments):
    done = inside(folder, Path(sys.executable).with_name("jeongsan"), *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def first(folder):
    """The first run of the demo in its folder."""
    return demo(folder)


def test_demo__ends_reconciled_and_a_second_run_changes_nothing(folder, first):
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


@requires_hledger
def test_demo__journal_is_read_by_hledger_and_beancount_with_our_balances(folder, first):
    balances = jeongsan(folder, "balances", "--programme", "MAIDV-2025")
    for form in ("hledger", "beancount"):
        jeongsan(folder, "export", "journal", "--format", form, "--out", f"demo.{form}")
    bean_check(folder / "demo.beancount")
    assert beancount_balances(folder / "demo.beancount") == balances
    assert hledger_balances(folder / "demo.hledger") == balances

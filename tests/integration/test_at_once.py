"""Two processes at once: one works, the other says so, and never two results."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from core.month import Month

ROUNDS = 20
LATER = (
    '[[project]]\ncode = "{code}"\nprogramme = "V25"\ncompany = "C1"\ntier = "large"\ntitle = "{code}"\n'
    'modalities = ["imaging"]\nchannel = "bank"\n[[agreement]]\ncode = "A-{code}"\nproject = "{code}"\n'
    'starts = 2025-10-01\nends = 2026-03-31\nself_pay_mode = "arrears"\nover_limit = "hold"\n'
    'line = [ {{ code = "L-{code}", supplier = "H1", category = "processing", grant_limit_krw = {krw} }} ]\n'
)


def begin(*arguments) -> subprocess.Popen:
    command = [sys.executable, "-c", "from portal.cli import main; main()", *map(str, arguments), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@contextmanager
def held(owner, name):
    """Holds an advisory lock of the service, so that whoever needs it waits."""
    with owner.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": name})
        yield
        connection.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), {"name": name})


def wait_until(condition) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("what was waited for did not happen")


def waiting(owner) -> int:
    with owner.connect() as connection:
        return connection.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'")
        )


def ended(processes) -> list[tuple[int, dict]]:
    """Exit codes and answers, by exit code."""
    answers = [process.communicate(timeout=120)[0] for process in processes]
    return sorted(
        ((process.returncode, json.loads(answer)) for process, answer in zip(processes, answers, strict=True)),
        key=lambda one: one[0],
    )


def results(engine, month: Month) -> list[tuple]:
    """What there is of a month: its run, steps, lock and the entries that its run booked."""
    at = {"month": month.first, "run": f"run:{month}:"}
    with engine.connect() as connection:
        return connection.execute(
            text(
                "SELECT (SELECT count(*) FROM month_run WHERE month = :month),"
                " (SELECT count(*) FROM run_step WHERE month = :month),"
                " (SELECT count(*) FROM month_lock WHERE month = :month),"
                " (SELECT count(*) FROM entry WHERE starts_with(reference, :run)),"
                " (SELECT count(*) FROM charge WHERE month = :month)"
            ),
            at,
        ).one()


def test_month_run__of_two_at_once_twenty_times_one_works_and_the_other_says_so(world, loaded, owner, jeongsan):
    for number in range(ROUNDS):
        month = Month(2025, 9) + number
        now = f"{month + 1}-05T00:00:00Z"
        with held(owner, "books:V25"):
            run = ("month", "run", month, "--programme", "V25", "--now", now)
            processes = [begin(*run), begin(*run)]
            wait_until(lambda both=processes: any(one.poll() is not None for one in both))
        (worked, done), (refused, said) = ended(processes)
        assert (worked, refused) == (0, 3), (month, done, said)
        assert "another run is working" in said["messages"][0]
        assert (done["month"], done["state"], done["differences"]) == (str(month), "locked", 0)
        assert results(loaded, month)[:3] == (1, 8, 1)
    assert jeongsan("verify", "--deep")["ok"] is True


@pytest.mark.parametrize("krw", [420_000_000 // 2 + 1, 400_000_000])
def test_load__of_two_commitments_at_once_for_the_last_won_one_gets_it(loaded, owner, jeongsan, tmp_path, krw):
    before = jeongsan("balances")["budget:available"]
    files = []
    for code in ("P8", "P9"):
        files.append(tmp_path / f"{code}.toml")
        files[-1].write_text(LATER.format(code=code, krw=krw))
    with held(owner, "jeongsan:load"):
        processes = [begin("load", file, "--now", "2025-09-20T00:00:00Z") for file in files]
        wait_until(lambda: waiting(owner) == 2)
    (worked, done), (refused, said) = ended(processes)
    assert (worked, refused) == (0, 3)
    assert (done["entries"], len(said["messages"])) == (1, 1)
    assert "예산현액 1,000,000,000원을 넘습니다" in said["messages"][0]
    assert jeongsan("balances")["budget:available"] == before - krw
    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM project")) == 3
        assert connection.scalar(text("SELECT count(*) FROM entry WHERE kind = 'commitment'")) == 3


def test_load__of_two_amendments_at_once_for_the_last_won_one_gets_it(loaded, owner, jeongsan, tmp_path, registry_file):
    """Each raises its own agreement within the project's grant and the budget; together they exceed both."""
    second = LATER.format(code="P2", krw=10_000_000)
    second = second[second.index("[[agreement]]") :]
    both = tmp_path / "second.toml"
    both.write_text(second)
    jeongsan("load", both, now="2025-09-20T00:00:00Z")
    raised = "L21 = 180_000_000 } }, { effective = 2025-12-05, reason = '증액', limits = { L21 = 190_000_000 } } ]"
    files = [registry_file(("L21 = 180_000_000 } } ]", raised)), tmp_path / "raised.toml"]
    files[1].write_text(
        second + 'amendment = [ { effective = 2025-12-05, reason = "증액", limits = { L-P2 = 20_000_000 } } ]\n'
    )
    with held(owner, "jeongsan:load"):
        processes = [begin("load", file, "--now", "2025-09-21T00:00:00Z") for file in files]
        wait_until(lambda: waiting(owner) == 2)
    (worked, _done), (refused, said) = ended(processes)
    assert (worked, refused) == (0, 3)
    assert "구간 medium의 한도 200,000,000원을 넘습니다" in said["messages"][0]
    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT grant_krw FROM project WHERE code = 'P2'")) == 200_000_000

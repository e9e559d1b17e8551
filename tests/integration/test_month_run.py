"""The monthly run end to end on the worked case: figures, dry run, resuming after kill -9, two at once, the lock."""

import os
import re
import signal
import subprocess
import sys
import time

from click.testing import CliRunner
from sqlalchemy import text

from closing.run import STEPS
from core.database import owner_engine, service_engine
from core.settings import Settings
from portal.cli import main
from tests.worked import CASE, CLOSE, LOADED, PROGRAMME, expected, needs_case, prepare, run

pytestmark = needs_case
FIGURES = ("charges", "lines", "matrix", "company", "hospital", "incentive", "budget", "ties", "differences")


def figures(document: dict) -> dict:
    return {name: document[name] for name in FIGURES}


def published(engine) -> dict[str, str]:
    with engine.connect() as connection:
        return dict(connection.execute(text("SELECT name, sha256 FROM published_file")).all())


def test_two_months__lines_and_balances_are_the_expected_ones(jeongsan):
    prepare(jeongsan, "2025-12")
    document = run(jeongsan, "2025-12")
    want = expected()["2025-12"]
    assert document["state"] == "locked"
    assert document["differences"] == 0
    for code, line in want["lines"].items():
        assert {name: document["lines"][code][name] for name in line} == line
    assert jeongsan("balances", "--programme", PROGRAMME) == want["balances_after_run"]
    assert jeongsan("verify", "--deep")["ok"] is True


def test_dry_run__answers_like_the_run_and_books_nothing(jeongsan, engine):
    prepare(jeongsan)
    before = jeongsan("balances", "--programme", PROGRAMME)
    dry = run(jeongsan, "2025-11", "--dry-run")
    assert jeongsan("balances", "--programme", PROGRAMME) == before
    assert jeongsan("month", "show", "2025-11", "--programme", PROGRAMME)["state"] == "open"
    assert figures(dry) == figures(run(jeongsan, "2025-11"))
    assert published(engine)


def test_run_twice__changes_no_figure(jeongsan):
    prepare(jeongsan)
    first = run(jeongsan, "2025-11")
    balances = jeongsan("balances")
    assert run(jeongsan, "2025-11") == first
    assert jeongsan("balances") == balances


def test_run__until_each_step_then_on_is_the_same_as_at_once(jeongsan):
    prepare(jeongsan)
    dry = run(jeongsan, "2025-11", "--dry-run")
    for step in STEPS:
        shown = run(jeongsan, "2025-11", "--until", step)
        assert [one["state"] for one in shown["steps"]].count("done") == STEPS.index(step) + 1
    assert figures(shown) == figures(dry)


def begin_run() -> subprocess.Popen:
    command = [sys.executable, "-c", "from portal.cli import main; main()", "month", "run", "2025-11", "--programme",
               PROGRAMME, "--now", CLOSE["2025-11"]]  # fmt: skip
    return subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_sleep(connection) -> int:
    for _ in range(600):
        pid = connection.scalar(
            text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
        )
        if pid:
            return pid
        time.sleep(0.05)
    raise AssertionError("the run did not reach its step")


def test_kill_9__in_each_step_then_again_ends_in_the_same_figures_and_files(jeongsan, new_database):
    new_database()
    prepare(jeongsan)
    uninterrupted = figures(run(jeongsan, "2025-11"))
    files = published(service_engine(Settings.from_environment()))
    settings = new_database()
    prepare(jeongsan)
    with owner_engine(settings).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$"
        )
        for step in STEPS:
            connection.exec_driver_sql(
                f"CREATE TRIGGER stall BEFORE INSERT ON run_step FOR EACH ROW WHEN (NEW.step = '{step}')"
                " EXECUTE FUNCTION stall()"
            )
            process = begin_run()
            backend = wait_for_sleep(connection)
            process.send_signal(signal.SIGKILL)
            process.wait()
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
            connection.exec_driver_sql("DROP TRIGGER stall ON run_step")
            assert jeongsan("month", "show", "2025-11", "--programme", PROGRAMME)["state"] != "locked"
    assert figures(run(jeongsan, "2025-11")) == uninterrupted
    assert published(service_engine(settings)) == files
    assert len(files) >= 6
    assert jeongsan("verify", "--deep")["ok"] is True


def test_two_runs_at_once__one_works_the_other_says_so(jeongsan, owner):
    prepare(jeongsan)
    with owner.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtext('run:' || :code))"), {"code": PROGRAMME})
        refused = run(jeongsan, "2025-11", exit_code=3)
        assert "another run" in refused["messages"][0]
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
    assert run(jeongsan, "2025-11")["state"] == "locked"


def test_month_that_has_not_ended__is_refused(jeongsan):
    prepare(jeongsan)
    jeongsan("month", "run", "2025-11", "--programme", PROGRAMME, now="2025-11-30T14:59:59Z", exit_code=3)


def test_month_after_the_next__is_refused(jeongsan):
    prepare(jeongsan)
    run(jeongsan, "2025-11")
    now = "2026-02-05T00:00:00Z"
    jeongsan("month", "run", "2026-01", "--programme", PROGRAMME, now=now, exit_code=3)
    jeongsan("month", "run", "2025-10", "--programme", PROGRAMME, now=now, exit_code=3)


def test_unknown_programme_and_bad_month__are_bad_input(jeongsan):
    jeongsan("month", "run", "2025-11", "--programme", "NONE", exit_code=2)
    jeongsan("month", "run", "2025-13", "--programme", PROGRAMME, exit_code=2)


def test_month_before_any_agreement__is_refused(jeongsan):
    jeongsan("load", CASE / "registry.toml", now=LOADED)
    for options in ([], ["--dry-run"]):
        arguments = ("month", "run", "2025-08", "--programme", PROGRAMME, *options)
        assert "2025-09" in jeongsan(*arguments, now=LOADED, exit_code=3)["messages"][0]


def test_reference_data_loaded_after_the_month__is_in_its_books(jeongsan):
    late = "2026-02-10T00:00:00Z"
    jeongsan("load", CASE / "registry.toml", now=late)
    jeongsan("ingest", CASE / "events-2025-11.jsonl", now=late)
    jeongsan("payments", "import", CASE / "payments-before-2025-11.csv", now=late)
    document = jeongsan("month", "run", "2025-11", "--programme", PROGRAMME, now=late)
    assert (document["state"], document["differences"]) == ("locked", 0)
    assert document["lines"]["L11"]["supply_krw"] == expected()["2025-11"]["lines"]["L11"]["supply_krw"]


def test_verify__speaks_the_language_that_was_asked_for(jeongsan):
    jeongsan("load", CASE / "registry.toml", now=LOADED)
    done = CliRunner().invoke(main, ["verify", "--deep", "--lang", "en"])
    assert "anew from the raw events" in done.stderr
    assert not re.search("[가-힣]", done.stderr)
    assert done.stdout == "The books hold.\n"


def said(*options) -> tuple[str, str]:
    """What a run of November shows a person: its text, and its progress."""
    command = ["month", "run", "2025-11", "--programme", PROGRAMME, "--now", CLOSE["2025-11"], *options]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_month_run__says_that_a_dry_run_booked_nothing_and_that_a_second_run_changed_nothing(jeongsan):
    prepare(jeongsan)
    shown, _progress = said("--dry-run", "--lang", "en")
    assert shown.startswith(f"{PROGRAMME} 2025-11 · dry run, nothing booked\n")
    assert "미리 보기" in said("--dry-run")[0]
    booked, progress = said()
    assert booked.startswith(f"{PROGRAMME} 2025-11 · 마감\n")
    assert "이미" not in progress
    assert said() == (booked, "2025-11: 이미 정산되어 있습니다. 바뀐 것이 없습니다.\n")
    assert said("--dry-run")[0] == booked


def test_transfer_dated_in_a_closed_month__counts_from_the_first_open_one(jeongsan, tmp_path):
    prepare(jeongsan, "2025-12")
    registry = (CASE / "registry.toml").read_text()
    late = tmp_path / "late.toml"
    late.write_text(
        registry.replace(
            "fiscal_year = 2025",
            'fiscal_year = 2025\ntransfer = [ { on = 2025-11-20, krw = 10_000_000, reason = "late notice" } ]',
        )
    )
    assert jeongsan("load", late, now=CLOSE["2025-12"])["entries"] == 1
    assert jeongsan("verify")["ok"] is True
    before = jeongsan("month", "show", "2025-11", "--programme", PROGRAMME)["budget"]
    document = run(jeongsan, "2025-12")
    assert document["differences"] == 0
    assert document["budget"]["current_krw"] == before["current_krw"] + 10_000_000
    assert jeongsan("verify")["ok"] is True

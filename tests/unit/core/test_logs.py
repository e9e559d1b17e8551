"""Logs as text or as JSON lines on stderr."""

import json
import logging

import pytest

from core import logs


@pytest.fixture(autouse=True)
def handlers():
    """Leaves the root logger as it was."""
    before = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers = before


def test_json__one_object_a_line_with_fields_and_exceptions(capsys):
    logs.set_up("json")
    logs.set_up("json")
    logging.getLogger("kafka").info("not shown")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("some.library").exception("한 줄 %s", 1)
    (written,) = capsys.readouterr().err.splitlines()
    found = json.loads(written)
    assert (found["level"], found["logger"], found["message"]) == ("error", "some.library", "한 줄 1")
    assert "two\nlines" in found["exception"]


def test_text__is_a_plain_line(capsys):
    logs.set_up("text")
    logging.getLogger("some.library").warning("slow")
    assert capsys.readouterr().err == "WARNING some.library: slow\n"


def test_line__carries_fields_of_any_kind():
    found = json.loads(logs.line("info", "수집", file="a.jsonl", received=3))
    assert (found["file"], found["received"], found["at"][-6:]) == ("a.jsonl", 3, "+00:00")

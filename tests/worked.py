"""The worked case of the acceptance folder: where it lies, and driving it up to a month's close."""

import json

import pytest

from tests.conftest import SHARED

CASE = SHARED / "acceptance" / "worked"
PROGRAMME = "MAIDV-2025"
LOADED = "2025-09-15T09:00:00+09:00"
CLOSE = {"2025-11": "2025-12-03T00:00:00Z", "2025-12": "2026-01-05T00:00:00Z"}
needs_case = pytest.mark.skipif(not CASE.exists(), reason="shared/acceptance is not beside the project")


def expected() -> dict:
    """The case's expected figures by month."""
    return json.loads((CASE / "expected.json").read_text())


def prepare(jeongsan, month: str = "2025-11") -> None:
    """Loads and ingests everything known before the month's close, and runs the months before it."""
    jeongsan("load", CASE / "registry.toml", now=LOADED)
    for one, close in CLOSE.items():
        jeongsan("ingest", CASE / f"events-{one}.jsonl", now=close)
        before = CASE / f"payments-before-{one}.csv"
        if before.exists():
            jeongsan("payments", "import", before, now=close)
        if one == month:
            return
        run(jeongsan, one)
        jeongsan("payments", "import", CASE / f"payments-after-{one}.csv", now=close)


def run(jeongsan, month: str, *options, **expecting) -> dict:
    """Runs a month at its close."""
    return jeongsan("month", "run", month, "--programme", PROGRAMME, *options, now=CLOSE[month], **expecting)

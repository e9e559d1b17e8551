"""Every kind of programme (domain.md §1), as shipped under examples/: loaded, settled for its months, recomputed."""

import pytest

from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"
MONTHS = {
    "voucher-2025": ("MAIDV-2025", ("2025-10", "2025-11")),
    "voucher-2026": ("MAIDV-2026", ("2026-04", "2026-05")),
    "trials-2026": ("MAITRIAL-2026", ("2026-05", "2026-06")),
    "coresearch-2025": ("SEOUL-CORESEARCH-2025", ("2025-06", "2025-07")),
    "dataspace-2026": ("DATASPACE-2026", ("2026-07", "2026-08")),
}
NOW = "2026-09-02T09:00:00+09:00"


def settled(jeongsan, name: str) -> dict[str, dict]:
    """Loads an example, takes its events in and runs its months; what they show, by month."""
    programme, months = MONTHS[name]
    day = f"{months[0]}-01T09:00:00+09:00"
    jeongsan("load", EXAMPLES / "parties.toml", EXAMPLES / f"{name}.toml", now=day)
    answer = jeongsan("ingest", EXAMPLES / f"{name}.jsonl", now=NOW)
    assert (answer["quarantined"], answer["dead_lettered"]) == (0, 0)
    return {month: jeongsan("month", "run", month, "--programme", programme, now=NOW) for month in months}


@pytest.mark.parametrize("name", MONTHS)
def test_example__settles_its_months_without_a_difference(jeongsan, name):
    for document in settled(jeongsan, name).values():
        assert (document["state"], document["differences"]) == ("locked", 0), document["ties"]
    assert jeongsan("verify", "--deep")["ok"]


def test_examples__are_all_of_the_folder():
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == {*MONTHS, "parties"}
    assert {path.stem for path in EXAMPLES.glob("*.jsonl")} == set(MONTHS)

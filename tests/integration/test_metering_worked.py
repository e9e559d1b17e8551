"""The worked case of two months: intake counts and every usage figure, as they were computed elsewhere."""

import tomllib
from decimal import Decimal

from tests.conftest import SHARED
from tests.worked import CASE, CLOSE, LOADED, needs_case

pytestmark = needs_case
COUNTS = ("received", "stored", "duplicate", "quarantined", "dead_lettered")


def answers() -> dict:
    return tomllib.loads((SHARED / "acceptance" / "worked-month.toml").read_text())


def metered(jeongsan, month: str) -> dict[tuple[str, str, str], Decimal]:
    rows = jeongsan("usage", "--month", month)["rows"]
    return {(row["project"], row["meter"], row["key"]): Decimal(row["quantity"]) for row in rows}


def expected(month: str) -> dict[tuple[str, str, str], Decimal]:
    """What the charges of one close say was used in its own month."""
    lines = {}
    for charge in answers()["expect"][month]["charges"]:
        if charge["service"] != month:
            continue
        match charge["kind"]:
            case "gpu":
                lines[charge["project"], "gpu", charge["key"].partition("@")[0]] = Decimal(charge["gpu_s"])
            case "storage":
                lines[charge["project"], "storage", "v1"] = Decimal(charge["byte_s"])
            case "work":
                line, _, event_id = charge["key"].partition("/")
                kind = next(one["kind"] for one in answers()["event"] if one["id"] == event_id)
                key = (charge["project"], "preparation", f"{line}/{kind}")
                lines[key] = lines.get(key, Decimal(0)) + Decimal(charge["qty"])
    return lines


def test_worked_case__counts_and_usage_of_both_months(jeongsan):
    jeongsan("load", CASE / "registry.toml", now=LOADED)
    for month, counted in (("2025-11", (24, 21, 1, 1, 1)), ("2025-12", (32, 29, 1, 1, 1))):
        jeongsan("ingest", CASE / f"events-{month}.jsonl", now=CLOSE[month])
        assert jeongsan("intake") == {**dict(zip(COUNTS, counted, strict=True)), "balanced": True}
        assert metered(jeongsan, month) == expected(month)


def test_worked_case__late_usage_and_a_void_change_the_earlier_month(jeongsan):
    jeongsan("load", CASE / "registry.toml", now=LOADED)
    jeongsan("ingest", *(CASE / f"events-{month}.jsonl" for month in CLOSE), now=CLOSE["2025-12"])
    november = expected("2025-11")
    november["P1", "gpu", "H100"] += Decimal(1300)
    del november["P1", "preparation", "L12/analyst_hour"]
    assert metered(jeongsan, "2025-11") == november

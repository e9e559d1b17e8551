"""Long randomised runs, `make soak`: new seeds until the time is over."""

import random
import time
from collections import Counter

import pytest

from bench.place import fresh_database
from core.month import Month
from demo.events import all_events
from demo.payments import write_deposits
from demo.programme import REGISTRY, projects
from demo.sent import MONTHS
from demo.service import call

PROGRAMME = "MAIDV-2025"
CLOSES = ("2025-10-03", "2025-11-03", "2025-12-03", "2026-01-03")
ORDER_DECIDES = b'"id":"conflict"'  # of two conflicting contents the first one stands
pytestmark = pytest.mark.soak


def settled(folder, files, closing):
    """Sums over all months that are run: usage charges by (project, service month, key), lines by code."""
    among = projects()
    call("load", REGISTRY, now="2025-09-01T09:00:00+09:00")
    for month in MONTHS:
        path = folder / f"deposits-{month}.csv"
        if write_deposits(path, month, among):
            call("payments", "import", path, now="2025-09-20T12:00:00+09:00")
    sums = Counter()
    for (month, close), events in zip(closing, files, strict=True):
        path = folder / f"events-{month}.jsonl"
        path.write_bytes(b"".join(one.line + b"\n" for one in events))
        call("ingest", path, now=f"{close}T00:00:00+09:00")
        shown = call("month", "run", month, "--programme", PROGRAMME, now=f"{close}T09:00:00+09:00")
        assert (shown["state"], shown["differences"]) == ("locked", 0)
        for charge in shown["charges"]:
            if charge["kind"] in ("gpu", "storage"):
                key = (charge["project"], charge["service_month"], charge["key"])
                sums[key, "amount"] += charge["amount_krw"]
                sums[key, "vat"] += charge["vat_krw"]
        for code, line in shown["lines"].items():
            for figure in ("supply_krw", "voucher_krw", "self_pay_krw", "excess_krw"):
                sums[code, figure] += line[figure]
    assert call("verify", "--deep")["ok"]
    assert call("intake")["balanced"]
    return {key: krw for key, krw in sums.items() if krw}


def test_soak__four_months_in_order_add_up_to_one_month_of_everything_in_any_order(tmp_path, soak_seconds):
    end = time.monotonic() + soak_seconds
    cases = 0
    while cases == 0 or time.monotonic() < end:
        seed = random.SystemRandom().randrange(10**9)
        rng = random.Random(seed)
        events = [one for one in all_events(seed, rng.sample(projects(), 2)) if ORDER_DECIDES not in one.line]
        by_month = [[one for one in events if Month.at(one.known_at) == month] for month in MONTHS]
        with fresh_database():
            in_order = settled(tmp_path, by_month, list(zip(MONTHS, CLOSES, strict=True)))
        rng.shuffle(events)
        with fresh_database():
            at_once = settled(tmp_path, [events], [(MONTHS[-1], CLOSES[-1])])
        differing = {key: (in_order.get(key), at_once.get(key)) for key in in_order | at_once}
        differing = {key: pair for key, pair in differing.items() if pair[0] != pair[1]}
        assert differing == {}, f"seed {seed}"
        cases += 1
    print(f"{cases} cases")

"""Drives the small programme of the integration tests: writes events and payments, runs its months."""

import json
from itertools import count

CLOSE = {"2025-11": "2025-12-03T00:00:00Z", "2025-12": "2026-01-05T00:00:00Z", "2026-01": "2026-02-04T00:00:00Z"}
H2_PRICES = """
[[price_book]]
code = "H2-1"
supplier = "H2"
effective_from = 2025-09-01
rate = [ { meter = "preparation", work = "study", unit = "study", unit_price_krw = 1_357 } ]
"""
HEADER = "paid_at,channel,account,amount_krw,reference,counterparty\n"


class World:
    """Sends events and payments to the product and runs its months."""

    def __init__(self, jeongsan, folder):
        self.call, self.folder, self.numbers = jeongsan, folder, count(1)

    def ingest(self, *events, now):
        path = self.folder / f"events-{next(self.numbers)}.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return self.call("ingest", path, now=now)

    def pay(self, *rows, now):
        path = self.folder / f"payments-{next(self.numbers)}.csv"
        path.write_text(HEADER + "".join(f"{now},{row},R{next(self.numbers)},x\n" for row in rows))
        return self.call("payments", "import", path, now=now)

    def run(self, month, **expecting):
        return self.call("month", "run", month, "--programme", "V25", now=CLOSE[month], **expecting)

    def balances(self):
        return self.call("balances", "--programme", "V25")


def event(kind, name, /, **data):
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/t",
        "type": kind,
        "time": "2025-11-10T00:00:00Z",
        "data": data,
    }


def work(name, line, quantity, day="2025-11-10", project="P1"):
    """A performed and accepted study."""
    at = f"{day}T05:00:00+09:00"
    return (
        event("preparation.performed", name, project=project, line=line, work="study", unit="study",
              quantity=str(quantity), performed=at, modality="imaging"),
        event("preparation.accepted", f"a-{name}", ref=name, at=at, by="company"),
    )  # fmt: skip

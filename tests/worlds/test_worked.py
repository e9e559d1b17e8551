"""The second derivation against the worked case: both months, every figure."""

import csv
import json
import tomllib

from tests.worked import CASE, expected, needs_case
from tests.worlds.derivation import Programme
from tests.worlds.driving import MEASURES, charges, differences
from tests.worlds.known import Intake, Known


def _rows(path):
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{**row, "amount_krw": int(row["amount_krw"])} for row in csv.DictReader(file)]


@needs_case
def test_derivation__works_the_worked_case_to_the_last_won():
    registry = tomllib.loads((CASE / "registry.toml").read_text())
    programme, intake, found = Programme(registry), Intake(registry), []
    for month, want in expected().items():
        for raw in (CASE / f"events-{month}.jsonl").read_text().splitlines():
            intake.receive(raw)
        known = Known(intake)
        for row in _rows(CASE / f"payments-before-{month}.csv"):
            programme.pay(row)
        got = programme.run(known, month)
        found += differences(f"{month} intake", want["intake"], known.counts)
        found += differences(f"{month} charges", charges(want["charges"]), got["charges"])
        for name in MEASURES:
            found += differences(f"{month} {name}", want[name], got[name])
        found += differences(f"{month} balances", want["balances_after_run"], programme.balances())
        for row in _rows(CASE / f"payments-after-{month}.csv"):
            programme.pay(row)
        found += differences(f"{month} paid", want["balances_after_payments"], programme.balances())
    assert found == []


def test_differences__speak_of_a_won():
    assert differences("x", {"a": {"b": 1}}, json.loads('{"a": {"b": 2}, "c": 0}')) == ["x a b: derived 1, product 2"]

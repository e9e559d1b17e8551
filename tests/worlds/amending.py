"""Random lives of agreements: amendments that move limits, end lines and open others, extend; early terminations."""

from datetime import date, timedelta
from random import Random

from tests.worlds.life import lines_of

EXTENDED = date(2026, 2, 28)


def amend_at_first(rng: Random, registry: dict) -> None:
    """Lets amendments that are loaded with their agreement do more than raise limits."""
    for agreement in registry["agreement"]:
        for one in agreement.get("amendment", []):
            one |= _lines(rng, registry, agreement, 0)


def later_changes(rng: Random, registry: dict, months: tuple[str, ...]) -> list[list[tuple[str, dict, bool]]]:
    """By month: (agreement, amendment or termination, whether it is loaded after the month's events)."""
    found: list[list[tuple[str, dict, bool]]] = [[]]
    for number, month in enumerate(months[1:], start=1):
        found.append([])
        for agreement in registry["agreement"]:
            if rng.random() < 0.6:
                change = _amendment(rng, registry, agreement, _day(rng, month), number)
                found[-1].append((agreement["code"], change, rng.random() < 0.3))
            if rng.random() < 0.12:
                ended = {"on": _day(rng, month), "reason": "중도 해지"}
                found[-1].append((agreement["code"], {"terminated": ended}, rng.random() < 0.3))
    return found


def _day(rng: Random, month: str) -> date:
    year, number = map(int, month.split("-"))
    day = date(year, number, rng.randint(1, 28))
    return day - timedelta(days=30) if rng.random() < 0.25 else day  # its month is closed already


def _amendment(rng: Random, registry: dict, agreement: dict, day: date, number: int) -> dict:
    """Raises limits or lowers them, ends lines and opens others, extends; the project's grant leaves room for it."""
    one = {"effective": day, "reason": "협약변경"}
    first = {line["code"]: line["grant_limit_krw"] for line in agreement["line"]}
    if rng.random() < 0.7:
        codes = rng.sample(sorted(first), rng.randint(1, len(first)))
        one["limits"] = {code: max(0, first[code] + rng.randint(-600_000, 2_000_000)) for code in codes}
    if rng.random() < 0.6 or "limits" not in one:
        one |= _lines(rng, registry, agreement, number)
    if agreement["ends"] < EXTENDED and rng.random() < 0.5:
        one["ends"] = EXTENDED + timedelta(days=number)
    return one


def _lines(rng: Random, registry: dict, agreement: dict, number: int) -> dict:
    """Ends a line and opens another of its category at another rate, or for another supplier; or does one of both."""
    hospitals = [one["code"] for one in registry["party"] if one["kind"] == "hospital"]
    old = rng.choice([line for line, _, _ in lines_of(agreement)])
    metered = old["category"] in ("gpu", "disk")
    new = {**old, "code": f"{agreement['line'][0]['code'][:-1]}a{number}", "grant_limit_krw": rng.randint(1, 1_000_000)}
    new["supplier"] = rng.choice(
        [old["supplier"], old["supplier"], *(["OP"] if metered else []), rng.choice(hospitals)]
    )
    new["self_pay_bp"] = rng.choice([0, 10_000, 1_000, rng.randint(1, 9_999)])
    both = {"end_lines": [old["code"]], "line": [new]}
    if rng.random() < 0.6 or metered:
        return both
    return rng.choice([{"end_lines": both["end_lines"]}, {"line": both["line"]}])


def widened(registry: dict, changes: list[list[tuple[str, dict, bool]]]) -> dict:
    """The registry with every line that is ever planned, up to every planned end: what events are told about."""
    agreements = []
    for agreement in registry["agreement"]:
        later = [one for era in changes for code, one, _ in era if code == agreement["code"]]
        planned = [*agreement.get("amendment", []), *later]
        lines = [line for one in planned for line in one.get("line", [])]
        ends = max([agreement["ends"], *(one["ends"] for one in planned if "ends" in one)])
        agreements.append({**agreement, "line": [*agreement["line"], *lines], "ends": ends})
    return {**registry, "agreement": agreements}

"""Quantities and prices: usage cut at months, price changes and the agreement's end (domain.md §2 to §4)."""

from collections import defaultdict
from datetime import date
from fractions import Fraction
from math import floor

from tests.worlds.known import Known, day_of, day_start_us
from tests.worlds.life import DAY, last_day, lines_of

GIB = 2**30


def month_of(us: int) -> str:
    """The KST month of an instant, YYYY-MM."""
    return day_of(us).strftime("%Y-%m")


def bounds_us(month: str) -> tuple[int, int]:
    """First microsecond of a KST month and of the next one."""
    year, number = map(int, month.split("-"))
    after = date(year + number // 12, number % 12 + 1, 1)
    return day_start_us(date(year, number, 1)), day_start_us(after)


def months(first: str, last: str) -> list[str]:
    """Every month from the first to the last."""
    found = [first]
    while found[-1] < last:
        found.append(month_of(bounds_us(found[-1])[1]))
    return found


class Prices:
    """Rates by supplier, meter and dimensions, each with the days on which it was set."""

    def __init__(self, registry: dict):
        self.rates = defaultdict(list)
        for book in registry["price_book"]:
            for rate in book["rate"]:
                dimensions = ("model", "class", "work", "unit", "grade", "modality", "project")
                key = (book["supplier"], rate["meter"], *(rate.get(name) for name in dimensions))
                self.rates[key].append((book["effective_from"], rate))
        for versions in self.rates.values():
            versions.sort(key=lambda one: one[0])

    def _candidates(self, supplier: str, meter: str, wanted: dict) -> list[list]:
        """Version lists that fit, the most particular first: a negotiated rate before all others."""
        names = ("model", "class", "work", "unit", "grade", "modality", "project")
        found = []
        for (who, what, *given), versions in self.rates.items():
            fits = all(value is None or value == wanted.get(name) for name, value in zip(names, given, strict=True))
            if (who, what) == (supplier, meter) and fits:
                found.append(((given[-1] is not None, sum(value is not None for value in given)), versions))
        return [versions for _, versions in sorted(found, key=lambda one: one[0], reverse=True)]

    def on(self, day: date, supplier: str, meter: str, **wanted) -> tuple[date, dict]:
        """(day on which the price was set, rate) in force on a KST day."""
        for versions in self._candidates(supplier, meter, wanted):
            reached = [one for one in versions if one[0] <= day]
            if reached:
                return reached[-1]
        raise LookupError((supplier, meter, wanted, day))

    def steps(self, supplier: str, meter: str, **wanted) -> list[int]:
        """Instants at which a price of these dimensions may change."""
        return sorted(
            {day_start_us(since) for found in self._candidates(supplier, meter, wanted) for since, _ in found}
        )


def cut(start: int, end: int, steps: list[int]) -> list[tuple[int, int]]:
    """The interval in pieces that cross no month and no step."""
    pieces = []
    while start < end:
        stop = min([end, bounds_us(month_of(start))[1], *(one for one in steps if one > start)])
        pieces.append((start, stop))
        start = stop
    return pieces


def gpu_pieces(known: Known) -> list[tuple[str, str, int, int, Fraction]]:
    """(project, model, start, end, GPUs) of GPU usage that stands."""
    return [
        (data["project"], data["model"], data["start"], data["end"], data["gpus"])
        for _, data in known.standing("gpu.usage")
    ]


def storage_pieces(known: Known, horizon: int) -> list[tuple[str, str, str, int, int, int]]:
    """(project, volume, class, start, end, bytes) of the step functions, cut at the agreement's end and the horizon."""
    snapshots, ends = defaultdict(list), defaultdict(list)
    for key, data in known.standing("storage.snapshot"):
        snapshots[data["project"], data["volume"], data.get("zone")].append((data["at"], key, data))
    for _, data in known.standing("storage.deleted"):
        ends[data["project"], data["volume"]].append(data["at"])
    pieces = []
    for (project, volume, _), taken in snapshots.items():
        taken.sort(key=lambda one: one[:2])
        for number, (at, _, data) in enumerate(taken):
            stops = [one for one in ends[project, volume] if one >= at]
            stops += [taken[number + 1][0]] if number + 1 < len(taken) else []
            stops += [_agreement_end(known, project, at), horizon]
            if min(stops) > at:
                pieces.append((project, volume, data.get("class", "standard"), at, min(stops), data["bytes"]))
    return pieces


def _agreement_end(known: Known, project: str, at: int) -> int:
    """Storage is charged to the end of the agreement that it began in, though that be before it by now."""
    begun = [one for one in known.agreements[project] if day_start_us(one["starts"]) <= at]
    return max(day_start_us(last_day(one) + DAY) for one in begun)


def usage_rows(known: Known, month: str) -> dict[tuple, Fraction]:
    """Metered usage of a month: (project, meter, key, unit) → quantity; zero left out."""
    first, after = bounds_us(month)
    rows = defaultdict(Fraction)
    for project, model, start, end, gpus in gpu_pieces(known):
        overlap = max(0, min(end, after) - max(start, first))
        rows[project, "gpu", model, "gpu_s"] += Fraction(overlap, 10**6) * gpus
    for project, volume, _, start, end, size in storage_pieces(known, after):
        overlap = max(0, min(end, after) - max(start, first))
        rows[project, "storage", volume, "byte_s"] += Fraction(overlap, 10**6) * size
    for work, decision, quantity in known.accepted:
        if month_of(known.data[decision]["at"]) == month:
            data = known.data[work]
            rows[data["project"], "preparation", f"{data['line']}/{data['work']}", data["unit"]] += quantity
    return {key: quantity for key, quantity in rows.items() if quantity}


class Lines:
    """The agreement lines whose supply is metered usage: who sells it, and on which days it is theirs."""

    def __init__(self, registry: dict):
        meters = {one["code"]: one.get("meter") for one in registry["programme"][0]["category"]}
        self.found = defaultdict(list)
        for agreement in registry["agreement"]:
            for line, first, last in lines_of(agreement):
                if meters[line["category"]]:
                    self.found[agreement["project"], meters[line["category"]]].append((line, first, last))

    def on(self, day: date, project: str, meter: str) -> dict | None:
        """The line that usage of a KST day belongs to."""
        fits = (line for line, first, last in self.found[project, meter] if first <= day <= last)
        return next(fits, None)

    def sellers(self, project: str, meter: str) -> set[str]:
        """The suppliers of a project's lines of a meter."""
        return {line["supplier"] for line, _, _ in self.found[project, meter]}

    def steps(self, project: str, meter: str) -> list[int]:
        """Instants at which usage passes to a line, or from it."""
        found = self.found[project, meter]
        days = {first for _, first, _ in found} | {last + DAY for _, _, last in found}
        return sorted(map(day_start_us, days))


def usage_charges(known: Known, prices: Prices, lines: Lines, operator: str, last: str) -> list[dict]:
    """GPU and storage up to a service month, priced, each with the line it is supply of (None: the company's own)."""
    horizon = bounds_us(last)[1]
    units = defaultdict(Fraction)  # (kind, project, month, dimension, day of the price, rest of the key) → priced units
    found = {}

    def add(kind: str, project: str, name: str, start: int, end: int, per_us: Fraction) -> None:
        wanted = {"model" if kind == "gpu" else "class": name, "project": project}
        steps = {one for who in {operator} | lines.sellers(project, kind) for one in prices.steps(who, kind, **wanted)}
        for begin, stop in cut(start, min(end, horizon), sorted(steps.union(lines.steps(project, kind)))):
            line = lines.on(day_of(begin), project, kind)
            since, rate = prices.on(day_of(begin), line["supplier"] if line else operator, kind, **wanted)
            first, after = bounds_us(month_of(begin))
            span = 3600 * 10**6 if kind == "gpu" else GIB * (after - first)
            rest = ("/negotiated" if rate.get("project") else "", f"/line:{line['code']}" if line else "",
                    f"/payee:{rate['payee']}" if "payee" in rate else "")  # fmt: skip
            key = (kind, project, month_of(begin), name, since, rest)
            units[key] += (stop - begin) * per_us / span
            found[key] = rate, line

    for project, model, start, end, gpus in gpu_pieces(known):
        add("gpu", project, model, start, end, gpus)
    for project, _, name, start, end, size in storage_pieces(known, horizon):
        add("storage", project, name, start, end, Fraction(size))
    charged, before = [], defaultdict(Fraction)
    for key in sorted(units):
        kind, project, month, name, since, rest = key
        rate, line = found[key]
        krw = price(units[key], rate, before[key[:4]])
        cost = floor(units[key] * rate["cost_price_krw"]) if "payee" in rate else 0
        charged.append({
            "kind": kind, "project": project, "month": month, "name": f"{name}@{since}", "krw": krw, "line": line,
            "payee": rate.get("payee"), "cost_krw": cost, "key": (kind, f"{kind}/{name}@{since}{''.join(rest)}", month),
        })  # fmt: skip
        before[key[:4]] += units[key]
    return charged


def price(units: Fraction, rate: dict, before: Fraction = Fraction(0)) -> int:
    """Won of units after `before` of the same month: graduated, floored once, at least the minimum charge."""
    tiers = rate.get("tiers") or [{"unit_price_krw": rate["unit_price_krw"]}]
    exact, low = Fraction(0), Fraction(0)
    for tier in tiers:
        top = Fraction(tier["up_to"]) if "up_to" in tier else before + units
        exact += max(Fraction(0), min(top, before + units) - max(low, before)) * tier["unit_price_krw"]
        low = top
    return max(floor(exact), rate.get("minimum_krw", 0) if units else 0)

"""What intake makes of raw records: identity, counts, corrections and attribution (domain.md §3), in plain Python."""

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

from tests.worlds.life import DAY, last_day, lines_of

KST = timezone(timedelta(hours=9))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REQUIRED = {
    "gpu.usage": {"project", "session", "start", "end", "gpus", "model"},
    "storage.snapshot": {"project", "volume", "at", "bytes"},
    "storage.deleted": {"project", "volume", "at", "certificate"},
    "preparation.performed": {"project", "line", "work", "unit", "quantity", "performed"},
    "preparation.accepted": {"ref", "at", "by"},
    "preparation.rejected": {"ref", "at", "by", "reason"},
    "result.exported": {"project", "at", "kind", "digest"},
    "usage.voided": {"ref", "reason", "author"},
    "usage.amended": {"ref", "reason", "author", "fields"},
}
OPTIONAL = {
    "gpu.usage": {"node", "cluster"},
    "storage.snapshot": {"class", "zone"},
    "preparation.performed": {"modality", "grade"},
    "preparation.accepted": {"quantity"},
    "preparation.rejected": {"quantity"},
}
INSTANTS = {"start", "end", "at", "performed"}
NUMBERS = {"gpus", "quantity"}


class Unreadable(Exception):
    """A record that goes to the dead letters."""


def instant_us(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 instant."""
    if not isinstance(text, str) or not re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", text
    ):
        raise Unreadable(text)
    try:
        return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
    except ValueError as error:
        raise Unreadable(text) from error


def day_start_us(day: date) -> int:
    """The first microsecond of a KST day."""
    return (datetime(day.year, day.month, day.day, tzinfo=KST) - EPOCH) // timedelta(microseconds=1)


def day_of(us: int) -> date:
    """The KST day of an instant."""
    return (EPOCH + timedelta(microseconds=us)).astimezone(KST).date()


def _number(value) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unreadable(value)
    if not re.fullmatch(r"\d+(\.\d{1,3})?", str(value)) or not Fraction(str(value)):
        raise Unreadable(value)
    return Fraction(str(value))


def canonical(kind: str, data: dict) -> dict:
    """Known fields in one form; raises Unreadable."""
    required, optional = REQUIRED.get(kind), OPTIONAL.get(kind, set())
    if required is None or not isinstance(data, dict) or required - data.keys():
        raise Unreadable(kind)
    kept = {name: _field(name, data[name]) for name in data if name in required | optional}
    if kind == "gpu.usage" and kept["end"] <= kept["start"]:
        raise Unreadable("end before start")
    if kind == "storage.snapshot":
        kept.setdefault("class", "standard")
    return kept


def _field(name, value):
    if name in INSTANTS:
        return instant_us(value)
    if name in NUMBERS:
        return _number(value)
    if name == "bytes":
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise Unreadable(value)
        return value
    if name in ("ref", "fields"):
        return value
    if not isinstance(value, str) or not value:
        raise Unreadable(value)
    return value


def read(raw: str) -> list[dict | None]:
    """The events of one line or array of a file; None for each that cannot be read."""
    try:
        found = json.loads(raw, parse_float=Decimal)
    except ValueError:
        return [None]
    return [_event(one) for one in (found if isinstance(found, list) else [found])]


def _event(found) -> dict | None:
    try:
        source, identity, kind = found["source"], found["id"], found["type"]
        data = canonical(kind, found["data"])
        if "ref" in data:
            data["ref"] = (
                (data["ref"]["source"], data["ref"]["id"]) if isinstance(data["ref"], dict) else (source, data["ref"])
            )
        if kind == "usage.amended":
            data["fields"] = {name: _field(name, value) for name, value in data["fields"].items()}
    except (Unreadable, KeyError, TypeError):
        return None
    return {"key": (source, identity), "type": kind, "data": data}


class Terms:
    """Reference data as attribution asks for it."""

    def __init__(self, registry: dict):
        self.agreements = defaultdict(list)
        self.lines = {}
        self.permits = defaultdict(list)
        self.projects = {one["code"] for one in registry["project"]}
        metered = {one["code"] for one in registry["programme"][0]["category"] if one.get("meter")}
        for agreement in registry["agreement"]:
            self.agreements[agreement["project"]].append(agreement)
            for line, first, last in lines_of(agreement):
                if line["category"] in metered:  # usage is its supply: no work is done on it
                    continue
                self.lines[agreement["project"], line["code"]] = (line, first, last)
        for permit in registry.get("permit", []):
            self.permits[permit["project"]].append(permit)

    def attributable(self, kind: str, data: dict) -> bool:
        """Whether project, line, agreement and permit are there."""
        if data["project"] not in self.projects:
            return False
        agreements = self.agreements[data["project"]]
        start = data.get("start", data.get("at", data.get("performed")))
        if kind == "preparation.performed":
            if (data["project"], data["line"]) not in self.lines:
                return False
            line, first, last = self.lines[data["project"], data["line"]]
            return first <= day_of(start) <= last and self._permitted(data["project"], line["supplier"], day_of(start))
        if kind == "storage.deleted":  # a certified deletion may follow the agreement's end
            return any(day_start_us(one["starts"]) <= start for one in agreements)
        return any(inside(one, start, data.get("end", start + 1)) for one in agreements)

    def _permitted(self, project: str, hospital: str, day: date) -> bool:
        return not self.permits[project] or any(
            one.get("hospital") in (None, hospital) and one["approved_on"] <= day <= one.get("expires_on", date.max)
            for one in self.permits[project]
        )


def inside(agreement: dict, start: int, end: int) -> bool:
    """[start, end) wholly inside the agreement's KST days."""
    return day_start_us(agreement["starts"]) <= start and end <= day_start_us(last_day(agreement) + DAY)


class Intake:
    """Everything received so far, one record after the other.

    What is stored stays stored; of two that do not fit together (other content, more accepted than performed, an
    amendment after which something no longer fits) the later one waits until there is room for it.
    """

    def __init__(self, registry: dict):
        self.terms = Terms(registry)
        self.events: dict[tuple, dict] = {}
        self.waiting: list[dict] = []
        self.quarantined: dict[tuple, dict] = {}
        self.children: dict[tuple, list[tuple]] = defaultdict(list)
        self.arrived, self.stored_now = 0, defaultdict(list)
        self.conflicts: list[tuple] = []
        self.tally = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """The counting identity's figures."""
        held = len(self.waiting) + len(self.quarantined) + len(self.conflicts)
        return {**{name: self.tally[name] for name in ("received", "duplicate", "dead_lettered")},
                "stored": len(self.events), "quarantined": held}  # fmt: skip

    def refer(self, registry: dict, *, closed: bool = False) -> None:
        """Takes reference data's later version: what waited for it is stored."""
        self.terms = Terms(registry)
        self.begin()
        for key, event in list(self.quarantined.items()):
            if not closed and self.terms.attributable(event["type"], event["data"]):
                del self.quarantined[key]
                self._store(event)
        self._release(closed)

    def begin(self) -> None:
        """A file begins: what is stored with it, and what it frees, stands in the order in which it came."""
        self.stored_now = defaultdict(list)

    def receive(self, raw: str, *, closed: bool = False) -> None:
        """One record; `closed`: it comes after the programme's settlement has closed."""
        for event in read(raw):
            self.tally["received"] += 1
            if event is None:
                self.tally["dead_lettered"] += 1
            elif not self._known(event):
                self._take(event, closed)

    def _known(self, event: dict) -> bool:
        """Whether the identity came before: the same content again, or another one."""
        standing = self.events.get(event["key"]) or self.quarantined.get(event["key"])
        standing = standing or next((one for one in self.waiting if one["key"] == event["key"]), None)
        content = (event["key"], event["type"], event["data"])
        if standing is None:
            return False
        if (standing["key"], standing["type"], standing["data"]) == content or content in self.conflicts:
            self.tally["duplicate"] += 1
        else:
            self.conflicts.append(content)
        return True

    def _take(self, event: dict, closed: bool) -> None:
        self.arrived += 1
        event["arrived"] = self.arrived
        if "ref" in event["data"]:
            self.waiting.append(event)
        elif closed or not self.terms.attributable(event["type"], event["data"]):
            self.quarantined[event["key"]] = event
        else:
            self._store(event)
        self._release(closed)

    def _store(self, event: dict) -> None:
        self.events[event["key"]] = event
        if "ref" in event["data"]:
            self._insert(event)
            self.stored_now[event["data"]["ref"]].append(event["arrived"])

    def _insert(self, event: dict) -> None:
        """Puts a correction after those stored with earlier files, and into the order in which they came otherwise."""
        ref = event["data"]["ref"]
        later = sum(arrived > event["arrived"] for arrived in self.stored_now[ref])
        self.children[ref].insert(len(self.children[ref]) - later, event["key"])

    def _release(self, closed: bool) -> None:
        """Stores what waits, oldest first, until nothing more fits."""
        progress = True
        while progress and not closed:
            progress = False
            for event in list(self.waiting):
                if self._fits(event) or self._fits(event, followed=True):
                    self.waiting.remove(event)
                    self._store(event)
                    progress = True
                    break

    def _fits(self, event: dict, *, followed: bool = False) -> bool:
        """Whether an event may be stored; `followed`: with the corrections that wait for it in place."""
        target = self.events.get(event["data"]["ref"])
        if target is None or not self._suits(event, target):
            return False
        if event["type"] == "usage.voided" and target["type"] != "usage.amended":
            return True
        followers = [
            one for one in self.waiting if followed and one["data"]["ref"] == event["key"] and self._suits(one, event)
        ]
        if followed and not followers:
            return False
        for one in (event, *followers):
            self.events[one["key"]] = one
            self._insert(one)
        good = self._whole(event)
        for one in (event, *followers):
            del self.events[one["key"]]
            self.children[one["data"]["ref"]].remove(one["key"])
        return good

    def _suits(self, event: dict, target: dict) -> bool:
        if event["type"] == "usage.amended":
            known = REQUIRED[target["type"]] | OPTIONAL.get(target["type"], set())
            return target["type"] != "usage.voided" and event["data"]["fields"].keys() <= known - {"ref"}
        if event["type"] == "usage.voided":
            return target["type"] != "usage.voided"
        return target["type"] == "preparation.performed"

    def _whole(self, event: dict) -> bool:
        """Whether everything above the event is still as it must be."""
        above = event
        while "ref" in above["data"]:
            above = self.events[above["data"]["ref"]]
            data = self.values(above["key"])
            if above["type"] == "gpu.usage" and data["end"] <= data["start"]:
                return False
        data = self.values(above["key"])
        if data != above["data"] and not self.terms.attributable(above["type"], data):
            return False
        if above["type"] != "preparation.performed":
            return True
        return sum(quantity for _, quantity, _ in self.decisions(above["key"])) <= data["quantity"]

    def values(self, key: tuple) -> dict:
        """An event's data after its amendments, in order of intake."""
        data = dict(self.events[key]["data"])
        for child in self.children[key]:
            if self.events[child]["type"] == "usage.amended" and self.stands(child):
                data.update(self.values(child)["fields"])
        return data

    def stands(self, key: tuple) -> bool:
        """Whether no void takes the event out."""
        return not any(self.events[child]["type"] == "usage.voided" for child in self.children[key])

    def decisions(self, work: tuple) -> list[tuple[tuple, Fraction, str]]:
        """(key, quantity, type) of acceptances and rejections that stand; without a quantity: the whole performed."""
        whole = self.values(work)["quantity"]
        return [
            (child, self.values(child).get("quantity", whole), self.events[child]["type"])
            for child in self.children[work]
            if self.events[child]["type"].startswith("preparation.") and self.stands(child)
        ]


class Known:
    """What stands at one moment, with its amended data."""

    def __init__(self, intake: Intake):
        self.agreements, self.lines = intake.terms.agreements, intake.terms.lines
        self.counts = dict(intake.counts)
        self.data = {key: intake.values(key) for key in intake.events}
        self._types = {key: event["type"] for key, event in intake.events.items() if intake.stands(key)}
        self.accepted = [
            (work, key, quantity)
            for work, _ in self.standing("preparation.performed")
            for key, quantity, kind in intake.decisions(work)
            if kind == "preparation.accepted"
        ]

    def standing(self, kind: str) -> list[tuple[tuple, dict]]:
        """(key, amended data) of the events of a type that stand."""
        return [(key, self.data[key]) for key, found in self._types.items() if found == kind]

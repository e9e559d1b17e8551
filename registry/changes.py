"""What a load brings: new, there already, or changed in what may change; anything else under a used code is refused."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from registry.reference import KINDS, Agreement, Table

Key = tuple[str, str]

CHANGEABLE = {
    "party": {"name", "payee", "consortium", "representative", "address", "business_type", "business_item", "email"},
    "project": {"closes"},
    "programme": {"tax_reason"},
}
SET_ONCE = {"agreement": {"terminated"}, "party": {"brn"}}
GROWING = {
    "programme": {"grant_received", "interest", "transfer", "carry_over"}, "agreement": {"amendment"},
    "result": {"revenue"},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Change:
    """An object that was there before, as it was and as it is to be."""

    old: Table
    new: Table


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a load does: objects to insert, objects to change, keys that are there already, and what is refused."""

    new: dict[Key, Table] = field(default_factory=dict)
    changed: dict[Key, Change] = field(default_factory=dict)
    same: list[Key] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def moved(self) -> dict[Key, Table]:
        """Everything new or changed, as it is to be."""
        return self.new | {key: change.new for key, change in self.changed.items()}


def is_draft(table: Table) -> bool:
    """Whether it is an agreement that nobody has signed: it may change as a whole."""
    return isinstance(table, Agreement) and table.status == "draft"


def loaded_objects(connection: Connection) -> dict[Key, Table]:
    """Everything that was loaded before, by (kind, code)."""
    rows = connection.execute(text("SELECT kind, code, content FROM loaded_object"))
    return {(row.kind, row.code): msgspec.convert(row.content, KINDS[row.kind]) for row in rows}


def content_of(table: Table) -> dict[str, Any]:
    """The canonical content of an object: keys as in the file, what equals its default left out."""
    return msgspec.json.decode(msgspec.json.encode(table))


def plan(before: Mapping[Key, Table], objects: Mapping[Key, Table], places: Mapping[Key, str]) -> Plan:
    """Compares what was loaded before with what the files say; refusals name path, old and new content."""
    result = Plan()
    for key, table in objects.items():
        if key not in before:
            result.new[key] = table
        elif content_of(before[key]) == content_of(table):
            result.same.append(key)
        else:
            result.refused.extend(_refusals(key[0], before[key], table, places[key]))
            result.changed[key] = Change(old=before[key], new=table)
    return result


def _refusals(kind: str, old: Table, new: Table, place: str) -> list[str]:
    if is_draft(old):
        return []
    before, after = content_of(old), content_of(new)
    refused = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name) or name in CHANGEABLE.get(kind, ()):
            continue
        if name not in before and name in SET_ONCE.get(kind, ()):
            continue
        if name in GROWING.get(kind, ()):
            missing = _without(before.get(name, []), after.get(name, []))
            refused += [
                f"{place}.{name}: 이미 등록된 항목은 지우거나 고칠 수 없습니다: {one} "
                "(a loaded item stays; add a new one)."
                for one in missing
            ]
            continue
        for where, was, is_now in _differences(before.get(name), after.get(name), f"{place}.{name}"):
            refused.append(
                f"{where}: 이미 등록된 내용과 다릅니다: {was} → {is_now} (other content under a used code). "
                "등록된 코드의 내용은 바꿀 수 없습니다."
            )
    return refused


def _differences(old: Any, new: Any, place: str) -> list[tuple[str, Any, Any]]:
    """Where two contents differ, as deep as their shapes agree."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [one for key in keys for one in _differences(old.get(key), new.get(key), f"{place}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True), start=1)
        return [one for n, (was, now) in pairs for one in _differences(was, now, f"{place}[{n}]")]
    return [] if old == new else [(place, old, new)]


def _without(some: list, others: list) -> list:
    """What `some` has more than `others`, counted."""
    left = Counter(msgspec.json.encode(one, order="sorted") for one in some)
    left.subtract(Counter(msgspec.json.encode(one, order="sorted") for one in others))
    return [msgspec.json.decode(one) for one, count in left.items() for _ in range(max(count, 0))]


def added(old: tuple[Table, ...], new: tuple[Table, ...]) -> list[Table]:
    """The items of a growing list that are new."""
    fresh = Counter(msgspec.json.encode(one, order="sorted") for one in new)
    fresh.subtract(Counter(msgspec.json.encode(one, order="sorted") for one in old))
    items = {msgspec.json.encode(one, order="sorted"): one for one in new}
    return [items[key] for key, count in fresh.items() for _ in range(max(count, 0))]

"""An event with everything that refers to it: what stands after voids and amendments, and what may be added. Pure.

Voids count as a set and amendments in order of intake, so the outcome does not depend on the order of arrival.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from metering import rules
from metering.attribution import Attribution, Hold, check, check_open
from metering.fields import FieldError, instant, milli_of
from metering.slices import day_slices, elapsed_slices

Slice = tuple[str, int, str, int]
METERED = (rules.GPU, rules.JOB)
GPU_METER, CPU_METER = range(2)


@dataclass(kw_only=True, eq=False)
class Node:
    """A stored event in its tree: performed work over its acceptances, each over its corrections."""

    seq: int
    type: int
    source: str
    id: str
    values: dict[str, Any]
    target: "Node | None" = None
    children: list["Node"] = field(default_factory=list)

    @property
    def root(self) -> "Node":
        """The event that the whole tree is about."""
        return self.target.root if self.target else self

    @property
    def key(self) -> bytes:
        """The event's identity."""
        return rules.identity(self.source, self.id)


def stands(node: Node) -> bool:
    """Whether no void takes the event out. A void itself always stands."""
    return not any(child.type == rules.VOIDED for child in node.children)


def amended(node: Node) -> dict[str, Any]:
    """The event's values after its standing amendments, in order of intake."""
    changes = sorted((child for child in node.children if child.type == rules.AMENDED and stands(child)), key=_seq)
    if not changes:
        return node.values
    values = dict(node.values)
    for change in changes:
        values.update(amended(change)["fields"])
    return {name: value for name, value in values.items() if value is not None}


def _seq(node: Node) -> int:
    return node.seq


def decisions(root: Node, number: int) -> Iterator[tuple[Node, int]]:
    """The standing acceptances (or rejections) of performed work, each with its quantity in thousandths.

    One without a quantity decides the whole performed quantity.
    """
    for child in sorted(root.children, key=_seq):
        if child.type == number and stands(child):
            yield child, milli_of(amended(child).get("quantity") or amended(root)["quantity"])


def usage_slices(root: Node) -> dict[Slice, int]:
    """(project, meter, model, local day) → microseconds × thousandths of what stands of GPU usage or of a job."""
    return value_slices(root.type, amended(root)) if stands(root) else {}


def value_slices(number: int, values: Mapping[str, Any]) -> dict[Slice, int]:
    """The same from canonical values: GPUs of GPU usage; GPUs and cores of a job."""
    start_us, end_us = (instant(values[name], name)[0] for name in ("start", "end"))
    project, model = values["project"], values["model"]
    if number == rules.GPU:
        days = day_slices(start_us, end_us, milli_of(values["gpus"]))
        return {(project, GPU_METER, model, day): quantity for day, quantity in days}
    counts = ((GPU_METER, values["gpu_count"]), (CPU_METER, values["core_count"]))
    days = elapsed_slices(start_us, end_us, values["elapsed_s"] * 1_000_000)
    return {(project, meter, model, day): us * count * 1000 for meter, count in counts if count for day, us in days}


def objection(node: Node, terms: Attribution) -> Hold | None:
    """Why a referring event, placed in its target's tree, may not stay there; None when it may."""
    target, root = node.target, node.root
    shut = check_open(terms, root.values.get("project", ""))
    if shut:
        return shut
    if target.type == rules.VOIDED:
        detail = (
            "data.ref: 취소는 되돌릴 수 없습니다, 새 id로 다시 보내세요 (a void cannot be undone: send the event again)"
        )
        return Hold(reason="void_of_void", detail=detail)
    if node.type in (rules.ACCEPTED, rules.REJECTED) and target.type != rules.PERFORMED:
        detail = f"data.ref: {rules.TYPES[target.type]} 은(는) 검수 대상이 아닙니다 (only performed work is accepted)"
        return Hold(reason="ref_type", detail=detail)
    if node.type == rules.AMENDED:
        unknown = sorted(set(node.values["fields"]) - (rules.KNOWN[target.type] - {"ref"}))
        if unknown:
            detail = (
                f"data.fields.{unknown[0]}: {rules.TYPES[target.type]} 의 항목이 아닙니다 (not a field of the target)"
            )
            return Hold(reason="schema", detail=detail)
    if node.type == rules.VOIDED and target.type != rules.AMENDED:
        return None
    return _broken(node, terms)


def _broken(node: Node, terms: Attribution) -> Hold | None:
    """What no longer holds in the tree with the node in it: schema, attribution, accepted against performed.

    It may hold again after the next change of the tree, so it waits for the root.
    """
    root = node.root
    try:
        above = node.target
        while above is not None:
            rules.reread(above.type, amended(above), above.source)
            above = above.target
    except FieldError as error:
        return Hold(reason="schema", detail=f"data.fields.{error}", waits_for=root.key)
    values = amended(root)
    hold = check(terms, root.type, values) if values != root.values else None
    if hold:
        return replace(hold, waits_for=root.key)
    if root.type != rules.PERFORMED:
        return None
    decided = sum(quantity for number in (rules.ACCEPTED, rules.REJECTED) for _, quantity in decisions(root, number))
    if decided <= milli_of(values["quantity"]):
        return None
    detail = f"검수한 양이 수행한 양 {values['quantity']} 을(를) 넘습니다 (more accepted and rejected than performed)"
    return Hold(reason="over_accepted", detail=detail, waits_for=root.key)

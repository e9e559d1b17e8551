"""Places events that refer to others: acceptances, rejections, voids, amendments; releases what waited for them.

One worker at a time does so (store.take_reference_lock). Each pass loads the trees of all targets at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from metering import forest, identity, rules, store
from metering.attribution import Hold
from metering.batch import Work
from metering.corrections import Node, objection, usage_slices
from metering.primaries import REFERRING
from metering.rows import pack_event
from metering.rules import UsageEvent

Delta = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A referring event with the sequence number it would get; `held`: its id in quarantine when just freed there."""

    event: UsageEvent
    seq: int
    record: int
    held: int | None = None

    @property
    def target_key(self) -> bytes:
        """The identity that its `ref` names."""
        ref = self.event.values["ref"]
        return rules.identity(ref["source"], ref["id"])


@dataclass(kw_only=True)
class Placed:
    """What was decided: stored events by seq, holds by seq, freed duplicates, and the roots of trees that changed."""

    stored: dict[int, Pending] = field(default_factory=dict)
    holds: dict[int, tuple[Pending, Hold]] = field(default_factory=dict)
    known: list[Pending] = field(default_factory=list)
    touched: set[bytes] = field(default_factory=set)


def place_references(work: Work) -> Placed:
    """Places the batch's referring events and whatever they, or their targets, free from quarantine.

    Raises store.GuardMissed when another worker stored one of the identities first.
    """
    events = work.batch.events
    positions = [one for one in work.undecided(range(len(events))) if events[one].type in REFERRING]
    tried, placed = set(work.batch.held or ()), Placed()
    if not positions and not store.freed_references(work.connection, (), sorted(tried)):
        return placed
    store.take_reference_lock(work.connection)
    work.looked_up.difference_update(positions)
    identity.identify(work, positions)
    identity.check_held(work, positions)
    waiting = [
        Pending(event=events[one], seq=work.first_seq + one, record=work.batch.records[one])
        for one in work.undecided(positions)
    ]
    next_seq, progress = work.release_id << store.SEQ_BITS, True
    while progress:
        before = len(placed.stored)
        rows = store.freed_references(work.connection, sorted(placed.touched), sorted(tried))
        freed = [_pending(row, next_seq + number) for number, row in enumerate(rows)]
        next_seq += len(rows)
        waiting = _pass(work, [*_drop_known(work, freed, placed), *waiting], placed)
        tried.update(row.id for row in rows)
        progress = len(placed.stored) > before
    placed.holds.update((one.seq, (one, missing(one))) for one in waiting)
    return placed


def _pending(row, seq: int) -> Pending:
    """A quarantined event, read again."""
    event = event_of_row(row)
    return Pending(event=event, seq=seq, record=row.record, held=row.id)


def event_of_row(row) -> UsageEvent:
    """The event of a quarantine row."""
    return rules.usage_event(row.source, row.event_id, row.type, msgspec.json.decode(row.data))


def _drop_known(work: Work, freed: Sequence[Pending], placed: Placed) -> list[Pending]:
    """Freed events without those that another worker has stored meanwhile."""
    known = store.seen_identities(work.connection, [one.event.key for one in freed])
    for one in freed:
        if one.event.key in known and known[one.event.key][0] == one.event.content:
            placed.known.append(one)
        elif one.event.key in known:
            placed.holds[one.seq] = (one, identity.conflict(one.event))
    return [one for one in freed if one.event.key not in known]


def missing(pending: Pending) -> Hold:
    """The hold of an event whose target is not there yet."""
    ref = pending.event.values["ref"]
    detail = f"data.ref: {ref['source']} 의 '{ref['id']}' 이(가) 아직 없습니다 (the target is not there yet)"
    return Hold(reason="ref_missing", detail=detail, waits_for=pending.target_key)


def _pass(work: Work, waiting: Sequence[Pending], placed: Placed) -> list[Pending]:
    """Stores, in order of intake, what may be stored; returns those whose target is not there yet."""
    targets = store.seen_identities(work.connection, [one.target_key for one in waiting])
    ready = sorted((one for one in waiting if one.target_key in targets), key=lambda one: one.seq)
    if not ready:
        return list(waiting)
    nodes = forest.load(work.connection, sorted({targets[one.target_key][1] for one in ready}))
    deltas: dict[int, dict[Delta, int]] = {}
    chosen: list[tuple[Pending, Node]] = []
    for one in ready:
        node = _try(work, one, nodes[targets[one.target_key][1]], deltas)
        if isinstance(node, Hold):
            placed.holds[one.seq] = (one, node)
        else:
            chosen.append((one, node))
            placed.stored[one.seq] = one
            placed.touched.add(node.root.key)
    _write(work, chosen, deltas)
    return [one for one in waiting if one.target_key not in targets]


def _try(work: Work, one: Pending, target: Node, deltas: dict[int, dict[Delta, int]]) -> Node | Hold:
    """Puts the event into its target's tree, unless something speaks against it; notes what that does to GPU usage."""
    event = one.event
    node = Node(seq=one.seq, type=event.type, source=event.source, id=event.id, values=event.values, target=target)
    root = node.root
    before = usage_slices(root) if root.type == rules.GPU else {}
    target.children.append(node)
    hold = objection(node, work.terms)
    if hold:
        target.children.pop()
        return hold
    if root.type == rules.GPU:
        sums = deltas.setdefault(one.seq >> store.SEQ_BITS, {})
        after = usage_slices(root)
        for key in before.keys() | after.keys():
            sums[key] = sums.get(key, 0) + after.get(key, 0) - before.get(key, 0)
    return node


def _write(work: Work, chosen: Sequence[tuple[Pending, Node]], deltas: dict[int, dict[Delta, int]]) -> None:
    if not chosen:
        return
    events = [one.event for one, _ in chosen]
    keys, contents = [event.key for event in events], [event.content for event in events]
    if not store.guard(work.connection, keys, contents, [one.seq for one, _ in chosen]):
        raise store.GuardMissed
    projects = {node.root.values["project"] for _, node in chosen}
    changed = {text for sums in deltas.values() for project, model, _ in sums for text in (project, model)}
    known = work.ids({event.source for event in events} | projects | changed)
    month = work.recorded_month
    rows = [
        pack_event(one.event, one.seq, one.record, month, node.target.seq, node.root.values["project"], known)
        for one, node in chosen
    ]
    store.copy_binary(work.connection, "event", store.EVENT_COLUMNS, b"".join(rows))
    for batch_id, sums in deltas.items():
        by_id = {(known[project], known[model], day): quantity for (project, model, day), quantity in sums.items()}
        store.copy_deltas(work.connection, batch_id, by_id, 0)

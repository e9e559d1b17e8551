"""Places events that refer to others: acceptances, rejections, voids, amendments; releases what waited for them.

One worker at a time does so (store.take_reference_lock). Each pass loads the trees of all targets at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy

from metering import forest, identity, rules, store
from metering.attribution import Hold
from metering.batch import Work
from metering.corrections import METERED, Node, Slice, objection, usage_slices
from metering.primaries import REFERRING
from metering.rows import pack_event
from metering.rules import UsageEvent

RELEASE_LIMIT = 500_000


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

    def take_back(self) -> list[Pending]:
        """The held events whose tree has changed since: they are to be tried again."""
        again = [one for one, hold in self.holds.values() if hold.waits_for in self.touched]
        for one in again:
            del self.holds[one.seq]
        return again


def place_references(work: Work) -> Placed:
    """Places the batch's referring events and whatever they, or their targets, free from quarantine.

    Raises store.GuardMissed when another worker stored one of the identities first.
    """
    events = work.batch.events
    positions = [one for one in work.undecided(sorted(events.others)) if events[one].type in REFERRING]
    tried, placed = set(work.batch.held or ()), Placed()
    if not positions and not store.freed_references(work.connection, (), (), tried, 1):
        return placed
    store.take_reference_lock(work.connection)
    work.looked_up.difference_update(positions)
    identity.identify(work, positions)
    identity.check_held(work, positions)
    waiting = [
        Pending(event=events[one], seq=work.first_seq + one, record=int(events.records[one]))
        for one in work.undecided(positions)
    ]
    first_seq, released, progress = work.release_id << store.SEQ_BITS, 0, True
    while progress:
        before = len(placed.stored)
        named = {one.target_key for one in waiting}
        rows = store.freed_references(work.connection, placed.touched, named, tried, RELEASE_LIMIT - released)
        freed = [_pending(row, first_seq + released + number) for number, row in enumerate(rows)]
        released += len(rows)
        placed.touched.clear()
        waiting = _pass(work, [*_drop_known(work, freed, placed), *waiting], placed)
        tried.update(row.id for row in rows)
        progress = len(placed.stored) > before
        waiting += placed.take_back()
    placed.holds.update((one.seq, (one, missing(one))) for one in waiting if one.seq not in placed.holds)
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
    known = store.seen_identities(work.connection, b"".join(one.event.key for one in freed))
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
    targets = store.seen_identities(work.connection, b"".join(one.target_key for one in waiting))
    ready = sorted((one for one in waiting if one.target_key in targets), key=lambda one: one.seq)
    if not ready:
        return list(waiting)
    nodes = forest.load(work.connection, sorted({targets[one.target_key][1] for one in ready}))
    rest = [one for one in waiting if one.target_key not in targets]
    deltas: dict[int, dict[Slice, int]] = {}
    chosen: list[tuple[Pending, Node]] = []
    held: list[Pending] = []
    for one in ready:
        node = _try(work, one, nodes[targets[one.target_key][1]], deltas)
        if isinstance(node, Hold):
            placed.holds[one.seq] = (one, node)
            held += [one] if node.waits_for else []
        else:
            chosen.append((one, node))
    followers = _followers(work, held, rest)
    for one in held:
        node = _try(work, one, nodes[targets[one.target_key][1]], deltas, followers.get(one.event.key, ()))
        if not isinstance(node, Hold):
            del placed.holds[one.seq]
            chosen.append((one, node))
    _write(work, chosen, deltas)
    placed.stored.update((one.seq, one) for one, _ in chosen)
    placed.touched.update(node.root.key for _, node in chosen)
    return rest


def _followers(work: Work, held: Sequence[Pending], rest: Sequence[Pending]) -> dict[bytes, list[UsageEvent]]:
    """The corrections that wait for events which may not stand alone: with them they may."""
    keys = {one.event.key for one in held}
    found: dict[bytes, list[UsageEvent]] = {}
    rows = store.waiting_for(work.connection, keys) if keys else []
    for event in (*map(event_of_row, rows), *(one.event for one in rest)):
        ref = event.values["ref"]
        found.setdefault(rules.identity(ref["source"], ref["id"]), []).append(event)
    return {key: events for key, events in found.items() if key in keys}


def _objection(work: Work, node: Node, followers: Sequence[UsageEvent]) -> Hold | None:
    """Why the node may not stay in its tree, with those that correct it in place for the question."""
    for event in followers:
        child = _node(event, node.seq, node)
        node.children.append(child)
        hold = objection(child, work.terms)
        if hold and not hold.waits_for:
            node.children.remove(child)
    hold = objection(node, work.terms)
    node.children.clear()
    return hold


def _node(event: UsageEvent, seq: int, target: Node) -> Node:
    return Node(seq=seq, type=event.type, source=event.source, id=event.id, values=event.values, target=target)


def _try(
    work: Work, one: Pending, target: Node, deltas: dict[int, dict[Slice, int]], followers: Sequence[UsageEvent] = ()
) -> Node | Hold:
    """Puts the event into its target's tree, unless something speaks against it; notes what that does to usage."""
    node = _node(one.event, one.seq, target)
    root = node.root
    before = usage_slices(root) if root.type in METERED else {}
    target.children.append(node)
    hold = _objection(work, node, followers)
    if hold:
        target.children.remove(node)
        return hold
    if root.type in METERED:
        sums = deltas.setdefault(one.seq >> store.SEQ_BITS, {})
        after = usage_slices(root)
        for key in before.keys() | after.keys():
            sums[key] = sums.get(key, 0) + after.get(key, 0) - before.get(key, 0)
    return node


def _write(work: Work, chosen: Sequence[tuple[Pending, Node]], deltas: dict[int, dict[Slice, int]]) -> None:
    if not chosen:
        return
    events = [one.event for one, _ in chosen]
    keys = numpy.frombuffer(b"".join(event.key for event in events), ">u8").reshape(-1, 2)
    if not store.guard(work.connection, keys, [one.content for one in events], [one.seq for one, _ in chosen]):
        raise store.GuardMissed
    projects = {node.root.values["project"] for _, node in chosen}
    changed = {text for sums in deltas.values() for project, _, model, _ in sums for text in (project, model)}
    known = work.ids({event.source for event in events} | projects | changed)
    month = work.recorded_month
    rows = [
        pack_event(one.event, one.seq, one.record, month, node.target.seq, node.root.values["project"], known)
        for one, node in chosen
    ]
    store.copy_binary(work.connection, "event", store.EVENT_COLUMNS, rows)
    for batch_id, sums in deltas.items():
        store.copy_slices(work.connection, batch_id, sums, known)

"""Attributes and stores the events that refer to no other."""

from collections.abc import Callable, Sequence

from metering import identity, rules, store
from metering.attribution import check
from metering.batch import Work
from metering.rows import GpuRows, pack_event
from metering.store import GuardMissed

REFERRING = (rules.ACCEPTED, rules.REJECTED, rules.VOIDED, rules.AMENDED)


def store_primaries(work: Work, stored: Callable[[Sequence[bytes]], None]) -> None:
    """Raises GuardMissed when another worker was faster twice; `stored` learns the identities that got in."""
    events, rows = work.batch.events, GpuRows(work.terms)
    undecided = work.undecided(range(len(events)))
    good, owners, others = rows.attribute(events, [one for one in undecided if events[one].type == rules.GPU])
    for position in others:
        event = events[position]
        work.holds[position] = check(work.terms, rules.GPU, rules.gpu_values(event))
    plain = _plain(work, undecided)
    if not _guard(work, [*good, *plain], stored):
        identity.identify(work, [*good, *plain])
        kept = set(work.undecided(good))
        owners = [group for position, group in zip(good, owners, strict=True) if position in kept]
        good, plain = [position for position in good if position in kept], work.undecided(plain)
        if not _guard(work, [*good, *plain], stored):
            raise GuardMissed
    if not good and not plain:
        return
    rows.prepare(work.ids, work.recorded_month)
    packed = rows.pack(events, work.batch.records, work.first_seq, good, owners)
    store.copy_binary(work.connection, "event", store.EVENT_COLUMNS, packed + _pack_plain(work, plain))
    store.copy_deltas(work.connection, work.batch_id, rows.deltas(work.ids), 0)
    work.stored.update(good, plain)


def _plain(work: Work, positions: Sequence[int]) -> list[int]:
    """The attributable events other than GPU usage that refer to nothing; holds the others."""
    plain = []
    for position in positions:
        event = work.batch.events[position]
        if event.type == rules.GPU or event.type in REFERRING:
            continue
        hold = check(work.terms, event.type, event.values)
        if hold:
            work.holds[position] = hold
        else:
            plain.append(position)
    return plain


def _guard(work: Work, positions: Sequence[int], stored: Callable[[Sequence[bytes]], None]) -> bool:
    events, first_seq = work.batch.events, work.first_seq
    keys = [events[one].key for one in positions]
    contents = [events[one].content for one in positions]
    if not store.guard(work.connection, keys, contents, [first_seq + one for one in positions]):
        return False
    stored(keys)
    return True


def _pack_plain(work: Work, positions: Sequence[int]) -> bytes:
    events, records = work.batch.events, work.batch.records
    known = work.ids({text for one in positions for text in (events[one].source, events[one].project)})
    return b"".join(
        pack_event(
            events[one], work.first_seq + one, records[one], work.recorded_month, None, events[one].project, known
        )
        for one in positions
    )

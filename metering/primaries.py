"""Attributes and stores the events that refer to no other."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy

from metering import identity, rules, store
from metering.attribution import check
from metering.batch import Work
from metering.corrections import value_slices
from metering.rows import GpuRows, pack_event
from metering.store import GuardMissed

REFERRING = (rules.ACCEPTED, rules.REJECTED, rules.VOIDED, rules.AMENDED)


def store_primaries(work: Work, stored: Callable[[numpy.ndarray], None]) -> None:
    """Raises GuardMissed when another worker was faster twice; `stored` learns the identities that got in."""
    events, rows = work.batch.events, GpuRows(work.terms, work.batch.events)
    good, outside = rows.attribute(work.undecided_gpu())
    for position in outside.tolist():
        work.holds[position] = check(work.terms, rules.GPU, rules.gpu_values(events[position]))
    plain = _plain(work)
    if not _guard(work, good, plain, stored):
        identity.identify(work, [*good.tolist(), *plain])
        good, plain = good[numpy.isin(good, work.undecided_gpu())], work.undecided(plain)
        if not _guard(work, good, plain, stored):
            raise GuardMissed
    if not len(good) and not plain:
        return
    packed = rows.pack(good, work.first_seq, work.ids, work.recorded_month)
    store.copy_binary(work.connection, "event", store.EVENT_COLUMNS, [*packed, _pack_plain(work, plain)])
    store.copy_deltas(work.connection, work.batch_id, rows.deltas(good, work.ids), 0)
    _roll_up_jobs(work, plain)
    work.stored += len(good) + len(plain)
    work.store((*good.tolist(), *plain) if work.batch.held is not None else ())


def _plain(work: Work) -> list[int]:
    """The attributable events other than GPU usage that refer to nothing; holds the others."""
    plain = []
    for position in work.undecided(sorted(work.batch.events.others)):
        event = work.batch.events[position]
        if event.type in REFERRING:
            continue
        hold = check(work.terms, event.type, event.values)
        if hold:
            work.holds[position] = hold
        else:
            plain.append(position)
    return plain


def _guard(work: Work, good: numpy.ndarray, plain: Sequence[int], stored: Callable[[numpy.ndarray], None]) -> bool:
    events = work.batch.events
    positions = numpy.concatenate([good, numpy.array(plain, good.dtype)])
    keys = events.keys[positions]
    if not store.guard(work.connection, keys, events.contents[positions], work.first_seq + positions):
        return False
    stored(keys)
    return True


def _roll_up_jobs(work: Work, positions: Sequence[int]) -> None:
    events, sums = work.batch.events.others, Counter()
    for position in positions:
        if events[position].type == rules.JOB:
            sums.update(value_slices(rules.JOB, events[position].values))
    if sums:
        known = work.ids({text for project, _, model, _ in sums for text in (project, model)})
        store.copy_slices(work.connection, work.batch_id, sums, known)


def _pack_plain(work: Work, positions: Sequence[int]) -> bytes:
    events = work.batch.events
    known = work.ids({text for one in positions for text in (events[one].source, events[one].project)})
    return b"".join(
        pack_event(
            events[one], work.first_seq + one, int(events.records[one]), work.recorded_month, None,
            events[one].project, known,
        )
        for one in positions
    )  # fmt: skip

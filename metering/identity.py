"""Identity (source, id) is for ever: same content is a duplicate, other content a conflict (domain.md §3)."""

from collections.abc import Iterable, Sequence

from metering import store
from metering.attribution import Hold
from metering.batch import Work
from metering.rules import UsageEvent


def conflict(event: UsageEvent) -> Hold:
    """The hold of an identity that came before with other content."""
    detail = f"{event.source} 의 '{event.id}' 은(는) 다른 내용으로 이미 들어왔습니다 (known with other content)"
    return Hold(reason="conflict", detail=detail)


def repeats(work: Work) -> list[tuple[int, int]]:
    """(position, position of the first) of identities that come more than once in the batch."""
    keys = [event.key for event in work.batch.events]
    first = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
    if len(first) == len(keys):
        return []
    return [(position, first[key]) for position, key in enumerate(keys) if first[key] != position]


def settle_repeats(work: Work, pairs: Sequence[tuple[int, int]]) -> None:
    """Within a batch the first of an identity stands."""
    events = work.batch.events
    for position, first in pairs:
        if position in work.duplicates or position in work.holds:
            continue
        if events[position].content == events[first].content:
            work.duplicates.add(position)
        else:
            work.holds[position] = conflict(events[position])


def identify(work: Work, positions: Iterable[int]) -> None:
    """Looks identities up in the guard."""
    wanted = [one for one in positions if one not in work.looked_up and one not in work.stored]
    events = work.batch.events
    known = store.seen_identities(work.connection, [events[one].key for one in wanted])
    work.looked_up.update(wanted)
    for position in wanted:
        event = events[position]
        if event.key in known:
            work.holds.pop(position, None)
            if known[event.key][0] == event.content:
                work.duplicates.add(position)
            else:
                work.holds[position] = conflict(event)


def check_held(work: Work, positions: Sequence[int]) -> None:
    """Identities that stand in quarantine are guarded too; one that only waits as a conflict does not stand."""
    events = work.batch.events
    known = store.held_identities(work.connection, [events[one].key for one in positions])
    for position in work.undecided(positions) if known else ():
        event = events[position]
        others = [one for one in known.get(event.key, ()) if one.id != work.held(position)]
        if any(one.content == event.content for one in others):
            work.duplicates.add(position)
        elif any(one.status == "waiting" and one.reason != "conflict" for one in others):
            work.holds[position] = conflict(event)

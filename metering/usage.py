"""The read side of metering, in one place: what a month is settled from, ties, and the events behind a figure.

Everything counts intake batches up to a `mark` (see freeze_mark), and every quantity is an exact integer.
"""

from metering.evidence import Evidence, raw_exports, revived_volumes, undeleted_volumes
from metering.held import stored_usage, uncut_storage, volume_usage
from metering.raw import raw_totals, rederive
from metering.rollup import allocated_usage, freeze_mark, last_mark, rolled_totals, unsettled_events
from metering.traced import EventFigures, event_by_identity, event_refs, events_by_seq, void_reasons, with_corrections
from metering.values import Acceptance, Usage, WorkItem
from metering.work import work_items

__all__ = [
    "Acceptance",
    "EventFigures",
    "Evidence",
    "Usage",
    "WorkItem",
    "allocated_usage",
    "event_by_identity",
    "event_refs",
    "events_by_seq",
    "freeze_mark",
    "last_mark",
    "raw_exports",
    "raw_totals",
    "rederive",
    "revived_volumes",
    "rolled_totals",
    "stored_usage",
    "uncut_storage",
    "undeleted_volumes",
    "unsettled_events",
    "void_reasons",
    "volume_usage",
    "with_corrections",
    "work_items",
]

"""An event as it was sent: its CloudEvent and the instant at which it became known."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from core.month import KST, Month

FIRST = Month(2025, 9)
MONTHS = tuple(FIRST + n for n in range(4))
LAST_INSTANT = MONTHS[-1].end


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One line of a file: what it says and when it became known."""

    known_at: datetime
    line: bytes


def event(source: str, event_id: str, kind: str, data: dict, *, at: datetime, known_at: datetime) -> Sent:
    """A CloudEvent in structured mode."""
    said = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "time": instant(at),
        "datacontenttype": "application/json",
        "data": data,
    }
    if "project" in data:
        said["subject"] = data["project"]
    line = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return Sent(known_at=known_at, line=line)


def instant(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """An instant of a local (KST) day."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=KST)


def days(first: date, last: date) -> list[date]:
    """Local days, both ends included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]

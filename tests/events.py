"""CloudEvents for the tests of metering, as dictionaries and as JSON lines."""

import json
from collections.abc import Iterable

from metering.intake import Intake
from metering.store import Counts

NOW = "2025-12-03T00:00:00+00:00"
COUNTS = ("received", "stored", "duplicate", "quarantined", "dead_lettered")


def event(number: str, event_id: str, source: str = "/t", **data) -> dict:
    return {"specversion": "1.0", "id": event_id, "source": source, "type": number, "data": data}


def gpu(event_id: str, start="2025-11-10T00:00:00Z", end="2025-11-10T01:00:00Z", **data) -> dict:
    known = {"project": "P1", "session": "s", "start": start, "end": end, "gpus": "1", "model": "H100"}
    return event("gpu.usage", event_id, **{**known, **data})


def snapshot(event_id: str, at: str, held: int, volume="v", **data) -> dict:
    known = {"project": "P1", "volume": volume, "at": at, "bytes": held}
    return event("storage.snapshot", event_id, **{**known, **data})


def deleted(event_id: str, at: str, volume="v", **data) -> dict:
    known = {"project": "P1", "volume": volume, "at": at, "certificate": "DEL-1"}
    return event("storage.deleted", event_id, **{**known, **data})


def performed(event_id: str, quantity="10", performed="2025-11-10T05:00:00Z", **data) -> dict:
    known = {"project": "P1", "line": "L11", "work": "study", "unit": "study", "quantity": quantity,
             "performed": performed, "modality": "imaging"}  # fmt: skip
    return event("preparation.performed", event_id, **{**known, **data})


def accepted(event_id: str, ref: str, at="2025-11-14T05:00:00Z", **data) -> dict:
    return event("preparation.accepted", event_id, ref={"source": "/t", "id": ref}, at=at, by="C1", **data)


def rejected(event_id: str, ref: str, at="2025-11-14T05:00:00Z", **data) -> dict:
    known = {"ref": {"source": "/t", "id": ref}, "at": at, "by": "C1", "reason": "labels"}
    return event("preparation.rejected", event_id, **known, **data)


def voided(event_id: str, ref: str) -> dict:
    return event("usage.voided", event_id, ref={"source": "/t", "id": ref}, reason="twice", author="ops")


def amended(event_id: str, ref: str, /, **fields) -> dict:
    return event("usage.amended", event_id, ref={"source": "/t", "id": ref}, reason="fix", author="ops", fields=fields)


def lines(events: Iterable[dict | bytes]) -> list[bytes]:
    return [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]


def take(engine, events: Iterable[dict | bytes], now, topic="test", intake: Intake | None = None) -> Counts:
    """Takes events in through one intake, one call."""
    return (intake or Intake(engine)).ingest(topic, 0, enumerate(lines(events), 1), now)


def counted(answer: dict) -> dict[str, int]:
    """The counts of an answer that are not zero."""
    return {name: answer[name] for name in COUNTS if answer[name]}

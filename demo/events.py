"""Writes the demo's events, one file a month in the order in which they became known. The same seed, the same bytes."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random

from core.month import Month
from demo import flaws, usage, work
from demo.programme import Project, projects
from demo.sent import LAST_INSTANT, MONTHS, Sent, event, local

SEED = 2025


def all_events(seed: int = SEED, among: Sequence[Project] | None = None) -> list[Sent]:
    """Everything that was sent in four months, in the order in which it became known."""
    rng = Random(seed)
    among = projects() if among is None else among
    gpu = [sent for project in among for sent in usage.gpu_usage(rng, project)]
    delivered = [one for project in among for one in work.deliveries(rng, project)]
    sound = [
        *(flaws.late(rng, sent) for sent in gpu),
        *(sent for project in among for sent in usage.storage(rng, project)),
        *_work(delivered),
        *_results(),
    ]
    everything = [
        *sound,
        *flaws.duplicates(rng, sound),
        *flaws.broken(rng, gpu),
        *flaws.strangers(),
        *flaws.corrections(rng, gpu, delivered),
    ]
    return sorted((sent for sent in everything if sent.known_at < LAST_INSTANT), key=lambda sent: sent.known_at)


def _work(delivered: Sequence[work.Delivery]) -> Iterator[Sent]:
    seen: dict[str, int] = {}
    for one in delivered:
        index = seen.get(one.line.code, 0)
        seen[one.line.code] = index + 1
        yield from work.told(one, index)


def _results() -> Iterator[Sent]:
    for number, (project, day) in enumerate((("P5", date(2025, 12, 18)), ("P2", date(2025, 11, 28)))):
        at = local(day, 16)
        data = {"project": project, "at": at.isoformat(), "kind": "model", "digest": f"sha256:{number:064x}"}
        yield event(
            "/space/export", f"result-{number}", "result.exported", data, at=at, known_at=at + timedelta(minutes=1)
        )


def write(folder: Path) -> dict[Month, Path]:
    """Writes `events-2025-09.jsonl` … where they are not there yet; returns the files by month."""
    paths = {month: folder / f"events-{month}.jsonl" for month in MONTHS}
    if all(path.exists() for path in paths.values()):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    events = all_events()
    for month, path in paths.items():
        half = path.with_suffix(".part")
        half.write_bytes(b"".join(sent.line + b"\n" for sent in events if Month.at(sent.known_at) == month))
        half.rename(path)
    return paths

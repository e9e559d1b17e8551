"""Seeded usage of the space: GPU sessions in slices of a quarter of an hour, daily snapshots of volumes, deletions."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from demo.programme import Project
from demo.sent import LAST_INSTANT, Sent, days, event, local

GIB = 2**30
SLICE = timedelta(minutes=15)
GPUS = ("0.250",) * 6 + ("0.500",) * 6 + ("1.000",) * 5 + ("2.000",) * 2 + ("4.000",)
MODELS = ("A100", "A100", "H100", "H100", "H100", "H200", "B200")
START_HOURS = (8, 9, 9, 9, 10, 10, 11, 13, 13, 14, 14, 15, 16, 17, 19, 22)
CLOSING = {"P5": date(2025, 12, 19)}
DELETED = {
    ("P5", "raw"): date(2025, 12, 22),
    ("P5", "analysis"): date(2025, 12, 22),
    ("P3", "pilot"): date(2025, 11, 14),
}


def last_day(project: Project) -> date:
    """The last local day on which a project works."""
    return CLOSING.get(project.code, min(project.ends, date(2025, 12, 31)))


def gpu_usage(rng: Random, project: Project) -> Iterator[Sent]:
    """Sessions of a project: many on working days, few at weekends, some into the night and over a month's end."""
    begin = project.starts + timedelta(days=rng.randint(0, 4))
    for day in days(begin, last_day(project)):
        for number in range(rng.randint(5, 9) if day.weekday() < 5 else rng.randint(1, 3)):
            yield from _session(rng, project.code, day, number)


def _session(rng: Random, project: str, day: date, number: int) -> Iterator[Sent]:
    session = f"{project.lower()}-{day:%m%d}-{number}"
    start = local(day, rng.choice(START_HOURS), rng.randint(0, 59), rng.randint(0, 59))
    gpus, model, node = rng.choice(GPUS), rng.choice(MODELS), f"node-{rng.randint(1, 12):02d}"
    for index in range(rng.randint(6, 34)):
        begin, end = start + index * SLICE, start + (index + 1) * SLICE
        if end > LAST_INSTANT:
            return
        data = {
            "project": project,
            "session": session,
            "start": begin.isoformat(),
            "end": end.isoformat(),
            "gpus": gpus,
            "model": model,
            "node": node,
        }
        known_at = end + timedelta(seconds=rng.randint(20, 90))
        yield event("/space/gpu", f"{session}-{index:02d}", "gpu.usage", data, at=end, known_at=known_at)


def storage(rng: Random, project: Project) -> Iterator[Sent]:
    """Volumes of a project: raw data in the provider's zone, prepared data in the analysis zone, one pilot volume."""
    volumes = {"raw": rng.randint(400, 1800), "analysis": rng.randint(150, 900)}
    if project.code == "P3":
        volumes["pilot"] = 320
    for volume, gib in volumes.items():
        yield from _volume(rng, project, volume, gib * GIB + rng.randint(0, GIB))


def _volume(rng: Random, project: Project, volume: str, size_bytes: int) -> Iterator[Sent]:
    deleted = DELETED.get((project.code, volume))
    name = f"{project.code.lower()}-{volume}"
    zone = "provider" if volume == "raw" else "analysis"
    for day in days(project.starts + timedelta(days=2), min(deleted or date.max, date(2025, 12, 31))):
        size_bytes += rng.randint(0, 6 * GIB)
        at = local(day, 0, 5, rng.randint(0, 59))
        data = {"project": project.code, "volume": name, "at": at.isoformat(), "bytes": size_bytes, "zone": zone}
        known_at = at + timedelta(seconds=30)
        yield event("/space/storage", f"{name}-{day:%m%d}", "storage.snapshot", data, at=at, known_at=known_at)
    if deleted:
        at = local(deleted, 15, 30)
        data = {"project": project.code, "volume": name, "at": at.isoformat(), "certificate": f"DEL-2025-{name}"}
        known_at = at + timedelta(minutes=10)
        yield event("/space/storage", f"{name}-deleted", "storage.deleted", data, at=at, known_at=known_at)

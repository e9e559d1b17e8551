"""The monthly run: over 10^5 and 10^6 raw events with the same work, where what follows rating must not grow with them,
and of 8, 80 and 800 projects."""

import contextlib
import io
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bench.place import fresh_database, in_environment, timed
from bench.projects import EIGHT, projects, registry
from bench.table import Row, seconds, times
from closing.run import STEPS
from core.database import owner_engine
from core.settings import Settings
from demo import work
from demo.sent import MONTHS, instant, local
from demo.service import call

SIZES = (100_000, 1_000_000)
REPEATS = 5
PROJECTS = (8, 80, 800)
SLICES = 100  # of GPU usage for each of so many projects
MONTH = MONTHS[0]
PROGRAMME = "MAIDV-2025"
NOW = "2025-10-03T09:00:00+09:00"


def rows() -> Iterator[Row]:
    """Seconds of each step at 10^6 events, and how many times those at 10^5."""
    small, large = _measured()
    late = STEPS[STEPS.index("split") :]
    for step in STEPS:
        yield _row(f"month run: {step}", small[step], large[step])
    yield _row("month run: split to lock", sum(map(small.get, late)), sum(map(large.get, late)), "≤ 1.30×")
    yield _row("month run: all", sum(small.values()), sum(large.values()))
    yield from _by_projects()


def _by_projects() -> Iterator[Row]:
    """Seconds of one run through all steps with 8, 80 and 800 projects, each with as much work and usage."""
    first = 0.0
    for count in PROJECTS:
        with fresh_database() as prepared:
            _prepare(prepared, count * SLICES, count)
            if not first:
                _whole(prepared)  # imports what a run needs
            took = statistics.median(_whole(prepared) for _ in range(1 if count == PROJECTS[-1] else REPEATS))
        first = first or took
        yield Row(
            what=f"month run: {count} projects",
            result=seconds(took),
            ratio=f"{times(took / first)} of {PROJECTS[0]}" if count > PROJECTS[0] else "",
            goal="≤ 120×" if count == PROJECTS[-1] else "",
        )


def _whole(prepared: Settings) -> float:
    with fresh_database(copy_of=prepared), contextlib.redirect_stderr(io.StringIO()):
        call("month", "show", MONTH, "--programme", PROGRAMME)  # opens the connection
        return timed(lambda: _run_until(STEPS[-1]))


def _row(what: str, small_s: float, large_s: float, goal: str = "") -> Row:
    return Row(what=what, result=seconds(large_s), growth=times(large_s / small_s), goal=goal)


def _measured() -> list[dict[str, float]]:
    """Median seconds by step for each size, its repeats on copies of one database and in turn with the other's."""
    with fresh_database() as small, fresh_database() as large:
        for prepared, size in zip((small, large), SIZES, strict=True):
            with in_environment(prepared):
                _prepare(prepared, size)
        _steps(small)  # imports what a run needs
        repeats = [(_steps(small), _steps(large)) for _ in range(REPEATS)]
    return [
        {step: statistics.median(one[step] for one in runs) for step in STEPS} for runs in zip(*repeats, strict=True)
    ]


def _steps(prepared: Settings) -> dict[str, float]:
    with fresh_database(copy_of=prepared), contextlib.redirect_stderr(io.StringIO()):
        call("month", "show", MONTH, "--programme", PROGRAMME)  # opens the connection
        return {step: timed(lambda step=step: _run_until(step)) for step in STEPS}


def _run_until(step: str) -> None:
    call("month", "run", MONTH, "--programme", PROGRAMME, "--until", step, now=NOW)


def _prepare(settings: Settings, size: int, count: int = EIGHT) -> None:
    print(f"    {size:,} events, {count} projects …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path, loaded = Path(folder) / "events.jsonl", Path(folder) / "registry.toml"
        loaded.write_text(registry(count))
        call("load", loaded, now="2025-09-01T09:00:00+09:00")
        _write(path, size, count)
        call("ingest", path, now="2025-10-02T09:00:00+09:00")
    engine = owner_engine(settings)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")


def _write(path: Path, size: int, count: int) -> None:
    """`size` GPU slices over the month's days and the projects, and the same deliveries of each whatever the size."""
    rng, among = random.Random(size), projects(count)
    delivered = [one for project in among for one in work.deliveries(random.Random(1), project)]
    sent = [event for one in delivered for event in work.told(one, -1) if event.known_at < MONTH.end]
    begin = local(MONTH.first)
    with path.open("wb") as file:
        file.writelines(event.line + b"\n" for event in sent)
        for number in range(size):
            start = begin + timedelta(seconds=rng.randrange(29 * 86_400))
            project, model = among[number % len(among)].code, ("A100", "H100", "H200")[number % 3]
            file.write(
                (
                    f'{{"specversion":"1.0","id":"b{number}","source":"/bench","type":"gpu.usage","data":{{"project":'
                    f'"{project}","session":"s{number // 20}","start":"{instant(start)}","end":'
                    f'"{instant(start + timedelta(minutes=15))}","gpus":"0.500","model":"{model}"}}}}\n'
                ).encode()
            )

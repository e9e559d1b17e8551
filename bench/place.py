"""Where the benchmarks run: an embedded server of their own under .jeongsan/bench, a fresh database for each."""

import ctypes
import gc
import itertools
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url

from core import database, embedded, schema
from core.settings import Settings

HOME = Path(__file__).parents[1] / ".jeongsan" / "bench"
numbers = itertools.count()


@contextmanager
def fresh_database(copy_of: Settings | None = None) -> Iterator[Settings]:
    """Settings of a new, migrated database, or a copy of one, which the environment names too; dropped afterwards."""
    server = embedded.acquire(HOME)
    name = f"bench_{os.getpid()}_{next(numbers)}"
    admin = create_engine(
        server.url("postgres", server.password, "postgres").replace("postgresql:", "postgresql+psycopg:"),
        isolation_level="AUTOCOMMIT",
    )
    source = f"TEMPLATE {make_url(copy_of.database_url).database} STRATEGY FILE_COPY" if copy_of else ""
    database.dispose_engines()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} {source}")
    settings = Settings(
        database_url=server.url("jeongsan_bench", "bench", name),
        database_owner_url=server.url("postgres", server.password, name),
        home=HOME,
    )
    try:
        with in_environment(settings):
            if copy_of is None:
                schema.initialise(settings)
            yield settings
    finally:
        database.dispose_engines()
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


@contextmanager
def in_environment(settings: Settings) -> Iterator[None]:
    """The environment names this database while the block runs."""
    before = {key: os.environ.get(key) for key in ("DATABASE_URL", "DATABASE_OWNER_URL")}
    os.environ |= {"DATABASE_URL": settings.database_url, "DATABASE_OWNER_URL": settings.database_owner_url}
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.__setitem__(key, value)


def timed(function: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_seconds(function: Callable[[], Any], repeats: int = 3) -> float:
    """Median of some repeats, in seconds."""
    return statistics.median(timed(function) for _ in range(repeats))


def in_child(function: Callable[[], Any]) -> tuple[float, int]:
    """Runs a call in a process of its own: its seconds, and by how many MiB its peak memory exceeds what it began with.

    Raises RuntimeError when the child fails.
    """
    database.dispose_engines()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_measure, args=(function, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function}: the measured process failed") from None
    finally:
        child.join()


def _measure(function: Callable[[], Any], sender) -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _peak_kib()
    took = timed(function)
    sender.send((took, (_peak_kib() - before) // 1024))
    sender.close()


def _peak_kib() -> int:
    """Highest resident memory of this process so far, in KiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])

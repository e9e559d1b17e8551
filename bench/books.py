"""The books: posting beside bare COPY of the same rows under the same keys, and `verify` beside `hledger check`."""

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from bench.place import fresh_database, timed
from bench.table import Row, rate, times
from core.database import copy_into, owner_engine, service_engine
from core.month import Month
from demo.programme import REGISTRY
from demo.service import call
from ledger.books import ENTRY, POSTING, post
from ledger.journal import NewEntry

ROOT = Path(__file__).parents[1]
SIZE = 100_000
REPEATS = 5
PROGRAMME, MONTH = "MAIDV-2025", Month(2025, 9)
NOW = datetime(2025, 10, 2, tzinfo=UTC)
TABLES = {"posting": POSTING, "entry": ENTRY}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds to post, to COPY the same rows bare, to verify, and of hledger's check of the exported journal."""

    posted_s: float
    copied_s: float
    verified_s: float
    checked_s: float


def rows() -> Iterator[Row]:
    """Entries a second, as a month's run books them: settlements, fees, usage, payments; three postings each."""
    if not shutil.which("hledger"):
        subprocess.run([ROOT / "scripts" / "tool", "hledger", "hledger"], check=True)
    found = []
    for number in range(REPEATS):
        print(f"    {SIZE:,} entries, {number + 1} of {REPEATS} …", file=sys.stderr, flush=True)
        found.append(_once())
    posted, copied, verified, checked = (
        statistics.median(getattr(one, name) for one in found) for name in Measured.__dataclass_fields__
    )
    yield Row(
        what=f"books: post {SIZE:,} entries", result=rate(SIZE, posted, "entries"),
        ratio=f"{times(copied / posted)} COPY", goal="≥ 0.50× COPY",
    )  # fmt: skip
    yield Row(what="  bare COPY, same keys", result=rate(SIZE, copied, "entries"), ratio=times(1))
    yield Row(
        what=f"books: verify {SIZE:,} entries", result=rate(SIZE, verified, "entries"),
        ratio=f"{times(checked / verified)} hledger", goal="≥ 10× hledger check",
    )  # fmt: skip
    yield Row(what="  hledger check", result=rate(SIZE, checked, "entries"), ratio=times(1))


def _once() -> Measured:
    with fresh_database() as settings, tempfile.TemporaryDirectory() as folder:
        call("load", REGISTRY, now="2025-09-01T09:00:00+09:00")
        service, owner, entries = service_engine(settings), owner_engine(settings), list(_entries())
        posted_s = timed(lambda: _post(service, entries))
        copied_s = _copied(owner)
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        verified_s = timed(lambda: call("verify"))
        journal = Path(folder) / "journal.hledger"
        call("export", "journal", "--format", "hledger", "--out", journal)
        checked_s = timed(lambda: subprocess.run(["hledger", "check", "-f", journal], check=True))
    return Measured(posted_s=posted_s, copied_s=copied_s, verified_s=verified_s, checked_s=checked_s)


def _entries() -> Iterator[NewEntry]:
    for number in range(SIZE):
        project, krw = f"P{number % 8 + 1}", number % 50 + 1
        company = f"receivable:company:{project}"
        kind, postings = (
            ("settle", {"receivable:agency": krw, company: 2 * krw, f"payable:hospital:H01:{project}": -3 * krw,
                        f"budget:committed:{project}": -krw, f"budget:executed:{project}": krw}),
            ("fee", {company: 11 * krw, "income:platform_fee": -10 * krw, "vat:operator": -krw}),
            ("gpu", {company: krw, "payable:operator": -krw}),
            ("payment", {"cash:bank": krw, company: -krw}),
        )[number % 4]  # fmt: skip
        memo, reference = f"{kind} {project} 정산", f"run:{MONTH}:{kind}:{project}:{number}"
        yield NewEntry(kind=kind, memo=memo, reference=reference, postings=postings)


def _post(engine: Engine, entries: list[NewEntry]) -> None:
    with engine.begin() as connection:
        post(connection, PROGRAMME, MONTH, entries, NOW)


def _copied(engine: Engine) -> float:
    """Seconds to COPY the very rows, as values in memory, into tables with the same keys and nothing else."""
    with engine.begin() as connection:
        values = {name: _bare(connection, name) for name in reversed(TABLES)}  # entries first: postings refer to them

    def copy() -> None:
        with engine.begin() as connection:
            for name, types in TABLES.items():
                with copy_into(connection, f"bare_{name}", types, binary=True) as copied:
                    copied.set_types(list(types.values()))
                    for row in values[name]:
                        copied.write_row(row)

    return timed(copy)


def _bare(connection: Connection, name: str) -> list[tuple]:
    """Makes the bare table with the keys of the real one, primary, unique and foreign; returns the real one's rows."""
    connection.exec_driver_sql(f"CREATE TABLE bare_{name} (LIKE {name} INCLUDING INDEXES)")
    keys = connection.scalars(
        text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f' AND conrelid = CAST(:name AS regclass)"
        ),
        {"name": name},
    ).all()
    for key in keys:
        connection.exec_driver_sql(f"ALTER TABLE bare_{name} ADD {key.replace(' entry(', ' bare_entry(')}")
    found = connection.exec_driver_sql(f"SELECT {', '.join(TABLES[name])} FROM {name} ORDER BY 1")  # noqa: S608
    return [tuple(row) for row in found]

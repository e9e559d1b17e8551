"""Kills, restarts and a million events: nothing lost, nothing twice, every total exact to the microsecond."""

import os
import random
import subprocess
import time
from decimal import Decimal

import pytest
from sqlalchemy import create_engine

from core import database, embedded, schema
from core.settings import Settings
from tests.conftest import ROOT
from tests.soaking import Fire, chunks, generated


@pytest.fixture
def servers(tmp_path_factory, monkeypatch, broker):
    """A database server and a broker of this test alone: (settings, superuser's engine, the broker's home)."""
    home = tmp_path_factory.mktemp("fire")
    server = embedded.acquire(home)
    url = server.url("postgres", server.password, "postgres").replace("postgresql:", "postgresql+psycopg:")
    superuser = create_engine(url, isolation_level="AUTOCOMMIT")
    with superuser.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE fire")
    monkeypatch.setenv("DATABASE_URL", server.url("jeongsan_fire", "fire", "fire"))
    monkeypatch.setenv("DATABASE_OWNER_URL", server.url("postgres", server.password, "fire"))
    environment = {**os.environ, "JEONGSAN_HOME": str(home)}
    started = subprocess.run(
        [ROOT / "kafka" / "broker", "start"], env=environment, capture_output=True, text=True, check=True
    )
    monkeypatch.setenv("KAFKA_BOOTSTRAP", started.stdout.strip().removeprefix("KAFKA_BOOTSTRAP="))
    database.dispose_engines()
    settings = Settings.from_environment()
    schema.initialise(settings)
    yield settings, superuser, home
    database.dispose_engines()
    superuser.dispose()
    subprocess.run([ROOT / "kafka" / "broker", "wipe"], env=environment, capture_output=True, check=True)


def under_fire(servers, jeongsan, registry, size: int, kills: int, freezes: int, seed: int) -> dict:
    """Produces in as many parts as there are kills, with two restarts of the broker and one of the database between;
    in the first parts a worker is frozen as well."""
    settings, superuser, home = servers
    rng = random.Random(seed)
    assert jeongsan("topics")["ok"]
    jeongsan("load", registry, now="2025-09-15T09:00:00+09:00")
    events, totals = generated(size, rng)
    engine = database.service_engine(settings)
    fire = Fire(settings.kafka_bootstrap, home, engine, rng)
    parts = max(kills, 6)
    restarts = {parts // 4: fire.restart_broker, parts * 3 // 4: fire.restart_broker,
                parts // 2: lambda: fire.restart_database(superuser)}  # fmt: skip
    try:
        for number, part in enumerate(chunks(events, parts)):
            fire.produce(part)
            time.sleep(rng.randrange(200, 2500) / 1000)
            if fire.freezes < freezes:
                fire.freeze_one()
            fire.kill_one()
            restarts.get(number, lambda: None)()
        while fire.kills < kills:
            fire.kill_one()
            time.sleep(rng.randrange(200, 1500) / 1000)
        answer = fire.settled()
    finally:
        fire.close()
    found = jeongsan("intake")
    assert found == {
        "received": size, "stored": totals.stored, "duplicate": totals.duplicate, "quarantined": totals.quarantined,
        "dead_lettered": totals.dead_lettered, "balanced": True,
    }, f"seed {seed}"  # fmt: skip
    check_usage(jeongsan, totals, seed)
    assert jeongsan("verify", "--deep")["ok"], f"seed {seed}"
    return {"kills": fire.kills, "freezes": fire.freezes, "restarted": answer["restarted"], **found}


def check_usage(jeongsan, totals, seed: int) -> None:
    used = {}
    for month in ("2025-10", "2025-11"):
        for row in jeongsan("usage", "--month", month)["rows"]:
            used[month, row["project"], row["meter"], row["key"]] = Decimal(row["quantity"])
    want = {(month, project, "gpu", model): Decimal(quantity) / 10**9
            for (month, project, model), quantity in totals.quantity.items()}  # fmt: skip
    if totals.accepted:
        want["2025-11", "P1", "preparation", "L11/study"] = Decimal(2 * totals.accepted)
    assert used == want, f"seed {seed}"


@pytest.fixture
def fired(servers):
    """The environment of these servers for `jeongsan`, which then makes no database of its own."""
    return servers[0]


@pytest.fixture
def settings(fired):
    """Instead of a database of the shared server: the one that will be restarted."""
    return fired


def test_under_fire__a_few_kills_and_restarts(servers, jeongsan, registry_file):
    print(under_fire(servers, jeongsan, registry_file(), size=20_000, kills=4, freezes=1, seed=1))


@pytest.mark.soak
def test_soak__a_million_events_with_kills_and_restarts(servers, jeongsan, registry_file, capsys):
    seed = random.SystemRandom().randrange(10**9)
    began = time.monotonic()
    done = under_fire(servers, jeongsan, registry_file(), size=1_000_000, kills=30, freezes=3, seed=seed)
    with capsys.disabled():
        print(f"\n    seed {seed}, {time.monotonic() - began:.0f} s: {done}")
    assert done["kills"] >= 25
    assert done["freezes"] == 3

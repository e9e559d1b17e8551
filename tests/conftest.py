"""A real PostgreSQL for the tests: one embedded server under .jeongsan/tests, one database of its own for each test."""

import fcntl
import itertools
import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import create_engine, text

from core import database, embedded, schema
from core.settings import Settings
from metering import kafka_client
from portal.cli import main

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
numbers = itertools.count()


@pytest.fixture(scope="session")
def server():
    """The embedded server, shared by the test session."""
    return embedded.acquire(ROOT / ".jeongsan" / "tests")


@pytest.fixture(scope="session")
def admin(server):
    """An autocommit engine of the superuser, to create and drop databases; the tests' server need not survive a crash
    of the machine."""
    engine = create_engine(
        server.url("postgres", server.password, "postgres").replace("postgresql:", "postgresql+psycopg:"),
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def template(server, admin):
    """A migrated database, named after the migrations' content, that every test's own is copied from."""
    content = b"".join(path.read_bytes() for path in sorted((ROOT / "migrations" / "versions").glob("*.*")))
    name = "template_" + sha256(content).hexdigest()[:12]
    with admin.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(1)"))
        if not connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}):
            building = f"building_{os.getpid()}"
            connection.exec_driver_sql(f"CREATE DATABASE {building}")
            schema.initialise(database_settings(server, building))
            database.dispose_engines()
            connection.exec_driver_sql(f"ALTER DATABASE {building} RENAME TO {name}")
        connection.execute(text("SELECT pg_advisory_unlock(1)"))
    return name


def database_settings(server, name: str) -> Settings:
    return Settings(
        database_url=server.url("jeongsan_test", "test", name),
        database_owner_url=server.url("postgres", server.password, name),
        home=ROOT / ".jeongsan" / "tests",
    )


@pytest.fixture
def new_database(server, admin, template, monkeypatch):
    """Makes fresh, migrated databases that are dropped afterwards; the environment names the newest."""
    made = []

    def make() -> Settings:
        made.append(f"test_{os.getpid()}_{next(numbers)}")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {made[-1]} TEMPLATE {template} STRATEGY WAL_LOG")
        settings = database_settings(server, made[-1])
        monkeypatch.setenv("DATABASE_URL", settings.database_url)
        monkeypatch.setenv("DATABASE_OWNER_URL", settings.database_owner_url)
        return settings

    yield make
    database.dispose_engines()
    with admin.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(new_database):
    """Settings of a fresh, migrated database; the environment says the same."""
    return new_database()


@pytest.fixture
def engine(settings):
    """The engine of the role that the service runs as."""
    return database.service_engine(settings)


@pytest.fixture
def owner(settings):
    """The engine of the tables' owner."""
    return database.owner_engine(settings)


@pytest.fixture
def jeongsan(settings):
    """Calls a command in this process: jeongsan('month', 'run', …, now=…, exit_code=0) → its JSON document."""

    def call(*arguments, now=None, exit_code=0):
        full = [*map(str, arguments), "--json", *(["--now", now] if now else [])]
        done = CliRunner().invoke(main, full)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, (full, done.exit_code, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout else {}

    return call


def run_broker(*arguments: str) -> subprocess.CompletedProcess:
    """`kafka/broker start`, `stop`, … for the tests' broker."""
    environment = {**os.environ, "JEONGSAN_HOME": str(ROOT / ".jeongsan" / "tests")}
    return subprocess.run(
        [ROOT / "kafka" / "broker", *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def broker():
    """The address of a real broker, shared by the test sessions of this checkout: the first starts it on an empty
    folder, the last stops it."""
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: sudo apt-get install -y default-jre-headless maven")
    home = ROOT / ".jeongsan" / "tests"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "kafka.users").open("w") as users:
        if _only_user(users):
            run_broker("wipe")
        fcntl.flock(users, fcntl.LOCK_SH)
        started = run_broker("start")
        assert started.returncode == 0, started.stderr
        yield started.stdout.strip().removeprefix("KAFKA_BOOTSTRAP=")
        if _only_user(users):
            run_broker("wipe")


def _only_user(users) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def kafka_settings(broker, monkeypatch):
    """Settings of the tests' broker; the environment says the same."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP", broker)
    return Settings(kafka_bootstrap=broker, home=ROOT / ".jeongsan" / "tests")


@pytest.fixture
def new_topic(kafka_settings):
    """Makes topics of unique names that are deleted afterwards: new_topic(partitions, **configs) → its name."""
    made = []

    def make(partitions: int = 1, **configs: str) -> str:
        made.append(f"test-{os.getpid()}-{next(numbers)}")
        known = {"max.message.bytes": "71303168", **{name.replace("_", "."): value for name, value in configs.items()}}
        with kafka_client.admin(kafka_settings) as client:
            client.create_topics({made[-1]: {"num_partitions": partitions, "configs": known}}, wait_for_metadata=True)
        return made[-1]

    yield make
    if made:
        with kafka_client.admin(kafka_settings) as client:
            client.delete_topics(made)


@pytest.fixture
def consumed(kafka_settings):
    """Every record of a topic, as kafka-python gives it."""

    def read(topic: str) -> list:
        arguments = kafka_client.client_arguments(kafka_settings)
        consumer = KafkaConsumer(**arguments, auto_offset_reset="earliest", enable_auto_commit=False)
        try:
            partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends, found = consumer.end_offsets(partitions), []
            while any(consumer.position(one) < ends[one] for one in partitions):
                found += [record for records in consumer.poll(1000).values() for record in records]
            return found
        finally:
            consumer.close()

    return read


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under CI=true a skipped test is a failed test; only what needs the data folder beside a checkout may skip."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if "shared/" not in reason:
            report.outcome = "failed"
            report.longrepr = f"CI=true: a skip is a failure. {reason}"
    return report


@pytest.fixture
def soak_seconds(request) -> int:
    """How long a soak test goes on finding new cases."""
    return request.config.getoption("--soak-seconds")


def pytest_addoption(parser):
    """`--soak-seconds`: how long each soak test runs."""
    parser.addoption("--soak-seconds", type=int, default=120, help="how long each soak test goes on (default 120)")

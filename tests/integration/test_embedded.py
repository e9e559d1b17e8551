"""The embedded PostgreSQL lives as long as the commands that need it, however these end."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from core import embedded

HOLD = """
import sys
from pathlib import Path
from core import embedded
server = embedded.acquire(Path(sys.argv[1]))
print(server.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path_factory):
    """A folder for one test; its data may lie under /var/lib, where the server's account can walk to."""
    place = tmp_path_factory.mktemp("embedded") / "home"
    yield place
    gone = eventually(lambda: not alive(place))
    shutil.rmtree(data_folder(place).parent, ignore_errors=True)
    assert gone, "a server was left running"


def hold(home):
    """A process that takes a share in the server and keeps it until its stdin closes or it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def data_folder(home):
    return embedded._reachable_base(home, embedded._account()) / "postgres"


def server_pid(home):
    try:
        return int((data_folder(home) / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def alive(home):
    pid = server_pid(home)
    try:
        return pid is not None and os.kill(pid, 0) is None
    except ProcessLookupError:
        return False


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def release(process):
    process.stdin.close()
    process.wait(timeout=30)
    process.stdout.close()


def test_embedded__stops_after_the_last_command_and_not_before(home):
    first, second = hold(home), hold(home)
    ports = {first.stdout.readline(), second.stdout.readline()}
    assert len(ports) == 1, "two commands share one server"
    pid = server_pid(home)
    release(first)
    time.sleep(0.5)
    assert server_pid(home) == pid
    assert alive(home), "the second command still needs it"
    release(second)
    assert eventually(lambda: not alive(home))


def test_embedded__stops_when_its_last_command_was_killed(home):
    command = hold(home)
    command.stdout.readline()
    assert alive(home)
    command.send_signal(signal.SIGKILL)
    command.wait(timeout=30)
    command.stdin.close()
    command.stdout.close()
    assert eventually(lambda: not alive(home))


def test_embedded__many_at_once_start_one_server(home):
    commands = [hold(home) for _ in range(5)]
    ports = {command.stdout.readline() for command in commands}
    assert len(ports) == 1
    log = (data_folder(home) / "server.log").read_text()
    assert log.count("ready to accept connections") == 1
    for command in commands:
        release(command)


def test_embedded__starts_again_after_its_server_was_killed(home):
    first = hold(home)
    first.stdout.readline()
    pid = server_pid(home)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not alive(home))
    second = hold(home)
    assert second.stdout.readline().strip().isdigit()
    assert server_pid(home) != pid
    release(first)
    release(second)


def test_embedded__a_command_leaves_no_server_running(home):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DATABASE_")}
    environment["JEONGSAN_HOME"] = str(home)
    jeongsan = os.path.join(os.path.dirname(sys.executable), "jeongsan")
    done = subprocess.run([jeongsan, "init", "--json"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"migrated": true' in done.stdout
    assert eventually(lambda: not alive(home))
    again = subprocess.run([jeongsan, "init", "--json"], env=environment, capture_output=True, text=True, check=False)
    assert '"migrated": false' in again.stdout


def test_embedded__its_superuser_and_the_service_have_passwords_that_only_the_owner_reads(home):
    command = hold(home)
    command.stdout.readline()
    assert (home / "owner.password").stat().st_mode & 0o077 == 0
    access = (data_folder(home) / "pg_hba.conf").read_text()
    rules = [line for line in access.splitlines() if line and not line.startswith("#")]
    assert all(line.endswith("scram-sha-256") for line in rules)
    release(command)


def test_embedded__a_new_home_at_an_old_path_starts_anew(home):
    first = hold(home)
    first.stdout.readline()
    old = data_folder(home).parent
    release(first)
    assert eventually(lambda: not alive(home))
    shutil.rmtree(home)
    second = hold(home)
    assert second.stdout.readline().strip().isdigit()
    assert (home / "owner.password").exists()
    release(second)
    assert eventually(lambda: not alive(home))
    shutil.rmtree(old, ignore_errors=True)

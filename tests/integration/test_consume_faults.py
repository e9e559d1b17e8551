"""Workers killed, frozen and joined; the database and the broker away for a while: nothing lost, nothing twice."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from datetime import datetime

import pytest
from kafka.structs import MemberState
from sqlalchemy import create_engine, text

from core import database
from metering import kafka_client, modes, offsets, quarantine
from metering.consuming import Stopped, Taken, Writer
from metering.kafka_consumer import Worker
from metering.offsets import PartitionLost
from metering.record_batches import Record
from tests.conftest import ROOT
from tests.events import NOW, accepted, counted, gpu, lines, performed

AT = datetime.fromisoformat(NOW)
PATIENCE_S = 90


def balanced(engine) -> dict:
    with engine.connect() as connection:
        found = quarantine.intake_counts(connection)
    assert found["balanced"], found
    return found


def until(condition, patience_s: int = PATIENCE_S):
    """Waits until something is true; its value."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {patience_s} s: {condition}")


def children_of(pid: int) -> list[int]:
    """The worker processes of a `consume`, without Python's own helper process."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "spawn_main"], capture_output=True, text=True, check=False)
    return [int(one) for one in found.stdout.split()]


@pytest.fixture
def consuming(topic, letter_topic, loaded):
    """Starts `jeongsan consume` as a process of its own: consuming(*options) → Popen; stopped afterwards."""
    started = []

    def start(*options) -> subprocess.Popen:
        command = [ROOT / ".venv" / "bin" / "jeongsan", "consume", "--topic", topic, "--dead-letters", letter_topic]
        started.append(
            subprocess.Popen([*command, *options, "--now", NOW], stderr=subprocess.PIPE, text=True, env=os.environ)
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        for child in children_of(process.pid):
            os.kill(child, signal.SIGKILL)
        process.communicate()


def stored_count(engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM event"))


def test_sigterm__ends_cleanly_and_the_next_goes_on(send, consuming, consume, loaded):
    send(gpu(f"a{n}") for n in range(2000))
    process = consuming("--workers", "2")
    until(lambda: stored_count(loaded) == 2000)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0
    send(gpu(f"b{n}") for n in range(10))
    assert counted(consume()) == {"received": 10, "stored": 10}
    assert balanced(loaded)["received"] == 2010


def test_kill_9__of_workers_in_the_middle_loses_and_repeats_nothing(send, consuming, loaded):
    send((gpu(f"g{n}") for n in range(30_000)), linger_ms=20)
    process = consuming("--workers", "2", "--until-idle", "1")
    for _ in range(4):
        time.sleep(1)
        workers = until(lambda: children_of(process.pid) or process.poll() is not None)
        if workers is not True:
            os.kill(workers[0], signal.SIGKILL)
    assert process.wait(timeout=PATIENCE_S) == 0
    found = balanced(loaded)
    assert (found["received"], found["stored"], found["duplicate"]) == (30_000, 30_000, 0)


def test_sigstop__a_worker_that_was_frozen_while_another_took_over_loses_and_repeats_nothing(send, consuming, loaded):
    send((gpu(f"a{n}") for n in range(20_000)), linger_ms=20)
    process = consuming("--workers", "2")
    until(lambda: stored_count(loaded) > 0)
    total = 20_000
    for number, frozen in enumerate(children_of(process.pid)):
        os.kill(frozen, signal.SIGSTOP)
        try:
            for part in "bc":
                send((gpu(f"{part}{number}-{n}") for n in range(1000)), linger_ms=20)
                total += 1000
                until(lambda: stored_count(loaded) == total)  # noqa: B023 by the other worker alone
        finally:
            os.kill(frozen, signal.SIGCONT)
    send((gpu(f"d{n}") for n in range(1000)), linger_ms=20)
    until(lambda: stored_count(loaded) == total + 1000)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0
    found = balanced(loaded)
    assert (found["received"], found["duplicate"]) == (total + 1000, 0)
    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT max(epoch) FROM consumer_offset")) >= 2


def test_rebalance__a_second_consumer_takes_over_without_loss_or_repeat(send, consuming, loaded):
    consuming()
    send((gpu(f"a{n}") for n in range(5000)), linger_ms=20)
    until(lambda: stored_count(loaded) >= 1000)
    second = consuming()
    names = (f"b{n}" for n in itertools.count())

    def handed_over() -> bool:
        send([gpu(next(names)) for _ in range(100)])
        with loaded.connect() as connection:
            return max(connection.scalars(text("SELECT epoch FROM consumer_offset"))) >= 2

    until(handed_over)
    total = 5000 + int(next(names).removeprefix("b"))
    until(lambda: stored_count(loaded) == total)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=40) == 0
    send(gpu(f"c{n}") for n in range(100))
    until(lambda: stored_count(loaded) == total + 100)
    assert balanced(loaded)["received"] == total + 100


def test_sigkill_of_the_parent__ends_its_workers(send, consuming, loaded):
    process = consuming("--workers", "2")
    workers = until(lambda: len(children_of(process.pid)) == 2 and children_of(process.pid))
    send([gpu("a")])
    until(lambda: stored_count(loaded) == 1)
    process.kill()
    until(lambda: not any(os.path.exists(f"/proc/{one}") for one in workers))


def test_log__each_line_of_parent_and_workers_is_json_and_so_is_what_ends_a_worker(
    send, consuming, loaded, owner, topic, monkeypatch
):
    monkeypatch.setenv("JEONGSAN_LOG", "json")
    with owner.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO consumer_offset VALUES ('{topic}', 0, 99, 7)")  # noqa: S608
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE 'not today' USING ERRCODE = '22000'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER one BEFORE INSERT ON consumer_offset FOR EACH ROW EXECUTE FUNCTION refuse_all()"
        )
    send([gpu("a")], partition=0)
    process = consuming()
    said = [json.loads(process.stderr.readline()) for _ in range(2)]
    assert (said[0]["level"], said[0]["logger"]) == ("error", "metering.workers")
    assert "not today" in said[0]["exception"]
    assert said[1]["message"].startswith("작업자가 끝났습니다 (1)")
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER one ON consumer_offset")
    until(lambda: stored_count(loaded) == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0
    said = [json.loads(line) for line in process.stderr]
    assert any("새로 만든 토픽입니다" in one["message"] for one in said)
    assert (said[-1]["message"], said[-1]["stored"]) == ("consumed", 1)


def test_rebalance__whose_answer_the_client_library_dropped_is_joined_anew(send, loaded, topic, kafka_settings):
    stopping, said = threading.Event(), []
    one = Writer(loaded, lambda: AT, lambda *_: None, stopping)
    client = kafka_client.client_arguments(kafka_settings)
    worker = Worker(client, topic, one, lambda _korean, english: said.append(english), stopping)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        send(gpu(f"a{n}") for n in range(40))
        until(lambda: stored_count(loaded) == 40)
        coordinator = worker._consumer._coordinator  # as join_group_async leaves it when its caller's time is up
        until(lambda: coordinator.stable() and not coordinator.need_rejoin())
        time.sleep(1)
        coordinator._disable_heartbeat()
        coordinator.state = MemberState.REBALANCING
        worker._consumer._subscription.assign_from_subscribed([])
        send(gpu(f"b{n}") for n in range(40))
        until(lambda: stored_count(loaded) == 80)
    finally:
        stopping.set()
        running.join()
    assert "joining the group anew." in said
    assert balanced(loaded)["received"] == 80


def writer(engine) -> Writer:
    return Writer(engine, lambda: AT, lambda *_: None, threading.Event())


def read(first: int, *events) -> tuple:
    records = [Record(first + number, (), line) for number, line in enumerate(lines(events))]
    return modes.read("t", 0, records), records, first + len(records)


def test_fence__what_a_zombie_has_read_is_not_committed(loaded):
    zombie, successor = writer(loaded), writer(loaded)
    position = zombie.take("t", 0, 0)
    old = Taken(topic="t", partition=0, epoch=position.epoch, written=position.next_offset)
    zombie.write(old, *read(0, gpu("a")))
    position = successor.take("t", 0, 0)
    new = Taken(topic="t", partition=0, epoch=position.epoch, written=position.next_offset)
    assert (new.epoch, new.written) == (2, 1)
    zombie.write(old, *read(1, gpu("b")))
    assert old.lost
    assert stored_count(loaded) == 1
    successor.write(new, *read(1, gpu("b")))
    zombie.write(old, *read(2, gpu("c")))
    assert balanced(loaded)["received"] == 2
    with loaded.connect() as connection:
        assert offsets.stored(connection, "t") == {0: 2}


def test_fence__the_guard_speaks_for_another_epoch_and_for_another_offset(loaded):
    with loaded.begin() as connection:
        offsets.take(connection, "t", 0, 5)
    for epoch, expected in ((2, 5), (1, 4)):
        with pytest.raises(PartitionLost), loaded.begin() as connection:
            offsets.advance(connection, "t", 0, epoch, expected, 9)


def test_a_record_that_the_database_does_not_take_is_found_and_the_others_are_stored(loaded, owner):
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.event_id = 'g37' THEN RAISE 'no' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER one BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse_one()"
        )
    one = writer(loaded)
    position = one.take("t", 0, 0)
    taken = Taken(topic="t", partition=0, epoch=position.epoch, written=0)
    one.write(taken, *read(0, *(gpu(f"g{n}") for n in range(100))))
    found = balanced(loaded)
    assert (found["stored"], found["dead_lettered"], taken.written) == (99, 1, 100)
    with loaded.connect() as connection:
        assert connection.execute(text("SELECT record, reason FROM dead_letter")).all() == [(37, "refused")]


def test_ref__that_overtakes_its_target_in_another_partition_is_released_by_itself(send, consuming, consume, loaded):
    send([accepted(f"a{n}", f"w{n}") for n in range(200)], partition=0)
    consume()
    assert balanced(loaded)["quarantined"] == 200
    send([performed(f"w{n}") for n in range(200)], partition=3)
    consume("--workers", "2")
    found = balanced(loaded)
    assert (found["stored"], found["quarantined"]) == (400, 0)


def test_ref__whose_target_is_stored_at_the_same_moment_is_released(send, consume, loaded):
    for part in range(0, 2000, 100):
        send([accepted(f"a{n}", f"w{n}") for n in range(part, part + 100)], partition=0)
        send([performed(f"w{n}") for n in range(part, part + 100)], partition=3)
    consume("--workers", "2")
    found = balanced(loaded)
    assert (found["stored"], found["quarantined"]) == (4000, 0)


def test_database__away_for_a_while_is_waited_for_and_said_once(loaded):
    said = []
    one = Writer(loaded, lambda: AT, lambda korean, english: said.append(english), threading.Event())
    attempts = iter(range(100))

    def action():
        if next(attempts) < 3:
            broken = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
            with broken.connect():
                pass
        return "done"

    assert one.patiently(action) == "done"
    assert [line.split(":")[0] for line in said] == ["waiting for the database", "the database is back."]


def test_database__away_when_told_to_stop_ends_the_waiting(loaded):
    stopping = threading.Event()
    one = Writer(loaded, lambda: AT, lambda *_: stopping.set(), stopping)
    broken = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Stopped):
        one.patiently(broken.connect)


def test_start__without_a_database_or_a_broker_ends_with_4(topic, jeongsan, monkeypatch):
    monkeypatch.setattr(kafka_client, "REACH_TIMEOUT_MS", 1000)
    with monkeypatch.context() as away:
        away.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
        assert jeongsan("consume", "--until-idle", "1", exit_code=4)["error"] == "ServerUnreachable"
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    database.dispose_engines()
    assert jeongsan("consume", "--topic", topic, "--until-idle", "1", exit_code=4)["error"] == "ServerUnreachable"


def test_start__without_the_topic_says_how_to_make_it(jeongsan, kafka_settings):
    (problem,) = jeongsan("consume", "--topic", "test-none", "--until-idle", "1", exit_code=2)["messages"]
    assert "jeongsan topics" in problem


def test_offsets__are_mirrored_to_the_group_for_lag_tools(send, consume, topic, kafka_settings):
    send(gpu(f"g{n}") for n in range(40))
    consume()
    with kafka_client.admin(kafka_settings) as admin:
        told = admin.list_group_offsets({f"jeongsan-{topic}": None})
    assert sorted(one.offset for one in told[f"jeongsan-{topic}"].values()) == [10, 10, 10, 10]


def test_topic__made_anew_is_read_from_its_beginning(send, consume, loaded, topic):
    with loaded.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO consumer_offset VALUES ('{topic}', 0, 99, 7)")  # noqa: S608
    send([gpu("a"), gpu("b")], partition=0)
    assert counted(consume()) == {"received": 2, "stored": 2}
    with loaded.connect() as connection:
        assert offsets.stored(connection, topic)[0] == 2

"""`consume`: worker processes, started again when one dies; the parent watches, and publishes dead letters."""

import contextlib
import logging
import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from core import database, logs
from core.errors import BadInput, ServerUnreachable
from core.settings import Settings
from metering import kafka_client, offsets
from metering.consuming import BACKOFF_FIRST_MS, BACKOFF_MAX_MS, Say, Stopped, Writer, milliseconds
from metering.kafka_consumer import BrokerError, Log, Worker, evict
from metering.metrics import Metrics, counts_since, served
from metering.store import Counts

WATCH_MS, EARLY_MS, STOP_S, PUBLISH_S = 200, 5_000, 30, 1
TRANSACTION_IDLE_MAX_S = 60


@dataclass(frozen=True, kw_only=True)
class Consumed:
    """What was taken in from the topic meanwhile, and how often a worker was started again."""

    counts: Counts
    workers: int
    restarted: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker process needs to know. `now`: the instant to stamp; None for the clock."""

    settings: Settings
    topic: str
    say: Say
    now: datetime | None
    client_id: str
    parent: int


def work(task: Task) -> None:
    """A worker process. What ends it is logged in the form asked for, as all that it says."""
    logs.set_up(task.settings.log)
    try:
        _work(task)
    except Exception:
        logging.getLogger(__name__).exception("작업자를 끝낸 오류 (what ended a worker)")
        raise SystemExit(1) from None


def _work(task: Task) -> None:
    """Until it is told to stop or its parent is gone."""
    stopping = threading.Event()
    with _signals(stopping):
        threading.Thread(target=_mind_parent, args=(task.parent, stopping), daemon=True).start()
        with contextlib.suppress(Stopped):
            engine = _engine(task.settings, task.say, stopping)
            client = {**kafka_client.client_arguments(task.settings), "client_id": task.client_id}
            clock = (lambda: task.now) if task.now else (lambda: datetime.now(UTC))
            Worker(client, task.topic, Writer(engine, clock, task.say, stopping), task.say, stopping).run()
        database.dispose_engines()


def _engine(settings: Settings, say: Say, stopping: threading.Event) -> Engine:
    """The service's engine, once it can be reached; a worker that freezes in a transaction does not hold others up."""
    said = False
    while True:
        try:
            engine = database.service_engine(settings)
            break
        except ServerUnreachable as error:
            if not said:
                say(f"데이터베이스를 기다립니다: {error}", f"waiting for the database: {error}")
            said = True
        if stopping.wait(BACKOFF_MAX_MS // 10 / 1000):
            raise Stopped
    event.listen(engine, "connect", _limit_idle_transactions)
    engine.dispose()
    return engine


def _limit_idle_transactions(connection: Any, _record: Any) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = '{TRANSACTION_IDLE_MAX_S}s'")
    connection.commit()


def _mind_parent(parent: int, stopping: threading.Event) -> None:
    while not stopping.wait(1):
        if os.getppid() != parent:
            stopping.set()


@contextlib.contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT ask for a clean stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(one, lambda *_: stopping.set()) for one in names]
    try:
        yield
    finally:
        for one, handler in zip(names, before, strict=True):
            signal.signal(one, handler)


class _Child:
    """A worker process and its successors."""

    def __init__(self, task: Task):
        self.task, self.started, self.early = task, 0, 0
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=work, args=(self.task,))
        self.process.start()
        self.started += 1
        self.since_ms, self.again_ms = milliseconds(), 0

    def watch(self) -> None:
        """Starts it again when it is dead: at once, or later and later when it dies as soon as it is started."""
        if self.process.exitcode is None:
            return
        if not self.again_ms:
            self.early = self.early + 1 if milliseconds() - self.since_ms < EARLY_MS else 0
            wait_ms = min(BACKOFF_FIRST_MS * 2**self.early, BACKOFF_MAX_MS) if self.early else 0
            self.again_ms = milliseconds() + wait_ms
            code = self.process.exitcode
            self.task.say(
                f"작업자가 끝났습니다 ({code}). 다시 시작합니다.", f"a worker ended ({code}); starting it again."
            )
            with contextlib.suppress(*BrokerError):
                evict(kafka_client.client_arguments(self.task.settings), self.task.topic, self.task.client_id)
        if milliseconds() >= self.again_ms:
            self.start()

    def end(self) -> None:
        self.process.join(STOP_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def consume(
    settings: Settings, topic: str, workers: int, until_idle_ms: int | None, say: Say, now: datetime | None,
    publish: Callable[[Engine], None], metrics_port: int | None = None,
) -> Consumed:  # fmt: skip
    """Runs workers until told to stop, or until nothing is left to read for some seconds; `publish` sends dead
    letters now and then, and at the end; metrics are served on `metrics_port`. Raises ServerUnreachable when database
    or broker never could be reached, BadInput without the topic or with a port that is taken."""
    engine, stopping = database.service_engine(settings), threading.Event()
    log = Log(kafka_client.client_arguments(settings), topic)
    with kafka_client.reached(settings), _closed_on_error(log):
        if not log.ends():
            raise BadInput(f"{topic}: `jeongsan topics` 로 만드세요 (no such topic; run `jeongsan topics`).")
    with engine.begin() as connection:
        mark = connection.scalar(text("SELECT nextval('intake_batch_id')"))
    name = secrets.token_hex(4)
    with _signals(stopping), _publishing(publish, engine, say):
        task = partial(Task, settings=settings, topic=topic, say=say, now=now, parent=os.getpid())
        children: list[_Child] = []
        try:
            with _metered(settings, engine, topic, mark, children, metrics_port):
                children += [_Child(task(client_id=f"jeongsan-{name}-{number}")) for number in range(workers)]
                _watch(children, engine, topic, log, until_idle_ms, stopping)
        finally:
            for child in children:
                child.process.terminate()
            for child in children:
                child.end()
            log.close()
    with engine.connect() as connection:
        counts = counts_since(connection, topic, mark)
    return Consumed(counts=counts, workers=workers, restarted=_restarted(children))


@contextlib.contextmanager
def _closed_on_error(log: Log) -> Iterator[None]:
    try:
        yield
    except BaseException:
        log.close()
        raise


@contextlib.contextmanager
def _metered(settings, engine, topic, mark, children, port: int | None) -> Iterator[None]:
    """Serves metrics meanwhile, when they are asked for."""
    if port is None:
        yield
        return
    log = Log(kafka_client.client_arguments(settings), topic)
    restarted = partial(_restarted, children)
    try:
        with served(Metrics(engine, topic, mark, partial(_quietly, log.ends), restarted), port):
            yield
    finally:
        log.close()


def _restarted(children: list[_Child]) -> int:
    return sum(child.started - 1 for child in children)


def _watch(children, engine, topic, log, until_idle_ms, stopping) -> None:
    idle_since_ms, before = milliseconds(), None
    while not stopping.wait(WATCH_MS / 1000):
        for child in children:
            child.watch()
        if until_idle_ms is None:
            continue
        found = _quietly(partial(_positions, engine, topic, log))
        if found is None or found != before or found[0] != found[1]:
            before, idle_since_ms = found, milliseconds()
        elif milliseconds() - idle_since_ms >= until_idle_ms:
            return


@contextlib.contextmanager
def _publishing(publish: Callable[[Engine], None], engine: Engine, say: Say) -> Iterator[None]:
    """Publishes in a thread of its own, so that a broker that does not answer holds up nothing else."""
    ending = threading.Event()
    publisher = threading.Thread(target=_publish, args=(publish, engine, ending, say))
    publisher.start()
    try:
        yield
    finally:
        ending.set()
        publisher.join()


def _publish(publish: Callable[[Engine], None], engine: Engine, ending: threading.Event, say: Say) -> None:
    """Sends what waits every second, and once more at the end, when nothing more comes."""
    said = last = False
    while not last:
        last = ending.wait(PUBLISH_S)
        try:
            publish(engine)
            said = False
        except (DBAPIError, *BrokerError) as error:
            if not said:
                say(f"읽지 못한 기록을 아직 보내지 못했습니다: {error}", f"dead letters wait to be sent: {error}")
            said = True


def _positions(engine: Engine, topic: str, log: Log) -> tuple[dict[int, int], dict[int, int]]:
    """How far the database is, and the broker, by partition."""
    ends = log.ends()
    with engine.connect() as connection:
        known = offsets.stored(connection, topic)
    return {one: known.get(one, -1) for one in ends}, ends


def _quietly(action: Callable[[], Any]) -> Any:
    """None while a server is away: the workers say so."""
    try:
        return action()
    except (DBAPIError, *BrokerError):
        return None

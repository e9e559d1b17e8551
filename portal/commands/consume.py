"""consume and replay: events from Kafka, and what could not be read tried again."""

import contextlib
import dataclasses

import click

from core import database, logs
from core.errors import BadInput
from metering import dead_letters, workers
from metering.consuming import TOPIC
from metering.kafka_dead_letters import TOPIC as DEAD_LETTERS
from metering.kafka_dead_letters import Publisher
from portal.command import Answer, Call, command
from portal.commands.metering import counts_text

commands = click.Group()


@command(commands, "consume", help="Takes in events from Kafka, until stopped.")
@click.option("--until-idle", "idle_s", type=click.FloatRange(min=0), help="Ends after SECONDS with nothing to read.")
@click.option("--workers", "count", type=click.IntRange(1, 64), default=1, help="Worker processes; 1 when left out.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Prometheus metrics on 127.0.0.1, at /metrics.")
@click.option("--topic", default=TOPIC, help="Instead of usage.events.")
@click.option("--dead-letters", "letters", default=DEAD_LETTERS, help="Instead of usage.dead-letter.")
def consume(call: Call, idle_s: float | None, count: int, metrics_port: int | None, topic: str, letters: str) -> Answer:
    """Usage and offsets are one transaction; SIGTERM and SIGINT stop it cleanly."""
    logs.set_up(call.settings.log)
    stamped = click.get_current_context().params["now"]
    until_idle_ms = None if idle_s is None else int(idle_s * 1000)
    with contextlib.closing(Publisher(call.settings, letters)) as publisher:
        done = workers.consume(
            call.settings, topic, count, until_idle_ms, call.progress, stamped, publisher, metrics_port
        )
    document = {**dataclasses.asdict(done.counts), "workers": done.workers, "restarted": done.restarted}
    call.note("consumed", topic=topic, **document)
    return Answer(document=document, text=counts_text(call, topic, document))


@command(commands, "replay", help="Tries again what could not be read, after a fix.")
@click.option("--from-dead-letter", "confirmed", is_flag=True, help="From the dead letters that the database keeps.")
def replay(call: Call, confirmed: bool) -> Answer:
    """What can be read now is taken in as what it is, and its dead letter released; the others stay."""
    if not confirmed:
        raise BadInput("replay: --from-dead-letter 를 붙이세요 (say --from-dead-letter).")
    done = dead_letters.replay(database.service_engine(call.settings), call.now)
    document = {**dataclasses.asdict(done.counts), "tried": done.tried, "read": done.read}
    text = call.say(
        f"읽지 못한 기록 {done.tried:,} 가운데 {done.read:,} 을(를) 읽었습니다.",
        f"{done.read:,} of {done.tried:,} dead letters could be read.",
    )
    return Answer(document=document, text=f"{text}\n{counts_text(call, 'replay', document)}" if done.read else text)

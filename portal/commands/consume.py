"""consume and replay: events from Kafka, and what could not be read tried again."""

import dataclasses

import click

from metering import workers
from metering.consuming import TOPIC
from portal.command import Answer, Call, command
from portal.commands.metering import counts_text

commands = click.Group()


@command(commands, "consume", help="Takes in events from Kafka, until stopped.")
@click.option("--until-idle", "idle_s", type=click.FloatRange(min=0), help="Ends after SECONDS with nothing to read.")
@click.option("--workers", "count", type=click.IntRange(1, 64), default=1, help="Worker processes; 1 when left out.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Prometheus metrics on 127.0.0.1, at /metrics.")
@click.option("--topic", default=TOPIC, help="Instead of usage.events.")
def consume(call: Call, idle_s: float | None, count: int, metrics_port: int | None, topic: str) -> Answer:
    """Usage and offsets are one transaction; SIGTERM and SIGINT stop it cleanly."""
    stamped = click.get_current_context().params["now"]
    until_idle_ms = None if idle_s is None else int(idle_s * 1000)
    done = workers.consume(
        call.settings, topic, count, until_idle_ms, call.progress, stamped, metrics_port=metrics_port
    )
    document = {**dataclasses.asdict(done.counts), "workers": done.workers, "restarted": done.restarted}
    return Answer(document=document, text=counts_text(call, topic, document))

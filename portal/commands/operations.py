"""status and anomalies: how intake stands, and what an operator should look at."""

import dataclasses
from collections.abc import Mapping

import click

from core import database
from core.errors import ServerUnreachable
from core.month import Month
from metering import anomalies as found_by
from metering import status as stands
from metering.kafka_ends import end_offsets
from portal.command import Answer, Call, command
from registry.terms import programme_codes, project_terms

commands = click.Group()


@command(commands, "anomalies", help="What an operator should look at: overlaps, gaps, crowded nodes, clocks, silence.")
@click.option("--month", help="2025-11; all months when left out.")
@click.option("--node-gpus", type=click.IntRange(1), default=8, show_default=True, help="How many GPUs a node has.")
@click.option("--silent-hours", type=click.IntRange(1), default=24, show_default=True, help="A silent source's.")
@click.option("--skew-seconds", "skew_s", type=click.IntRange(0), default=60, show_default=True, help="Clock skew.")
@click.option(
    "--acceptance-days", type=click.IntRange(0), default=30, show_default=True, help="Waiting for acceptance."
)
def anomalies(call: Call, month: str | None, **limits: int) -> Answer:
    """Exit code 0 whatever is found: these are no errors."""
    wanted = Month.parse(month) if month else None
    with database.service_engine(call.settings).begin() as connection:
        terms = project_terms(connection, programme_codes(connection))
        found = found_by.anomalies(connection, terms, wanted, call.now, found_by.Limits(**limits))
    lines = [f"{one.kind}\t{one.project or '-'}\t{one.subject}\t{one.detail}" for one in found]
    return Answer(
        document={"anomalies": [{**dataclasses.asdict(one), "refs": list(one.refs)} for one in found]},
        text="\n".join(lines) or call.say("살펴볼 것이 없습니다.", "Nothing to look at."),
    )


@command(commands, "status", help="Lag, rates, the last event of each source, what waits and why.")
def status(call: Call) -> Answer:
    """The broker is asked for the ends of its partitions where one is named and answers."""
    with database.service_engine(call.settings).connect() as connection:
        topics = stands.topics(connection)
        ends, broker = _ends(call, topics)
        found = stands.status(connection, ends)
    document = {**dataclasses.asdict(found), "broker": broker}
    for row in (*document["rates"], *document["sources"]):
        row["last_at"] = row["last_at"].isoformat()
    return Answer(document=document, text="\n".join(_lines(call, found, broker)))


def _ends(call: Call, topics: list[str]) -> tuple[Mapping[str, Mapping[int, int]] | None, str]:
    """The broker's ends and how that went; none while it is not named, or away."""
    try:
        return end_offsets(call.settings, topics), "ok"
    except ServerUnreachable as error:
        return None, str(error)


def _lines(call: Call, found: stands.Status, broker: str) -> list[str]:
    lines = [] if broker == "ok" else [call.say(f"브로커: {broker}", f"broker: {broker}")]
    for one in found.partitions:
        lag = call.say("모름", "unknown") if one.lag is None else f"{one.lag:,}"
        lines.append(f"{one.topic}[{one.partition}]\t{call.say('다음', 'next')} {one.next_offset:,}\tlag {lag}")
    for one in found.rates:
        rate = "-" if one.events_per_s is None else f"{one.events_per_s:,}"
        batches = call.say(f"최근 {one.batches}묶음", f"last {one.batches} batches")
        lines.append(f"{one.topic}\t{batches}\t{rate} events/s\t{one.last_at.isoformat()}")
    lines += [f"{one.source}\t{one.events:,}\t{one.last_at.isoformat()}" for one in found.sources]
    names = (
        (call.say("판독 불가", "dead letters"), found.dead_letters),
        (call.say("격리", "quarantine"), found.quarantine),
    )
    for name, reasons in names:
        lines.append(f"{name}: " + (" · ".join(f"{reason} {count:,}" for reason, count in reasons.items()) or "0"))
    return lines

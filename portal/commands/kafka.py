"""topics and produce: the broker's topics, and events from files to the broker."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import click

from metering import files, kafka_topics, messages
from metering.consuming import TOPIC
from metering.kafka_producer import COMPRESSIONS, Produced, Producer
from metering.kafka_topics import CheckedTopic
from metering.messages import MODES
from portal import event_files
from portal.command import Answer, Call, command
from portal.event_files import EventFile

commands = click.Group()


@command(commands, "topics", help="Creates the missing topics and checks the others; changes none.")
@click.option(
    "--file", "path", type=click.Path(path_type=Path), default=kafka_topics.FILE, help="Instead of kafka/topics.toml."
)
def topics(call: Call, path: Path) -> Answer:
    """Partitions, retention, compaction and record size as the file states them; exit code 1 on a difference."""
    checked = kafka_topics.ensure_topics(call.settings, kafka_topics.read_topics(path))
    ok = not any(one.differences for one in checked)
    document = {"ok": ok, "topics": [dataclasses.asdict(one) for one in checked]}
    return Answer(
        document=document, text="\n".join(_topic_text(call, one) for one in checked), exit_code=0 if ok else 1
    )


def _topic_text(call: Call, topic: CheckedTopic) -> str:
    if topic.created:
        return f"{topic.name}: " + call.say("만들었습니다.", "created.")
    if not topic.differences:
        return f"{topic.name}: " + call.say("맞습니다.", "as it should be.")
    lines = [
        call.say(
            f"{topic.name}: {one.setting} 이(가) {one.found} 입니다. {one.wanted} 이어야 합니다.",
            f"{topic.name}: {one.setting} is {one.found}, should be {one.wanted}.",
        )
        for one in topic.differences
    ]
    return "\n".join(lines)


@command(commands, "produce", help="Sends events from files to the broker.")
@event_files.options
@click.option("--mode", type=click.Choice(MODES), default=MODES[0], help="One event a record, batches, or binary mode.")
@click.option("--compression", type=click.Choice(COMPRESSIONS), default="none", help="Of Kafka's record batches.")
@click.option("--topic", default=TOPIC, help="Instead of usage.events.")
def produce(
    call: Call, paths: tuple[Path, ...], form: str, source: str | None, map_path: Path | None, mode: str,
    compression: str, topic: str,
) -> Answer:  # fmt: skip
    """The same files as ingest. A line that cannot be read is sent as it is: the consumer judges it."""
    found = event_files.event_files(paths, form, source, map_path)
    total, rows = Produced(), []
    with Producer(call.settings, topic, compression) as producer:
        for one in found:
            sent = producer.send(messages.messages(_records(call, one), mode))
            total += sent
            rows.append({"file": str(one.path), **dataclasses.asdict(sent), **one.apart})
    document = {"topic": topic, "mode": mode, "files": rows, **dataclasses.asdict(total)}
    return Answer(document=document, text="\n".join(_sent_text(call, topic, row) for row in rows))


def _records(call: Call, one: EventFile) -> Iterator[bytes]:
    say = event_files.told(call, one.path)
    if one.reader is None:
        return (record for _, record in files.records(one.path, say))
    return messages.job_records(one.reader, files.rows(one.path, say))


def _sent_text(call: Call, topic: str, row: dict) -> str:
    return f"{row['file']} → {topic}: " + call.say(
        f"이벤트 {row['events']:,} · 레코드 {row['records']:,} · {row['value_bytes']:,} 바이트",
        f"events {row['events']:,} · records {row['records']:,} · {row['value_bytes']:,} bytes",
    )

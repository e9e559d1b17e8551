"""topics and produce: the broker's topics, and events from files to the broker."""

import dataclasses
from pathlib import Path

import click

from metering import kafka_topics
from metering.kafka_topics import CheckedTopic
from portal.command import Answer, Call, command

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

"""Topics as kafka/topics.toml states them: created when missing, else compared, never changed."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from core.errors import BadInput
from core.settings import Settings
from metering import kafka_client

FILE = Path(__file__).parents[1] / "kafka" / "topics.toml"
DAY_MS = 86_400_000
FIELDS = {"name": str, "partitions": int, "retention_days": int, "cleanup_policy": str, "max_message_bytes": int}


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic as it should be."""

    name: str
    partitions: int
    retention_days: int
    cleanup_policy: str
    max_message_bytes: int

    @property
    def configs(self) -> dict[str, str]:
        """The topic's settings by Kafka's names."""
        return {
            "retention.ms": str(self.retention_days * DAY_MS),
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
        }


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One setting of a topic that is not as the file states it."""

    setting: str
    wanted: str
    found: str


@dataclass(frozen=True, kw_only=True)
class CheckedTopic:
    """What became of a topic: created now, or how it differs."""

    name: str
    created: bool
    differences: tuple[Difference, ...]


def read_topics(path: Path = FILE) -> list[Topic]:
    """The topics of a file. Raises BadInput naming the topic and the field that is wrong."""
    try:
        tables = tomllib.loads(path.read_text()).get("topic", [])
    except OSError as error:
        raise BadInput(f"{path}: 읽을 수 없습니다 (cannot be read): {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: TOML 이 아닙니다 (not TOML): {error}.") from None
    if not isinstance(tables, list) or not tables:
        raise BadInput(f"{path}: [[topic]] 이 하나는 있어야 합니다 (needs at least one [[topic]]).")
    problems = [problem for place, table in enumerate(tables, 1) for problem in _problems(path, place, table)]
    if problems:
        raise BadInput(*problems)
    return [Topic(**table) for table in tables]


def _problems(path: Path, place: int, table: Any) -> list[str]:
    where = f"{path}: topic[{place}]"
    if not isinstance(table, dict):
        return [f"{where}: [[topic]] 이어야 합니다 (must be a table)."]
    found = [f"{where}.{name}: 모르는 항목입니다 (unknown field)." for name in table if name not in FIELDS]
    for name, kind in FIELDS.items():
        value = table.get(name)
        if not isinstance(value, kind) or isinstance(value, bool) or (kind is int and value < 1) or value == "":
            asked = "1 이상의 정수 (an integer of one or more)" if kind is int else "글자 (a text)"
            found.append(f"{where}.{name}: {value!r}: {asked}여야 합니다.")
    return found


def ensure_topics(settings: Settings, topics: list[Topic]) -> list[CheckedTopic]:
    """Creates the missing topics and compares the others. Changes no existing topic."""
    with kafka_client.admin(settings) as client:
        there = set(client.list_topics())
        created = {topic.name for topic in topics if topic.name not in there and _create(client, topic)}
        client.wait_for_topics([topic.name for topic in topics])
        partitions = {one["name"]: len(one["partitions"]) for one in client.describe_topics(_names(topics))}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in _names(topics)]
        configs = client.describe_configs(resources, config_filter="all")["topic"]
    return [
        CheckedTopic(
            name=topic.name,
            created=topic.name in created,
            differences=tuple(_differences(topic, partitions[topic.name], configs[topic.name])),
        )
        for topic in topics
    ]


def require_topic(settings: Settings, name: str) -> None:
    """Raises BadInput when the broker has no such topic."""
    with kafka_client.admin(settings) as client:
        there = client.list_topics()
    if name not in there:
        raise BadInput(f"{name}: 브로커에 없는 토픽입니다. `jeongsan topics` 로 만드세요 (no such topic; create it).")


def _names(topics: list[Topic]) -> list[str]:
    return [topic.name for topic in topics]


def _create(client: KafkaAdminClient, topic: Topic) -> bool:
    """Whether we created it; another may have been faster."""
    try:
        client.create_topics({topic.name: {"num_partitions": topic.partitions, "configs": topic.configs}})
    except TopicAlreadyExistsError:
        return False
    return True


def _differences(topic: Topic, partitions: int, configs: dict[str, dict[str, Any]]) -> list[Difference]:
    wanted = {"partitions": str(topic.partitions), **topic.configs}
    found = {"partitions": str(partitions), **{name: str(configs[name]["value"]) for name in topic.configs}}
    return [
        Difference(setting=name, wanted=value, found=found[name])
        for name, value in wanted.items()
        if found[name] != value
    ]

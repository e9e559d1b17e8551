"""Reference data of a small programme: P1 with two hospitals and a deposit, P2 in arrears with an amendment."""

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import insert

from settlement.models import LineSettlement
from tests.driven import H2_PRICES, World
from tests.events import NOW, lines

REGISTRY = """
[[programme]]
code = "V25"
name = "데이터 활용 바우처"
ministry = "M"
type = "활용"
agency = "AG"
operator = "OP"
fiscal_year = 2025
appropriation_krw = 1_000_000_000
funding = "hospital"
self_pay_bp = { small = 1500, medium = 2500 }
platform_fee = { rate_bp = 500 }
incentive = { share_bp = 4000 }
settlement_closes_on = 2026-03-31
tier = [
  { code = "large", grant_cap_krw = 400_000_000, slots = 4 },
  { code = "medium", grant_cap_krw = 200_000_000 },
]
category = [
  { code = "processing", name = "데이터 가공" },
  { code = "consulting", name = "자문", voucher = false },
]
weight = [ { modality = "imaging", unit = "study", weight = "3" } ]
grant_received = [ { on = 2025-09-03, krw = 500_000_000 } ]

[[party]]
code = "M"
kind = "ministry"
name = "부처"
[[party]]
code = "AG"
kind = "agency"
name = "전담기관"
[[party]]
code = "OP"
kind = "operator"
name = "운영기관"
[[party]]
code = "C1"
kind = "company"
name = "가온"
size = "small"
[[party]]
code = "C2"
kind = "company"
name = "나래"
size = "medium"
[[party]]
code = "H1"
kind = "hospital"
name = "첫째병원"
brn = "124-81-00998"
quality = "0.95"
[[party]]
code = "H2"
kind = "hospital"
name = "둘째병원"

[[project]]
code = "P1"
programme = "V25"
company = "C1"
tier = "large"
title = "과제 하나"
modalities = ["imaging"]
channel = "stripe"
closes = "2025-12"
[[project]]
code = "P2"
programme = "V25"
company = "C2"
tier = "medium"
title = "과제 둘"
modalities = ["imaging", "text"]
channel = "bank"

[[agreement]]
code = "A1"
project = "P1"
starts = 2025-09-15
ends = 2026-03-31
self_pay_mode = "deposit"
deposit_krw = 10_000_000
over_limit = "hold"
line = [
  { code = "L11", supplier = "H1", category = "processing", grant_limit_krw = 250_000_000 },
  { code = "L12", supplier = "H2", category = "processing", grant_limit_krw = 150_000_000 },
]
[[agreement]]
code = "A2"
project = "P2"
starts = 2025-09-15
ends = 2026-03-31
self_pay_mode = "arrears"
over_limit = "hold"
line = [ { code = "L21", supplier = "H2", category = "processing", grant_limit_krw = 150_000_000 } ]
amendment = [ { effective = 2025-11-20, reason = "협약변경", limits = { L21 = 180_000_000 } } ]

[[price_book]]
code = "OP-1"
supplier = "OP"
effective_from = 2025-09-01
rate = [
  { meter = "gpu", model = "H100", unit_price_krw = 7000 },
  { meter = "storage", class = "standard", unit_price_krw = 150 },
]
[[price_book]]
code = "H1-1"
supplier = "H1"
effective_from = 2025-09-01
rate = [ { meter = "preparation", work = "study", unit = "study", unit_price_krw = 12_345 } ]
"""


@pytest.fixture
def registry_file(tmp_path) -> Callable[..., Path]:
    """Writes the registry: registry_file(old=new pairs, more=text to append, name=file name) → its path."""

    def write(*changes: tuple[str, str], more: str = "", name: str = "registry.toml") -> Path:
        text = REGISTRY
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text + more)
        return path

    return write


@pytest.fixture
def loaded(jeongsan, registry_file, engine):
    """The service's engine of a database with the registry loaded on 2025-09-15."""
    jeongsan("load", registry_file(), now="2025-09-15T09:00:00+09:00")
    return engine


@pytest.fixture
def world(jeongsan, loaded, tmp_path):
    """The small programme, loaded, with a pen that writes events and payments and drives the months."""
    prices = tmp_path / "prices.toml"
    prices.write_text(H2_PRICES)
    jeongsan("load", prices, now="2025-09-15T09:00:00+09:00")
    return World(jeongsan, tmp_path)


@pytest.fixture
def executed():
    """Books a settlement of November: executed(engine, line, won), all of it voucher."""

    def book(engine, line, krw):
        same = {"supply_krw": krw, "voucher_krw": krw, "total_supply_krw": krw, "total_voucher_krw": krw}
        none = dict.fromkeys((
            "self_pay_bp", "self_pay_krw", "excess_krw", "vat_krw", "held_krw", "deposit_drawn_krw",
            "total_self_pay_krw", "total_excess_krw", "total_deposit_drawn_krw",
        ), 0)  # fmt: skip
        row = {"programme": "V25", "month": date(2025, 11, 1), "line": line, "project": "P2", "supplier": "H2",
               "category": "processing", "paid_to": "hospital", "limit_krw": 180_000_000,
               "held_reason": ""}  # fmt: skip
        with engine.begin() as connection:
            connection.execute(insert(LineSettlement).values(row | same | none))

    return book


@pytest.fixture
def topic(new_topic):
    """A topic of four partitions."""
    return new_topic(4)


@pytest.fixture
def letter_topic(new_topic):
    """A topic for dead letters."""
    return new_topic(1)


@pytest.fixture
def published(kafka_settings, letter_topic):
    """All records of the topic of dead letters."""

    def reading() -> list:
        consumer = KafkaConsumer(bootstrap_servers=kafka_settings.kafka_bootstrap, auto_offset_reset="earliest")
        only = TopicPartition(letter_topic, 0)
        consumer.assign([only])
        found, end = [], consumer.end_offsets([only])[only]
        while consumer.position(only) < end:
            found += [one for records in consumer.poll(timeout_ms=500).values() for one in records]
        consumer.close()
        return found

    return reading


@pytest.fixture
def send(kafka_settings, topic):
    """Sends events (dictionaries, bytes, None) to the topic: send(events, partition=…, headers=…, …producer's own)."""

    def sending(events: Iterable, partition: int | None = None, headers=None, **arguments) -> None:
        producer = KafkaProducer(
            bootstrap_servers=kafka_settings.kafka_bootstrap, max_request_size=80 << 20, **arguments
        )
        for number, one in enumerate(events):
            place = number % 4 if partition is None else partition
            value = one if one is None else lines([one])[0]
            producer.send(topic, value, b"P1", partition=place, headers=headers)
        producer.flush()
        producer.close()

    return sending


@pytest.fixture
def consume(jeongsan, topic, letter_topic, loaded):
    """`jeongsan consume --until-idle …` on the topic → its answer."""

    def consuming(*options) -> dict:
        where = ("--topic", topic, "--dead-letters", letter_topic)
        return jeongsan("consume", *where, "--until-idle", "0.5", *options, now=NOW)

    return consuming

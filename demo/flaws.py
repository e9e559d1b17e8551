"""What goes wrong in a real month, seeded: duplicates, late and broken events, strangers, voids, an amendment."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from core.month import Month
from demo.sent import MONTHS, Sent, event, local
from demo.work import Delivery

DUPLICATES_PER_THOUSAND = 10
LATE_PER_THOUSAND = 4
VOIDED = "L72"


def late(rng: Random, sent: Sent) -> Sent:
    """The same event; a few become known only some days after the close of their month."""
    month = Month.at(sent.known_at)
    if month == MONTHS[-1] or rng.randrange(1000) >= LATE_PER_THOUSAND:
        return sent
    days_late = timedelta(days=rng.randint(3, 12), seconds=rng.randint(0, 80_000))
    return replace(sent, known_at=month.end + days_late)


def duplicates(rng: Random, events: Sequence[Sent]) -> Iterator[Sent]:
    """About one in a hundred is sent again, byte for byte, minutes or weeks later."""
    for sent in events:
        if rng.randrange(1000) < DUPLICATES_PER_THOUSAND:
            yield replace(sent, known_at=sent.known_at + timedelta(minutes=rng.choice((1, 2, 5, 30, 1440, 30_000))))


def broken(rng: Random, events: Sequence[Sent]) -> Iterator[Sent]:
    """Lines that nobody can read: each month one of every kind."""
    for month in MONTHS:
        for number, wrong in enumerate(_broken_lines(month)):
            at = local(month.first + timedelta(days=rng.randint(1, 26)), rng.randint(8, 18), number)
            yield Sent(known_at=at, line=wrong)
        whole = rng.choice(events).line
        yield Sent(known_at=local(month.first, 12), line=whole[: len(whole) // 2])


def _broken_lines(month: Month) -> Iterator[bytes]:
    good = {
        "project": "P1",
        "session": "broken",
        "start": f"{month}-10T09:00:00+09:00",
        "end": f"{month}-10T10:00:00+09:00",
        "gpus": "1",
        "model": "H100",
    }
    wrongs = (
        {"start": f"{month}-10T09:00:00"},  # no offset
        {"start": "2025-02-30T09:00:00+09:00"},  # 30 February
        {"end": f"{month}-10T24:00:00+09:00"},  # no such hour
        {"end": f"{month}-10T08:00:00+09:00"},  # ends before it starts
        {"gpus": "1.2345"},  # four decimals
        {"gpus": "-1"},
        {"gpus": "1e400"},
        {"model": {"name": "H100"}},  # an object where text belongs
    )
    for number, wrong in enumerate(wrongs):
        yield event(
            "/space/gpu", f"broken-{month}-{number}", "gpu.usage", good | wrong, at=month.start, known_at=month.start
        ).line
    yield event(
        "/space/gpu", f"broken-{month}-nan", "gpu.usage", good | {"gpus": 0}, at=month.start, known_at=month.start
    ).line.replace(b'"gpus":0', b'"gpus":NaN')
    yield b"\xff\xfe not an event"


def strangers() -> Iterator[Sent]:
    """Well-formed events that belong nowhere: a project that nobody knows, usage before any agreement, a conflict."""
    usage = {"session": "stranger", "gpus": "1.000", "model": "H100"}
    cases = (
        ("P99", "unknown-project", date(2025, 9, 16)),
        ("P1", "before-agreement", date(2025, 8, 30)),
        ("P2", "conflict", date(2025, 10, 15)),
        ("P3", "conflict", date(2025, 10, 15)),
    )
    for number, (project, event_id, day) in enumerate(cases):
        start, end = local(day, 10), local(day, 11)
        data = usage | {"project": project, "start": start.isoformat(), "end": end.isoformat()}
        known_at = max(end, MONTHS[0].start) + timedelta(minutes=5 + number)
        yield event("/space/gpu", event_id, "gpu.usage", data, at=end, known_at=known_at)


def corrections(rng: Random, gpu: Sequence[Sent], work: Sequence[Delivery]) -> Iterator[Sent]:
    """Voids of slices counted twice, one work voided and one slice amended after their months were closed."""
    for number, sent in enumerate(rng.sample(gpu, 6)):
        said = json.loads(sent.line)
        known_at = min(sent.known_at + timedelta(days=rng.randint(1, 25)), local(date(2025, 12, 30), 18))
        yield _correction("voided", f"void-{number}", said, known_at, {"reason": "이중 계상", "author": "OP"})
    for delivery in [one for one in work if one.line.code == VOIDED and one.accepted_at >= MONTHS[1].start][:1]:
        target = {"source": delivery.source, "id": delivery.event_id}
        told = {"reason": "같은 자료를 두 번 제공", "author": delivery.line.supplier}
        yield _correction("voided", "void-work", target, local(date(2025, 11, 12), 11), told)
    for sent in [one for one in gpu if b'"gpus":"4.000"' in one.line][:1]:
        change = {"reason": "할당량 정정", "author": "OP", "fields": {"gpus": "2.000"}}
        yield _correction("amended", "amend-1", json.loads(sent.line), local(date(2025, 11, 18), 15), change)


def _correction(kind: str, event_id: str, target: dict, known_at: datetime, told: dict) -> Sent:
    data = {"ref": {"source": target["source"], "id": target["id"]}, **told}
    return event("/operator", event_id, f"usage.{kind}", data, at=known_at, known_at=known_at)

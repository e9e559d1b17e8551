"""Seeded work of the hospitals: delivered, and accepted some working days later; one delivery rejected, one in part."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from core.month import Month
from demo.programme import Line, Project
from demo.sent import MONTHS, Sent, days, event, local
from demo.usage import last_day

# Supply delivered in each month, in thousandths of what the line's limit carries: 70 % by December.
PACE = (110, 170, 200, 220)
PACES = {
    "L22": (170, 310, 580, 0),  # beyond its limit in November: part of it stays held
    "L82": (120, 280, 380, 240),  # beyond its first limit in December, which the amendment has raised by then
    "L51": (200, 260, 290, 220),
    "L52": (200, 260, 290, 220),
}
REJECTED = ("L41", 2)
IN_PART = ("L71", 1)
BEFORE_PERMIT = "L33"
LATE_DELIVERY_NOTE = ("L13", 1)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery under a line: `thousandths` of its unit, performed and accepted at instants."""

    event_id: str
    line: Line
    project: Project
    thousandths: int
    performed_at: datetime
    accepted_at: datetime

    @property
    def source(self) -> str:
        """The hospital that reports it."""
        return f"/hospital/{self.line.supplier}"

    def performed(self, known_at: datetime | None = None) -> Sent:
        """The delivery, as the hospital reports it."""
        data = {
            "project": self.project.code,
            "line": self.line.code,
            "work": self.line.work,
            "unit": self.line.unit,
            "quantity": decimal(self.thousandths),
            "performed": self.performed_at.isoformat(),
        }
        if self.line.modality:
            data["modality"] = self.line.modality
        known_at = known_at or self.performed_at + timedelta(hours=1)
        return event(self.source, self.event_id, "preparation.performed", data, at=self.performed_at, known_at=known_at)

    def decided(self, verdict: str, thousandths: int | None = None, reason: str | None = None) -> Sent:
        """The company's decision: `accepted` or `rejected`, whole or in part."""
        data: dict = {
            "ref": {"source": self.source, "id": self.event_id},
            "at": self.accepted_at.isoformat(),
            "by": self.project.company,
        }
        if reason:
            data["reason"] = reason
        if thousandths is not None:
            data["quantity"] = decimal(thousandths)
        return event(
            f"/company/{self.project.company}",
            f"{self.event_id}-{verdict}",
            f"preparation.{verdict}",
            data,
            at=self.accepted_at,
            known_at=self.accepted_at + timedelta(seconds=10),
        )


def decimal(thousandths: int) -> str:
    """Thousandths as a decimal text, exact."""
    whole, part = divmod(thousandths, 1000)
    return f"{whole}.{part:03d}".rstrip("0").rstrip(".")


def deliveries(rng: Random, project: Project) -> Iterator[Delivery]:
    """The deliveries of a project's lines, month by month, each accepted within a week."""
    for line in project.lines:
        for index, month in enumerate(MONTHS):
            supply_krw = line.carried_krw * PACES.get(line.code, PACE)[index] // 1000
            parts = rng.randint(3, 6)
            for number in range(parts if supply_krw else 0):
                value_krw = supply_krw // parts * rng.randint(85, 115) // 100
                yield _delivery(rng, project, line, month, number, value_krw)


def _delivery(rng: Random, project: Project, line: Line, month: Month, number: int, value_krw: int) -> Delivery:
    step = 250 if line.unit == "hour" else 1000
    thousandths = max(step, value_krw * 1000 // line.unit_price_krw // step * step)
    first = max(month.first, project.starts + timedelta(days=4))
    working = [day for day in days(first, min(month.last, last_day(project))) if day.weekday() < 5]
    day = date(2025, 9, 8) if (line.code, number, month) == (BEFORE_PERMIT, 0, MONTHS[0]) else rng.choice(working[:-4])
    performed_at = local(day, rng.randint(13, 17), rng.randint(0, 59))
    accepted = day + timedelta(days=rng.randint(2, 4))
    return Delivery(
        event_id=f"{line.code}-{month.number:02d}-{number + 1}",
        line=line,
        project=project,
        thousandths=thousandths,
        performed_at=performed_at,
        accepted_at=local(accepted, rng.randint(10, 16), rng.randint(0, 59)),
    )


def told(delivery: Delivery, index: int) -> Iterator[Sent]:
    """What is sent of a delivery, `index` its place among its line's: most are accepted whole."""
    place = (delivery.line.code, index)
    note_at = delivery.accepted_at + timedelta(hours=2) if place == LATE_DELIVERY_NOTE else None
    yield delivery.performed(note_at)
    if place == REJECTED:
        yield delivery.decided("rejected", reason="판독 라벨이 빠진 파일이 있음")
    elif place == IN_PART:
        good = delivery.thousandths // 1000 * 4 // 5 * 1000
        yield delivery.decided("accepted", good)
        yield delivery.decided("rejected", delivery.thousandths - good, "영상 품질이 기준에 못 미침")
    else:
        yield delivery.decided("accepted")

"""Random events of a world as raw lines, each with the number of the close before which it becomes known."""

import json
from datetime import UTC, timedelta, timezone
from random import Random

from tests.worlds.known import EPOCH, day_start_us, instant_us

KST = timezone(timedelta(hours=9))
HOUR_US = 3600 * 10**6
DAY_US = 24 * HOUR_US
ENDS_US = [instant_us(f"{day}T00:00:00+09:00") for day in ("2025-12-01", "2026-01-01", "2026-02-01")]
SITES = ("/site/a", "/site/b")


def happenings(rng: Random, registry: dict) -> list[tuple[int, str]]:
    """(number of the close, raw line) of everything that is ever sent."""
    return Story(rng, registry).told()


class Story:
    """Tells events; keeps those that later ones can refer to."""

    def __init__(self, rng: Random, registry: dict):
        self.rng, self.registry = rng, registry
        self.sent: list[tuple[int, dict]] = []
        self.number = 0

    def told(self) -> list[tuple[int, str]]:
        for agreement in self.registry["agreement"]:
            self._project(agreement)
        self._corrections()
        lines = [(known, self._spelled(event)) for known, event in self.sent]
        lines += [line for known, event in self.sent for line in self._again(known, event)]
        return lines + [self._broken() for _ in range(self.rng.randint(0, 4))]

    def _project(self, agreement: dict) -> None:
        rng = self.rng
        first = day_start_us(agreement["starts"])
        last = min(day_start_us(agreement["ends"]) + DAY_US, ENDS_US[-1])
        for _ in range(rng.randint(0, 7)):
            self._gpu(agreement["project"], first, last)
        for volume in range(rng.randint(0, 3)):
            self._storage(agreement["project"], f"v{volume}", first, last)
        for _ in range(rng.randint(1, 9)):
            self._work(agreement, first, last)

    def _moment(self, first: int, last: int) -> int:
        """An instant, often at the edge of a month, a price change or the agreement."""
        rng = self.rng
        books = [day_start_us(one["effective_from"]) for one in self.registry["price_book"]]
        if rng.random() < 0.25:
            edge = rng.choice([*ENDS_US, *books, first, last])
            return edge + rng.choice([-1, 0, 1, -HOUR_US, rng.randint(-DAY_US, DAY_US)])
        at = rng.randint(first, last)
        return at - at % (60 * 10**6) if rng.random() < 0.5 else at

    def _tell(self, kind: str, occurred_us: int, /, **data) -> dict:
        """An event that becomes known before the close of its month, or later, seldom before."""
        rng = self.rng
        self.number += 1
        own = sum(occurred_us >= end for end in ENDS_US)
        known = max(0, min(2, own + rng.choices([-1, 0, 1, 2], weights=[1, 16, 3, 1])[0]))
        event = {
            "specversion": "1.0",
            "id": f"e{self.number}",
            "source": rng.choice(SITES),
            "type": kind,
            "time": _text(occurred_us, UTC),
            "data": data,
        }
        self.sent.append((known, event))
        return event

    def _instant(self, us: int) -> str:
        return _text(us, self.rng.choice([UTC, KST, timezone(timedelta(hours=-5, minutes=-30))]))

    def _gpu(self, project: str, first: int, last: int) -> None:
        rng = self.rng
        start = self._moment(first, last)
        end = start + rng.choice([rng.randint(1, 40 * HOUR_US), rng.randint(1, 10**7), 3 * HOUR_US, 20 * DAY_US])
        if rng.random() < 0.9:
            start, end = max(start, first), min(max(end, first + 1), last)
        if end <= start:
            return
        if rng.random() < 0.04:
            project = "P9"
        self._tell(
            "gpu.usage",
            end,
            project=project,
            session=f"s{self.number}",
            start=self._instant(start),
            end=self._instant(end),
            gpus=rng.choice(["8.000", "0.460", 1, 0.125, "3", f"0.{rng.randint(1, 999):03d}"]),
            model=rng.choice(["A100", "H100", "B200"]),
        )

    def _storage(self, project: str, volume: str, first: int, last: int) -> None:
        rng = self.rng
        for zone in rng.sample([None, "provider", "analysis"], rng.randint(1, 2)):
            for _ in range(rng.randint(1, 4)):
                at = self._moment(first, last - 1)
                more = {"zone": zone} if zone else {}
                if rng.random() < 0.3:
                    more["class"] = rng.choice(["fast", "standard"])
                self._tell(
                    "storage.snapshot",
                    at,
                    project=project,
                    volume=volume,
                    at=self._instant(at),
                    bytes=rng.choice([0, rng.randint(1, 10**13), 536870912000]),
                    **more,
                )
        for number in range(rng.choice([0, 0, 1, 1, 2])):
            at = self._moment(first, last - 1)
            self._tell(
                "storage.deleted",
                at,
                project=project,
                volume=volume,
                at=self._instant(at),
                certificate=f"D-{volume}-{number}",
            )

    def _work(self, agreement: dict, first: int, last: int) -> None:
        rng = self.rng
        line = rng.choice(agreement["line"])
        if line["code"] not in self._lines(agreement["project"]) and rng.random() < 0.9:
            line = agreement["line"][0]
        work, unit, modality = rng.choice(
            [
                ("study", "study", "imaging"),
                ("record", "record", "text"),
                ("case", "case", "omics"),
                ("hour", "hour", None),
            ]
        )
        milli = rng.choice([rng.randint(1, 900_000), rng.randint(1, 900) * 1000])
        at = self._moment(first, last - 1)
        if rng.random() < 0.95:
            at = min(max(at, first), last - 1)
        data = {"modality": modality} if modality and rng.random() < 0.8 else {}
        event = self._tell(
            "preparation.performed",
            at,
            project=agreement["project"],
            line=line["code"] if rng.random() < 0.97 else "L99",
            work=work,
            unit=unit,
            quantity=_decimal(rng, milli),
            performed=self._instant(at),
            **data,
        )
        for kind, part in self._decisions(milli):
            when = at + rng.choice([rng.randint(0, 40 * DAY_US), rng.randint(0, 5 * DAY_US)])
            if rng.random() < 0.15:
                when = rng.choice(ENDS_US) - rng.randint(0, 1)
            data = {} if part is None else {"quantity": _decimal(rng, part)}
            if kind == "preparation.rejected":
                data["reason"] = "표지 누락"
            decided = self._tell(kind, max(when, at), at=self._instant(max(when, at)), by="company", **data)
            decided["data"]["ref"] = self._ref(decided, event)

    def _decisions(self, milli: int) -> list[tuple[str, int | None]]:
        rng = self.rng
        accepted, rejected = "preparation.accepted", "preparation.rejected"
        part = rng.randint(1, milli)
        rest = milli - part
        plans = [[(accepted, None)], [(accepted, milli)], [(accepted, part)], [(rejected, None)], []]
        if rest:
            plans += [[(accepted, part), (accepted, rest)], [(accepted, part), (rejected, rest)]]
        if rest > 1:
            plans += [[(accepted, part), (accepted, rest // 2), (accepted, rest - rest // 2)]]
        plans += [[(accepted, milli), (accepted, part)]]
        return rng.choices(plans, weights=[9, 3, 2, 1, 1, *([3] * (len(plans) - 5))])[0]

    def _ref(self, event: dict, target: dict):
        if event["source"] == target["source"] and self.rng.random() < 0.5:
            return target["id"]
        return {"source": target["source"], "id": target["id"]}

    def _corrections(self) -> None:
        rng = self.rng
        for known, event in list(self.sent):
            if rng.random() < 0.12:
                self._correct(known, event, "usage.voided")
            while rng.random() < 0.12:
                self._correct(known, event, "usage.amended")
        for known, event in list(self.sent):
            raises = event["type"] == "usage.amended" and "quantity" in event["data"]["fields"]
            if event["type"] == "usage.amended" and not raises and rng.random() < 0.2:
                self._correct(known, event, "usage.voided")
        if rng.random() < 0.2:
            lost = {"source": "/site/a", "id": "never-sent"}
            event = self._tell("usage.voided", ENDS_US[0], ref=lost, reason="없음", author="OP")
            self._correct(0, event, "usage.voided")

    def _correct(self, known: int, event: dict, kind: str) -> None:
        """A correction that comes in the same era, later, or before its target."""
        rng = self.rng
        data = {"reason": "정정", "author": "OP"}
        if kind == "usage.amended":
            data["fields"] = self._changed(event)
            if not data["fields"]:
                return
        told = self._tell(kind, ENDS_US[0], **data)
        told["data"]["ref"] = self._ref(told, event)
        self.sent[-1] = (max(0, min(2, known + rng.choice([-1, 0, 0, 1, 1, 2]))), told)

    def _changed(self, event: dict) -> dict:
        rng, data = self.rng, event["data"]
        if event["type"] == "gpu.usage":
            start, end = instant_us(data["start"]), instant_us(data["end"])
            return rng.choice(
                [
                    {"gpus": f"{rng.randint(1, 8)}.5"},
                    {"model": rng.choice(["A100", "H100"])},
                    {"end": self._instant(rng.randint(start + 1, end))},
                    {"start": self._instant(rng.randint(start, end - 1)), "gpus": 2},
                    {"project": rng.choice([one["code"] for one in self.registry["project"]] + ["P9"])},
                ]
            )
        if event["type"] == "storage.snapshot":
            return rng.choice(
                [
                    {"bytes": rng.randint(0, 10**12)},
                    {"class": "fast"},
                    {"at": self._instant(instant_us(data["at"]) + rng.randint(0, 5 * DAY_US))},
                ]
            )
        if event["type"] == "storage.deleted":
            return {"at": self._instant(instant_us(data["at"]) + rng.randint(-5 * DAY_US, 5 * DAY_US))}
        if event["type"] == "preparation.performed":
            return rng.choice(
                [
                    {"quantity": str(rng.randint(1, 900))},
                    {"performed": self._instant(instant_us(data["performed"]) - rng.randint(0, 20 * DAY_US))},
                    {"quantity": _decimal(rng, int(float(data["quantity"]) * 500) + 1)},
                    {"line": rng.choice(self._lines(data["project"]))},
                    {"line": rng.choice(self._lines(data["project"]))},
                    {"work": "case", "unit": "case", "modality": "omics"},
                ]
            )
        if event["type"] == "preparation.accepted":
            moved = {"at": self._instant(instant_us(data["at"]) + rng.randint(-30 * DAY_US, 30 * DAY_US))}
            less = (
                {"quantity": _decimal(rng, rng.randint(1, int(float(data["quantity"]) * 1000)))}
                if "quantity" in data
                else moved
            )
            return rng.choice([moved, less])
        return {}

    def _lines(self, project: str) -> list[str]:
        """The lines of a project on which work is done."""
        lines = [line for one in self.registry["agreement"] if one["project"] == project for line in one["line"]]
        return [line["code"] for line in lines if line["category"] not in ("gpu", "disk")]

    def _spelled(self, event: dict) -> str:
        """One spelling of an event: unknown fields and another time change nothing."""
        event = {**event, "data": dict(event["data"])}
        if self.rng.random() < 0.1:
            event["data"]["patient"] = "dropped"
        if self.rng.random() < 0.3:
            event["time"] = _text(instant_us(event["time"]) + 1000, KST)
        return json.dumps(event, ensure_ascii=False)

    def _again(self, known: int, event: dict) -> list[tuple[int, str]]:
        """Duplicates in another spelling, and other content under the same identity."""
        rng, found = self.rng, []
        if rng.random() < 0.08:
            data = dict(event["data"])
            for name in data.keys() & {"start", "end", "at", "performed"}:
                data[name] = self._instant(instant_us(data[name]))
            if "gpus" in data:
                data["gpus"] = f"{float(data['gpus']):.3f}"
            found.append((min(2, known + rng.choice([0, 0, 1])), self._spelled({**event, "data": data})))
        if rng.random() < 0.04 and event["type"] == "gpu.usage":
            data = {**event["data"], "gpus": "7.777"}
            found.append((min(2, known + rng.choice([0, 0, 1])), self._spelled({**event, "data": data})))
        return found

    def _broken(self) -> tuple[int, str]:
        rng = self.rng
        self.number += 1
        good = {
            "specversion": "1.0",
            "id": f"b{self.number}",
            "source": "/site/a",
            "type": "gpu.usage",
            "time": "2025-11-05T00:00:00Z",
            "data": {
                "project": "P1",
                "session": "s",
                "start": "2025-11-04T00:00:00Z",
                "end": "2025-11-05T00:00:00Z",
                "gpus": "1",
                "model": "A100",
            },
        }
        bad = rng.choice(
            [
                {"gpus": "1.0001"},
                {"gpus": "NaN"},
                {"gpus": "1e400"},
                {"start": "2025-11-04T00:00:00"},
                {"end": "2025-11-03T00:00:00Z"},
                {"start": "2025-11-31T00:00:00Z"},
                {"end": "2025-11-05T24:00:00Z"},
                {"model": 5},
                {"gpus": "-1"},
            ]
        )
        text = json.dumps({**good, "data": good["data"] | bad})
        whole = json.dumps(good)
        return rng.randint(0, 2), rng.choice(
            [text, text, whole[: rng.randint(5, len(whole) - 2)], json.dumps({**good, "type": "gpu.unknown"})]
        )


def _decimal(rng: Random, milli: int):
    text = f"{milli // 1000}.{milli % 1000:03d}"
    return rng.choice([text, text.rstrip("0").rstrip("."), milli // 1000 if milli % 1000 == 0 else text])


def _text(us: int, zone) -> str:
    moment = (EPOCH + timedelta(microseconds=us)).astimezone(zone)
    return moment.isoformat(timespec="microseconds" if us % 10**6 else "seconds").replace("+00:00", "Z")

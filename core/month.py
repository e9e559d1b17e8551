"""Calendar months of Asia/Seoul (domain.md §2): half-open, UTC instants at the edges."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from core.errors import BadInput

KST = timezone(timedelta(hours=9), "KST")
EPOCH_DAY = date(1970, 1, 1)
DAY_US = 86_400_000_000
KST_OFFSET_US = 9 * 3_600_000_000


@dataclass(frozen=True, order=True)
class Month:
    """A settlement or service month, `2025-11`. Ordered, hashable; `+ 1` is the next month."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """`2025-11` → Month, of the years 2000 to 2999. Raises BadInput naming what was given."""
        found = re.fullmatch(r"(2\d{3})-(0[1-9]|1[0-2])", text, re.ASCII)
        if not found:
            raise BadInput(f"'{text}': 월은 2025-11 처럼 적어야 합니다 (a month is written like 2025-11).")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> "Month":
        """The month of a local (KST) day."""
        return cls(day.year, day.month)

    @classmethod
    def at(cls, instant: datetime) -> "Month":
        """The KST month in which an aware instant lies."""
        return cls.of(instant.astimezone(KST).date())

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    def __add__(self, months: int) -> "Month":
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    @property
    def first(self) -> date:
        """First local day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """Last local day."""
        return (self + 1).first - timedelta(days=1)

    @property
    def start(self) -> datetime:
        """First instant, in UTC."""
        return kst_midnight(self.first)

    @property
    def end(self) -> datetime:
        """First instant after the month, in UTC."""
        return (self + 1).start

    @property
    def seconds(self) -> int:
        """Length in seconds; Seoul knows no summer time."""
        return (self.last.day) * 86_400


def kst_midnight(day: date) -> datetime:
    """The instant, in UTC, at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=KST).astimezone(UTC)


def kst_day(instant: datetime) -> date:
    """The local (KST) day of an aware instant."""
    return instant.astimezone(KST).date()


def day_number(day: date) -> int:
    """Days since 1970-01-01, for compact day columns."""
    return day.toordinal() - EPOCH_DAY.toordinal()


def day_of_number(number: int) -> date:
    """The inverse of day_number."""
    return date.fromordinal(number + EPOCH_DAY.toordinal())

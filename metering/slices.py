"""Usage cut at local midnights, exactly: an interval becomes what it adds to each local (KST) day."""

from datetime import date
from itertools import groupby

from core.month import DAY_US, KST_OFFSET_US, Month, day_number, day_of_number


def midnight_us(day: date, days_later: int = 0) -> int:
    """The instant, in microseconds since 1970-01-01 UTC, at which a local day (or one some days later) begins."""
    return (day_number(day) + days_later) * DAY_US - KST_OFFSET_US


def day_slices(start_us: int, end_us: int, gpus_milli: int) -> list[tuple[int, int]]:
    """(day, microseconds × thousandths of a GPU) of each local day that [start, end) touches.

    `day` is days since 1970-01-01 on the Seoul calendar. The parts sum to the whole.
    """
    start_us += KST_OFFSET_US
    end_us += KST_OFFSET_US
    first, last = start_us // DAY_US, (end_us - 1) // DAY_US
    if first == last:
        return [(first, (end_us - start_us) * gpus_milli)]
    middle = [(day, DAY_US * gpus_milli) for day in range(first + 1, last)]
    return [
        (first, ((first + 1) * DAY_US - start_us) * gpus_milli),
        *middle,
        (last, (end_us - last * DAY_US) * gpus_milli),
    ]


def elapsed_slices(start_us: int, end_us: int, elapsed_us: int) -> list[tuple[int, int]]:
    """(day, microseconds) of a job's elapsed time, which leaves suspension out, in proportion to wall time.

    Of each local month but the last the part is floored to the microsecond, and the last takes the rest (domain.md §3);
    within a month the same holds from its first day up to each day, so that its days sum to the month.
    """
    if start_us == end_us:
        return []
    walls = day_slices(start_us, end_us, 1)
    last = Month.of(day_of_number(walls[-1][0]))
    parts, left_us = [], elapsed_us
    for month, group in groupby(walls, key=lambda one: Month.of(day_of_number(one[0]))):
        days = list(group)
        wall_us = sum(one for _, one in days)
        month_us = left_us if month == last else elapsed_us * wall_us // (end_us - start_us)
        left_us -= month_us
        passed_us = given_us = 0
        for day, day_us in days:
            passed_us += day_us
            until_us = month_us * passed_us // wall_us
            parts.append((day, until_us - given_us))
            given_us = until_us
    return parts

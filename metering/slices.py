"""GPU usage cut at local midnights, exactly: an interval becomes what it adds to each local (KST) day."""

from datetime import date

from core.month import DAY_US, KST_OFFSET_US, day_number


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

"""Cells of bank exports: days, times and won as Korean banks write them. Pure; each says what is wrong with a cell."""

import re
from datetime import UTC, datetime, time

from core.month import KST

DATE = re.compile(
    r"(2[01]\d\d)(?:([-./]) ?(\d\d?)\2 ?(\d\d?)\.?|(\d\d)(\d\d))(?:[ T]+(\d\d:\d\d(?::\d\d)?|\d{6}))?", re.ASCII
)
TIME = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d))?", re.ASCII)
AMOUNT = re.compile(r"(\d{1,15}|\d{1,3}(?:,\d{3}){1,4})", re.ASCII)
NEGATIVE = "-−△▲"


def instant_of(day: str, clock: str | None) -> datetime:
    """The UTC instant of a local day, with a time in the same cell or in `clock`; without one the day's beginning.

    Raises ValueError saying what is wrong.
    """
    found = DATE.fullmatch(day)
    if not found:
        raise ValueError("날짜는 2025-12-03, 2025.12.03, 2025/12/03, 20251203 처럼 적혀야 합니다 (not a date)")
    year, _, month, number, packed_month, packed_number, own_clock = found.groups()
    if own_clock and clock:
        raise ValueError("시각이 두 열에 있습니다 (a time in both columns)")
    try:
        moment = datetime(int(year), int(month or packed_month), int(number or packed_number), tzinfo=KST)
        at = _time(own_clock or clock)
    except ValueError:
        raise ValueError("달력에 없는 날짜나 시각입니다 (no such day or time)") from None
    return moment.replace(hour=at.hour, minute=at.minute, second=at.second).astimezone(UTC)


def _time(clock: str | None) -> time:
    if not clock:
        return time()
    found = TIME.fullmatch(clock)
    if not found:
        raise ValueError("not a time")
    return time(int(found[1]), int(found[2]), int(found[3] or 0))


def won_of(cell: str) -> int | None:
    """Signed won of a cell: `1,234,567`, `1,234원`, `₩1,234`, negative as `-1,234`, `△1,234` or `(1,234)`.

    None for an empty one. Raises ValueError for anything else, a decimal point and misplaced commas included.
    """
    text = cell.replace(" ", "")
    if not text or text == "-":
        return None
    bracketed = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if bracketed else text
    negative = text[:1] in NEGATIVE if text else False
    digits = text[1 if negative else 0 :].removeprefix("₩").removesuffix("원")
    if not AMOUNT.fullmatch(digits) or (bracketed and negative):
        raise ValueError("원 단위 정수가 아닙니다. 1,234,567 / △1,234 / (1,234) 처럼 적혀야 합니다 (not whole won)")
    krw = int(digits.replace(",", ""))
    return -krw if bracketed or negative else krw

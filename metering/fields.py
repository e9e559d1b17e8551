"""The fields of events, read strictly and exactly: instants, quantities, texts (contract.md §4).

Every reader gives the canonical form beside the value, so that two ways to write one thing are one content. Readers
keep small bounded caches, because the same minutes and the same quantities come again and again.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Annotated

import msgspec

TEXT_LIMIT = 1024
QUANTITY_LIMIT_MILLI = 10**15
GPUS_LIMIT_MILLI = 10**9
BYTES_LIMIT = 10**18
COUNT_LIMIT = 10**6
ELAPSED_LIMIT_S = 10**10
CACHE_LIMIT = 100_000

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_LIMIT)]
_text = msgspec.json.Decoder(Text)
_EPOCH = date(1970, 1, 1).toordinal()
_EPOCH_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = Context(prec=200)
_MINUTE = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)", re.ASCII)
_TAIL = re.compile(r"(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NUMBER = re.compile(rb'("?)(-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?)\1')
_WHOLE = re.compile(rb"\d{1,19}")


class FieldError(ValueError):
    """A field that cannot be read: which one, and what is wrong with it."""

    def __init__(self, field: str, problem: str):
        super().__init__(f"{field}: {problem}")
        self.field = field


_minutes: dict[str, tuple[int, str]] = {}
_tails: dict[str, tuple[int, str, str]] = {}
_seconds = {f":{second:02d}": second * 1_000_000 for second in range(60)}
_numbers: dict[bytes, int] = {}


def instant(text: str, field: str) -> tuple[int, str]:
    """An RFC 3339 instant with offset → microseconds since 1970-01-01 UTC, and its canonical text (UTC, six digits).

    Raises FieldError: no offset, more than six fraction digits, 24:00, a leap second, a day that is not.
    """
    try:
        fraction_us, fraction, offset = _tails[text[19:]]
        second = text[16:19]
        minute_us, minute = _minutes[text[:16] + offset]
        return minute_us + _seconds[second] + fraction_us, f"{minute}{second}{fraction}"
    except KeyError:
        return _instant_slowly(text, field)


def _instant_slowly(text: str, field: str) -> tuple[int, str]:
    tail = _TAIL.fullmatch(text[19:])
    if not tail or not _MINUTE.fullmatch(text[:16]) or text[16:19] not in _seconds:
        problem = _instant_problem(text)
        raise FieldError(field, f"{_shown(text)} {problem}")
    digits = (tail[1] or "").ljust(6, "0")
    offset = "" if tail[2] == "Z" else tail[2]
    minute = _minute(text[:16], offset, field)
    if len(_tails) >= CACHE_LIMIT:
        _tails.clear()
    if len(_minutes) >= CACHE_LIMIT:
        _minutes.clear()
    _tails[text[19:]] = (int(digits), f".{digits}Z", offset)
    _minutes[text[:16] + offset] = minute
    return minute[0] + _seconds[text[16:19]] + int(digits), f"{minute[1]}{text[16:19]}.{digits}Z"


def _instant_problem(text: str) -> str:
    tail = text[19:]
    if _MINUTE.fullmatch(text[:16]) and text[16:19] in _seconds:
        if not tail or re.fullmatch(r"\.\d+", tail, re.ASCII):
            return "시차가 없습니다 (no offset: write Z or +09:00)"
        if re.fullmatch(r"\.\d{7,}(Z|[+-]\d\d:\d\d)", tail, re.ASCII):
            return "소수 자리가 여섯을 넘습니다 (more than six fraction digits)"
    return "RFC 3339 시각이 아닙니다 (not an RFC 3339 instant such as 2025-11-30T15:00:00Z)"


def _minute(text: str, offset: str, field: str) -> tuple[int, str]:
    """Microseconds and canonical text of `2025-11-30T15:00` at an offset (empty: UTC)."""
    try:
        day, hour, minute = date.fromisoformat(text[:10]).toordinal() - _EPOCH, int(text[11:13]), int(text[14:16])
        if hour > 23 or minute > 59:
            raise ValueError
        minutes = day * 1440 + hour * 60 + minute
        if offset:
            hours, rest = int(offset[1:3]), int(offset[4:6])
            if hours > 23 or rest > 59:
                raise ValueError
            minutes -= (hours * 60 + rest) * (1 if offset[0] == "+" else -1)
        utc_day = date.fromordinal(minutes // 1440 + _EPOCH)
    except ValueError:
        problem = "없는 날짜이거나 시각입니다 (there is no such day or time)"
        raise FieldError(field, f"{_shown(text + offset)} {problem}") from None
    rest = minutes % 1440
    return minutes * 60_000_000, f"{utc_day.isoformat()}T{rest // 60:02d}:{rest % 60:02d}"


def instant_text(us: int) -> str:
    """The canonical text of an instant given in microseconds since 1970-01-01 UTC."""
    seconds, fraction = divmod(us, 1_000_000)
    minutes, second = divmod(seconds, 60)
    day, rest = divmod(minutes, 1440)
    day_text = date.fromordinal(day + _EPOCH).isoformat()
    return f"{day_text}T{rest // 60:02d}:{rest % 60:02d}:{second:02d}.{fraction:06d}Z"


def moment_of(us: int) -> datetime:
    """The instant, in UTC, of microseconds since 1970-01-01."""
    return _EPOCH_INSTANT + timedelta(microseconds=us)


def milli(raw: bytes, field: str, limit: int = QUANTITY_LIMIT_MILLI) -> int:
    """A positive JSON number or string of one, exactly, in thousandths. Raises FieldError."""
    found = _numbers.get(raw)
    if found is None:
        found = _milli_slowly(raw, field)
        if len(_numbers) >= CACHE_LIMIT:
            _numbers.clear()
        _numbers[raw] = found
    if found > limit:
        raise FieldError(field, f"{_shown(raw)} 너무 큽니다 (larger than {decimal_text(limit)})")
    return found


def _milli_slowly(raw: bytes, field: str) -> int:
    match = _NUMBER.fullmatch(raw)
    if not match:
        raise FieldError(field, f"{_shown(raw)} 읽을 수 있는 수가 아닙니다 (not a decimal number in reach)")
    thousandths = Decimal(match[2].decode()).scaleb(3, _EXACT)
    if thousandths <= 0:
        raise FieldError(field, f"{_shown(raw)} 0보다 커야 합니다 (must be above zero)")
    if thousandths > QUANTITY_LIMIT_MILLI:
        raise FieldError(field, f"{_shown(raw)} 너무 큽니다 (too large)")
    if thousandths != int(thousandths):
        raise FieldError(field, f"{_shown(raw)} 소수 자리가 셋을 넘습니다 (more than three decimals)")
    return int(thousandths)


def decimal_text(quantity: int, digits: int = 3) -> str:
    """A count of thousandths (or of 10^-digits) as an exact decimal without trailing zeros: 460 → `0.46`."""
    sign = "-" if quantity < 0 else ""
    whole, rest = divmod(abs(quantity), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}".rstrip("0") if rest else f"{sign}{whole}"


def milli_of(text: str) -> int:
    """The inverse of decimal_text."""
    return int(Decimal(text).scaleb(3))


def whole(raw: bytes, field: str, limit: int) -> int:
    """A JSON integer from zero to a limit. Raises FieldError."""
    if not _WHOLE.fullmatch(raw) or int(raw) > limit:
        raise FieldError(field, f"{_shown(raw)} 0 이상의 정수여야 합니다 (an integer of zero or more, up to {limit:,})")
    return int(raw)


def check_elapsed(start: str, end: str, elapsed_s: int, prefix: str) -> None:
    """A job's elapsed time leaves suspension out, so that it never exceeds its wall time. Raises FieldError."""
    wall_us = instant(end, "end")[0] - instant(start, "start")[0]
    if wall_us < 0:
        raise FieldError(prefix + "end", f"{end} 시작보다 앞입니다 (end is before start)")
    if elapsed_s * 1_000_000 > wall_us:
        problem = f"{elapsed_s} 시작부터 끝까지보다 깁니다 (longer than from start to end)"
        raise FieldError(prefix + "elapsed_s", problem)


def text(raw: bytes, field: str) -> str:
    """A JSON string of 1 to 1,024 characters without NUL. Raises FieldError."""
    try:
        value = _text.decode(raw)
        value.encode()
    except (ValueError, RecursionError) as error:
        raise FieldError(field, f"{_shown(raw)} 글자가 아닙니다 ({str(error)[:200]})") from None
    if "\0" in value:
        raise FieldError(field, f"{_shown(raw)} NUL 문자가 있습니다 (contains NUL)")
    return value


def _shown(value: str | bytes) -> str:
    """A value as a message shows it: short, and printable."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return repr(text if len(text) <= 60 else text[:57] + "...")

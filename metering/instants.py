"""Many RFC 3339 instants at once, by the rules of fields.instant, which says why one is not taken."""

from collections.abc import Sequence

import numpy

SHORTEST, LONGEST = 20, 32
_DAYS = numpy.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], numpy.int64)
_SECOND_US = 1_000_000
_YEAR_1_US, _YEAR_10000_US = -62_135_596_800 * _SECOND_US, 253_402_300_800 * _SECOND_US


def instants(texts: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(microseconds since 1970-01-01 UTC, whether it was read) of each text."""
    count = len(texts)
    found, read = numpy.zeros(count, numpy.int64), numpy.zeros(count, numpy.bool_)
    lengths = numpy.fromiter(map(len, texts), numpy.int64, count)
    flat = numpy.frombuffer("".join(texts).encode("ascii", "replace"), numpy.uint8)  # a byte for each letter
    offsets = numpy.cumsum(lengths) - lengths
    for length in numpy.unique(lengths).tolist():
        if SHORTEST <= length <= LONGEST:
            at = numpy.flatnonzero(lengths == length)
            letters = flat[offsets[at][:, None] + numpy.arange(length)]
            zulu = letters[:, -1] == ord("Z")
            for which, offset_letters in ((zulu, 1), (~zulu, 6)):
                if which.any():
                    found[at[which]], read[at[which]] = _parsed(letters[which], length - 19 - offset_letters)
    return found, read


def _parsed(letters: numpy.ndarray, fraction_letters: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Rows of letters of one shape: 19 to the second, the fraction with its point, then Z or an offset."""
    digits = numpy.subtract(letters, 48, dtype=numpy.int64)
    if fraction_letters in (1, *range(8, LONGEST)) or fraction_letters < 0:
        return numpy.zeros(len(letters), numpy.int64), numpy.zeros(len(letters), numpy.bool_)
    read = numpy.ones(len(letters), numpy.bool_)
    for column, letter in ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")):
        read &= letters[:, column] == ord(letter)

    def number(first: int, last: int) -> numpy.ndarray:
        nonlocal read
        value = numpy.zeros(len(letters), numpy.int64)
        for column in range(first, last):
            digit = digits[:, column]
            read &= (digit >= 0) & (digit <= 9)
            value = value * 10 + digit
        return value

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    us = numpy.zeros(len(letters), numpy.int64)
    if fraction_letters:
        read &= letters[:, 19] == ord(".")
        us = number(20, 19 + fraction_letters) * 10 ** (7 - fraction_letters)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    read &= (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    month = numpy.where(read, month, 1)
    read &= (day >= 1) & (day <= _DAYS[month] + (leap & (month == 2)))
    minutes = hour * 60 + minute
    tail = 19 + fraction_letters
    if letters.shape[1] - tail == 6:
        sign = letters[:, tail]
        hours, rest = number(tail + 1, tail + 3), number(tail + 4, tail + 6)
        read &= ((sign == ord("+")) | (sign == ord("-"))) & (letters[:, tail + 3] == ord(":"))
        read &= (hours <= 23) & (rest <= 59)
        minutes = minutes - numpy.where(sign == ord("+"), 1, -1) * (hours * 60 + rest)
    us += ((_days(year, month, day) * 1440 + minutes) * 60 + second) * _SECOND_US
    return us, read & (us >= _YEAR_1_US) & (us < _YEAR_10000_US)


def _days(year: numpy.ndarray, month: numpy.ndarray, day: numpy.ndarray) -> numpy.ndarray:
    """Days since 1970-01-01 of Gregorian dates: the year is taken to begin in March, so that a leap day ends it."""
    before_march = (month <= 2) * 1
    year = year - before_march
    since_march = month + 12 * before_march - 3
    in_year = (153 * since_march + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719_468


def instant_texts(us: numpy.ndarray) -> list[str]:
    """Canonical texts without their closing Z."""
    return numpy.datetime_as_string(us.view("M8[us]")).tolist()

"""Many RFC 3339 instants at once, by the rules of fields.instant, which says why one is not taken."""

from collections.abc import Sequence
from functools import lru_cache

import numpy

SHORTEST, LONGEST, CANONICAL = 20, 32, 26
_DAYS = numpy.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], numpy.int32)
_SECOND_US = 1_000_000
_YEAR_1_US, _YEAR_10000_US = -62_135_596_800 * _SECOND_US, 253_402_300_800 * _SECOND_US


def instants(texts: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray, list[bytes]]:
    """(microseconds since 1970-01-01 UTC, whether it was read, canonical text without its closing Z) of each text."""
    count = len(texts)
    found, read = numpy.zeros(count, numpy.int64), numpy.zeros(count, numpy.bool_)
    canonical = numpy.full((count, CANONICAL), ord("0"), numpy.uint8)
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
                    rows = at[which]
                    found[rows], read[rows] = _parsed(letters[which], length - 19 - offset_letters)
                    canonical[rows] = _canonical(letters[which], length - offset_letters, found[rows], read[rows])
    return found, read, canonical.reshape(-1).view(f"S{CANONICAL}").tolist()


def _canonical(letters: numpy.ndarray, seconds_letters: int, us: numpy.ndarray, read: numpy.ndarray) -> numpy.ndarray:
    """Letters of canonical texts: those given, when they are UTC; else those of the instant."""
    canonical = numpy.full((len(letters), CANONICAL), ord("0"), numpy.uint8)
    if letters[0, -1] == ord("Z"):
        canonical[:, 19] = ord(".")
        kept = min(seconds_letters, CANONICAL)
        canonical[:, :kept] = letters[:, :kept]
    elif read.any():
        texts = numpy.array(numpy.datetime_as_string(us[read].view("M8[us]")), f"S{CANONICAL}")
        canonical[read] = texts.view(numpy.uint8).reshape(-1, CANONICAL)
    return canonical


def _parsed(letters: numpy.ndarray, fraction_letters: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Rows of letters of one shape: 19 to the second, the fraction with its point, then Z or an offset."""
    if fraction_letters == 1 or not 0 <= fraction_letters <= 7:
        return numpy.zeros(len(letters), numpy.int64), numpy.zeros(len(letters), numpy.bool_)
    numbers, marks, weights = _shape(fraction_letters, letters.shape[1] - 19 - fraction_letters)
    digits = letters[:, numbers] - numpy.uint8(48)
    read = (digits <= 9).all(axis=1)
    for column, letter in marks:
        read &= letters[:, column] == ord(letter)
    year, month, day, hour, minute, second, us, hours, rest = (digits @ weights).T
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    read &= (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    month = numpy.where(read, month, 1)
    read &= (day >= 1) & (day <= _DAYS[month] + (leap & (month == 2))) & (hours <= 23) & (rest <= 59)
    minutes = hour * 60 + minute
    if letters[0, -1] != ord("Z"):
        sign = letters[:, 19 + fraction_letters]
        read &= (sign == ord("+")) | (sign == ord("-"))
        minutes = minutes - numpy.where(sign == ord("+"), 1, -1) * (hours * 60 + rest)
    days = numpy.array(_days(year, month, day), numpy.int64)
    us = us + ((days * 1440 + minutes) * 60 + second) * _SECOND_US
    return us, read & (us >= _YEAR_1_US) & (us < _YEAR_10000_US)


@lru_cache
def _shape(fraction_letters: int, tail_letters: int) -> tuple[list[int], list[tuple[int, str]], numpy.ndarray]:
    """Where digits and other letters stand, and what each digit weighs in each of the nine numbers."""
    tail = 19 + fraction_letters
    places = [
        (0, 4),
        (5, 7),
        (8, 10),
        (11, 13),
        (14, 16),
        (17, 19),
        (20, tail),
        (tail + 1, tail + 3),
        (tail + 4, tail + 6),
    ]
    if tail_letters == 1:
        places[7:] = [(0, 0), (0, 0)]
    marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")]
    marks += [(19, ".")] if fraction_letters else []
    marks += [(tail + 3, ":")] if tail_letters == 6 else []
    numbers = [column for first, last in places for column in range(first, last)]
    weights = numpy.zeros((len(numbers), len(places)), numpy.int32)
    for number, (first, last) in enumerate(places):
        for column in range(first, last):
            power = 25 - column if number == 6 else last - 1 - column
            weights[numbers.index(column), number] = 10**power
    return numbers, marks, weights


def _days(year: numpy.ndarray, month: numpy.ndarray, day: numpy.ndarray) -> numpy.ndarray:
    """Days since 1970-01-01 of Gregorian dates: the year is taken to begin in March, so that a leap day ends it."""
    before_march = (month <= 2) * 1
    year = year - before_march
    since_march = month + 12 * before_march - 3
    in_year = (153 * since_march + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719_468

"""Amounts and dates in the words of Korean public documents (domain.md §11). Pure functions."""

from datetime import date

DIGITS = "영일이삼사오육칠팔구"
SMALL = ("", "십", "백", "천")
LARGE = ("", "만", "억", "조", "경")
WEEKDAYS = "월화수목금토일"
LIMIT_KRW = 10 ** (4 * len(LARGE))


def number_words(number: int) -> str:
    """`123000000` → `일억이천삼백만`: 일 is always written. Raises ValueError below zero or from 10^20 on."""
    if not 0 <= number < LIMIT_KRW:
        raise ValueError(f"{number} has no words here")
    if number == 0:
        return DIGITS[0]
    words = ""
    for power, large in enumerate(LARGE):
        group = number // 10_000**power % 10_000
        if group:
            words = _group_words(group) + large + words
    return words


def _group_words(group: int) -> str:
    return "".join(DIGITS[group // 10**power % 10] + SMALL[power] for power in (3, 2, 1, 0) if group // 10**power % 10)


def amount_words(amount_krw: int) -> str:
    """`123000000` → `금일억이천삼백만원`; a negative amount is refused (ValueError): say what it is, then its size."""
    return f"금{number_words(amount_krw)}원"


def amount_text(amount_krw: int) -> str:
    """The public-document form: `금5,814,785원(금오백팔십일만사천칠백팔십오원)`."""
    return f"금{amount_krw:,}원({amount_words(amount_krw)})"


def date_text(day: date) -> str:
    """`2025. 11. 30.(일)`."""
    return f"{day.year}. {day.month}. {day.day}.({WEEKDAYS[day.weekday()]})"


def short_date_text(day: date) -> str:
    """`2025. 11. 30.`."""
    return f"{day.year}. {day.month}. {day.day}."


def period_text(first: date, last: date) -> str:
    """`2025. 11. 1.(토) ~ 2025. 11. 30.(일)`."""
    return f"{date_text(first)} ~ {date_text(last)}"

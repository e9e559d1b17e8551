"""A cell's text becomes an exact value, or says why it is none. Pure functions; no float is ever made.

A spreadsheet keeps numbers as binary fractions of 53 bits and writes them with up to 17 digits: 40.1 may stand in the
file as 40.100000000000001. A number counts as the decimal of three places that has the very same 53 bits, found in
exact integers; one that is no such decimal (0.1 + 0.2, 1 / 3) is refused.
"""

import re
import unicodedata
from datetime import date, timedelta
from fractions import Fraction

from billing.claim_form import MOST_KRW, Cell

NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,30})?([eE][+-]?\d{1,2})?", re.ASCII)
GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
LAST_DAY = date(2999, 12, 31)
MILLI = 1_000
BITS = 53
SHOWN = 40


class Wrong(Exception):
    """Why a cell holds no value of its column, in Korean and English."""

    def __init__(self, korean: str, english: str):
        super().__init__(korean, english)
        self.korean, self.english = korean, english


def shown(text: str) -> str:
    """A cell's text as a message shows it: short, and without characters that do not print."""
    printed = "".join(one if one.isprintable() else "\ufffd" for one in text.strip()[: SHOWN + 1])
    return printed if len(printed) <= SHOWN else printed[: SHOWN - 1] + "…"


def normal(text: str) -> str:
    """Text as it is compared: composed Hangul (NFC), no blanks around it."""
    return unicodedata.normalize("NFC", text).strip()


def words(cell: Cell) -> str:
    """The text of a cell, NFC, trimmed; a whole number counts as its digits. Raises Wrong."""
    _refuse_no_value(cell)
    if cell.kind == "number" and re.fullmatch(r"\d{1,15}", cell.text, re.ASCII):
        return cell.text
    if cell.kind != "text":
        raise Wrong(f"글자가 아니라 {_kind(cell)} '{shown(cell.text)}'입니다.", "not a text")
    return normal(cell.text)


def won(cell: Cell) -> int:
    """A whole number of won, zero or more. Raises Wrong."""
    amount = _exact(cell, 1, "원 단위 정수로 적으세요.")
    if amount > MOST_KRW:
        raise Wrong(f"{shown(cell.text)}: 15자리를 넘습니다.", "too large")
    return amount


def whole(cell: Cell) -> int:
    """A whole number, zero or more. Raises Wrong."""
    return _exact(cell, 1, "정수를 적으세요.")


def milli(cell: Cell) -> int:
    """A quantity above zero, in thousandths. Raises Wrong."""
    quantity = _exact(cell, MILLI, "소수 셋째 자리까지 적으세요.")
    if quantity == 0:
        raise Wrong("0입니다. 0보다 큰 수를 적으세요.", "zero")
    if quantity > MOST_KRW:
        raise Wrong(f"{shown(cell.text)}: 너무 큽니다.", "too large")
    return quantity


def day(cell: Cell, day_zero: date) -> date:
    """A date without a time of day, from the day number that a spreadsheet keeps. Raises Wrong."""
    _refuse_no_value(cell)
    if cell.kind == "text":
        raise _date_as_text(cell.text)
    if cell.kind == "date":
        return _iso_day(cell.text)
    number = _number(cell)
    if number.denominator != 1:
        raise Wrong(f"시각이 붙은 날짜입니다 ({shown(cell.text)}). 날짜만 적으세요.", "a time of day in a date")
    if not 0 < number <= (LAST_DAY - day_zero).days:
        raise Wrong(f"날짜가 아니라 수 {shown(cell.text)}입니다. 2025-11-20 처럼 적으세요.", "not a date")
    return day_zero + timedelta(days=int(number))


def _date_as_text(text: str) -> Wrong:
    found = DAY.fullmatch(normal(text))
    try:
        known = found and date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return Wrong(f"없는 날짜입니다 (글자 {shown(text)}).", "no such day, and a text")
    if known:
        return Wrong(f"날짜가 아니라 글자 '{shown(text)}'입니다. 칸에 {known} 을(를) 다시 적으세요.", "a date as text")
    return Wrong(f"날짜가 아니라 글자 '{shown(text)}'입니다. 2025-11-20 처럼 적으세요.", "not a date")


def _iso_day(text: str) -> date:
    found = DAY.fullmatch(text.strip().removesuffix("Z").removesuffix("T00:00:00"))
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass
    raise Wrong(f"날짜만 적으세요 ({shown(text)}).", "not a day")


def _refuse_no_value(cell: Cell) -> None:
    """Formulas, errors and logical values stand for no value in any entered column."""
    text = shown(cell.text)
    if cell.kind == "formula":
        raise Wrong(f"수식({text})은 받지 않습니다. 값을 적으세요.", "a formula")
    if cell.kind == "error":
        raise Wrong(f"오류 값 {text}입니다.", "an error value")
    if cell.kind == "boolean":
        raise Wrong("참/거짓 값입니다.", "a logical value")


def _kind(cell: Cell) -> str:
    return {"number": "수", "date": "날짜"}.get(cell.kind, "글자")


def _number(cell: Cell) -> Fraction:
    _refuse_no_value(cell)
    if cell.kind == "number" and NUMBER.fullmatch(cell.text.strip()):
        return Fraction(cell.text.strip())
    if cell.kind != "text":
        raise Wrong(f"수가 아니라 '{shown(cell.text)}'입니다.", "not a number")
    plain = unicodedata.normalize("NFKC", cell.text[:100]).strip()
    if GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    if NUMBER.fullmatch(plain):
        raise Wrong(
            f"글자로 적힌 수입니다 ('{shown(cell.text)}'). 수 {shown(plain)} 로 다시 적으세요.", "a number as text"
        )
    raise Wrong(f"수가 아니라 글자 '{shown(cell.text)}'입니다.", "not a number")


def _exact(cell: Cell, scale: int, advice: str) -> int:
    """The number in units of 1 / scale. Raises Wrong below zero, and where it is not exactly that."""
    number = _number(cell)
    if number < 0:
        raise Wrong(f"0보다 작습니다 ({shown(cell.text)}).", "negative")
    scaled = round(number * scale)
    if _binary(Fraction(scaled, scale)) != _binary(number):
        raise Wrong(f"딱 떨어지지 않는 수입니다 ({shown(cell.text)}). {advice}", "too many decimals, or not exact")
    return scaled


def _binary(number: Fraction) -> Fraction:
    """The nearest number of 53 significant bits, ties to even: what a spreadsheet keeps of it."""
    if number == 0:
        return number
    exponent = number.numerator.bit_length() - number.denominator.bit_length() - BITS
    while number >= Fraction(2) ** (exponent + BITS):
        exponent += 1
    while number < Fraction(2) ** (exponent + BITS - 1):
        exponent -= 1
    unit = Fraction(2) ** exponent
    return round(number / unit) * unit

"""How pages write won, days and quantities: the filters of the templates."""

from datetime import date, datetime
from decimal import Decimal

from core.month import Month, kst_day
from portal.month_text import won
from reports.words import amount_text, date_text


def day(value: date | datetime | None) -> str:
    """`2025. 11. 30.(일)`, of an instant its day in Seoul; `-` for none."""
    if value is None:
        return "-"
    return date_text(kst_day(value) if isinstance(value, datetime) else value)


def month(value: date | Month) -> str:
    """`2025-11`."""
    return f"{value:%Y-%m}" if isinstance(value, date) else str(value)


def words(krw: int) -> str:
    """`금5,814,785원(금오백팔십일만…원)`; below zero with △ before it."""
    return ("△ " if krw < 0 else "") + amount_text(abs(krw))


def milli(thousandths: int) -> str:
    """Thousandths of a unit as a number without trailing zeros: `86.5`."""
    return f"{Decimal(thousandths).scaleb(-3).normalize():,f}"


FILTERS = {"won": won, "day": day, "month": month, "words": words, "milli": milli}

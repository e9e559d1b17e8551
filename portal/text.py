"""How pages write won, days and quantities: the filters of the templates."""

from datetime import date, datetime
from decimal import Decimal

from core.month import KST
from portal.month_text import won
from reports.words import amount_text, date_text


def day(value: date | str) -> str:
    """`2025. 11. 30.(일)`, of a local day or its ISO text."""
    return date_text(date.fromisoformat(value) if isinstance(value, str) else value)


def instant(value: str) -> str:
    """`2025. 12. 3.(수) 14:20` in Seoul, of an instant's ISO text."""
    local = datetime.fromisoformat(value).astimezone(KST)
    return f"{date_text(local.date())} {local:%H:%M}"


def words(krw: int) -> str:
    """`금5,814,785원(금오백팔십일만…원)`; below zero with △ before it."""
    return ("△ " if krw < 0 else "") + amount_text(abs(krw))


def exact(quantity: Decimal | int | str) -> str:
    """An exact quantity as it is rounded for display: `1,234.50`, `△123.75`."""
    value = Decimal(quantity)
    return f"{'△' if value < 0 else ''}{abs(value):,}"


FILTERS = {"exact": exact, "won": won, "day": day, "instant": instant, "words": words}

"""How pages write won, days and quantities."""

from datetime import date
from decimal import Decimal

import pytest

from portal.text import FILTERS


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("won", 1_234, "1,234"), ("won", -1_234_567, "△1,234,567"), ("won", 0, "-"),
     ("exact", Decimal("-123.75"), "△123.75"), ("exact", Decimal("1234.50"), "1,234.50"), ("exact", 1_010, "1,010"),
     ("exact", "6592.5", "6,592.5"),
     ("day", date(2025, 11, 30), "2025. 11. 30.(일)"), ("day", "2026-01-26", "2026. 1. 26.(월)"),
     ("instant", "2025-12-03T14:59:59.999999+00:00", "2025. 12. 3.(수) 23:59"),
     ("instant", "2025-12-03T15:00:00+00:00", "2025. 12. 4.(목) 00:00"),
     ("words", 5_814_785, "금5,814,785원(금오백팔십일만사천칠백팔십오원)"), ("words", -3, "△ 금3원(금삼원)")],
)  # fmt: skip
def test_filters__write_figures_days_and_amounts_as_the_statements_do(name, value, text):
    assert FILTERS[name](value) == text

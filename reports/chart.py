"""The chart of 월별추이: what it is made of; the workbook module draws it."""

from collections.abc import Sequence

from reports.layout import Placed, Row
from reports.workbook import RawSheet, Series, bars_and_line


def execution_chart(sheet: RawSheet, place: Placed, rows: Sequence[Row]) -> object:
    """Bars of execution and payment (won, left) and the line of the cumulative rate (right), one point a month."""
    months = Series(title="월", column=1, values=[str(row.values[0]) for row in rows], format="General")
    bars = [
        Series(title="당월 집행", column=2, values=[row.values[1] for row in rows], format="#,##0"),
        Series(title="당월 지급", column=4, values=[row.values[3] for row in rows], format="#,##0"),
    ]
    line = Series(title="집행률(누계)", column=7, values=[row.values[6] or 0 for row in rows], format="0.0%")
    return bars_and_line(sheet, months, bars, line, first=place.first, last=place.last)

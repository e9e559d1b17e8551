"""The one table that the benchmarks print."""

import unicodedata
from collections.abc import Iterable
from dataclasses import astuple, dataclass

HEADINGS = ("what", "result", "ratio to bare", "growth 10^5→10^6", "goal", "peak memory")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: a rate or a time, and where it applies its ratio to the baseline, growth, goal and peak memory."""

    what: str
    result: str
    ratio: str = ""
    growth: str = ""
    goal: str = ""
    memory: str = ""


def times(value: float) -> str:
    """A ratio as text, `0.41×`."""
    return f"{value:.2f}×"


def rate(count: int, seconds: float, unit: str) -> str:
    """A rate as text, `152,000 events/s`."""
    return f"{count / seconds:,.0f} {unit}/s"


def seconds(value: float) -> str:
    """A duration as text, `1.24 s` or `38 ms`."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def render(rows: Iterable[Row]) -> str:
    """The table as a Markdown table that reads well in a terminal too."""
    lines = [HEADINGS, *(astuple(row) for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(HEADINGS))]
    shown = ["| " + " | ".join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)) + " |"
             for line in lines]  # fmt: skip
    return "\n".join([shown[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *shown[1:]])


def _width(cell: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in cell)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))

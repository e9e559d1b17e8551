"""How the cells of a workbook look: fonts, fills, borders and number formats by name, and what text must not be.

Plain values, no library.
"""

import re
from dataclasses import dataclass, replace

FONT = "맑은 고딕"
NAVY, GREY, LINE, RED, GREEN = "0B3A6F", "5B6470", "A9B4C0", "B3261E", "1B6B3A"
LABEL_FILL, TOTAL_FILL, AMBER_FILL, ERROR_FILL = "E9EEF5", "F1F4F8", "FFF5DC", "F9D7D3"

WON = '#,##0;"△"#,##0;"-"'
DIFFERENCE = '#,##0;"△"#,##0;0'
TWO_PLACES = '#,##0.00;"△"#,##0.00;"-"'
THREE_PLACES = '#,##0.000;"△"#,##0.000;"-"'
RATE = "0.0%"
DATE = 'yyyy". "m". "d"."'

UNSAFE_START = ("=", "+", "-", "@", "\t", "\r")
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

FIGURES = frozenset({"won", "count", "hours", "quantity", "rate", "difference", "exact"})


@dataclass(frozen=True, kw_only=True)
class Style:
    """One look. Borders are `thin`, `header` (top medium navy), `total` (bottom medium navy), `error` or none."""

    size: int = 10
    bold: bool = False
    italic: bool = False
    colour: str = "000000"
    fill: str = ""
    border: str = "thin"
    horizontal: str = ""
    vertical: str = "center"
    indent: int = 0
    wrap: bool = False
    format: str = "General"


TEXT = Style(horizontal="left", indent=1, wrap=True)
NUMBER = Style(horizontal="right", format=WON)
FREE = Style(border="")

STYLES = {
    "text": TEXT,
    "code": Style(horizontal="center", wrap=True),
    "won": NUMBER,
    "count": NUMBER,
    "hours": replace(NUMBER, format=TWO_PLACES),
    "quantity": replace(NUMBER, format=THREE_PLACES),
    "rate": replace(NUMBER, format=RATE),
    "difference": replace(NUMBER, format=DIFFERENCE),
    "exact": replace(NUMBER, format="@", size=9),
    "date": Style(horizontal="center", format=DATE),
    "verdict": Style(horizontal="center", bold=True, colour=GREEN),
    "reference": Style(size=9, colour=GREY, horizontal="left"),
    "references": Style(size=9, colour=GREY, horizontal="left", wrap=True),
    "label": Style(bold=True, fill=LABEL_FILL, horizontal="center", wrap=True),
    "header": Style(bold=True, fill=LABEL_FILL, border="header", horizontal="center", wrap=True),
    "amount": Style(size=12, bold=True, horizontal="left", indent=1),
    "error": Style(bold=True, colour=RED, fill=ERROR_FILL, border="error", horizontal="center", wrap=True),
    "title": replace(FREE, size=20, bold=True, colour=NAVY, horizontal="center"),
    "subtitle": replace(FREE, colour=GREY, horizontal="center"),
    "section": replace(FREE, size=11, bold=True, colour=NAVY, horizontal="left", vertical="bottom"),
    "unit": replace(FREE, size=9, colour=GREY, horizontal="right", vertical="bottom"),
    "number": replace(FREE, size=9, colour=GREY, horizontal="left"),
    "approval": Style(size=9, fill=LABEL_FILL, horizontal="center"),
    "box": Style(size=9, colour=GREY, horizontal="center"),
    "check": replace(FREE, size=9, italic=True, colour=GREY, horizontal="right", format=DIFFERENCE),
    "check_label": replace(FREE, size=9, italic=True, colour=GREY, horizontal="left"),
    "note": replace(FREE, size=9, colour=GREY, horizontal="left", vertical="top", wrap=True),
    "sentence": replace(FREE, horizontal="left", indent=1, wrap=True),
    "closing": replace(FREE, horizontal="center"),
    "signature": replace(FREE, size=16, bold=True, horizontal="center"),
}


def styled(kind: str, variant: str = "") -> Style:
    """The look of a kind of cell; `variant` is `total`, `correction` or empty."""
    style = STYLES[kind]
    if variant == "total":
        return replace(style, bold=True, fill=TOTAL_FILL, border="total")
    if variant == "correction":
        return replace(style, fill=AMBER_FILL)
    return style

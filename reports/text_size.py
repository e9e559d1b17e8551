"""How much room text takes in a cell: widths in column units, heights in points. Pure functions."""

NARROW = frozenset(" .,:;·()[]'|!iljI")


def text_width(text: str) -> float:
    """Width of a line of text in column units: Hangul and its like are about 1.65 units wide."""
    return sum(
        1.65 if ord(letter) > 0x2E7F else 0.6 if letter in NARROW else 0.93 if letter.islower() else 1.0
        for letter in text
    )


def text_lines(text: str, width: float, indent: int = 0) -> int:
    """How many lines a text takes in a column of that width, wrapped at spaces and inside words that are too long."""
    room = max(width - 0.8 - indent, 2.0)
    if "\n" not in text and len(text) * 1.65 <= room:
        return 1
    lines = 0
    for paragraph in text.split("\n"):
        lines, used = lines + 1, 0.0
        for word in paragraph.split(" "):
            size = text_width(word)
            if used and used + 0.6 + size > room:
                lines, used = lines + 1, 0.0
            used += size + (0.6 if used else 0)
            while used > room:
                lines, used = lines + 1, used - room
    return lines


def row_height(lines: int) -> float:
    """Height in points of a row of that many lines of 10-point text."""
    return 4.5 + 12.5 * max(lines, 1)

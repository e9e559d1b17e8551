"""CSV for other programs: rows out, no text that a spreadsheet would take for a formula."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import BadInput

ACTIVE = ("=", "+", "-", "@", "\t", "\r", "'")


def guarded(text: str) -> str:
    """The text with an apostrophe before it where it would become a formula, or begins with an apostrophe itself.

    So it comes back by taking one leading apostrophe away. A plain number is none: `-123.75` stays as it is.
    """
    return f"'{text}" if text.startswith(ACTIVE) and not re.fullmatch(r"-[0-9.]+", text) else text


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> int:
    """Writes UTF-8 CSV with LF line ends, texts guarded; returns how many rows.

    Raises BadInput when the file cannot be written.
    """
    count = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for row in rows:
                writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
                count += 1
    except OSError as error:
        raise not_writable(path, error) from None
    return count


def not_writable(path: Path, error: OSError) -> BadInput:
    """What to say of a file that cannot be written."""
    return BadInput(f"{path}: 쓸 수 없습니다. --out 에 다른 파일을 적으세요 (cannot be written: {error.strerror}).")

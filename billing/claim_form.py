"""The claim's Excel sheet as plain values: its columns and rows, what a file of it is for, and what its cells hold.

The layout is `shared/statements` 7 청구양식; it knows no library, so that reading, checking and writing share it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from core.month import Month

VERSION = "1"
GUIDE, ENTRIES, CODES = "작성안내", "청구내역", "코드"
HEADER_ROW, EXAMPLE_ROW, FIRST_ROW, LAST_ROW = 7, 8, 9, 208
MOST_LINES = LAST_ROW - FIRST_ROW + 1
LONGEST_NOTE = 100
MOST_KRW = 10**15 - 1
IDENTITY = ("양식", "사업", "공급병원", "정산월")
TAX_NAMES = {"taxable": "과세", "exempt": "면세", "zero": "영세"}
TITLES = {
    "A": "순번", "B": "작업번호", "C": "협약 line", "D": "작업 종류", "E": "수행일", "F": "수량",
    "G": "단위", "H": "단가", "I": "공급가액", "J": "부가가치세", "K": "비고", "L": "확인 결과",
}  # fmt: skip
ENTERED = "BCDEFGHIK"


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a file of the sheet is for, and what may be chosen in it.

    `taxes`: the hospital's lines in the programme, each with its tax type; `kinds`, `units`: of the work that may be
    claimed, units as the hospital reads them.
    """

    programme: str
    programme_name: str
    hospital: str
    hospital_name: str
    hospital_brn: str
    month: Month
    taxes: Mapping[str, str]
    kinds: Sequence[str] = ()
    units: Sequence[str] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """What an upload must repeat, in the order of IDENTITY."""
        return VERSION, self.programme, self.hospital, str(self.month)

    @property
    def number(self) -> str:
        """The number that stands on each page."""
        return f"청구양식 {self.programme} {self.hospital} {self.month}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in a cell, as the file's text of it: `kind` is number, text, date (ISO 8601), boolean, error or
    formula (its text begins with =).
    """

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The entered rows of an upload, by row number and column letter, blank cells left out.

    `day_zero`: the day that the file counts dates from; `hidden`: the entered rows that it hides.
    """

    rows: Mapping[int, Mapping[str, Cell]]
    day_zero: date
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A cell that is wrong: its address, its column's title, what is wrong and what would be right, in Korean and in
    English.
    """

    cell: str
    column: str
    korean: str
    english: str

    @property
    def row(self) -> int:
        """The row of its cell."""
        return int(self.cell[1:])

    def __str__(self) -> str:
        return f"{ENTRIES}!{self.cell} {self.column}: {self.korean} ({self.english})"

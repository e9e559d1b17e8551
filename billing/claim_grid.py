"""The cells of a workbook's parts, as text: SAX over the XML itself, so that no float is made of any number.

A document type, and so every entity, is refused; reading stops at the first value outside the wanted area.
"""

import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass, field
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.sax import parseString

from billing.claim_form import Cell
from billing.claim_values import normal
from core.errors import BadInput

ADDRESS = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})", re.ASCII)
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
KINDS = {"n": "number", "s": "text", "str": "text", "inlineStr": "text", "b": "boolean", "e": "error", "d": "date"}
RELATIONS = "xl/_rels/workbook.xml.rels"
STRINGS = "xl/sharedStrings.xml"
TRUE = ("1", "true", "on")
MOST_ELEMENTS = 10_000
MOST_MERGED = 100


@dataclass(frozen=True, kw_only=True)
class SheetPart:
    """A sheet that a workbook names: its part, and whether it is hidden."""

    part: str
    hidden: bool


@dataclass(kw_only=True)
class Grid:
    """The cells of a sheet by (row, column letters); its first 100 merged ranges; hidden rows and columns of the wanted
    area; `beyond`: the first value outside of it, where reading stopped.
    """

    cells: dict[tuple[int, str], Cell] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    beyond: str = ""


class _Enough(Exception):
    """A value stands outside the wanted area: the rest need not be read."""


class _Damaged(Exception):
    """The XML says something that no spreadsheet writes."""


def sheets_of(parts: dict[str, bytes], file: str) -> tuple[dict[str, SheetPart], bool]:
    """The sheets of a workbook by name, in order, and whether it counts days from 1904."""
    book, relations = _Elements(), _Elements()
    _read(parts, "xl/workbook.xml", book, file)
    _read(parts, RELATIONS, relations, file)
    targets = {
        one.get("Id"): posixpath.normpath(posixpath.join("xl", one.get("Target", ""))).lstrip("/")
        for name, one in relations.found
        if name == "Relationship"
    }
    sheets = {
        normal(one.get("name", "")): SheetPart(
            part=targets.get(one.get("id"), ""), hidden=one.get("state", "visible") != "visible"
        )
        for name, one in book.found
        if name == "sheet"
    }
    counts_1904 = any(one.get("date1904", "0") in TRUE for name, one in book.found if name == "workbookPr")
    return sheets, counts_1904


def strings_of(parts: dict[str, bytes], file: str) -> list[str]:
    """The strings that a workbook's sheets share."""
    strings = _Strings()
    if STRINGS in parts:
        _read(parts, STRINGS, strings, file)
    return strings.found


def grid_of(
    parts: dict[str, bytes], part: str, strings: list[str], file: str, last_row: int, last_column: str
) -> Grid:  # fmt: skip
    """The cells of a sheet down to a row and a column. Raises BadInput for XML that no spreadsheet writes."""
    reader = _Cells(strings, last_row, _column_number(last_column))
    with suppress(_Enough):
        _read(parts, part, reader, file)
    return reader.grid


def _read(parts: dict[str, bytes], part: str, handler: ContentHandler, file: str) -> None:
    try:
        parseString(parts[part], handler, forbid_dtd=True)
    except DefusedXmlException:
        raise BadInput(f"{file}: {part} 에 XML 개체 선언이 있습니다. 받지 않습니다 (an XML entity or DTD).") from None
    except (KeyError, SAXException, _Damaged, LookupError, ValueError) as error:
        problem = f"{file}: {part} 을(를) 읽을 수 없습니다. 엑셀에서 다시 저장해 올리세요 (unreadable: {error})."
        raise BadInput(problem) from None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Elements(ContentHandler):
    """Every element with its attributes, prefixes left out."""

    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def startElement(self, name, attrs):
        if len(self.found) == MOST_ELEMENTS:
            raise _Damaged(f"more than {MOST_ELEMENTS:,} elements")
        self.found.append((_local(name), {_local(key): value for key, value in attrs.items()}))


class _Text(ContentHandler):
    """Collects the text of `t` elements, phonetic hints left out."""

    def __init__(self):
        super().__init__()
        self.text: list[str] = []
        self._open = self._phonetic = False

    def startElement(self, name, attrs):
        name = _local(name)
        if name == "rPh":
            self._phonetic = True
        self._open = name == "t" and not self._phonetic

    def endElement(self, name):
        if _local(name) == "rPh":
            self._phonetic = False
        self._open = False

    def characters(self, content):
        if self._open:
            self.text.append(content)


class _Strings(_Text):
    """The shared strings, in order."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def endElement(self, name):
        super().endElement(name)
        if _local(name) == "si":
            self.found.append("".join(self.text))
            self.text.clear()


class _Cells(_Text):
    """The cells of a sheet, its merges, and what it hides."""

    def __init__(self, strings: list[str], last_row: int, last_column: int):
        super().__init__()
        self.grid = Grid()
        self._strings, self._last_row, self._last_column = strings, last_row, last_column
        self._row = self._column = 0
        self._kind, self._value, self._formula, self._into = "n", [], None, None

    def startElement(self, name, attrs):
        super().startElement(name, attrs)
        name = _local(name)
        if name == "row":
            self._start_row(attrs)
        elif name == "c":
            self._start_cell(attrs)
        elif name == "v":
            self._into = self._value
        elif name == "f":
            self._formula = self._into = []
        elif name == "col" and (attrs.get("hidden") in TRUE or _is_nothing(attrs.get("width"))):
            self.grid.hidden_columns.update(range(int(attrs["min"]), min(int(attrs["max"]), self._last_column) + 1))
        elif name == "mergeCell" and len(self.grid.merged) < MOST_MERGED:
            self.grid.merged.append(attrs["ref"])

    def _start_row(self, attrs) -> None:
        self._row = int(attrs.get("r") or self._row + 1)
        self._column = 0
        if self._row <= self._last_row and (attrs.get("hidden") in TRUE or _is_nothing(attrs.get("ht"))):
            self.grid.hidden_rows.add(self._row)

    def _start_cell(self, attrs) -> None:
        self._column += 1
        if attrs.get("r"):
            found = ADDRESS.fullmatch(attrs["r"])
            if not found or int(found[2]) != self._row:
                raise _Damaged(f"cell {attrs['r'][:20]} in row {self._row}")
            self._column = _column_number(found[1])
        self._kind, self._value, self._formula = attrs.get("t", "n"), [], None
        self.text.clear()

    def characters(self, content):
        super().characters(content)
        if self._into is not None:
            self._into.append(content)

    def endElement(self, name):
        super().endElement(name)
        self._into = None
        if _local(name) == "c":
            self._end_cell()

    def _end_cell(self) -> None:
        cell = self._cell()
        if cell is None:
            return
        address = self._row, _column_letters(self._column)
        if self._row > self._last_row or self._column > self._last_column:
            self.grid.beyond = f"{address[1]}{address[0]}"
            raise _Enough
        if address in self.grid.cells:
            raise _Damaged(f"cell {address[1]}{address[0]} twice")
        self.grid.cells[address] = cell

    def _cell(self) -> Cell | None:
        """What stands in the cell that has ended; None where nothing does."""
        if self._formula is not None:
            return Cell(kind="formula", text="=" + "".join(self._formula))
        value = "".join(self._value)
        if self._kind not in KINDS:
            raise _Damaged(f"cell type {self._kind[:20]}")
        if self._kind == "s" and value:
            value = self._strings[int(value)] if value.isascii() and value.isdigit() else _no_string(value)
        elif self._kind == "inlineStr":
            value = "".join(self.text)
        kind = KINDS[self._kind]
        if kind == "boolean" and value:
            value = "TRUE" if value == "1" else "FALSE"
        if kind == "text":
            value = ESCAPED.sub(_unescaped, value)
        return Cell(kind=kind, text=value) if value.strip() else None


def _no_string(value: str) -> str:
    raise _Damaged(f"shared string {value[:20]}")


def _unescaped(found: re.Match) -> str:
    letter = chr(int(found[1], 16))
    return "\ufffd" if "\ud800" <= letter <= "\udfff" else letter


def _is_nothing(size: str | None) -> bool:
    """Whether a height or width is written as zero."""
    return size is not None and re.fullmatch(r"0*(\.0*)?", size) is not None and size != ""


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _column_letters(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters

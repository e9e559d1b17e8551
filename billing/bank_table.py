"""The table of a bank's export: the file's text, its header below what the bank writes above it, records and totals."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from billing.bank_map import BankMap
from billing.payment_file import records
from core.errors import BadInput

Record = tuple[int, list[str]]
LARGEST_BYTES = 64 << 20
HEADER_WITHIN = 50  # records: what a bank writes above its header is a few lines
NO_TEXT = {
    "엑셀 파일입니다 (an Excel file)": (b"pk\x03\x04", b"\xd0\xcf\x11\xe0"),
    "UTF-16 파일입니다 (UTF-16)": (b"\xff\xfe", b"\xfe\xff"),
    "이름만 엑셀인 HTML·XML 파일입니다 (HTML or XML)": (b"<html", b"<!doctype", b"<?xml", b"<table", b"<meta"),
    "PDF 파일입니다 (a PDF file)": (b"%pdf",),
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """`places`: what a column means → where it stands; `lines` and `totals`: records with the line each starts on."""

    file: str
    sha256: str
    places: dict[str, int]
    lines: tuple[Record, ...]
    totals: tuple[Record, ...]


def read_table(path: Path, bank_map: BankMap) -> Table:
    """Raises BadInput for a file that is no text, has no such header, or has rows below its totals."""
    found = _bytes(path)
    read = records(_text(found, path.name, bank_map.encoding), path.name, bank_map.delimiter)
    places = _places(read, path.name, bank_map)
    words = tuple(squeezed(word) for word in bank_map.totals)
    lines: list[Record] = []
    totals: list[Record] = []
    for line, record in read:
        first = squeezed(next(filter(None, record), ""))
        if first and words and first.startswith(words):
            totals.append((line, record))
        elif first and totals:
            raise BadInput(
                f"{path.name}:{line}: 합계 줄({totals[0][0]}) 아래에 줄이 또 있습니다 (a row below the totals)."
            )
        elif first:
            lines.append((line, record))
    return Table(
        file=path.name, sha256=sha256(found).hexdigest(), places=places, lines=tuple(lines), totals=tuple(totals)
    )


def squeezed(cell: str) -> str:
    """A title or word without blanks and without regard to full width."""
    return "".join(unicodedata.normalize("NFKC", cell).split())


def _bytes(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    if len(found) > LARGEST_BYTES:
        problem = f"{path.name}: 64 MiB를 넘습니다. 기간을 나누어 내려받으세요 (too large; export shorter periods)."
        raise BadInput(problem)
    return found


def _text(found: bytes, file: str, encoding: str) -> str:
    """In the encoding that the mapping says; else UTF-8 where every byte is, else CP949."""
    head = found[:100].lstrip().lower()
    what = next((what for what, heads in NO_TEXT.items() if head.startswith(heads)), None)
    if what is None and b"\0" in found:
        what = "텍스트 파일이 아닙니다 (not a text file)"
    if what:
        raise BadInput(f"{file}: {what}. 은행에서 CSV 또는 텍스트로 내려받으세요 (export it as CSV or text).")
    tried = [encoding] if encoding else ["utf-8", "cp949"]
    line = 1
    for name in tried:
        try:
            return found.decode("utf-8-sig" if name == "utf-8" else name)
        except UnicodeDecodeError as error:
            line = max(line, found.count(b"\n", 0, error.start) + 1)
    raise BadInput(f"{file}:{line}: {' 또는 '.join(tried)} 글자가 아닙니다 (not in this encoding).")


def _places(read: Iterator[Record], file: str, bank_map: BankMap) -> dict[str, int]:
    """Where each column stands, by the first record that names them all; reading goes on below it."""
    wanted = {name: squeezed(title) for name, title in bank_map.columns.items()}
    nearest, nearest_line, missing = -1, 1, list(bank_map.columns.values())
    for line, record in (next(read, (0, [])) for _ in range(HEADER_WITHIN)):
        titles = [squeezed(cell) for cell in record]
        there = [name for name, title in wanted.items() if title in titles]
        if len(there) == len(wanted):
            doubled = [bank_map.columns[name] for name in there if titles.count(wanted[name]) > 1]
            if doubled:
                problem = f"머리글 {', '.join(doubled)} 이(가) 두 번 있습니다 (a header stands twice)."
                raise BadInput(f"{file}:{line}: {problem}")
            return {name: titles.index(title) for name, title in wanted.items()}
        if len(there) > nearest:
            nearest, nearest_line = len(there), line
            missing = [title for name, title in bank_map.columns.items() if name not in there]
    raise BadInput(
        f"{file}:{nearest_line}: 머리글 {', '.join(missing)} 이(가) 없습니다. 매핑의 열 이름과 구분자를 확인하세요 "
        "(no header names these columns; check the mapping file's names and delimiter)."
    )

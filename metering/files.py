"""Files of events as records: JSON lines, or one JSON array. Streamed, so that a file may be larger than memory."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from core.errors import BadInput
from metering.rules import RECORD_LIMIT_BYTES

CHUNK_BYTES = 4 << 20
KEEP_BYTES = 256 << 20
BOM = b"\xef\xbb\xbf"
_token = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}"]', re.DOTALL)
_array = msgspec.json.Decoder(list[msgspec.Raw])
Record = tuple[int, bytes]
Progress = Callable[[int], None]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading. Raises BadInput when it is not there, is a folder or cannot be read."""
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise BadInput(f"{path}: 파일이 없습니다. 경로를 확인하세요 (no such file; check the path).") from None
    except IsADirectoryError:
        raise BadInput(f"{path}: 폴더입니다. 그 안의 파일을 적으세요 (a folder; name the files in it).") from None
    except PermissionError:
        raise BadInput(f"{path}: 읽을 권한이 없습니다 (not readable; change its permissions).") from None


def topic_of(path: Path) -> str:
    """`file:` and the head of the file's SHA-256 (contract.md §4)."""
    with opened(path) as stream:
        return "file:" + hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def records(path: Path, progress: Progress) -> Iterator[Record]:
    """(line, bytes) of each record: a line of JSON lines, or an element of a JSON array by the line it begins in.

    `progress` is told how many bytes have been read.
    """
    with opened(path) as stream:
        reader = _Reader(stream, progress)
        yield from _elements(reader) if _is_array(path) else _lines(reader)


def first_line(path: Path) -> bytes:
    """The file's first line that is not blank, 1 MiB of it at most."""
    with opened(path) as stream:
        return next((line for _, line in _lines(_Reader(stream, _untold))), b"")[:RECORD_LIMIT_BYTES]


def rows(path: Path, progress: Progress) -> Iterator[Record]:
    """(line, bytes) of each line that is not blank."""
    with opened(path) as stream:
        yield from _lines(_Reader(stream, progress))


def _untold(_done: int) -> None:
    """Nobody is told how far a look at the head of a file is."""


class _Reader:
    """Reads chunks and tells how far it is."""

    def __init__(self, stream: BinaryIO, progress: Progress):
        self._stream, self._progress, self._done = stream, progress, 0

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        if not self._done:
            chunk = chunk.removeprefix(BOM)
        self._done += len(chunk)
        self._progress(self._done)
        return chunk


def _is_array(path: Path) -> bool:
    """Whether the file is one JSON array; a first line that is a whole array by itself begins a file of batch lines."""
    with opened(path) as stream:
        head = stream.read(RECORD_LIMIT_BYTES + 1).removeprefix(BOM).lstrip()
    if head[:1] != b"[":
        return False
    try:
        _array.decode(head.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return True
    return False


def _lines(reader: _Reader) -> Iterator[Record]:
    """Lines by number from 1, blank ones left out. Of a line beyond 256 MiB the head is kept."""
    number, pieces, kept = 1, [], 0
    while chunk := reader.read(CHUNK_BYTES):
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            if pieces:
                line, pieces, kept = b"".join((*pieces, line)), [], 0
            if line and not line.isspace():
                yield number, line
            number += 1
        if kept < KEEP_BYTES and rest:
            pieces.append(rest)
            kept += len(rest)
    line = b"".join(pieces)
    if line and not line.isspace():
        yield number, line


def _elements(reader: _Reader) -> Iterator[Record]:
    """The elements of an array. What stands between them and is no object, and an element that never ends, come as
    records that cannot be read."""
    data, at, depth, start, line = b"", 0, 0, 0, 1
    while chunk := reader.read(max(CHUNK_BYTES, len(data))):
        data, at = data[start:] + chunk, at - start
        start = 0
        for token in _token.finditer(data, at):
            byte = data[token.start()]
            if byte == 0x22:
                if token.end() - token.start() == 1:
                    break
            elif byte in b"[{":
                depth += 1
                if depth <= 2:
                    yield from _between(data[start : token.start()], line)
                    line += data.count(b"\n", start, token.start())
                    start = token.start() + (depth == 1)
            elif depth > 0:
                depth -= 1
                if depth == 1:
                    yield line, data[start : token.end()]
                    line += data.count(b"\n", start, token.end())
                    start = token.end()
                elif depth == 0:
                    yield from _between(data[start : token.start()], line)
                    line += data.count(b"\n", start, token.end())
                    start = token.end()
            at = token.end()
        if len(data) - start > KEEP_BYTES:
            break
    if depth > 1:
        yield line, data[start:]
    else:
        yield from _between(data[start:], line)


def _between(text: bytes, line: int) -> Iterator[Record]:
    for piece in text.split(b","):
        if piece and not piece.isspace():
            yield line, piece.strip()

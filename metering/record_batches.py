"""The records of a broker's record batch (format version 2), from its bytes; whatever they hold, it goes on.

One batch that cannot be opened, or one record that is broken in itself, comes out as a Record with `broken` saying
why: it becomes a dead letter. Knows nothing of the broker's client.
"""

import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import lz4.frame
import snappy
import zstandard

from metering.modes import Headers

OPENED_LIMIT_BYTES = 256 << 20
CODEC_MASK = 7
SECTIONS_LIMIT = 64
JAVA_SNAPPY = b"\x82SNAPPY\x00"


_sections: dict[bytes, Headers] = {}


class Record(NamedTuple):
    """A record of a partition. `broken`: why its bytes, then in `value`, are no record; else empty."""

    offset: int
    headers: Headers
    value: bytes | None
    broken: str = ""


_new = tuple.__new__  # Record(…) takes three times as long


class Unreadable(Exception):
    """A batch or record whose bytes are not what the format asks for."""


def records_of(base_offset: int, attributes: int, count: int, body: bytes) -> list[Record]:
    """The records of a batch; `body` is what follows its header, compressed or not."""
    try:
        opened = _opened(attributes & CODEC_MASK, body)
    except Exception as error:  # a codec says in many ways that bytes are not its own
        return [Record(base_offset, (), body, f"{type(error).__name__}: {str(error)[:200]!r}")]
    return _parsed(base_offset, count, opened)


def _opened(codec: int, body: bytes) -> bytes:
    if codec == 0:
        return body
    if codec not in CODECS:
        raise Unreadable(f"codec {codec}")
    opened = CODECS[codec](body)
    if len(opened) > OPENED_LIMIT_BYTES:
        raise Unreadable(f"more than {OPENED_LIMIT_BYTES} bytes when opened")
    return opened


def _gzip(body: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(body, OPENED_LIMIT_BYTES + 1)


def _lz4(body: bytes) -> bytes:
    return lz4.frame.LZ4FrameDecompressor().decompress(body, OPENED_LIMIT_BYTES + 1)


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(BytesIO(body)).read(OPENED_LIMIT_BYTES + 1)


def _snappy(body: bytes) -> bytes:
    """Blocks with their lengths, as Java frames them, or one bare block."""
    if not body.startswith(JAVA_SNAPPY):
        return _snappy_block(body)
    at, opened = 16, []
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        opened.append(_snappy_block(body[at + 4 : end]))
        at = end
        if sum(map(len, opened)) > OPENED_LIMIT_BYTES:
            break
    return b"".join(opened)


def _snappy_block(block: bytes) -> bytes:
    length = 0  # a block begins with the length that it opens to
    for place, byte in enumerate(block[:5]):
        length |= (byte & 127) << 7 * place
        if byte < 128:
            break
    if length > OPENED_LIMIT_BYTES:
        raise Unreadable(f"more than {OPENED_LIMIT_BYTES} bytes when opened")
    return snappy.decompress(block)


CODECS: dict[int, Callable[[bytes], bytes]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}


def _parsed(base_offset: int, count: int, data: bytes) -> list[Record]:
    """Each record says its length, so that a broken one does not hide those after it."""
    found, at = [], 0
    append = found.append
    for number in range(count):
        begin = at
        try:
            length, at = _varint(data, at)
            end = at + length
            if length < 0 or end > len(data):
                raise Unreadable("its length reaches beyond the batch")
        except (IndexError, Unreadable) as error:
            append(Record(base_offset + number, (), data[begin:], f"record {number} of {count}: {error}"))
            break
        try:
            append(_record(base_offset, data, at, end))
        except (IndexError, UnicodeDecodeError, Unreadable) as error:
            append(Record(base_offset + number, (), data[at:end], f"record {number} of {count}: {error}"))
        at = end
    return found


def _record(base_offset: int, data: bytes, at: int, end: int) -> Record:
    at += 1  # after the attributes: time since the batch's first
    while data[at] > 127:
        at += 1
    delta, at = _varint(data, at + 1)
    length, at = _varint(data, at)
    if length > 0:
        at += length
    length, at = _varint(data, at)
    value = None
    if length >= 0:
        value = data[at : at + length]
        at += length
    section = data[at:end]
    headers = _sections.get(section)
    return _new(Record, (base_offset + delta, _headers(section) if headers is None else headers, value, ""))


def _headers(section: bytes) -> Headers:
    """The headers of a record; most records of a producer share theirs, which are then one and the same object."""
    count, at = _varint(section, 0)
    headers = []
    for _ in range(count):
        length, at = _varint(section, at)
        if length < 0 or at + length > len(section):
            raise Unreadable("a header's name reaches beyond it")
        name, at = section[at : at + length].decode(), at + length
        length, at = _varint(section, at)
        headers.append((name, section[at : at + length] if length >= 0 else None))
        at += max(length, 0)
    if at != len(section):
        raise Unreadable("its parts do not fill its length")
    if len(_sections) >= SECTIONS_LIMIT:
        _sections.clear()
    return _sections.setdefault(section, tuple(headers))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag number of at most ten bytes, and where it ends; nearly all have one or two."""
    number = data[at]
    if number > 127:
        at += 1
        byte = data[at]
        number = number & 127 | (byte & 127) << 7
        shift = 14
        while byte > 127:
            at += 1
            byte = data[at]
            number |= (byte & 127) << shift
            shift += 7
            if shift > 70:
                raise Unreadable("a number of more than ten bytes")
    return (number >> 1) ^ -(number & 1), at + 1

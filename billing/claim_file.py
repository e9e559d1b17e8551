"""An uploaded workbook taken apart without trust: what it is by its content, measured before anything is unpacked.

Each refusal is a BadInput that names the file, what is wrong and what to do. Nothing here reads a cell.
"""

import re
import zlib
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from core.errors import BadInput

LARGEST_BYTES = 10 * 2**20
LARGEST_UNPACKED = 32 * 2**20
LARGEST_PART = 16 * 2**20
MOST_PARTS = 200
MOST_RATIO = 150
RATIO_FROM = 2**20
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
TYPES, WORKBOOK = "[Content_Types].xml", "xl/workbook.xml"
SAVE_AS = "엑셀에서 '통합 문서(.xlsx)'로 다시 저장해 올리세요"
OTHER_FILES = (
    (b"%PDF", "PDF 파일입니다", "a PDF"),
    (b"\x89PNG", "그림 파일입니다", "a picture"),
    (b"\xff\xd8\xff", "그림 파일입니다", "a picture"),
    (b"<", "HTML이나 XML 파일입니다", "HTML or XML"),
)
OTHER_ZIPS = (
    ("xl/workbook.bin", "엑셀 바이너리 파일(.xlsb)입니다", "an .xlsb workbook"),
    ("word/document.xml", "워드 파일입니다", "a Word document"),
    ("ppt/presentation.xml", "파워포인트 파일입니다", "a presentation"),
    ("content.xml", "ODF 파일(.ods)입니다", "an OpenDocument file"),
    ("Contents/content.hpf", "한글 파일(.hwpx)입니다", "a Hangul document"),
)
REFUSED_PARTS = (
    (r"vbaproject|macroenabled|macrosheet|vbadata", "매크로가 들어 있습니다", "macros"),
    (r"externallink", "다른 파일이나 프로그램(DDE)에 이어진 외부 연결이 있습니다", "external links or DDE"),
    (r"oleobject|embeddings/|activex|ctrlprop", "끼워 넣은 개체나 단추가 있습니다", "embedded objects or controls"),
    (r"xl/connections|querytable|xl/model/", "외부 데이터 연결이 있습니다", "data connections"),
    (r"comment", "메모가 있습니다. 메모는 읽지 않으니 비고(K열)에 적고 메모를 지우세요", "cell comments: use column K"),
    (r"xl/media/|xl/drawings/drawing|xl/charts/", "그림이나 도형, 차트가 있습니다. 증빙은 따로 올리세요", "pictures"),
)  # fmt: skip


def parts_of(content: bytes, file: str) -> dict[str, bytes]:
    """The XML parts of an .xlsx by name. Raises BadInput for anything else, for what is too large or damaged, and for
    macros, links to other files, embedded objects, comments and pictures, whatever the file is called.
    """
    _refuse_other_kinds(content, file)
    try:
        with ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            _refuse_bombs(entries, file)
            _refuse_other_zips({one.filename for one in entries}, file)
            found = {one.filename: archive.read(one) for one in entries if one.filename.endswith((".xml", ".rels"))}
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise BadInput(f"{file}: 파일이 끊겼거나 손상되었습니다. {SAVE_AS} (damaged or truncated).") from None
    _refuse_parts("\n".join([*(one.filename for one in entries), found[TYPES].decode(errors="replace")]), file)
    return found


def _refuse_other_kinds(content: bytes, file: str) -> None:
    if not content:
        raise BadInput(f"{file}: 빈 파일입니다. 채운 양식을 올리세요 (empty file).")
    if len(content) > LARGEST_BYTES:
        raise BadInput(f"{file}: 10 MB를 넘습니다. 새로 받은 양식에 값만 옮겨 적으세요 (larger than 10 MB).")
    if content.startswith(COMPOUND) and ENCRYPTED in content:
        raise BadInput(f"{file}: 암호가 걸린 파일입니다. 암호를 풀고 저장해 올리세요 (encrypted).")
    if content.startswith(COMPOUND):
        raise BadInput(f"{file}: 옛 엑셀 형식(.xls)이거나 보안 문서입니다. {SAVE_AS} (an .xls or a DRM file).")
    if content.startswith(b"PK\x03\x04"):
        return
    for start, korean, english in OTHER_FILES:
        if content.lstrip().startswith(start):
            raise BadInput(f"{file}: {korean}. {SAVE_AS} (not an .xlsx: {english}).")
    kind = "CSV 같은 글 파일입니다" if b"\0" not in content[:4096] else "엑셀 통합 문서(.xlsx)가 아닙니다"
    raise BadInput(f"{file}: {kind}. {SAVE_AS} (not an .xlsx).")


def _refuse_bombs(entries: list[ZipInfo], file: str) -> None:
    """Everything by the sizes that the zip declares; reading stops at the declared size, and a lie fails its CRC."""
    names = [one.filename.lower() for one in entries]
    problem = ""
    if len(entries) > MOST_PARTS:
        problem = f"압축 안에 파일이 {len(entries):,}개 있습니다 (too many parts)"
    elif len(set(names)) < len(names) or any(".." in name or name.startswith("/") or "\\" in name for name in names):
        problem = "압축 안의 파일 이름이 겹치거나 바르지 않습니다 (doubled or unsafe names in the zip)"
    elif any(one.flag_bits & 1 for one in entries):
        problem = "암호가 걸린 압축입니다 (an encrypted zip)"
    elif any(one.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for one in entries):
        problem = "엑셀이 쓰지 않는 방식으로 압축되었습니다 (an unknown compression)"
    elif sum(one.file_size for one in entries) > LARGEST_UNPACKED or any(
        one.file_size > LARGEST_PART
        or (one.file_size > RATIO_FROM and one.file_size > MOST_RATIO * max(one.compress_size, 1))
        for one in entries
    ):
        problem = "압축을 풀면 지나치게 커집니다. 새로 받은 양식에 값만 옮겨 적으세요 (a zip bomb, or far too large)"
    if problem:
        raise BadInput(f"{file}: {problem}.")


def _refuse_other_zips(names: set[str], file: str) -> None:
    if TYPES in names and WORKBOOK in names:
        return
    for name, korean, english in OTHER_ZIPS:
        if name in names:
            raise BadInput(f"{file}: {korean}. {SAVE_AS} (not an .xlsx: {english}).")
    raise BadInput(f"{file}: 엑셀 통합 문서가 아닌 압축 파일(zip)입니다. {SAVE_AS} (a zip, not an .xlsx).")


def _refuse_parts(names: str, file: str) -> None:
    """By part names and content types, so that another name hides nothing."""
    problems = [
        f"{file}: {korean} (refused: {english})."
        for pattern, korean, english in REFUSED_PARTS
        if re.search(pattern, names, re.IGNORECASE)
    ]
    if problems:
        raise BadInput(*problems)

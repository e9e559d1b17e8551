"""A claim's sheet in domain numbers, and what can be wrong with an upload of it: each case with its clear answer."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

from openpyxl import load_workbook

from billing.claim_form import Form
from billing.claim_line import ClaimLine
from billing.claim_sheet import template
from core.month import Month

SHEET, CODES, BOOK = "xl/worksheets/sheet2.xml", "xl/worksheets/sheet3.xml", "xl/workbook.xml"
TYPES = "[Content_Types].xml"


def claim_line(work, line, kind, day, quantity_milli, unit, price, tax="taxable", note=""):
    """A line of November, accepted on the day that it was performed."""
    supply = quantity_milli * price // 1000
    return ClaimLine(
        work=work, line=line, project="P2", kind=kind, performed_on=date(2025, 11, day),
        accepted_on=date(2025, 11, day), quantity_milli=quantity_milli, unit=unit, unit_price_krw=price,
        supply_krw=supply, vat_krw=supply // 10 if tax == "taxable" else 0, tax=tax, note=note,
    )  # fmt: skip


FORM = Form(
    programme="MAIDV-2025", programme_name="의료 AI 데이터 활용 바우처 지원사업", hospital="H02",
    hospital_name="둘째병원", hospital_brn="108-89-33528", month=Month(2025, 11),
    taxes={"L12": "taxable", "L21": "taxable", "L22": "taxable"},
    kinds=("analyst_hour", "pseudonymise_hour", "record"), units=("건", "시간"),
)  # fmt: skip
LINES = [
    claim_line("w2", "L12", "analyst_hour", 17, 123_750, "hour", 47_034),
    claim_line("w3", "L22", "pseudonymise_hour", 18, 40_500, "hour", 59_813),
    claim_line("w4", "L22", "pseudonymise_hour", 20, 33_250, "hour", 59_813),
    claim_line("w5", "L21", "record", 22, 15_000_000, "record", 1_357),
]
OTHERS = {
    ("L31", "w6"): ("검수에서 반려된 작업이며 이 병원의 작업이 아닙니다.", "refused, and another hospital's"),
    ("L12", "w9"): ("아직 검수되지 않은 작업입니다.", "not accepted yet"),
    ("L21", "w1"): ("이미 CLM-H02-2025-000001 에 청구한 작업입니다.", "claimed already"),
}


def upload() -> bytes:
    """The template with November's four works, as it is downloaded."""
    return template(FORM, LINES)


# ------------------------------------------------------------------ making of other files


def parts(content: bytes) -> dict[str, bytes]:
    """The parts of a workbook."""
    with ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes | str], compression: int = ZIP_DEFLATED) -> bytes:
    """A zip of these parts."""
    target = BytesIO()
    with ZipFile(target, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def with_part(content: bytes, name: str, part: bytes | str = b"<x/>") -> bytes:
    """The workbook with one part more, or another one."""
    return packed(parts(content) | {name: part})


def patched(content: bytes, part: str, old: str, new: str) -> bytes:
    """The workbook with one text of a part replaced; the text must be there."""
    files = parts(content)
    text = files[part].decode()
    assert old in text, (part, old)
    return packed(files | {part: text.replace(old, new, 1)})


def with_cell(content: bytes, address: str, inside: str, attributes: str = "") -> bytes:
    """The workbook with one cell of 청구내역 as this XML."""
    files = parts(content)
    text, count = re.subn(
        rf'<c r="{address}"( s="\d+")[^>]*?(/>|>.*?</c>)',
        lambda found: f'<c r="{address}"{found[1]} {attributes}>{inside}</c>',
        files[SHEET].decode(), count=1,
    )  # fmt: skip
    assert count == 1, address
    return packed(files | {SHEET: text})


def number(content: bytes, address: str, value: str) -> bytes:
    """The workbook with this number, as text of the XML, in a cell."""
    return with_cell(content, address, f"<v>{value}</v>")


def words(content: bytes, address: str, value: str) -> bytes:
    """The workbook with this text in a cell."""
    return with_cell(content, address, f'<is><t xml:space="preserve">{value}</t></is>', 't="inlineStr"')


def edited(content: bytes, change: Callable) -> bytes:
    """The workbook as another program saves it after `change(book)`."""
    book = load_workbook(BytesIO(content))
    change(book)
    target = BytesIO()
    book.save(target)
    return target.getvalue()


def set_to(**values) -> Callable[[bytes], bytes]:
    """Another program writes these values into 청구내역."""

    def change(book):
        for address, value in values.items():
            book["청구내역"][address] = value

    return lambda content: edited(content, change)


def identity(row: int, value: str | None) -> Callable[[bytes], bytes]:
    """The hidden sheet says something else of what the form is for."""

    def change(book):
        book["코드"][f"B{row}"] = value

    return lambda content: edited(content, change)


def on_sheet(change: Callable) -> Callable[[bytes], bytes]:
    """`change` is done to 청구내역."""
    return lambda content: edited(content, lambda book: change(book["청구내역"]))


def many_rows(content: bytes) -> bytes:
    """10^5 rows of works."""
    rows = "".join(
        f'<row r="{row}"><c r="B{row}" t="inlineStr"><is><t>w{row}</t></is></c></row>' for row in range(209, 100_209)
    )
    return patched(content, SHEET, "</sheetData>", f"{rows}</sheetData>")


def lying(content: bytes) -> bytes:
    """The directory says that the sheet is ten bytes long."""
    place = content.rindex(SHEET.encode()) - 46 + 24
    return content[:place] + struct.pack("<I", 10) + content[place + 4 :]


def flipped(content: bytes) -> bytes:
    """A few bytes in the middle of the sheet are others."""
    place = content.index(SHEET.encode()) + 400
    return content[:place] + bytes(byte ^ 0xFF for byte in content[place : place + 8]) + content[place + 8 :]


def encrypted_zip(content: bytes) -> bytes:
    """The directory says that the first part is encrypted."""
    place = content.index(b"PK\x01\x02") + 8
    return content[:place] + b"\x01" + content[place + 1 :]


def doubled(content: bytes) -> bytes:
    """A part stands there twice, once in capitals."""
    files = parts(content)
    return packed(files | {SHEET.upper(): files[SHEET]})


def compound(*streams: str) -> bytes:
    """An old compound file with these names in it."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"".join(one.encode("utf-16-le") for one in streams) + b"\0" * 512


LAUGHS = (
    '<!DOCTYPE worksheet [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


def laughing(content: bytes) -> bytes:
    """A billion laughs in the sheet."""
    text = parts(content)[SHEET].decode().replace("?>", f"?>{LAUGHS}", 1)
    return packed(parts(content) | {SHEET: text})


def utf_16(content: bytes) -> bytes:
    """A document type, hidden by another encoding."""
    text = parts(content)[SHEET].decode().replace("UTF-8", "UTF-16").replace("?>", "?><!DOCTYPE worksheet>", 1)
    return packed(parts(content) | {SHEET: text.encode("utf-16")})


XXE = '<!DOCTYPE workbook [<!ENTITY x SYSTEM "file:///etc/hostname">]><workbook'


@dataclass(frozen=True)
class Bad:
    """A bad upload: what is done to a good one, what the answer says, and the cell that it names where it names one."""

    name: str
    made: Callable[[bytes], bytes]
    says: str
    cell: str = ""


FILES = [
    Bad("nothing", lambda c: b"", "빈 파일"),
    Bad("more than 10 MB", lambda c: c + b"\0" * (10 << 20), "10 MB"),
    Bad("a CSV", lambda c: "작업번호,수량\nw2,123.75\n".encode(), "CSV"),
    Bad("a CSV of CP949", lambda c: "작업번호,수량\nw2,123.75\n".encode("cp949"), "CSV"),
    Bad("a PDF", lambda c: b"%PDF-1.7\n...", "PDF"),
    Bad("HTML that calls itself .xls", lambda c: b"\n<html><table></table></html>", "HTML"),
    Bad("a picture", lambda c: b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "그림 파일"),
    Bad("bytes of no kind", lambda c: b"\x01\x02\0\x03" * 50, "통합 문서(.xlsx)가 아닙니다"),
    Bad("an .xls", lambda c: compound("Workbook"), ".xls"),
    Bad("an encrypted workbook", lambda c: compound("EncryptionInfo", "EncryptedPackage"), "암호가 걸린 파일"),
    Bad("a zip renamed", lambda c: packed({"a.txt": "x"}), "압축 파일(zip)"),
    Bad("an .ods", lambda c: packed({"content.xml": "<x/>"}), "ODF"),
    Bad("a .docx", lambda c: packed({TYPES: "<x/>", "word/document.xml": "<x/>"}), "워드"),
    Bad("an .xlsb", lambda c: packed({TYPES: "<x/>", "xl/workbook.bin": b"\0"}), ".xlsb"),
    Bad("an .hwpx", lambda c: packed({"Contents/content.hpf": "<x/>"}), "hwpx"),
    Bad("cut in half", lambda c: c[: len(c) // 2], "끊겼거나 손상"),
    Bad("without its last bytes", lambda c: c[:-40], "끊겼거나 손상"),
    Bad("other bytes in the middle", flipped, "끊겼거나 손상"),
    Bad("a size that lies", lying, "끊겼거나 손상"),
    Bad("something before the zip", lambda c: b"MZ\0\0" + c, "통합 문서(.xlsx)가 아닙니다"),
    Bad("an encrypted zip", encrypted_zip, "암호가 걸린 압축"),
    Bad("another compression", lambda c: packed(parts(c), ZIP_BZIP2), "엑셀이 쓰지 않는 방식"),
    Bad("parts of one name", doubled, "이름이 겹치거나"),
    Bad("a part outside", lambda c: with_part(c, "../../evil.xml"), "바르지 않습니다"),
    Bad("a thousand parts", lambda c: packed(parts(c) | {f"xl/x{n}.xml": "" for n in range(1000)}), "파일이 1,0"),
    Bad("a zip bomb", lambda c: with_part(c, "xl/theme/theme1.xml", b"\0" * (30 << 20)), "지나치게 커집니다"),
    Bad("a part that unpacks 1 : 700", lambda c: patched(c, SHEET, "<sheetData>", "<sheetData>" + " " * (3 << 20)),
        "지나치게 커집니다"),
    Bad("many large parts", lambda c: packed(parts(c) | {f"xl/t{n}.xml": bytes(range(256)) * 4096 * 9
                                                        for n in range(4)}, ZIP_STORED), "10 MB"),
    Bad("macros", lambda c: with_part(c, "xl/vbaProject.bin"), "매크로"),
    Bad("macros under another name", lambda c: patched(c, TYPES, "sheet.main+xml", "sheet.macroEnabled.main+xml"),
        "매크로"),
    Bad("Excel 4 macros", lambda c: with_part(c, "xl/macrosheets/sheet1.xml"), "매크로"),
    Bad("a link to another file", lambda c: with_part(c, "xl/externalLinks/externalLink1.xml"), "외부 연결"),
    Bad("DDE", lambda c: with_part(c, "xl/externalLinks/externalLink1.xml",
        '<externalLink><ddeLink ddeService="cmd" ddeTopic="/c calc"/></externalLink>'), "DDE"),
    Bad("an object", lambda c: with_part(c, "xl/embeddings/oleObject1.bin"), "개체"),
    Bad("a button", lambda c: with_part(c, "xl/activeX/activeX1.xml"), "단추"),
    Bad("a data connection", lambda c: with_part(c, "xl/connections.xml"), "데이터 연결"),
    Bad("comments", lambda c: with_part(c, "xl/comments1.xml"), "메모"),
    Bad("a picture on the sheet", lambda c: with_part(c, "xl/media/image1.png"), "그림이나 도형"),
    Bad("a billion laughs", laughing, "XML 개체"),
    Bad("an external entity", lambda c: patched(c, BOOK, "<workbook", XXE), "XML 개체"),
    Bad("a document type in UTF-16", utf_16, "XML 개체"),
    Bad("a workbook of 10^5 elements", lambda c: patched(c, BOOK, "</workbook>", "<x/>" * 100_000 + "</workbook>"),
        "읽을 수 없습니다"),
    Bad("10^5 merged cells", lambda c: patched(c, SHEET, "</sheetData>", "</sheetData><mergeCells>" + "".join(
        f'<mergeCell ref="B{row}:C{row}"/>' for row in range(9, 100_009)) + "</mergeCells>"), "병합한 칸"),
    Bad("broken XML", lambda c: patched(c, SHEET, "</sheetData>", ""), "읽을 수 없습니다"),
    Bad("a string that is not there", lambda c: with_cell(c, "B9", "<v>999</v>", 't="s"'), "읽을 수 없습니다"),
    Bad("a string that is no number", lambda c: with_cell(c, "B9", "<v>-1</v>", 't="s"'), "읽을 수 없습니다"),
    Bad("an unknown cell type", lambda c: with_cell(c, "B9", "<v>1</v>", 't="q"'), "읽을 수 없습니다"),
    Bad("a cell of another row", lambda c: patched(c, SHEET, 'r="B9"', 'r="B10"'), "읽을 수 없습니다"),
    Bad("a cell twice", lambda c: patched(c, SHEET, 'r="C9"', 'r="B9"'), "읽을 수 없습니다"),
    Bad("a cell that is none", lambda c: patched(c, SHEET, 'r="C9"', 'r="9C"'), "읽을 수 없습니다"),
    Bad("a sheet without its part", lambda c: packed({name: part for name, part in parts(c).items()
                                                     if name != SHEET}), "읽을 수 없습니다"),
    Bad("a missing sheet", lambda c: edited(c, lambda book: book.remove(book["코드"])), "시트가 없습니다: 코드"),
    Bad("a renamed sheet", lambda c: edited(c, lambda book: setattr(book["청구내역"], "title", "내역")),
        "시트가 없습니다: 청구내역"),
    Bad("another sheet", lambda c: edited(c, lambda book: book.create_sheet("메모장")), "메모장"),
    Bad("a very hidden sheet", lambda c: edited(c, lambda book: setattr(book.create_sheet("몰래"), "sheet_state",
                                                                      "veryHidden")), "몰래"),
    Bad("the sheet itself hidden", on_sheet(lambda sheet: setattr(sheet, "sheet_state", "hidden")), "숨겨져"),
    Bad("another version", identity(1, "0"), "코드!B1 양식: 0"),
    Bad("another programme", identity(2, "SEOUL-7"), "코드!B2 사업: SEOUL-7"),
    Bad("another hospital", identity(3, "H99"), "코드!B3 공급병원: H99"),
    Bad("another month", identity(4, "2025-10"), "코드!B4 정산월: 2025-10"),
    Bad("no month", identity(4, None), "정산월: 없음"),
    Bad("a renamed header", set_to(F7="수량(건)"), "청구내역!F7"),
    Bad("a header that is gone", set_to(H7=None), "'빈칸'"),
    Bad("a column more", on_sheet(lambda sheet: sheet.insert_cols(3)), "머리글"),
    Bad("a row more above", on_sheet(lambda sheet: sheet.insert_rows(2)), "머리글"),
    Bad("a value below the form", set_to(B209="w7"), "청구내역!B209"),
    Bad("10^5 rows", many_rows, "200건씩 나누어"),
    Bad("a value beside the form", set_to(M9="여기도"), "청구내역!M9"),
    Bad("merged cells", on_sheet(lambda sheet: sheet.merge_cells("B9:C10")), "B9:C10"),
    Bad("a hidden column", on_sheet(lambda sheet: setattr(sheet.column_dimensions["H"], "hidden", True)), "H열"),
    Bad("nothing entered", lambda c: edited(c, lambda book: book["청구내역"].delete_rows(9, 100)), "적힌 작업이 없"),
]  # fmt: skip

CELLS = [
    Bad("a formula for a quantity", set_to(F9="=100+23.75"), "수식(=100+23.75)", "F9"),
    Bad("a formula for a work", set_to(B9='=HYPERLINK("http://x","w2")'), "수식", "B9"),
    Bad("a formula of DDE", set_to(K9="=cmd|'/c calc'!A0"), "수식", "K9"),
    Bad("an array formula", lambda c: with_cell(c, "I9", '<f t="array" ref="I9">F9*H9</f><v>1</v>'), "수식", "I9"),
    Bad("a shared formula", lambda c: with_cell(c, "H9", '<f t="shared" si="0"/><v>47034</v>'), "수식", "H9"),
    Bad("a number as text", lambda c: words(c, "F9", "123.75"), "글자로 적힌 수입니다 ('123.75'). 수 123.75", "F9"),
    Bad("digits of full width", lambda c: words(c, "I9", "５,８２０,４５７"), "수 5820457 로", "I9"),
    Bad("a comma for a point", lambda c: words(c, "F9", "123,75"), "글자 '123,75'입니다", "F9"),
    Bad("a number with its unit", lambda c: words(c, "F9", "123.75시간"), "글자 '123.75시간'", "F9"),
    Bad("0.1 + 0.2", lambda c: number(c, "F9", "0.30000000000000004"), "딱 떨어지지 않는 수", "F9"),
    Bad("a third", lambda c: number(c, "F9", "0.33333333333333331"), "소수 셋째 자리", "F9"),
    Bad("four decimals", lambda c: number(c, "F9", "123.7501"), "소수 셋째 자리", "F9"),
    Bad("half a won", lambda c: number(c, "H9", "47034.5"), "원 단위 정수", "H9"),
    Bad("a negative quantity", lambda c: number(c, "F9", "-123.75"), "0보다 작습니다", "F9"),
    Bad("a negative amount", lambda c: number(c, "I9", "-5820457"), "0보다 작습니다", "I9"),
    Bad("no quantity at all", lambda c: number(c, "F9", "0"), "0보다 큰 수", "F9"),
    Bad("a huge amount", lambda c: number(c, "I9", "1E+30"), "15자리를 넘습니다", "I9"),
    Bad("a huge quantity", lambda c: number(c, "F9", "1E+99"), "너무 큽니다", "F9"),
    Bad("a number of a million digits", lambda c: number(c, "F9", "1" * 1_000_000), "수가 아니라", "F9"),
    Bad("an exponent beyond reason", lambda c: number(c, "F9", "1E+999999999"), "수가 아니라", "F9"),
    Bad("not a number", lambda c: number(c, "F9", "NaN"), "수가 아니라 'NaN'", "F9"),
    Bad("infinity", lambda c: number(c, "I9", "INF"), "수가 아니라 'INF'", "I9"),
    Bad("a day that does not exist", lambda c: words(c, "E9", "2025-11-31"), "없는 날짜입니다 (글자 2025-11-31)", "E9"),
    Bad("a date as text", lambda c: words(c, "E9", "2025-11-17"), "글자 '2025-11-17'", "E9"),
    Bad("a date in words", lambda c: words(c, "E9", "11월 17일"), "글자 '11월 17일'", "E9"),
    Bad("a date with a time", lambda c: number(c, "E9", "45978.604166666664"), "시각이 붙은 날짜", "E9"),
    Bad("a number that is no date", lambda c: number(c, "E9", "20251117"), "날짜가 아니라 수 20251117", "E9"),
    Bad("a date before all dates", lambda c: number(c, "E9", "-1"), "날짜가 아니라", "E9"),
    Bad("an ISO instant", lambda c: with_cell(c, "E9", "<v>2025-11-17T14:30:00</v>", 't="d"'), "날짜만", "E9"),
    Bad("a file that counts from 1904", lambda c: patched(c, BOOK, "<workbookPr", '<workbookPr date1904="1"'),
        "수행일은 2025-11-17", "E9"),
    Bad("a logical value", lambda c: with_cell(c, "F9", "<v>1</v>", 't="b"'), "참/거짓", "F9"),
    Bad("an error value", lambda c: with_cell(c, "I9", "<v>#REF!</v>", 't="e"'), "오류 값 #REF!", "I9"),
    Bad("an error for a work", lambda c: with_cell(c, "B9", "<v>#N/A</v>", 't="e"'), "오류 값 #N/A", "B9"),
    Bad("control characters", lambda c: words(c, "B9", "w2_x0007_"), "작업번호 'w2\ufffd'", "B9"),
    Bad("control characters in a remark", lambda c: words(c, "K9", "비_x0007_고"), "보이지 않는 문자", "K9"),
    Bad("half a surrogate", lambda c: words(c, "B9", "w2_xD800_"), "목록에 없는 작업번호", "B9"),
    Bad("two lines in a remark", lambda c: words(c, "K9", "하나\n둘"), "줄바꿈", "K9"),
    Bad("a remark of 101 characters", lambda c: words(c, "K9", "가" * 101), "100자까지", "K9"),
    Bad("a remark of 100,000 characters", lambda c: words(c, "K9", "가" * 100_000), "100자까지", "K9"),
    *(Bad(f"a remark that begins with {sign}", lambda c, sign=sign: words(c, "K9", f"{sign}SUM(A1)"),
          "= + - @ 로 시작할 수 없습니다", "K9") for sign in "=+-@"),
    Bad("a number in the running number", lambda c: words(c, "A9", "하나"), "수가 아니라 글자", "A9"),
    Bad("a blank work", set_to(B9=None), "작업번호가 비어 있습니다", "B9"),
    Bad("a blank line", set_to(C9=None), "협약 line은", "C9"),
    Bad("blank quantity", set_to(F9=None), "비어 있습니다. 검수 수량은", "F9"),
    Bad("a blank date", set_to(E9=None), "비어 있습니다. 수행일은", "E9"),
    Bad("an unknown work", set_to(B9="w999"), "목록에 없는 작업번호", "B9"),
    Bad("a work in full width", set_to(B9="ｗ２"), "목록에 없는 작업번호", "B9"),
    Bad("another line", set_to(C9="L99"), "협약 line은", "C9"),
    Bad("another kind", set_to(D9="case"), "작업 종류는", "D9"),
    Bad("another day", set_to(E9=date(2025, 11, 1)), "수행일은", "E9"),
    Bad("another quantity", set_to(F9=999.5), "검수 수량은", "F9"),
    Bad("another unit", set_to(G9="일"), "단위는", "G9"),
    Bad("another price", set_to(H9=999_999), "단가표의 단가는", "H9"),
    Bad("another amount", set_to(I9=1), " = ", "I9"),
    Bad("another VAT typed over the formula", set_to(J9=1), "부가가치세는", "J9"),
    Bad("a work twice", lambda c: edited(c, lambda book: [book["청구내역"].__setitem__(
        f"{column}10", book["청구내역"][f"{column}9"].value) for column in "BCDEFGHI"]), "9행과 같은 작업", "B10"),
    Bad("a hidden row", on_sheet(lambda sheet: setattr(sheet.row_dimensions[9], "hidden", True)), "숨긴 행", "A9"),
    Bad("a row of no height", lambda c: patched(c, SHEET, '<row r="9"', '<row r="9" hidden="1"'), "숨긴 행", "A9"),
]  # fmt: skip

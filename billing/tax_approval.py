"""The tax office's numbers (국세청 승인번호) of our documents, from the list of what it issued (domain.md §8)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from billing.payment_file import records
from billing.tax_reading import NUMBER
from core.errors import BadInput, RuleRefused

TITLES = {
    "note": ("비고", "note"),
    "approval_number": ("승인번호", "approval_number"),
    "issued_on": ("발급일자", "issued_on"),
}
NEEDED = ("note", "approval_number")
HEADER_WITHIN = 10
APPROVAL = re.compile(r"(\d{8})[0-9A-Za-z]{16}", re.ASCII)
DAY = re.compile(r"(\d{4})[-./]?(\d{2})[-./]?(\d{2})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A row of the list: our document's number and the one that the tax office gave it, without hyphens."""

    line: int
    document: str
    approval_number: str
    issued_on: date | None


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did: rows of the file, numbers that are new, and that were there before."""

    rows: int
    new: int
    already: int


def import_approvals(engine: Engine, path: Path, now: datetime) -> Imported:
    """Keeps the numbers of a list, all of them or none; what was imported before is counted and changes nothing.

    Raises BadInput with a line for each row that cannot be taken; RuleRefused for a number that is another's, and for
    a document that has another number.
    """
    rows = read_approvals(path)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('tax approvals'))"))
        ids = _documents(connection, rows)
        unknown = [row for row in rows if row.document not in ids]
        if unknown:
            raise BadInput(*(f"{path.name}:{row.line}: '{row.document}': 발행한 문서가 아닙니다 (no such document)."
                             for row in unknown))  # fmt: skip
        known = _known(connection, list(ids.values()), [row.approval_number for row in rows])
        _refuse_conflicts(path.name, rows, ids, known)
        fresh = [row for row in rows if (ids[row.document], row.approval_number) not in known]
        _store(connection, [(ids[row.document], row) for row in fresh], now)
    return Imported(rows=len(rows), new=len(fresh), already=len(rows) - len(fresh))


def read_approvals(path: Path) -> list[Approval]:
    """Every row of a list below its header; a row whose note names none of our documents is none of ours.

    CSV in UTF-8 or CP949. Raises BadInput with a line for each problem; nothing of the file counts then.
    """
    read = records(_text(path), path.name)
    places = _places(read, path.name)
    rows: list[Approval] = []
    problems: list[str] = []
    for line, record in read:
        cells = {name: record[place] if place < len(record) else "" for name, place in places.items()}
        found = NUMBER.search(cells["note"])
        if found is None:
            continue
        try:
            rows.append(_row(line, found[0], cells))
        except ValueError as error:
            problems.append(f"{path.name}:{line}: {error}")
    problems += _twice(path.name, rows)
    if not rows and not problems:
        problems = [
            f"{path.name}: 비고에 문서번호(TAX-…, EXM-…)가 있는 줄이 없습니다 (no row names a document of ours)."
        ]
    if problems:
        raise BadInput(*problems)
    return rows


def _text(path: Path) -> str:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    for encoding in ("utf-8-sig", "cp949"):
        try:
            content = found.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in content:
            return content
    raise BadInput(f"{path.name}: 텍스트가 아닙니다. 엑셀에서 'CSV'로 저장하세요 (not text; save it as CSV).")


def _places(read: Iterator[tuple[int, list[str]]], file: str) -> dict[str, int]:
    """Where the columns stand, by the first record that names those that are needed."""
    for _, record in (next(read, (0, [])) for _ in range(HEADER_WITHIN)):
        titles = [cell.casefold() for cell in record]
        places = {
            name: next(titles.index(one) for one in names if one in titles)
            for name, names in TITLES.items()
            if set(names) & set(titles)
        }
        if set(NEEDED) <= places.keys():
            return places
    raise BadInput(f"{file}: 머리글에 승인번호와 비고가 없습니다 (no header names approval_number and note).")


def _row(line: int, document: str, cells: dict[str, str]) -> Approval:
    number = cells["approval_number"].replace("-", "").replace(" ", "")
    found = APPROVAL.fullmatch(number)
    if found is None or _day(found[1]) is None:
        raise ValueError(
            f"승인번호 '{cells['approval_number']}': 날짜로 시작하는 24자리여야 합니다 (24 characters, a date first)."
        )
    issued = cells.get("issued_on", "")
    if issued and _day(issued) is None:
        raise ValueError(f"발급일자 '{issued}': 2025-12-05 같은 날짜여야 합니다 (not a day).")
    return Approval(line=line, document=document, approval_number=number, issued_on=_day(issued) if issued else None)


def _day(written: str) -> date | None:
    found = DAY.fullmatch(written)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _twice(file: str, rows: Sequence[Approval]) -> Iterator[str]:
    """Documents and numbers that stand in the file more than once."""
    lines: dict[str, int] = {}
    for row in rows:
        for one in (row.document, row.approval_number):
            if one in lines:
                yield f"{file}:{row.line}: '{one}': {lines[one]}번째 줄에도 있습니다 (it stands twice)."
            lines.setdefault(one, row.line)


def _documents(connection: Connection, rows: Sequence[Approval]) -> dict[str, int]:
    """The ids of the tax documents that rows name."""
    parts = {row.document: NUMBER.fullmatch(row.document) for row in rows}
    found = connection.execute(
        text(
            "SELECT document.id, named.called FROM unnest(CAST(:called AS text[]), CAST(:kinds AS text[]),"
            " CAST(:issuers AS text[]), CAST(:years AS int[]), CAST(:numbers AS int[]))"
            " AS named (called, kind, issuer, year, number) JOIN document USING (kind, issuer, year, number)"
            " JOIN tax_document ON document_id = document.id"
        ),
        {
            "called": list(parts),
            "kinds": ["tax_invoice" if one[1] == "TAX" else "invoice_exempt" for one in parts.values()],
            "issuers": [one[2] for one in parts.values()],
            "years": [int(one[3]) for one in parts.values()],
            "numbers": [int(one[4]) for one in parts.values()],
        },
    )
    return {row.called: row.id for row in found}


def _known(connection: Connection, documents: Sequence[int], numbers: Sequence[str]) -> set[tuple[int, str]]:
    """What is on record of these documents and of these numbers."""
    rows = connection.execute(
        text(
            "SELECT document_id, approval_number FROM tax_approval"
            " WHERE document_id = ANY(:documents) OR approval_number = ANY(:numbers)"
        ),
        {"documents": documents, "numbers": numbers},
    )
    return {(row.document_id, row.approval_number) for row in rows}


def _refuse_conflicts(
    file: str, rows: Sequence[Approval], ids: dict[str, int], known: set[tuple[int, str]]
) -> None:  # fmt: skip
    numbers, documents = dict(known), {number: document for document, number in known}
    conflicts = []
    for row in rows:
        document = ids[row.document]
        if numbers.get(document, row.approval_number) != row.approval_number:
            problem = f"이미 승인번호 {numbers[document]} 이(가) 있습니다 (it has another number)"
            conflicts.append(f"{file}:{row.line}: {row.document}: {problem}.")
        elif documents.get(row.approval_number, document) != document:
            problem = f"승인번호 {row.approval_number} 은(는) 다른 문서의 것입니다 (the number is another document's)"
            conflicts.append(f"{file}:{row.line}: {row.document}: {problem}.")
    if conflicts:
        raise RuleRefused("\n".join(conflicts))


def _store(connection: Connection, rows: Sequence[tuple[int, Approval]], now: datetime) -> None:
    connection.execute(
        text(
            "INSERT INTO tax_approval (document_id, approval_number, issued_on, imported_at)"
            " SELECT document_id, approval_number, issued_on, :now FROM unnest(CAST(:ids AS bigint[]),"
            " CAST(:numbers AS text[]), CAST(:days AS date[])) AS one (document_id, approval_number, issued_on)"
        ),
        {
            "ids": [document for document, _ in rows],
            "numbers": [row.approval_number for _, row in rows],
            "days": [row.issued_on for _, row in rows],
            "now": now,
        },
    )

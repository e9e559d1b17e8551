"""The statements of a month: rendering all workbooks, their totals for the reconciliation, publishing, writing out."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, insert, text

from core.errors import BadInput, RuleRefused
from core.month import Month
from reports import agency, company, hospital, ministry, operator, reconciliation
from reports.figures import Figures
from reports.layout import Document
from reports.models import PublishedFile
from reports.reading import read_figures
from reports.ties import Finding, Tie
from reports.wording import issuer


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The statements that need no reconciliation: rendered once, their totals known, waiting for the other two."""

    figures: Figures
    files: Mapping[str, bytes]
    totals: Mapping[str, int]

    def complete(self, ties: Sequence[Tie], findings: Sequence[Finding]) -> dict[str, bytes]:
        """All workbooks of the month, by file name in order."""
        terms = self.figures.terms
        rest = (
            (ministry.TITLE, terms.ministry, ministry.ministry_statement(self.figures, findings)),
            (reconciliation.TITLE, issuer(self.figures), reconciliation.reconciliation(self.figures, ties)),
        )
        named = {_name(self.figures, title, party): document.book.content() for title, party, document in rest}
        return dict(sorted({**self.files, **named}.items()))


def prepare(connection: Connection, programme: str, month: Month, version: int = 1) -> Prepared:
    """Renders every statement but the ministry's and the reconciliation. Raises RuleRefused without numbers, NotZero
    (exit code 1) where a figure and its check, which were derived apart, differ.
    """
    figures = read_figures(connection, programme, month, version)
    documents: list[tuple[str, str, Document]] = [
        *((company.TITLE, one, company.company_statement(figures, one)) for one in _numbered(figures, "company")),
        *((hospital.TITLE, one, hospital.hospital_statement(figures, one)) for one in _numbered(figures, "hospital")),
    ]
    if figures.terms.operator:
        documents.append((operator.TITLE, figures.terms.operator, operator.operator_statement(figures)))
    documents.append((agency.TITLE, figures.terms.agency, agency.agency_statement(figures)))
    totals: dict[str, int] = dict.fromkeys(TOTALS, 0)
    files = {}
    for title, party, document in documents:
        files[_name(figures, title, party)] = document.book.content()
        for name, krw in document.totals.items():
            totals[name] += krw
    return Prepared(figures=figures, files=files, totals=totals)


# What the 합계 cells of the workbooks show, summed over the parties, in won.
TOTALS = (
    "company_total_krw", "company_due_krw", "hospital_total_krw", "hospital_voucher_krw", "operator_total_krw",
    "agency_net_krw", "company_grant_krw", "operator_infra_krw",
)  # fmt: skip


def publish(
    connection: Connection, programme: str, month: Month, files: Mapping[str, bytes], at: datetime, version: int = 1
) -> list[PublishedFile]:
    """Stores the workbooks with their SHA-256, for ever; returns the rows. Refused (RuleRefused) for other bytes under
    a published name; the same bytes again change nothing.
    """
    known = dict(
        connection.execute(
            text(
                "SELECT name, sha256 FROM published_file"
                " WHERE programme = :programme AND month = :month AND version = :version"
            ),
            {"programme": programme, "month": month.first, "version": version},
        ).all()
    )
    rows = [
        {"programme": programme, "month": month.first, "name": name, "version": version,
         "sha256": sha256(content).hexdigest(), "content": content, "published_at": at}
        for name, content in files.items()
    ]  # fmt: skip
    changed = [row["name"] for row in rows if known.get(row["name"], row["sha256"]) != row["sha256"]]
    if changed:
        raise RuleRefused(
            f"{month}: 이미 다른 내용으로 공개된 파일입니다 (published with other content): {', '.join(changed)}"
        )
    new = [row for row in rows if row["name"] not in known]
    if new:
        connection.execute(insert(PublishedFile), new)
    return [PublishedFile(**row) for row in rows]


def write_published(
    connection: Connection, programme: str, month: Month, out_dir: Path, version: int | None = None
) -> list[Path]:
    """Writes a month's published workbooks as they were stored, each in its newest version, or in the newest one up to
    `version`; returns their paths. Raises RuleRefused when nothing is published, BadInput when the folder cannot be
    written to.
    """
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (name) name, sha256, content FROM published_file WHERE programme = :programme"
            " AND month = :month AND version <= coalesce(:version, version) ORDER BY name, version DESC"
        ),
        {"programme": programme, "month": month.first, "version": version},
    ).all()
    if not rows:
        raise RuleRefused(
            f"{programme} {month}: 공개된 정산서가 없습니다. `jeongsan month run {month} --programme {programme}` 을 "
            "먼저 실행하세요 (no statements are published; run the month first)."
        )
    paths = []
    for row in rows:
        content = bytes(row.content)
        if sha256(content).hexdigest() != row.sha256:
            raise RuleRefused(
                f"{row.name}: 저장된 파일이 기록된 해시와 다릅니다 (the stored bytes do not match their hash)."
            )
        paths.append(write_file(out_dir, row.name, content))
    return paths


def write_file(out_dir: Path, name: str, content: bytes) -> Path:
    """Writes a file into a folder, which is made where it is not there. Raises BadInput where that cannot be."""
    path = out_dir / name
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(
            f"{path}: 쓸 수 없습니다. --out 에 다른 폴더를 적으세요 (cannot be written: {error.strerror})."
        ) from None
    return path


def altered_files(connection: Connection, programme: str) -> list[tuple[str, str]]:
    """Published workbooks whose stored bytes do not give the recorded hash: (message, reference)."""
    rows = connection.execute(
        text(
            "SELECT month, name FROM published_file"
            " WHERE programme = :programme AND encode(sha256(content), 'hex') <> sha256 ORDER BY month, name"
        ),
        {"programme": programme},
    )
    return [
        (f"{row.name}: 저장된 파일이 기록된 해시와 다릅니다 (not the published bytes)", f"tie:{row.month:%Y-%m}")
        for row in rows
    ]


def _numbered(figures: Figures, kind: str) -> list[str]:
    """The companies or hospitals whose statements the documents step numbered, by code."""
    return sorted(
        party for name, party in figures.numbers if name == "statement" and figures.parties[party].kind == kind
    )


def _name(figures: Figures, title: str, party: str) -> str:
    return unicodedata.normalize("NFC", f"{figures.terms.code}_{figures.month}_{title}_{party}.xlsx")

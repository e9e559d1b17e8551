"""A month's tax documents for the tax office: checked, written to bulk-issue workbooks, each document once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from billing.tax_check import is_late, problems
from billing.tax_document import TaxForm
from billing.tax_file import keep_file, kept_files, lock_tax_documents
from billing.tax_reading import tax_forms
from core.errors import BadInput
from core.month import Month
from reports.statements import write_file
from reports.tax_sheet import FIRST_ROW, MOST_DOCUMENTS, TITLES, tax_workbook


@dataclass(frozen=True, kw_only=True)
class TaxExport:
    """What an export did: documents written to new files, all of the month's files, numbers issued late."""

    documents: int
    files: tuple[Path, ...]
    late: tuple[str, ...]


def export_tax_documents(engine: Engine, programme: str, month: Month, out_dir: Path, now: datetime) -> TaxExport:
    """Writes the documents that have neither been exported nor been numbered to files of their own, keeps those, and
    writes all of the month's files as they were kept: an export again gives the same bytes.

    Raises BadInput with every problem of a document that is not complete; then nothing is exported. Also where the
    folder cannot be written to.
    """
    with engine.begin() as connection:
        lock_tax_documents(connection, programme)
        forms = [one for one in tax_forms(connection, programme, month) if one.state == "issued"]
        found = [one.line for form in forms for one in problems(form)]
        if found:
            raise BadInput(*found)
        kept = kept_files(connection, programme, month)
        for name, part in new_files(programme, month, forms, kept):
            kept[name] = tax_workbook(part)
            keep_file(connection, programme, month, name, kept[name], part, FIRST_ROW, now)
        paths = [write_file(out_dir, name, content) for name, content in kept.items()]
    late = tuple(one.number for one in forms if is_late(one, now))
    return TaxExport(documents=len(forms), files=tuple(paths), late=late)


def new_files(
    programme: str, month: Month, forms: Sequence[TaxForm], kept: Collection[str]
) -> list[tuple[str, Sequence[TaxForm]]]:
    """New files in parts of 100, 계산서 in files of their own, numbered on from those that are there."""
    files = []
    for kind, title in TITLES.items():
        stem = f"{programme}_{month}_{title}"
        done = sum(name.startswith(f"{stem}_") for name in kept)
        of_kind = [one for one in forms if one.kind == kind]
        starts = range(0, len(of_kind), MOST_DOCUMENTS)
        for number, start in enumerate(starts, start=done + 1):
            files.append((f"{stem}_{number:02d}.xlsx", of_kind[start : start + MOST_DOCUMENTS]))
    return files

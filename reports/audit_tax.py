"""Auditors' checks of tax documents: numbered by the tax office in time, and no modified one without its original."""

from collections.abc import Iterator

from billing.tax_check import due_on
from billing.tax_document import document_number
from core.month import Month, kst_day
from reports.audit_scope import MOST_REFS, Found, Scope

MOST_NAMED = 5
# Documents with their charges' references. `filing`: whether the programme files its tax documents through us by then.
DOCUMENTS = """
, filing AS (
  SELECT 1 FROM tax_file WHERE programme = :programme AND exported_at <= :at
  UNION ALL SELECT 1 FROM tax_approval JOIN document ON document.id = document_id
    WHERE programme = :programme AND imported_at <= :at
)
SELECT document.month, kind, issuer, year, number, charged.refs FROM document
LEFT JOIN tax_document AS face ON face.document_id = document.id
CROSS JOIN LATERAL (SELECT array_agg(format('charge:%s/%s/%s/%s/%s', to_char(charge.month, 'YYYY-MM'), charge.project,
    to_char(service_month, 'YYYY-MM'), charge.kind, key) ORDER BY charge.id) AS refs
  FROM document_charge JOIN charge ON charge.id = charge_id WHERE document_charge.document_id = document.id) AS charged
WHERE document.programme = :programme AND kind IN ('tax_invoice', 'invoice_exempt')
"""
UNNUMBERED = f"""{DOCUMENTS} AND document.month <= :month AND (supply_krw, vat_krw) <> (0, 0)
  AND EXISTS (SELECT 1 FROM filing) AND NOT EXISTS (SELECT 1 FROM tax_approval AS approval
    WHERE approval.document_id = document.id AND imported_at <= :at) ORDER BY document.month, document.id
"""  # noqa: S608
WITHOUT_ORIGINAL = f"""{DOCUMENTS} AND document.month = :month
  AND (face.role IS NULL OR document.correction <> (face.role <> 'ordinary') OR face.role <> 'ordinary'
    AND NOT EXISTS (SELECT 1 FROM document AS original JOIN tax_document AS named ON named.document_id = original.id
      WHERE original.id = face.original_id AND original.id < document.id AND named.role <> 'cancel'
      AND (original.programme, original.kind, original.issuer, original.project)
        = (document.programme, document.kind, document.issuer, document.project)))
  ORDER BY document.id
"""  # noqa: S608


def unnumbered(scope: Scope) -> Iterator[Found]:
    """Documents whose day of issue (the 10th of the next month) has passed without the tax office's number, by month.

    Only where the programme has exported a document, or taken in a number, by then.
    """
    if scope.at is None:
        return
    months: dict[Month, list] = {}
    for row in scope.rows(UNNUMBERED, at=scope.at):
        months.setdefault(Month.of(row.month), []).append(row)
    for month, rows in months.items():
        if due_on(month) < kst_day(scope.at):
            names = ", ".join(_number(row) for row in rows[:MOST_NAMED]) + (" …" if len(rows) > MOST_NAMED else "")
            refs = [ref for row in rows for ref in row.refs or ()]
            yield Found(
                korean=f"{month} 세금계산서·계산서 {len(rows)}건이 발행 기한 {due_on(month)} 까지 승인번호를 받지 "
                f"못했습니다: {names}",
                english=f"{len(rows)} tax documents of {month} have no approval number after {due_on(month)}: {names}",
                refs=tuple((refs or [f"tie:{month}"])[:MOST_REFS]),
            )


def without_original(scope: Scope) -> Iterator[Found]:
    """The month's modified documents that name no earlier document of the same parties and project."""
    for row in scope.rows(WITHOUT_ORIGINAL, at=scope.at):
        yield Found(
            korean=f"{_number(row)}: 수정한 세금계산서에 당초 문서가 없습니다.",
            english=f"{_number(row)}: a modified tax document without the original that it changes.",
            refs=tuple((row.refs or [f"tie:{row.month:%Y-%m}"])[:MOST_REFS]),
        )


def _number(row) -> str:
    return document_number(row.kind, row.issuer, row.year, row.number)

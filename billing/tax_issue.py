"""Issuing a month's tax documents (domain.md §8) from its charge rows, and the pair that corrects a document."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Row, text

from billing.document import DocumentTotals, issue
from billing.tax_document import TaxDraft, TaxedCharge, TaxItem, drafts
from core.month import Month, kst_day

# `first`: the document that carried the line when it was first charged, or the one that took its place.
# `ended`: nothing is left of the line, and its agreement (of usage and fee, every one of the project) was terminated.
CHARGES = """
WITH terminated AS (
  SELECT agreement.project, agreement.code FROM agreement_version JOIN agreement ON agreement.code = agreement
  WHERE agreement_version.kind = 'terminated' AND greatest(effective, counts_from) <= :last
)
SELECT charge.id, charge.supplier AS issuer, project.company AS recipient, charge.project, charge.service_month,
  charge.kind, charge.key, category.name AS category, charge.tax, charge.quantity_base, charge.unit_price_krw,
  charge.accepted_at, charge.amount_krw, charge.vat_krw, charge.reason, first.document_id AS original,
  first.document_id IS NOT NULL AND first.left_krw = 0 AND CASE WHEN agreement_line.agreement IS NULL
    THEN NOT EXISTS (SELECT 1 FROM agreement WHERE agreement.project = charge.project
      AND agreement.code NOT IN (SELECT code FROM terminated))
    ELSE agreement_line.agreement IN (SELECT code FROM terminated) END AS ended
FROM charge JOIN project ON project.code = charge.project JOIN programme ON programme.code = charge.programme
LEFT JOIN agreement_line ON agreement_line.programme = charge.programme AND agreement_line.code = charge.line
LEFT JOIN category ON category.programme = agreement_line.programme AND category.code = agreement_line.category
LEFT JOIN LATERAL (
  SELECT tax_document.document_id, (SELECT sum(amount_krw) FROM charge AS same
      WHERE same.programme = charge.programme AND same.project = charge.project
      AND same.service_month = charge.service_month AND same.line_key = charge.line_key) AS left_krw
  FROM charge AS before JOIN document_charge ON charge_id = before.id JOIN tax_document USING (document_id)
  WHERE before.programme = charge.programme AND before.project = charge.project
    AND before.service_month = charge.service_month AND before.line_key = charge.line_key
    AND before.month < charge.month AND role <> 'cancel'
  ORDER BY before.month, document_id DESC LIMIT 1
) AS first ON charge.service_month < charge.month
WHERE charge.programme = :programme AND charge.month = :month AND (charge.amount_krw <> 0 OR charge.vat_krw <> 0)
  AND (charge.line IS NULL OR funding = 'hospital')
ORDER BY charge.id
"""


def issue_tax_documents(connection: Connection, programme: str, month: Month) -> int:
    """Issues the month's tax invoices and 계산서 from its charge rows; returns how many.

    Dated the last day of the month (domain.md §8). None for supply that the company pays for itself: its supplier's
    own document is the evidence.
    """
    at = {"programme": programme, "month": month.first, "last": month.last}
    found = drafts(map(_taxed, connection.execute(text(CHARGES), at)), month)
    totals = [
        DocumentTotals(
            kind=one.kind, issuer=one.issuer, recipient=one.recipient, project=one.project,
            correction=one.original is not None, supply_krw=one.supply_krw, vat_krw=one.vat_krw, charges=one.charges,
        )
        for one in found
    ]  # fmt: skip
    ids = issue(connection, programme, month, totals, [one.kind for one in found], month.last)
    _store(connection, ids, found)
    return len(found)


def _taxed(row: Row) -> TaxedCharge:
    names = TaxedCharge.__dataclass_fields__.keys() - {"service_month", "quantity_base", "accepted_on"}
    return TaxedCharge(
        **{name: getattr(row, name) for name in names},
        service_month=Month.of(row.service_month),
        quantity_base=int(row.quantity_base),
        accepted_on=kst_day(row.accepted_at) if row.accepted_at else None,
    )


def _store(connection: Connection, ids: Sequence[int], found: Sequence[TaxDraft]) -> None:
    connection.execute(
        text(
            "INSERT INTO tax_document (document_id, tax, role, original_id, reason, items)"
            " SELECT document_id, tax, CASE WHEN original_id IS NULL THEN 'ordinary' ELSE 'change' END, original_id,"
            "  reason, items FROM unnest(CAST(:ids AS bigint[]), CAST(:tax AS text[]), CAST(:originals AS bigint[]),"
            "  CAST(:reasons AS text[]), CAST(:items AS jsonb[])) AS one (document_id, tax, original_id, reason, items)"
        ),
        {
            "ids": ids,
            "tax": [one.tax for one in found],
            "originals": [one.original for one in found],
            "reasons": [one.reason for one in found],
            "items": [json.dumps(item_records(one.items), ensure_ascii=False) for one in found],
        },
    )


def item_records(items: Sequence[TaxItem]) -> list[dict]:
    """Items as they are stored: days as text, quantities as exact decimal text."""
    return [
        {
            "day": str(one.day), "name": one.name, "spec": one.spec,
            "quantity": None if one.quantity is None else f"{one.quantity:f}", "unit_price_krw": one.unit_price_krw,
            "supply_krw": one.supply_krw, "vat_krw": one.vat_krw, "note": one.note,
        }
        for one in items
    ]  # fmt: skip

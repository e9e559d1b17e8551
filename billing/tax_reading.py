"""Tax documents as they were issued, read back as the tax office's form shows them (domain.md §8)."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, Row, text

from billing.tax_document import Original, TaxForm, TaxItem, TaxParty, document_number
from core.errors import BadInput
from core.month import Month

NUMBER = re.compile(r"(TAX|EXM)-([A-Za-z0-9][A-Za-z0-9_.-]*)-(\d{4})-(\d{6,9})", re.ASCII)
PARTY = ("brn", "name", "representative", "address", "business_type", "business_item", "email")
FORM = """
SELECT document.id, document.kind, document.issuer, document.recipient, document.year, document.number, document.month,
  document.issued_on AS written_on, document.project, document.supply_krw, document.vat_krw, document.parties,
  to_jsonb(issuer_now) AS issuer_now, to_jsonb(recipient_now) AS recipient_now, face.tax, face.role, face.items,
  coalesce((SELECT said.reason FROM tax_reason AS said WHERE said.document_id = document.id ORDER BY id DESC LIMIT 1),
    face.reason) AS reason,
  CASE WHEN face.tax = 'taxable' THEN '' ELSE (
    SELECT CASE WHEN bool_and(tax_reason IS NOT NULL) THEN string_agg(DISTINCT tax_reason, ' · ') ELSE '' END
    FROM document_charge JOIN charge ON charge.id = charge_id JOIN agreement_line ON agreement_line.programme =
      charge.programme AND agreement_line.code = charge.line JOIN category ON category.programme = charge.programme
      AND category.code = agreement_line.category WHERE document_charge.document_id = document.id) END AS tax_reason,
  original.issuer AS original_issuer, original.year AS original_year, original.number AS original_number,
  original.issued_on AS original_on, original_approval.approval_number AS original_approval,
  tax_file.name AS file, approval.approval_number
FROM document JOIN tax_document AS face ON face.document_id = document.id
JOIN party AS issuer_now ON issuer_now.code = document.issuer
JOIN party AS recipient_now ON recipient_now.code = document.recipient
LEFT JOIN document AS original ON original.id = face.original_id
LEFT JOIN tax_approval AS original_approval ON original_approval.document_id = face.original_id
LEFT JOIN tax_file_document AS filed ON filed.document_id = document.id
LEFT JOIN tax_file ON tax_file.id = filed.file_id
LEFT JOIN tax_approval AS approval ON approval.document_id = document.id
"""


def tax_forms(connection: Connection, programme: str, month: Month) -> list[TaxForm]:
    """A programme's tax documents of a month, in the order of their issue."""
    rows = connection.execute(
        text(f"{FORM} WHERE document.programme = :programme AND document.month = :month ORDER BY document.id"),
        {"programme": programme, "month": month.first},
    )
    return [_form(row) for row in rows]


def tax_form(connection: Connection, number: str) -> TaxForm:
    """The tax document of that number, `TAX-H01-2025-000012`. Raises BadInput when there is none."""
    found = NUMBER.fullmatch(number)
    if found:
        kind = "tax_invoice" if found[1] == "TAX" else "invoice_exempt"
        row = connection.execute(
            text(f"{FORM} WHERE document.kind = :kind AND document.issuer = :issuer AND document.year = :year"
                 " AND document.number = :number"),
            {"kind": kind, "issuer": found[2], "year": int(found[3]), "number": int(found[4])},
        ).one_or_none()  # fmt: skip
        if row is not None:
            return _form(row)
    raise BadInput(
        f"'{number}': 발행한 세금계산서·계산서 번호가 아닙니다. `jeongsan tax list` 에서 찾으세요 "
        "(no tax document of this number)."
    )


def _form(row: Row) -> TaxForm:
    same = ("id", "kind", "tax", "role", "written_on", "project", "supply_krw", "vat_krw", "reason", "file",
            "approval_number", "tax_reason")  # fmt: skip
    return TaxForm(
        **{name: getattr(row, name) for name in same},
        number=document_number(row.kind, row.issuer, row.year, row.number),
        month=Month.of(row.month),
        supplier=_party(row.issuer, row.parties["issuer"], row.parties.get("payee"), row.issuer_now),
        recipient=_party(row.recipient, row.parties["recipient"], None, row.recipient_now),
        items=tuple(map(_item, row.items)),
        original=_original(row),
    )


def _party(code: str, issued: Mapping, payee: Mapping | None, now: Mapping) -> TaxParty:
    """The party as it was at issue; what was not on record then is taken from what is now."""
    return TaxParty(code=code, **{name: (payee or {}).get(name) or issued[name] or now[name] or "" for name in PARTY})


def _original(row: Row) -> Original | None:
    if row.original_number is None:
        return None
    return Original(
        number=document_number(row.kind, row.original_issuer, row.original_year, row.original_number),
        written_on=row.original_on,
        approval_number=row.original_approval or "",
    )


def _item(record: Mapping) -> TaxItem:
    quantity = None if record["quantity"] is None else Decimal(record["quantity"])
    return TaxItem(**{**record, "day": date.fromisoformat(record["day"]), "quantity": quantity})

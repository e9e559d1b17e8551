"""Issuing a month's company invoices and credit notes: one document per project that has figures (domain.md §8)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, text

from billing.booked import month_charges
from billing.document import take_numbers
from billing.invoice_item import InvoiceItem, OwnPart, invoice_items
from core.month import Month
from registry.due_dates import due_terms
from registry.values import ProgrammeTerms

# Parties as they are called on the day of issue, the issuer with its legal payee of that day.
INSERT = """
WITH named AS (SELECT code, to_jsonb(party) AS snapshot FROM party WHERE code = ANY(:named)),
payee AS (
  SELECT jsonb_build_object('name', name, 'brn', brn) AS snapshot FROM party_payee
  WHERE party = :issuer AND since <= :issued_on ORDER BY since DESC LIMIT 1
)
INSERT INTO document (programme, month, kind, issuer, year, number, recipient, project, correction, issued_on,
  supply_krw, vat_krw, total_krw, due_on, parties)
SELECT :programme, :month, kind, :issuer, :year, number, company, project, false, :issued_on, supply_krw, vat_krw,
  total_krw, :due_on, jsonb_build_object('issuer', issuing.snapshot, 'payee', (SELECT snapshot FROM payee),
  'recipient', receiving.snapshot)
FROM unnest(CAST(:kinds AS text[]), CAST(:numbers AS int[]), CAST(:companies AS text[]), CAST(:projects AS text[]),
    CAST(:supplies AS bigint[]), CAST(:vats AS bigint[]), CAST(:totals AS bigint[])) WITH ORDINALITY
    AS one (kind, number, company, project, supply_krw, vat_krw, total_krw, position)
  JOIN named AS receiving ON receiving.code = company JOIN named AS issuing ON issuing.code = :issuer
ORDER BY position RETURNING id, project
"""


def issue_invoices(
    connection: Connection, terms: ProgrammeTerms, month: Month, parts: Iterable[OwnPart], issued_on: date
) -> int:
    """Issues the invoices of a month that is posted, from its charge rows and its lines' parts; returns how many.

    By the operator, or by the agency where there is none. A total below zero is a credit note, in a series of its own.
    A total of zero with items is an invoice: it shows that they cancel out and nothing is due. The database refuses one
    whose items do not sum to what the month booked on the company's receivable.
    """
    charges = [row for _id, row in month_charges(connection, terms.code, month)]
    names = dict(connection.execute(text("SELECT code, name FROM party")).all())
    items = invoice_items(terms, month, charges, parts, names)
    ids = _store_documents(connection, terms, month, items, issued_on)
    _store_items(connection, [(ids[project], found) for project, found in items.items()])
    return len(items)


def _store_documents(
    connection: Connection,
    terms: ProgrammeTerms,
    month: Month,
    items: Mapping[str, Sequence[InvoiceItem]],
    issued_on: date,
) -> dict[str, int]:
    """Numbers and stores a document for each project's items; their ids by project."""
    issuer = terms.operator or terms.agency
    totals = [sum(one.own_krw for one in found) for found in items.values()]
    kinds = ["credit_note" if krw < 0 else "invoice" for krw in totals]
    companies = [terms.projects[project].company for project in items]
    rows = connection.execute(
        text(INSERT),
        {
            "programme": terms.code,
            "month": month.first,
            "issuer": issuer,
            "year": issued_on.year,
            "issued_on": issued_on,
            "due_on": due_terms(connection, terms.code).invoice_due_on(month),
            "kinds": kinds,
            "numbers": take_numbers(connection, [(kind, issuer) for kind in kinds], issued_on.year),
            "named": [issuer, *companies],
            "companies": companies,
            "projects": list(items),
            "supplies": [sum(one.supply_krw for one in found) for found in items.values()],
            "vats": [sum(one.vat_krw for one in found) for found in items.values()],
            "totals": totals,
        },
    )
    return {row.project: row.id for row in rows}


def _store_items(connection: Connection, documents: Sequence[tuple[int, Sequence[InvoiceItem]]]) -> None:
    """Every document's items in one statement: the database takes none later."""
    rows = [(document, position, item) for document, items in documents for position, item in enumerate(items, 1)]
    names = [name for name in InvoiceItem.__dataclass_fields__ if name != "service_month"]
    connection.execute(
        text(
            "INSERT INTO document_item (document_id, position, kind, line, supplier, service_month, key, description,"
            " quantity_base, unit, unit_price_krw, supply_krw, vat_krw, own_krw, remark)"
            " SELECT * FROM unnest(CAST(:documents AS bigint[]), CAST(:positions AS int[]), CAST(:kind AS text[]),"
            " CAST(:line AS text[]), CAST(:supplier AS text[]), CAST(:service_month AS date[]),"
            " CAST(:key AS text[]), CAST(:description AS text[]), CAST(:quantity_base AS numeric[]),"
            " CAST(:unit AS text[]), CAST(:unit_price_krw AS bigint[]), CAST(:supply_krw AS bigint[]),"
            " CAST(:vat_krw AS bigint[]), CAST(:own_krw AS bigint[]), CAST(:remark AS text[]))"
        ),
        {
            **{name: [getattr(item, name) for _, _, item in rows] for name in names},
            "documents": [document for document, _, _ in rows],
            "positions": [position for _, position, _ in rows],
            "service_month": [item.service_month.first for _, _, item in rows],
        },
    )

"""Issued documents (domain.md §8): a month's tax invoices, its statements' numbers; gapless per issuer and year."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from core.month import Month, kst_day


@dataclass(frozen=True, kw_only=True)
class DocumentTotals:
    """What a document will carry: sums in won of its charge rows."""

    kind: str
    issuer: str
    recipient: str
    project: str
    correction: bool
    supply_krw: int
    vat_krw: int
    charges: Sequence[int]


def issue_tax_documents(connection: Connection, programme: str, month: Month) -> int:
    """Issues the month's tax invoices and 계산서 from its charge rows; returns how many.

    One per issuer, project and kind, corrections apart, dated the last day of the month (domain.md §8). None for supply
    that the company pays for itself: its supplier's own document is the evidence.
    """
    rows = connection.execute(
        text(
            "SELECT CASE WHEN tax = 'exempt' THEN 'invoice_exempt' ELSE 'tax_invoice' END AS kind, supplier AS issuer,"
            " project.company AS recipient, charge.project, service_month < month AS correction,"
            " sum(amount_krw)::bigint AS supply_krw, sum(vat_krw)::bigint AS vat_krw, array_agg(charge.id) AS charges"
            " FROM charge JOIN project ON project.code = charge.project"
            " JOIN programme ON programme.code = charge.programme"
            " WHERE charge.programme = :programme AND month = :month AND (amount_krw <> 0 OR vat_krw <> 0)"
            " AND (line IS NULL OR funding = 'hospital')"
            " GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 4, 5, 1"
        ),
        {"programme": programme, "month": month.first},
    )
    documents = [DocumentTotals(**row._mapping) for row in rows]
    for document in documents:
        number = _next_number(connection, document.kind, document.issuer, month.last.year)
        _insert(connection, programme, month, document, number, month.last)
    return len(documents)


def number_statements(
    connection: Connection, programme: str, month: Month, issuer: str, recipients: Sequence[tuple[str, str]],
    issued_at: datetime,
) -> None:  # fmt: skip
    """Numbers the month's statements: (kind, recipient) in order, kind `statement` or `reconciliation`, one series."""
    issued_on = kst_day(issued_at)
    for kind, recipient in recipients:
        number = _next_number(connection, "statement", issuer, issued_on.year)
        document = DocumentTotals(
            kind=kind, issuer=issuer, recipient=recipient, project="", correction=False, supply_krw=0, vat_krw=0,
            charges=(),
        )  # fmt: skip
        _insert(connection, programme, month, document, number, issued_on)


def _next_number(connection: Connection, kind: str, issuer: str, year: int) -> int:
    """The next number of a series, under the lock of its row: no gap, no double number."""
    return connection.scalar(
        text(
            "INSERT INTO document_sequence (kind, issuer, year, last_number) VALUES (:kind, :issuer, :year, 1)"
            " ON CONFLICT (kind, issuer, year) DO UPDATE SET last_number = document_sequence.last_number + 1"
            " RETURNING last_number"
        ),
        {"kind": kind, "issuer": issuer, "year": year},
    )


def _insert(
    connection: Connection, programme: str, month: Month, document: DocumentTotals, number: int, issued_on: date
) -> None:
    identity = connection.scalar(
        text(
            "INSERT INTO document (programme, month, kind, issuer, year, number, recipient, project, correction,"
            " issued_on, supply_krw, vat_krw, parties)"
            " SELECT :programme, :month, :kind, :issuer, :year, :number, :recipient, nullif(:project, ''), :correction,"
            " :issued_on, :supply_krw, :vat_krw, jsonb_build_object("
            "  'issuer', (SELECT to_jsonb(party) FROM party WHERE code = :issuer),"
            "  'recipient', (SELECT to_jsonb(party) FROM party WHERE code = :recipient)) RETURNING id"
        ),
        {
            **{name: getattr(document, name) for name in DocumentTotals.__dataclass_fields__ if name != "charges"},
            "programme": programme,
            "month": month.first,
            "year": issued_on.year,
            "number": number,
            "issued_on": issued_on,
        },
    )
    connection.execute(
        text(
            "INSERT INTO document_charge (document_id, charge_id) SELECT :document, unnest(CAST(:charges AS bigint[]))"
        ),
        {"document": identity, "charges": list(document.charges)},
    )

"""Company invoices (청구서, domain.md §8): their numbers, and what each of them still has open."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Row, text

from billing.open_items import Billed, Received, open_items
from core.errors import BadInput
from core.month import Month

PREFIXES = {"invoice": "INV", "credit_note": "CRN"}
NUMBER = re.compile(r"(INV|CRN)-([A-Za-z0-9][A-Za-z0-9_.-]*)-(\d{4})-(\d{6,9})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class OpenInvoice:
    """An invoice or credit note and what of it is open, in won; a credit note's total is below zero and it has nothing
    open: its credit pays invoices as a payment does. Days are local.
    """

    document_id: int
    kind: str
    number: str
    programme: str
    project: str
    company: str
    month: Month
    issued_on: date
    due_on: date
    total_krw: int
    open_krw: int


@dataclass(frozen=True, kw_only=True)
class Receivable:
    """What a company owes for a project, in won: billed − credited − paid = open − unapplied.

    `invoices`: its documents, oldest first; `unapplied_krw`: paid or credited, and not matched to an invoice.
    """

    programme: str
    project: str
    company: str
    invoices: tuple[OpenInvoice, ...]
    billed_krw: int
    credited_krw: int
    paid_krw: int
    unapplied_krw: int

    @property
    def open_krw(self) -> int:
        """What of all its invoices is open."""
        return sum(one.open_krw for one in self.invoices)

    @property
    def balance_krw(self) -> int:
        """What the books' receivable must show."""
        return self.open_krw - self.unapplied_krw


def invoice_number(kind: str, issuer: str, year: int, number: int) -> str:
    """`INV-OP-2025-000001`; a credit note's begins with CRN."""
    return f"{PREFIXES[kind]}-{issuer}-{year}-{number:06d}"


def parse_number(shown: str) -> tuple[str, str, int, int]:
    """(kind, issuer, year, number) of a number as it is shown. Raises BadInput for what is none."""
    found = NUMBER.fullmatch(shown)
    if not found:
        raise BadInput(
            f"'{shown}': 청구서 번호는 INV-OP-2025-000001 처럼 적습니다 (an invoice number is written like that)."
        )
    kind = next(kind for kind, prefix in PREFIXES.items() if prefix == found[1])
    return kind, found[2], int(found[3]), int(found[4])


def invoice_id(connection: Connection, number: str) -> int:
    """The id of the document with that number. Raises BadInput when there is none."""
    kind, issuer, year, counted = parse_number(number)
    found = connection.scalar(
        text("SELECT id FROM document WHERE kind = :kind AND issuer = :issuer AND year = :year AND number = :number"),
        {"kind": kind, "issuer": issuer, "year": year, "number": counted},
    )
    if found is None:
        raise BadInput(f"'{number}': 발행되지 않은 번호입니다 (no such invoice or credit note).")
    return found


def open_invoices(
    connection: Connection, programme: str | None = None, company: str | None = None, at: date | None = None
) -> list[OpenInvoice]:
    """The invoices that have something open, by programme and project, oldest first; see `receivables`."""
    found = receivables(connection, programme, company, at)
    return [invoice for one in found for invoice in one.invoices if invoice.open_krw]


def receivables(
    connection: Connection, programme: str | None = None, company: str | None = None, at: date | None = None
) -> list[Receivable]:
    """What companies owe, by programme and project: of one programme or company where it is named, as known at the end
    of a local day, or now. Never netted between projects (domain.md §6).
    """
    asked = {"programme": programme, "company": company, "at": at}
    documents = _gathered(_documents(connection, asked))
    payments = _gathered(_payments(connection, asked))
    owners = {key: (documents.get(key) or payments[key])[0].company for key in sorted({*documents, *payments})}
    return [_receivable(*key, owner, documents.get(key, []), payments.get(key, [])) for key, owner in owners.items()]


def _documents(connection: Connection, asked: dict) -> Iterable[Row]:
    return connection.execute(
        text(
            "SELECT id, kind, issuer, year, number, programme, project, recipient AS company, month, issued_on, due_on,"
            " total_krw FROM document WHERE kind IN ('invoice', 'credit_note')"
            " AND (CAST(:programme AS text) IS NULL OR programme = :programme)"
            " AND (CAST(:company AS text) IS NULL OR recipient = :company)"
            " AND (CAST(:at AS date) IS NULL OR issued_on <= :at) ORDER BY month, id"
        ),
        asked,
    )


def _payments(connection: Connection, asked: dict) -> Iterable[Row]:
    return connection.execute(
        text(
            "SELECT payment.programme, project.code AS project, project.company, amount_krw, document_id FROM payment"
            " JOIN project ON payment.account = 'receivable:company:' || project.code WHERE entry_id IS NOT NULL"
            " AND (CAST(:programme AS text) IS NULL OR payment.programme = :programme)"
            " AND (CAST(:company AS text) IS NULL OR project.company = :company)"
            " AND (CAST(:at AS date) IS NULL OR CAST(paid_at AT TIME ZONE 'Asia/Seoul' AS date) <= :at)"
        ),
        asked,
    )


def _gathered(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.programme, row.project), []).append(row)
    return found


def _receivable(programme: str, project: str, company: str, documents: list[Row], payments: list[Row]) -> Receivable:
    items = open_items(
        [Billed(id=row.id, total_krw=row.total_krw) for row in documents],
        [Received(amount_krw=row.amount_krw, invoice=row.document_id) for row in payments],
    )
    return Receivable(
        programme=programme, project=project, company=company,
        invoices=tuple(
            OpenInvoice(
                document_id=row.id, kind=row.kind, number=invoice_number(row.kind, row.issuer, row.year, row.number),
                programme=programme, project=project, company=company, month=Month.of(row.month),
                issued_on=row.issued_on, due_on=row.due_on, total_krw=row.total_krw, open_krw=items.open_krw[row.id],
            )
            for row in documents
        ),
        billed_krw=sum(row.total_krw for row in documents if row.total_krw > 0),
        credited_krw=-sum(row.total_krw for row in documents if row.total_krw < 0),
        paid_krw=sum(row.amount_krw for row in payments),
        unapplied_krw=items.unapplied_krw,
    )  # fmt: skip

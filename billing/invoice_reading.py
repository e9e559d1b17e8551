"""An issued company invoice as a whole: its parties, prices and items as they were at issue (domain.md §8)."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from billing.invoice import invoice_id, invoice_number, receivables
from billing.invoice_item import InvoiceItem
from core.month import Month


@dataclass(frozen=True, kw_only=True)
class InvoiceParty:
    """A party as it was called at issue."""

    code: str
    name: str
    brn: str | None
    representative: str | None
    address: str | None
    business_type: str | None
    business_item: str | None
    email: str | None

    @property
    def titled(self) -> str:
        """`name (사업자등록번호 124-81-00998)`."""
        return f"{self.name} (사업자등록번호 {self.brn})" if self.brn else self.name


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """An invoice or credit note in won; days are local.

    `payee`: name and registration number of the issuer's legal payee at issue, when it is another body; `channel`: how
    its company pays, `stripe` or `bank`.
    """

    document_id: int
    kind: str
    number: str
    programme: str
    programme_name: str
    project: str
    title: str
    channel: str
    month: Month
    issued_on: date
    due_on: date
    supply_krw: int
    vat_krw: int
    total_krw: int
    issuer: InvoiceParty
    payee: tuple[str, str] | None
    recipient: InvoiceParty
    items: tuple[InvoiceItem, ...]

    @property
    def drawn_krw(self) -> int:
        """What the deposit paid of it."""
        return -sum(one.own_krw for one in self.items if one.kind == "deposit")


def read_invoice(connection: Connection, number: str) -> Invoice:
    """The invoice or credit note of that number. Raises BadInput when there is none."""
    row = connection.execute(
        text(
            "SELECT document.*, programme.name AS programme_name, project.title, project.channel FROM document"
            " JOIN programme ON programme.code = document.programme JOIN project ON project.code = document.project"
            " WHERE document.id = :id"
        ),
        {"id": invoice_id(connection, number)},
    ).one()
    payee = row.parties["payee"]
    names = Invoice.__dataclass_fields__.keys() & row._mapping.keys() - {"number", "month", "issuer", "recipient"}
    return Invoice(
        **{name: getattr(row, name) for name in names},
        document_id=row.id,
        number=invoice_number(row.kind, row.issuer, row.year, row.number),
        month=Month.of(row.month),
        issuer=_party(row.parties["issuer"]),
        payee=(payee["name"], payee["brn"]) if payee else None,
        recipient=_party(row.parties["recipient"]),
        items=_items(connection, row.id),
    )


def open_krw(connection: Connection, invoice: Invoice, at: date | None = None) -> int:
    """What of an invoice is open at the end of a local day, or now, in won."""
    found = receivables(connection, invoice.programme, invoice.recipient.code, at)
    open_of = {one.document_id: one.open_krw for receivable in found for one in receivable.invoices}
    return open_of.get(invoice.document_id, 0)


def _party(snapshot: dict) -> InvoiceParty:
    return InvoiceParty(**{name: snapshot[name] for name in InvoiceParty.__dataclass_fields__})


def _items(connection: Connection, document: int) -> tuple[InvoiceItem, ...]:
    rows = connection.execute(
        text("SELECT * FROM document_item WHERE document_id = :id ORDER BY position"), {"id": document}
    )
    names = InvoiceItem.__dataclass_fields__.keys() - {"service_month", "quantity_base"}
    return tuple(
        InvoiceItem(
            **{name: getattr(row, name) for name in names},
            service_month=Month.of(row.service_month),
            quantity_base=None if row.quantity_base is None else int(row.quantity_base),
        )
        for row in rows
    )

"""Company invoices: what is open and paid, and each of them as it was issued."""

from collections.abc import Sequence
from datetime import date

from flask import abort, render_template, request
from sqlalchemy import Connection

from billing.invoice import OpenInvoice, receivables
from billing.invoice_reading import Invoice, read_invoice
from core.errors import BadInput
from core.month import kst_day
from portal.files import download
from portal.paging import paged
from portal.web import now, pages, transaction, user
from registry.terms import programme_codes
from reports.invoice import CARD, KINDS, invoice_workbook
from reports.wording import quantity, unit

blueprint = pages("invoices")


@blueprint.get("/invoices")
def listing():
    """Every invoice that the user may see, what is open first; the company's balance project by project."""
    programme, only_open = request.args.get("programme") or None, request.args.get("state") == "open"
    with transaction() as connection:
        found = receivables(connection, programme, user().party if user().role == "company" else None)
        programmes = programme_codes(connection)
    today = kst_day(now())
    invoices = [(one, state_of(one, today)) for each in found for one in each.invoices]
    shown = [(one, state) for one, state in invoices if one.open_krw or not only_open]
    shown.sort(key=lambda each: (each[0].open_krw == 0, each[0].due_on, each[0].number))
    return render_template(
        "invoices.html", receivables=found, page=paged(shown), programmes=programmes, programme=programme,
        only_open=only_open, overdue_krw=_overdue_krw(invoices),
    )  # fmt: skip


@blueprint.get("/invoices/<number>")
def show(number: str):
    """The whole document as it was issued, what of it is open, and how it is paid."""
    with transaction() as connection:
        invoice = _found(connection, number)
        company = receivables(connection, invoice.programme, invoice.recipient.code)
    issued = next(one for each in company for one in each.invoices if one.document_id == invoice.document_id)
    rows = [
        (one, *(("", "") if one.quantity_base is None else (quantity(one).value, unit(one)))) for one in invoice.items
    ]
    return render_template(
        "invoice.html", invoice=invoice, rows=rows, open_krw=issued.open_krw, kinds=KINDS, card=CARD,
        state=state_of(issued, kst_day(now())),
    )  # fmt: skip


@blueprint.get("/invoices/<number>/invoice.xlsx")
def workbook(number: str):
    """The same document as a workbook: the same bytes whenever it is fetched."""
    with transaction() as connection:
        invoice = _found(connection, number)
    return download(invoice_workbook(invoice), f"{invoice.number}.xlsx")


def _found(connection: Connection, number: str) -> Invoice:
    """The invoice of that number; 404 where there is none that the user may see."""
    try:
        return read_invoice(connection, number)
    except BadInput:
        abort(404)


def state_of(invoice: OpenInvoice, today: date) -> str:
    """credit, paid, overdue, partly or open, as it is on a local day."""
    if invoice.kind == "credit_note":
        return "credit"
    if not invoice.open_krw:
        return "paid"
    if invoice.due_on < today:
        return "overdue"
    return "partly" if invoice.open_krw < invoice.total_krw else "open"


def _overdue_krw(invoices: Sequence[tuple[OpenInvoice, str]]) -> int:
    return sum(one.open_krw for one, state in invoices if state == "overdue")

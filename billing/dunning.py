"""What is overdue of the companies' invoices at a day, with the reminder level (독촉)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from billing.invoice import OpenInvoice, open_invoices
from registry.due_dates import DueTerms, due_terms


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """An invoice that was due before a day and is still open; `level`: the reminder that it has reached, 0 for none."""

    invoice: OpenInvoice
    overdue_days: int
    level: int


def overdue(connection: Connection, at: date, programme: str | None = None) -> dict[str, list[Overdue]]:
    """By company code, the invoices overdue at the end of a local day, oldest due first; only what is open counts.

    Levels follow each programme's `due.reminder_days`.
    """
    late = [one for one in open_invoices(connection, programme, at=at) if one.due_on < at]
    terms = {code: due_terms(connection, code) for code in {one.programme for one in late}}
    found: dict[str, list[Overdue]] = {}
    for one in sorted(late, key=lambda one: (one.company, one.due_on, one.number)):
        found.setdefault(one.company, []).append(_overdue(one, at, terms))
    return found


def _overdue(invoice: OpenInvoice, at: date, terms: Mapping[str, DueTerms]) -> Overdue:
    days = (at - invoice.due_on).days
    return Overdue(invoice=invoice, overdue_days=days, level=terms[invoice.programme].reminder_level(days))

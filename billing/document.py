"""Issued documents (domain.md §8): a month's tax invoices, its statements' numbers; gapless per issuer and year."""

from collections import Counter
from collections.abc import Iterator, Sequence
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
    _issue(connection, programme, month, documents, [one.kind for one in documents], month.last)
    return len(documents)


def number_statements(
    connection: Connection, programme: str, month: Month, issuer: str, recipients: Sequence[tuple[str, str]],
    issued_at: datetime,
) -> None:  # fmt: skip
    """Numbers the month's statements: (kind, recipient) in order, kind `statement` or `reconciliation`, one series."""
    documents = [
        DocumentTotals(
            kind=kind, issuer=issuer, recipient=recipient, project="", correction=False, supply_krw=0, vat_krw=0,
            charges=(),
        )
        for kind, recipient in recipients
    ]  # fmt: skip
    _issue(connection, programme, month, documents, ["statement"] * len(documents), kst_day(issued_at))


def _issue(
    connection: Connection, programme: str, month: Month, documents: Sequence[DocumentTotals], series: Sequence[str],
    issued_on: date,
) -> None:  # fmt: skip
    """Numbers documents in their order, each in a series of its issuer, and stores them with their charge rows."""
    names = [name for name in DocumentTotals.__dataclass_fields__ if name != "charges"]
    numbers = take_numbers(
        connection, list(zip(series, (one.issuer for one in documents), strict=True)), issued_on.year
    )
    rows = connection.execute(
        text(
            "INSERT INTO document (programme, month, kind, issuer, year, number, recipient, project, correction,"
            " issued_on, supply_krw, vat_krw, parties)"
            " SELECT :programme, :month, kind, issuer, :year, number, recipient, nullif(project, ''), correction,"
            " :issued_on, supply_krw, vat_krw, jsonb_build_object("
            "  'issuer', (SELECT to_jsonb(party) FROM party WHERE code = issuer),"
            "  'recipient', (SELECT to_jsonb(party) FROM party WHERE code = recipient))"
            " FROM unnest(CAST(:number AS int[]), CAST(:kind AS text[]), CAST(:issuer AS text[]),"
            "  CAST(:recipient AS text[]), CAST(:project AS text[]), CAST(:correction AS boolean[]),"
            "  CAST(:supply_krw AS bigint[]), CAST(:vat_krw AS bigint[])) WITH ORDINALITY"
            "  AS one (number, kind, issuer, recipient, project, correction, supply_krw, vat_krw, position)"
            " ORDER BY position RETURNING id, kind, issuer, number"
        ),
        {
            **{name: [getattr(one, name) for one in documents] for name in names},
            "programme": programme,
            "month": month.first,
            "year": issued_on.year,
            "number": numbers,
            "issued_on": issued_on,
        },
    )
    ids = {(row.kind, row.issuer, row.number): row.id for row in rows}
    of_charges = [(ids[one.kind, one.issuer, number], charge)
                  for one, number in zip(documents, numbers, strict=True) for charge in one.charges]  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO document_charge (document_id, charge_id)"
            " SELECT * FROM unnest(CAST(:documents AS bigint[]), CAST(:charges AS bigint[]))"
        ),
        {"documents": [document for document, _ in of_charges], "charges": [charge for _, charge in of_charges]},
    )


def take_numbers(connection: Connection, series: Sequence[tuple[str, str]], year: int) -> list[int]:
    """The next number of each (kind, issuer) in turn, taken at once under the lock of the series' row: no gap, no
    double number, and no version of the row for every number. Rows are locked in order: two who issue never wait for
    each other.
    """
    free: dict[tuple[str, str], Iterator[int]] = {}
    for (kind, issuer), taken in sorted(Counter(series).items()):
        last = connection.scalar(
            text(
                "INSERT INTO document_sequence (kind, issuer, year, last_number)"
                " VALUES (:kind, :issuer, :year, :taken) ON CONFLICT (kind, issuer, year)"
                " DO UPDATE SET last_number = document_sequence.last_number + :taken RETURNING last_number"
            ),
            {"kind": kind, "issuer": issuer, "year": year, "taken": taken},
        )
        free[kind, issuer] = iter(range(last - taken + 1, last + 1))
    return [next(free[one]) for one in series]

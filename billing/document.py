"""Issued documents (domain.md §8): numbers without gaps per issuer and year, and the parties as they are at issue."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from core.month import Month, kst_day


@dataclass(frozen=True, kw_only=True)
class DocumentTotals:
    """What a document will carry: sums in won of its charge rows.

    `parties_of`: the document whose parties it repeats; without one, the parties as they are now.
    """

    kind: str
    issuer: str
    recipient: str
    project: str
    correction: bool
    supply_krw: int
    vat_krw: int
    charges: Sequence[int]
    parties_of: int | None = None


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
    issue(connection, programme, month, documents, ["statement"] * len(documents), kst_day(issued_at))


def issue(
    connection: Connection, programme: str, month: Month, documents: Sequence[DocumentTotals], series: Sequence[str],
    issued_on: date,
) -> list[int]:  # fmt: skip
    """Numbers documents in their order, each in a series of its issuer, and stores them with their charge rows; their
    ids. The issuer is named with its legal payee of the day of issue, where it has one.
    """
    names = [name for name in DocumentTotals.__dataclass_fields__ if name != "charges"]
    numbers = take_numbers(
        connection, list(zip(series, (one.issuer for one in documents), strict=True)), issued_on.year
    )
    rows = connection.execute(
        text(
            "INSERT INTO document (programme, month, kind, issuer, year, number, recipient, project, correction,"
            " issued_on, supply_krw, vat_krw, parties)"
            " SELECT :programme, :month, kind, issuer, :year, number, recipient, nullif(project, ''), correction,"
            " :issued_on, supply_krw, vat_krw, coalesce((SELECT parties FROM document AS same WHERE same.id ="
            "  parties_of), parties_now(issuer, recipient, :issued_on))"
            " FROM unnest(CAST(:number AS int[]), CAST(:kind AS text[]), CAST(:issuer AS text[]),"
            "  CAST(:recipient AS text[]), CAST(:project AS text[]), CAST(:correction AS boolean[]),"
            "  CAST(:supply_krw AS bigint[]), CAST(:vat_krw AS bigint[]), CAST(:parties_of AS bigint[]))"
            "  WITH ORDINALITY AS one (number, kind, issuer, recipient, project, correction, supply_krw, vat_krw,"
            "  parties_of, position)"
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
    of_numbers = {(row.kind, row.issuer, row.number): row.id for row in rows}
    ids = [of_numbers[one.kind, one.issuer, number] for one, number in zip(documents, numbers, strict=True)]
    of_charges = [(document, charge) for document, one in zip(ids, documents, strict=True) for charge in one.charges]
    connection.execute(
        text(
            "INSERT INTO document_charge (document_id, charge_id)"
            " SELECT * FROM unnest(CAST(:documents AS bigint[]), CAST(:charges AS bigint[]))"
        ),
        {"documents": [document for document, _ in of_charges], "charges": [charge for _, charge in of_charges]},
    )
    return ids


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

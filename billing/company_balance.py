"""What companies were billed and paid, beside the balance that the books show (domain.md §6)."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from billing.invoice import Receivable, receivables


@dataclass(frozen=True, kw_only=True)
class CompanyBalance:
    """A company's account of a project in won: from its documents and payments, and as the books have it."""

    receivable: Receivable
    books_krw: int

    @property
    def difference_krw(self) -> int:
        """Zero, unless a month is booked and its documents are not issued yet."""
        return self.receivable.balance_krw - self.books_krw


def company_balances(
    connection: Connection, programme: str | None = None, company: str | None = None
) -> list[CompanyBalance]:
    """Every project's account, or those of one programme or company, with what the books have on its receivable."""
    known = {(one.programme, one.project): one for one in receivables(connection, programme, company)}
    booked = connection.execute(
        text(
            "SELECT account.programme, project.code AS project, project.company, balance_krw FROM account"
            " JOIN project ON account.code = 'receivable:company:' || project.code"
            " WHERE (CAST(:programme AS text) IS NULL OR account.programme = :programme)"
            " AND (CAST(:company AS text) IS NULL OR project.company = :company)"
            " ORDER BY account.programme, project.code"
        ),
        {"programme": programme, "company": company},
    )
    return [
        CompanyBalance(
            receivable=known.get((row.programme, row.project)) or _nothing(row.programme, row.project, row.company),
            books_krw=row.balance_krw,
        )
        for row in booked
    ]


def _nothing(programme: str, project: str, company: str) -> Receivable:
    return Receivable(
        programme=programme, project=project, company=company, invoices=(), billed_krw=0, credited_krw=0, paid_krw=0,
        unapplied_krw=0,
    )  # fmt: skip

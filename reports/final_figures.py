"""The figures of a fiscal year's final settlement, read from what was booked (domain.md §7 Year-end, §9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.month import Month
from reports.execution import project_executions
from reports.figures import Figures
from reports.reading import read_figures
from settlement.year_end import ProjectClose, Recipient, Return, return_of


@dataclass(frozen=True, kw_only=True)
class Final:
    """A fiscal year as its final settlement shows it: `figures` of its last settled month, `carried_krw` by project."""

    figures: Figures
    number: str
    settled_at: datetime
    projects: Sequence[ProjectClose]
    returned: Return
    carried_krw: Mapping[str, int]
    recipients: Sequence[Recipient]

    @property
    def carry_over_ref(self) -> str:
        """Where what is carried over was decided."""
        return f"registry:programme/{self.figures.terms.code}/carry_over"


def read_final(connection: Connection, programme: str, month: Month, settled_at: datetime) -> Final:
    """Reads a year whose last settled month is `month` and whose report is numbered in the month after it."""
    figures = read_figures(connection, programme, month, None)
    terms, carried = figures.terms, carry_overs(connection, programme)
    returned = return_of(
        figures.budget_krw.get("grant_received", 0),
        sum(one.voucher_krw for one in figures.settled),
        sum(carried.values()),
        figures.budget_krw.get("interest", 0),
        drop_under_10=terms.drop_under_10_krw,
    )
    return Final(
        figures=figures, number=_number(connection, programme, month + 1), settled_at=settled_at,
        projects=_project_closes(figures, carried), returned=returned, carried_krw=carried,
        recipients=_recipients(connection, figures),
    )  # fmt: skip


def carry_overs(connection: Connection, programme: str) -> dict[str, int]:
    """What each project carries into the next year, in won, as it was decided."""
    rows = connection.execute(
        text("SELECT project, amount_krw FROM carry_over WHERE programme = :programme ORDER BY project"),
        {"programme": programme},
    )
    return {row.project: row.amount_krw for row in rows}


def _project_closes(figures: Figures, carried_krw: Mapping[str, int]) -> list[ProjectClose]:
    """Every project of the programme at the year-end, by code, from the books."""
    return [
        ProjectClose(
            project=code, grant_krw=figures.terms.projects[code].grant_krw, current_krw=one.current_krw,
            executed_krw=one.executed_krw, carry_over_krw=carried_krw.get(code, 0),
        )
        for code, one in zip(sorted(figures.terms.projects), project_executions(figures), strict=True)
    ]  # fmt: skip


def _number(connection: Connection, programme: str, month: Month) -> str:
    row = connection.execute(
        text(
            "SELECT year, number FROM document WHERE programme = :programme AND month = :month AND kind = 'statement'"
        ),
        {"programme": programme, "month": month.first},
    ).one()
    return f"정산 제{row.year}-{row.number:04d}호"


def _recipients(connection: Connection, figures: Figures) -> list[Recipient]:
    """Who of this programme was paid vouchers, by code, with the sum over every programme of the fiscal year: the
    hospital, or the company where a programme pays the company.
    """
    rows = connection.execute(
        text(
            "SELECT party, sum(voucher_krw)::bigint AS krw FROM ("
            " SELECT CASE WHEN funding = 'company' THEN project.company ELSE supplier END AS party,"
            " programme.code AS programme, voucher_krw FROM line_settlement"
            " JOIN programme ON programme.code = line_settlement.programme"
            " JOIN project ON project.code = line_settlement.project WHERE fiscal_year = :year) paid"
            " GROUP BY party HAVING bool_or(programme = :programme) ORDER BY party"
        ),
        {"year": figures.terms.fiscal_year, "programme": figures.terms.code},
    )
    return [Recipient(party=row.party, name=figures.parties[row.party].name, voucher_krw=row.krw) for row in rows]

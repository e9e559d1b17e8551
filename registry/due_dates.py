"""Due dates (domain.md §8): a programme's deadlines, moved to the next day on which Korean banks work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from holidays.countries import KR
from sqlalchemy import Connection, text

from core.month import Month


@dataclass(frozen=True, kw_only=True)
class DueTerms:
    """A programme's deadlines (`due`): days of the following month, and numbers of local days.

    `reminder_days`: days overdue from which an unpaid invoice is at reminder level 1, 2, …
    """

    invoice_day: int
    payout_day: int
    acceptance_days: int
    claim_days: int
    dispute_days: int
    reminder_days: Sequence[int]

    def invoice_due_on(self, month: Month) -> date:
        """The local day by which a month's invoice is paid."""
        return working_day((month + 1).first.replace(day=self.invoice_day))

    def payout_due_on(self, month: Month) -> date:
        """The local day on which a month's payment order is paid out."""
        return working_day((month + 1).first.replace(day=self.payout_day))

    def acceptance_due_on(self, performed_on: date) -> date:
        """The local day by which delivered work is accepted or refused."""
        return working_day(performed_on + timedelta(days=self.acceptance_days))

    def decision_due_on(self, asked_on: date) -> date:
        """The local day by which a claim that was submitted, or a dispute that was opened, is decided."""
        return working_day(asked_on + timedelta(days=self.claim_days))

    def dispute_due_on(self, decided_on: date) -> date:
        """The last local day on which a refusal is disputed."""
        return working_day(decided_on + timedelta(days=self.dispute_days))

    def reminder_level(self, overdue_days: int) -> int:
        """The reminder level of an invoice that is so many days overdue: 0 before the first."""
        return sum(days <= overdue_days for days in self.reminder_days)


def due_terms(connection: Connection, programme: str) -> DueTerms:
    """The deadlines of a programme that is there."""
    row = connection.execute(
        text(
            "SELECT invoice_day, payout_day, acceptance_days, claim_days, dispute_days, reminder_days FROM programme"
            " WHERE code = :programme"
        ),
        {"programme": programme},
    ).one()
    return DueTerms(**row._mapping)


def working_day(day: date) -> date:
    """The day itself, or the next that is no Saturday, Sunday or public holiday of Korea (공휴일, 대체공휴일)."""
    closed = KR(years=range(day.year, day.year + 2))
    while day.weekday() >= 5 or day in closed:
        day += timedelta(days=1)
    return day

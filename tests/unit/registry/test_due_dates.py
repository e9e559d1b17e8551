"""Deadlines and working days."""

from datetime import date

import pytest

from core.month import Month
from registry.due_dates import DueTerms, working_day

DUE = DueTerms(
    invoice_day=25, payout_day=27, acceptance_days=14, claim_days=10, dispute_days=14, reminder_days=(1, 15, 30)
)


@pytest.mark.parametrize(
    ("day", "paid"),
    [
        (date(2025, 10, 2), date(2025, 10, 2)),
        (date(2025, 10, 3), date(2025, 10, 10)),  # 개천절, weekend, 추석 with its substitute, 한글날
        (date(2025, 12, 25), date(2025, 12, 26)),
        (date(2025, 12, 31), date(2025, 12, 31)),
        (date(2026, 1, 1), date(2026, 1, 2)),
        (date(2026, 2, 14), date(2026, 2, 19)),  # a weekend, then 설날
        (date(2027, 12, 31), date(2027, 12, 31)),
    ],
)
def test_working_day__skips_weekends_and_holidays(day, paid):
    assert working_day(day) == paid


def test_due__is_the_day_of_the_month_after():
    assert DUE.invoice_due_on(Month(2025, 11)) == date(2025, 12, 26)
    assert DUE.payout_due_on(Month(2025, 11)) == date(2025, 12, 29)


def test_due__of_claims_is_so_many_days_later_on_a_working_day():
    assert DUE.acceptance_due_on(date(2025, 11, 12)) == date(2025, 11, 26)
    assert DUE.decision_due_on(date(2025, 12, 1)) == date(2025, 12, 11)
    assert DUE.decision_due_on(date(2025, 12, 15)) == date(2025, 12, 26)  # 성탄절
    assert DUE.dispute_due_on(date(2025, 9, 22)) == date(2025, 10, 10)  # 추석 and the weekend after 개천절


def test_reminder__its_level_grows_with_the_days_overdue():
    assert [DUE.reminder_level(days) for days in (0, 1, 14, 15, 29, 30, 400)] == [0, 1, 1, 2, 2, 3, 3]

"""What of claims is overdue (domain.md §8): decisions of claims, disputes, and delivered work that nobody accepted."""

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import Connection, text

from billing.claim_state import claim_number
from core.month import kst_day
from metering.fields import decimal_text
from metering.usage import last_mark, work_items
from registry.due_dates import DueTerms, due_terms
from registry.terms import programme_terms

# Claims that wait for a decision since `asked_at`: the claim itself, or a dispute of one of its lines.
WAITING = """
SELECT hospital, year, number, '' AS work, moved_at AS asked_at FROM claim
JOIN claim_transition ON claim_id = claim.id AND to_state = 'submitted'
WHERE programme = :programme AND state = 'submitted'
UNION ALL
SELECT hospital, year, number, claim_line.line || '/' || work, opened_at FROM claim
JOIN claim_line ON claim_line.claim_id = claim.id JOIN claim_dispute ON claim_dispute.line_id = claim_line.id
WHERE programme = :programme AND NOT EXISTS (SELECT 1 FROM claim_line_decision WHERE dispute_id = claim_dispute.id)
ORDER BY asked_at, hospital, year, number, work
"""


def claims_overdue(connection: Connection, programme: str, now: datetime) -> dict:
    """What of a programme is past its day at the instant: claims and disputes that nobody decided, delivered work that
    nobody accepted or refused in full. `days`: how many local days past.

    Raises BadInput when there is no such programme.
    """
    today = kst_day(now)
    terms = programme_terms(connection, programme)
    due = due_terms(connection, programme)
    return {
        "programme": programme,
        "on": today.isoformat(),
        "decisions": list(_decisions(connection, programme, due, today)),
        "acceptances": list(_acceptances(connection, sorted(terms.projects), due, today)),
    }


def _decisions(connection: Connection, programme: str, due: DueTerms, today: date) -> Iterator[dict]:
    """`work`: the line in dispute; empty: the claim as a whole."""
    for row in connection.execute(text(WAITING), {"programme": programme}):
        asked_on = kst_day(row.asked_at)
        due_on = due.decision_due_on(asked_on)
        if due_on < today:
            yield {"number": claim_number(row.hospital, row.year, row.number), "work": row.work,
                   "asked_on": asked_on.isoformat(), **_late(due_on, today)}  # fmt: skip


def _acceptances(connection: Connection, projects: list[str], due: DueTerms, today: date) -> Iterator[dict]:
    """`undecided`: the quantity that was neither accepted nor refused."""
    for item in work_items(connection, projects, last_mark(connection)):
        decided = sum(one.quantity_milli for one in item.acceptances) + item.rejected_milli
        due_on = due.acceptance_due_on(kst_day(item.performed))
        if decided < item.quantity_milli and due_on < today:
            yield {"project": item.project, "work": f"{item.line}/{item.id}", "kind": item.work,
                   "performed_on": kst_day(item.performed).isoformat(), "quantity": decimal_text(item.quantity_milli),
                   "undecided": decimal_text(item.quantity_milli - decided), "unit": item.unit,
                   **_late(due_on, today)}  # fmt: skip


def _late(due_on: date, today: date) -> dict:
    return {"due_on": due_on.isoformat(), "days": (today - due_on).days}

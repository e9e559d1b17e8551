"""Claims of the small programme for the tests: who acts, and claims of the first hospital brought to a state."""

from datetime import UTC, datetime

from sqlalchemy import text

from billing import claim_action, claim_decision
from billing.claim import claimable, draft_claim
from core.month import Month
from tests.driven import event

NOVEMBER = Month(2025, 11)
NOW = datetime(2025, 12, 1, 3, tzinfo=UTC)
USERS = {
    "h1-1": ("hospital", "H1"), "h1-2": ("hospital", "H1"), "h2-1": ("hospital", "H2"), "finance-1": ("finance", None),
    "finance-2": ("finance", None), "admin-1": ("admin", None), "admin-2": ("admin", None),
    "company-1": ("company", "C1"), "operator-1": ("operator", "OP"), "auditor-1": ("auditor", None),
}  # fmt: skip


def add_users(engine) -> None:
    """A user of every role, and one of another hospital."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO user_account (name, role, party, created_at) VALUES (:name, :role, :party, now())"),
            [{"name": name, "role": role, "party": party} for name, (role, party) in USERS.items()],
        )


def part(name: str, ref: str, quantity: str, at: str = "2025-11-13T05:00:00+09:00") -> dict:
    """An acceptance of a part of a work."""
    return event("preparation.accepted", name, ref=ref, at=at, by="company", quantity=quantity)


def drafted(connection, *works: str, by: str = "h1-1", now: datetime = NOW) -> str:
    """A draft of some works of the first hospital; of all when none is named."""
    lines = [one for one in claimable(connection, "V25", "H1", NOVEMBER) if not works or one.work in works]
    return draft_claim(connection, "V25", "H1", NOVEMBER, lines, by, now)


def submitted(connection, *works: str, by: str = "h1-1", now: datetime = NOW) -> str:
    """A claim of some works, handed in."""
    number = drafted(connection, *works, by=by, now=now)
    claim_action.submit(connection, number, by, now)
    return number


def approved(connection, *works: str, refusals=(), now: datetime = NOW) -> str:
    """A claim of some works, approved but for `refusals`."""
    number = submitted(connection, *works, now=now)
    claim_decision.approve(connection, number, dict.fromkeys(refusals, "증빙 부족"), "finance-1", now)
    return number


def state_of(connection, number: str) -> str:
    """The claim's state as the database has it."""
    return claim_action.claim_row(connection, number).state

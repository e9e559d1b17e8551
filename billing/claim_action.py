"""What a hospital does with its claims (domain.md §8): submit, withdraw, dispute; and the steps every action shares."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, insert, text

from billing.claim import lock_claims
from billing.claim_models import ClaimDispute, ClaimTransition
from billing.claim_state import ACTIONS, check_state, read_number
from core.errors import BadInput, RuleRefused
from core.month import kst_day
from registry.due_dates import due_terms
from registry.users import acting


def begin(connection: Connection, number: str, action: str, by: str) -> Row:
    """The claim of that number, locked for this transaction: its row, once role, party and state allow the action.

    Raises BadInput for a number that is none, RuleRefused for a user or a state that does not allow it.
    """
    claim = claim_row(connection, number)
    acting(connection, by, ACTIONS[action].role, party=claim.hospital)
    lock_claims(connection, claim.hospital)
    claim = claim_row(connection, number)
    check_state(action, number, claim.state)
    return claim


def claim_row(connection: Connection, number: str) -> Row:
    """The claim of that number. Raises BadInput when there is none."""
    hospital, year, position = read_number(number)
    row = connection.execute(
        text("SELECT * FROM claim WHERE hospital = :hospital AND year = :year AND number = :number"),
        {"hospital": hospital, "year": year, "number": position},
    ).one_or_none()
    if row is None:
        raise BadInput(f"'{number}': 그런 청구가 없습니다. `jeongsan claims list` 로 찾으세요 (no such claim).")
    return row


def move(connection: Connection, claim: Row, state: str, by: str, now: datetime, reason: str = "") -> None:
    """Moves a claim to another state; the database holds that it may."""
    connection.execute(
        insert(ClaimTransition),
        {
            "claim_id": claim.id,
            "from_state": claim.state,
            "to_state": state,
            "moved_at": now,
            "moved_by": by,
            "reason": reason,
        },
    )


def submit(connection: Connection, number: str, by: str, now: datetime) -> None:
    """Hands a draft in. Raises as `begin` does."""
    claim = begin(connection, number, "submit", by)
    move(connection, claim, "submitted", by, now)


def withdraw(connection: Connection, number: str, reason: str, by: str, now: datetime) -> None:
    """Takes a claim back that is not decided yet: its works are free for another. Raises as `begin` does."""
    claim = begin(connection, number, "withdraw", by)
    move(connection, claim, "withdrawn", by, now, reason)


def claim_lines(connection: Connection, claim_id: int) -> Sequence[Row]:
    """A claim's lines with the last decision of each (`decision`, `decision_reason`, `decided_at`) and its dispute."""
    return connection.execute(
        text(
            "SELECT claim_line.*, last.decision, last.reason AS decision_reason, last.decided_at,"
            " claim_dispute.id AS dispute_id, opened_at, opened_by, claim_dispute.reason AS dispute_reason,"
            " last.dispute_id IS NOT NULL AS resolved FROM claim_line"
            " LEFT JOIN LATERAL (SELECT * FROM claim_line_decision WHERE line_id = claim_line.id"
            "  ORDER BY id DESC LIMIT 1) AS last ON true"
            " LEFT JOIN claim_dispute ON claim_dispute.line_id = claim_line.id"
            " WHERE claim_id = :claim ORDER BY claim_line.id"
        ),
        {"claim": claim_id},
    ).all()


def named_lines(lines: Sequence[Row], number: str, names: Sequence[str]) -> list[Row]:
    """The lines of a claim that are named `LINE/WORK`, or by the work alone where one line has it.

    Raises BadInput for a name that is none or several.
    """
    chosen, unknown = [], []
    for name in names:
        found = [one for one in lines if name in (f"{one.line}/{one.work}", one.work)]
        chosen += found
        if len(found) != 1:
            unknown.append(
                f"{number}: '{name}': 청구 명세 {len(found)}건이 이 이름입니다. L11/w1 처럼 적으세요 "
                "(names none or several of the claim's lines)."
            )
    if unknown:
        raise BadInput(*unknown)
    return chosen


def dispute(
    connection: Connection, number: str, works: Sequence[str], reason: str, by: str, now: datetime
) -> list[str]:
    """Disputes refused lines, all that were not disputed yet when none is named; returns them as `LINE/WORK`.

    Within the programme's dispute days of their refusal, once each. Raises RuleRefused otherwise, line by line, and for
    work that another claim holds by now.
    """
    claim = begin(connection, number, "dispute", by)
    lines = claim_lines(connection, claim.id)
    asked = named_lines(lines, number, works) or [
        one for one in lines if one.decision == "refused" and one.dispute_id is None
    ]
    if not asked:
        raise RuleRefused(f"{number}: 이의를 신청할 거절된 명세가 없습니다 (no refused line left to dispute).")
    held = set(
        connection.scalars(
            text("SELECT accept_seq FROM claim_line WHERE live AND accept_seq = ANY(:seqs)"),
            {"seqs": [one.accept_seq for one in asked]},
        )
    )
    terms = due_terms(connection, claim.programme)
    problems = [(one, _objection(one, terms.dispute_due_on(kst_day(one.decided_at)), now, held)) for one in asked]
    refused = [f"{number}: {one.line}/{one.work}: {problem}." for one, problem in problems if problem]
    if refused:
        raise RuleRefused("\n".join(refused))
    connection.execute(
        insert(ClaimDispute),
        [{"line_id": one.id, "opened_at": now, "opened_by": by, "reason": reason} for one in asked],
    )
    return [f"{one.line}/{one.work}" for one in asked]


def _objection(line: Row, due_on, now: datetime, held: set[int]) -> str:
    if line.decision != "refused":
        return "거절된 명세가 아닙니다 (not refused)"
    if line.dispute_id is not None:
        return "이미 이의를 신청했습니다 (disputed already)"
    if kst_day(now) > due_on:
        return f"이의신청 기한 {due_on} 이 지났습니다 (the deadline for disputes has passed)"
    if line.accept_seq in held:
        return "다른 청구에 들어 있는 작업입니다 (another claim holds the work)"
    return ""

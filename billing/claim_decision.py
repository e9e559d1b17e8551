"""What the settlement staff decide of a hospital's claim (domain.md §8), line by line; nobody of his own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, insert, text

from billing.claim_action import begin, claim_lines, claim_row, move, named_lines
from billing.claim_line import ClaimLine
from billing.claim_models import ClaimDecision
from billing.claim_paid import mark_paid
from billing.claim_state import decided_state
from billing.claim_work import accepted_work, differences
from core.errors import BadInput, RuleRefused
from core.month import Month

ALL_REFUSED = "모든 명세가 거절되었습니다 (every line is refused)"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A claim's state after a decision, and the lines that were refused by it: `LINE/WORK` → reason."""

    state: str
    refused: Mapping[str, str]


def approve(connection: Connection, number: str, refusals: Mapping[str, str], by: str, now: datetime) -> Decided:
    """Approves a submitted claim but for the lines in `refusals` (`LINE/WORK` or the work alone → reason), and but for
    those that no longer tie to metered, accepted work: voided or amended since, or priced otherwise.

    Raises BadInput for a name that is no line and for an empty reason, RuleRefused as `begin` does and for the user who
    submitted the claim.
    """
    claim = begin(connection, number, "decide", by)
    _refuse_own(connection, claim, number, by)
    lines = claim_lines(connection, claim.id)
    reasons = {named_lines(lines, number, [name])[0].id: reason.strip() for name, reason in refusals.items()}
    if not all(reasons.values()):
        raise BadInput(f"{number}: 거절한 명세마다 사유를 적으세요 (each refused line needs a reason).")
    reasons |= _untied(connection, claim, [one for one in lines if one.id not in reasons])
    return _decide(connection, claim, number, lines, reasons, ALL_REFUSED, by, now)


def reject(connection: Connection, number: str, reason: str, by: str, now: datetime) -> Decided:
    """Rejects a submitted claim as a whole, each line for the same reason. Raises as `approve` does."""
    claim = begin(connection, number, "decide", by)
    _refuse_own(connection, claim, number, by)
    lines = claim_lines(connection, claim.id)
    return _decide(connection, claim, number, lines, {one.id: reason for one in lines}, reason, by, now)


def _refuse_own(connection: Connection, claim: Row, number: str, by: str) -> None:
    submitted_by = connection.scalar(
        text("SELECT moved_by FROM claim_transition WHERE claim_id = :claim AND to_state = 'submitted'"),
        {"claim": claim.id},
    )
    if submitted_by == by:
        raise RuleRefused(
            f"{number}: 제출한 사람 '{by}' 은(는) 자기 청구를 심사할 수 없습니다 "
            "(nobody decides a claim that he submitted)."
        )


def _untied(connection: Connection, claim: Row, lines: Sequence[Row]) -> dict[int, str]:
    """By line, why it does not tie to metered, accepted work as it stands now."""
    work = accepted_work(connection, claim.programme, claim.hospital, Month.of(claim.month))
    found = {}
    for row in lines:
        accepted = work.lines.get(row.accept_seq)
        claimed = ClaimLine(**{name: getattr(row, name) for name in ClaimLine.__dataclass_fields__})
        if accepted is None:
            found[row.id] = "검수가 취소되었거나 이 달까지의 검수가 아닙니다 (no acceptance up to the month stands)"
        elif problems := differences(claimed, accepted):
            found[row.id] = ", ".join(problems)
    return found


def _decide(
    connection: Connection, claim: Row, number: str, lines: Sequence[Row], reasons: Mapping[int, str], rejection: str,
    by: str, now: datetime,
) -> Decided:  # fmt: skip
    connection.execute(
        insert(ClaimDecision),
        [
            {"line_id": one.id, "decision": "refused" if one.id in reasons else "accepted",
             "reason": reasons.get(one.id, ""), "decided_at": now, "decided_by": by}
            for one in lines
        ],
    )  # fmt: skip
    state = decided_state([one.id not in reasons for one in lines])
    move(connection, claim, state, by, now, rejection if state == "rejected" else "")
    mark_paid(connection, claim.programme, [claim.hospital], now)
    return Decided(
        state=claim_row(connection, number).state,
        refused={f"{one.line}/{one.work}": reasons[one.id] for one in lines if one.id in reasons},
    )


def resolve(
    connection: Connection, number: str, works: Sequence[str], corrected: bool, reason: str, by: str, now: datetime
) -> Decided:
    """Resolves open disputes, all of the claim's when none is named: corrected, the line is accepted after all and must
    tie again; upheld, it stays refused for good.

    Raises RuleRefused for a line without an open dispute and for one that does not tie, and as `approve` does.
    """
    claim = begin(connection, number, "resolve", by)
    _refuse_own(connection, claim, number, by)
    lines = claim_lines(connection, claim.id)
    open_lines = [one for one in lines if one.dispute_id is not None and not one.resolved]
    asked = named_lines(lines, number, works) or open_lines
    untied = _untied(connection, claim, asked) if corrected else {}
    refused = [f"{number}: {one.line}/{one.work}: 처리할 이의신청이 없습니다 (no open dispute)."
               for one in asked if one not in open_lines]  # fmt: skip
    refused += [f"{number}: {one.line}/{one.work}: {untied[one.id]}." for one in asked if one.id in untied]
    if refused or not asked:
        raise RuleRefused("\n".join(refused) or f"{number}: 처리할 이의신청이 없습니다 (no open dispute).")
    decision = "accepted" if corrected else "refused"
    connection.execute(
        insert(ClaimDecision),
        [{"line_id": one.id, "dispute_id": one.dispute_id, "decision": decision, "reason": reason, "decided_at": now,
          "decided_by": by} for one in asked],
    )  # fmt: skip
    ids = {one.id for one in asked}
    state = decided_state([corrected if one.id in ids else one.decision == "accepted" for one in lines])
    if corrected and state != claim.state:
        move(connection, claim, state, by, now, reason)
    mark_paid(connection, claim.programme, [claim.hospital], now)
    return Decided(
        state=claim_row(connection, number).state,
        refused={} if corrected else {f"{one.line}/{one.work}": reason for one in asked},
    )

"""What the settlement staff decide of a hospital's claim (domain.md §8), line by line; nobody of his own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, insert, text

from billing.claim_action import begin, claim_lines, move, named_lines
from billing.claim_line import ClaimLine
from billing.claim_models import ClaimDecision
from billing.claim_paid import mark_paid
from billing.claim_state import decided_state
from billing.claim_work import AcceptedWork, accepted_work, differences
from core.errors import BadInput, RuleRefused
from core.month import Month
from metering.usage import last_mark

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
    claim, lines = _opened(connection, number, "decide", by)
    reasons = {named_lines(lines, number, [name])[0].id: reason.strip() for name, reason in refusals.items()}
    if not all(reasons.values()):
        raise BadInput(f"{number}: 거절한 명세마다 사유를 적으세요 (each refused line needs a reason).")
    work = accepted_work(connection, claim.programme, claim.hospital, Month.of(claim.month))
    reasons |= _untied(work, [one for one in lines if one.id not in reasons])
    _write(connection, lines, reasons, work.mark, by, now)
    accepted = [one.id not in reasons for one in lines]
    state = _follow(connection, claim, accepted, "" if any(accepted) else ALL_REFUSED, by, now)
    return Decided(state=state, refused=_named(lines, reasons))


def reject(connection: Connection, number: str, reason: str, by: str, now: datetime) -> Decided:
    """Rejects a submitted claim as a whole, each line for the same reason. Raises as `approve` does."""
    claim, lines = _opened(connection, number, "decide", by)
    reasons = {one.id: reason for one in lines}
    _write(connection, lines, reasons, last_mark(connection), by, now)
    state = _follow(connection, claim, [False for _ in lines], reason, by, now)
    return Decided(state=state, refused=_named(lines, reasons))


def resolve(
    connection: Connection, number: str, works: Sequence[str], corrected: bool, reason: str, by: str, now: datetime
) -> Decided:
    """Resolves open disputes, all of the claim's when none is named: corrected, the line is accepted after all and must
    tie again; upheld, it stays refused for good.

    Raises RuleRefused for a line without an open dispute, for one that does not tie and for the user who opened the
    dispute, and as `approve` does.
    """
    claim, lines = _opened(connection, number, "resolve", by)
    disputed = [one for one in lines if one.dispute_id is not None and not one.resolved]
    asked = named_lines(lines, number, works) or disputed
    work = accepted_work(connection, claim.programme, claim.hospital, Month.of(claim.month))
    untied = _untied(work, asked) if corrected else {}
    own = f"이의를 신청한 사람 '{by}' 은(는) 처리할 수 없습니다 (nobody resolves a dispute that he opened)"
    problems = {one.id: own for one in asked if one.opened_by == by}
    problems |= {one.id: "처리할 이의신청이 없습니다 (no open dispute)" for one in asked if one not in disputed}
    refused = [f"{number}: {name}: {problem}." for name, problem in _named(asked, untied | problems).items()]
    if refused or not asked:
        raise RuleRefused("\n".join(refused) or f"{number}: 처리할 이의신청이 없습니다 (no open dispute).")
    reasons = {one.id: reason for one in asked}
    _write(connection, asked, reasons, work.mark, by, now, accepted=reasons if corrected else ())
    if not corrected:
        return Decided(state=_standing(connection, claim, now), refused=_named(asked, reasons))
    accepted = [one.id in reasons or one.decision == "accepted" for one in lines]
    return Decided(state=_follow(connection, claim, accepted, reason, by, now), refused={})


def _opened(connection: Connection, number: str, action: str, by: str) -> tuple[Row, Sequence[Row]]:
    """The claim and its lines, once the user may decide it; nobody decides a claim that he submitted."""
    claim = begin(connection, number, action, by)
    submitted_by = connection.scalar(
        text("SELECT moved_by FROM claim_transition WHERE claim_id = :claim AND to_state = 'submitted'"),
        {"claim": claim.id},
    )
    if submitted_by == by:
        raise RuleRefused(
            f"{number}: 제출한 사람 '{by}' 은(는) 자기 청구를 심사할 수 없습니다 "
            "(nobody decides a claim that he submitted)."
        )
    return claim, claim_lines(connection, claim.id)


def _untied(work: AcceptedWork, lines: Sequence[Row]) -> dict[int, str]:
    """By line, why it does not tie to metered, accepted work."""
    found = {}
    for row in lines:
        accepted = work.lines.get(row.accept_seq)
        claimed = ClaimLine(**{name: getattr(row, name) for name in ClaimLine.__dataclass_fields__})
        if accepted is None:
            found[row.id] = "검수가 취소되었거나 이 달까지의 검수가 아닙니다 (no acceptance up to the month stands)"
        elif problems := differences(claimed, accepted):
            found[row.id] = ", ".join(problems)
    return found


def _named(lines: Sequence[Row], reasons: Mapping[int, str]) -> dict[str, str]:
    return {f"{one.line}/{one.work}": reasons[one.id] for one in lines if one.id in reasons}


def _write(
    connection: Connection, lines: Sequence[Row], reasons: Mapping[int, str], mark: int, by: str, now: datetime,
    accepted: Collection[int] = (),
) -> None:  # fmt: skip
    """The decisions: a line with a reason is refused, save those that are `accepted` for it."""
    connection.execute(
        insert(ClaimDecision),
        [
            {"line_id": one.id, "dispute_id": one.dispute_id, "intake_mark": mark, "decided_at": now, "decided_by": by,
             "decision": "accepted" if one.id in accepted or one.id not in reasons else "refused",
             "reason": reasons.get(one.id, "")}
            for one in lines
        ],
    )  # fmt: skip


def _follow(connection: Connection, claim: Row, accepted: Sequence[bool], reason: str, by: str, now: datetime) -> str:
    """Moves the claim to the state that the decisions of all its lines make; returns where it stands then."""
    state = decided_state(accepted)
    if state != claim.state:
        move(connection, claim, state, by, now, reason)
    return _standing(connection, claim, now)


def _standing(connection: Connection, claim: Row, now: datetime) -> str:
    """The claim's state once it has been looked whether all of it is paid."""
    mark_paid(connection, claim.programme, [claim.hospital], now)
    return connection.scalar(text("SELECT state FROM claim WHERE id = :claim"), {"claim": claim.id})

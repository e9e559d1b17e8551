"""The states of a hospital's claim (domain.md §8): who may do what in which, and where decisions lead. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BadInput, RuleRefused

STATES = {
    "draft": "작성 중", "submitted": "제출", "approved": "승인", "partly_approved": "일부 승인", "rejected": "반려",
    "withdrawn": "철회", "paid": "지급 완료",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClaimAction:
    """What is done with a claim: the role that does it, and the states in which it may be done."""

    korean: str
    role: str
    states: tuple[str, ...]


ACTIONS = {
    "submit": ClaimAction(korean="제출", role="hospital", states=("draft",)),
    "withdraw": ClaimAction(korean="철회", role="hospital", states=("draft", "submitted")),
    "decide": ClaimAction(korean="심사", role="finance", states=("submitted",)),
    "dispute": ClaimAction(korean="이의신청", role="hospital", states=("partly_approved", "rejected", "paid")),
    "resolve": ClaimAction(korean="이의 처리", role="finance", states=("partly_approved", "rejected", "paid")),
    "add_evidence": ClaimAction(
        korean="증빙 추가", role="hospital", states=tuple(state for state in STATES if state != "withdrawn")
    ),
}


def check_state(action: str, number: str, state: str) -> None:
    """Raises RuleRefused for an action that the claim's state does not allow."""
    asked = ACTIONS[action]
    if state not in asked.states:
        allowed = ", ".join(f"{STATES[one]} ({one})" for one in asked.states)
        raise RuleRefused(
            f"{number}: {STATES[state]} 상태에서는 {asked.korean}할 수 없습니다. 할 수 있는 상태: {allowed} "
            f"(a claim that is {state} allows no {action})."
        )


def decided_state(accepted: Sequence[bool]) -> str:
    """The state that the decisions of all lines make."""
    return "approved" if all(accepted) else "partly_approved" if any(accepted) else "rejected"


def claim_number(hospital: str, year: int, number: int) -> str:
    """`CLM-H01-2025-000001`."""
    return f"CLM-{hospital}-{year}-{number:06d}"


def read_number(text: str) -> tuple[str, int, int]:
    """Hospital, year and number of a claim's number. Raises BadInput for anything else."""
    found = re.fullmatch(r"CLM-(.+)-(\d{4})-(\d{6,9})", text, re.ASCII)
    if not found:
        raise BadInput(
            f"'{text}': 청구번호는 CLM-H01-2025-000001 처럼 적어야 합니다 (a claim's number is written like this)."
        )
    return found[1], int(found[2]), int(found[3])

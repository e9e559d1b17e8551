"""The transition table of a claim in full: every state, action and role, by code and by the database."""

from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import claim_action, claim_decision
from billing.claim_evidence import add_evidence
from billing.claim_state import ACTIONS, STATES, check_state
from core.errors import RuleRefused
from tests.claiming import NOW, USERS, add_users, approved, drafted, state_of, submitted
from tests.driven import work

HOSPITAL, FINANCE = {"h1-1", "h1-2", "admin-1", "admin-2"}, {"finance-1", "finance-2", "admin-1", "admin-2"}
REFUSED_LINES = ("partly_approved", "rejected", "paid")
# (state, action) → who may; whatever is not here is refused.
ALLOWED = {
    ("draft", "submit"): HOSPITAL, ("draft", "withdraw"): HOSPITAL, ("submitted", "withdraw"): HOSPITAL,
    ("submitted", "approve"): FINANCE, ("submitted", "reject"): FINANCE,
    **{(state, "dispute"): HOSPITAL for state in REFUSED_LINES},
    **{(state, "resolve"): FINANCE for state in REFUSED_LINES},
    **{(state, "add_evidence"): HOSPITAL for state in STATES if state != "withdrawn"},
}  # fmt: skip
# What the database lets go from one state to another, and whom; `None`: a payment, by nobody.
MOVES = {
    ("draft", "submitted"): HOSPITAL, ("draft", "withdrawn"): HOSPITAL, ("submitted", "withdrawn"): HOSPITAL,
    ("submitted", "approved"): FINANCE, ("submitted", "partly_approved"): FINANCE, ("submitted", "rejected"): FINANCE,
    ("approved", "paid"): {None}, ("partly_approved", "paid"): {None},
    ("partly_approved", "approved"): FINANCE,
    ("rejected", "approved"): FINANCE, ("rejected", "partly_approved"): FINANCE,
    ("paid", "approved"): FINANCE, ("paid", "partly_approved"): FINANCE,
}  # fmt: skip


@pytest.fixture
def claims(world, loaded):
    """A claim in every state, each of two works of its own; `paid` has a refused line as `partly_approved` has."""
    add_users(loaded)
    names = [f"{state}-{number}" for state in STATES for number in (1, 2)]
    world.ingest(*(event for name in names for event in work(name, "L11", 10)), now="2025-12-01T09:00:00+09:00")
    with loaded.begin() as connection:
        found = {state: _in_state(connection, state) for state in STATES}
        assert {state: state_of(connection, number) for state, number in found.items()} == {one: one for one in STATES}
    return found


def _in_state(connection, state: str) -> str:
    works = (f"{state}-1", f"{state}-2")
    if state in ("draft", "withdrawn"):
        number = drafted(connection, *works)
    elif state == "submitted":
        number = submitted(connection, *works)
    else:
        refused = {"approved": (), "rejected": works}.get(state, works[:1])
        number = approved(connection, *works, refusals=refused)
    if state == "withdrawn":
        claim_action.withdraw(connection, number, "", "h1-1", NOW)
    if state == "paid":
        _move(connection, number, "partly_approved", "paid", None)
    return number


def _move(connection, number, before, after, by) -> None:
    claim = claim_action.claim_row(connection, number)
    connection.execute(
        text(
            "INSERT INTO claim_transition (claim_id, from_state, to_state, moved_at, moved_by, reason)"
            " VALUES (:claim, :before, :after, :at, :by, 'x')"
        ),
        {"claim": claim.id, "before": before, "after": after, "at": NOW, "by": by},
    )


def _act(connection, number, action, by) -> None:
    if action == "submit":
        claim_action.submit(connection, number, by, NOW)
    elif action == "withdraw":
        claim_action.withdraw(connection, number, "", by, NOW)
    elif action == "approve":
        claim_decision.approve(connection, number, {}, by, NOW)
    elif action == "reject":
        claim_decision.reject(connection, number, "x", by, NOW)
    elif action == "dispute":
        claim_action.dispute(connection, number, [], "x", by, NOW)
    elif action == "resolve":
        claim_decision.resolve(connection, number, [], True, "x", by, NOW)
    else:
        add_evidence(connection, number, "x", b"%PDF-1.7", by, NOW)


def _tried(connection, act, *arguments) -> bool:
    """Whether it may be done; it is taken back."""
    savepoint = connection.begin_nested()
    try:
        act(connection, *arguments)
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except RuleRefused:
        return False
    except DBAPIError as error:
        if error.orig.sqlstate not in ("JS001", "23514"):
            raise
        return False
    else:
        return True
    finally:
        savepoint.rollback()


def test_states__every_action_of_every_user_in_every_state_by_code(claims, engine):
    actions = sorted({action for _, action in ALLOWED})
    with engine.begin() as connection:
        for state, action in product(STATES, actions):
            savepoint = connection.begin_nested()
            if action == "resolve" and state in REFUSED_LINES:
                claim_action.dispute(connection, claims[state], [], "x", "h1-1", NOW)
            may = {user for user in USERS if _tried(connection, _act, claims[state], action, user)}
            assert may == ALLOWED.get((state, action), set()), (state, action)
            savepoint.rollback()


def _raw_move(connection, number, before, after, by) -> None:
    """The move by bare SQL, with the decisions that it needs made in the same name."""
    if before == "submitted" and after in ("approved", "partly_approved", "rejected"):
        refused = {"approved": 0, "partly_approved": 1, "rejected": 2}[after]
        _decide(connection, number, by, refused)
    elif before in REFUSED_LINES and after in ("approved", "partly_approved"):
        kept = 1 if before == "rejected" and after == "partly_approved" else 0
        if not (before == "paid" and after == "partly_approved"):
            _correct(connection, number, by, kept)
    _move(connection, number, before, after, by)


def _decide(connection, number, by, refused) -> None:
    connection.execute(
        text(
            "INSERT INTO claim_line_decision (line_id, decision, reason, intake_mark, decided_at, decided_by)"
            " SELECT id, CASE WHEN row_number() OVER (ORDER BY id) <= :refused THEN 'refused' ELSE 'accepted' END,"
            " 'x', 1, :at, :by FROM claim_line WHERE claim_id = :claim"
        ),
        {"claim": claim_action.claim_row(connection, number).id, "refused": refused, "at": NOW, "by": by},
    )


def _correct(connection, number, by, kept) -> None:
    lines = [one for one in claim_action.claim_lines(connection, claim_action.claim_row(connection, number).id)
             if one.decision == "refused"]  # fmt: skip
    for line in lines[kept:]:
        dispute = connection.scalar(
            text("INSERT INTO claim_dispute (line_id, opened_at, opened_by, reason)"
                 " VALUES (:line, :at, 'h1-1', 'x') RETURNING id"),
            {"line": line.id, "at": NOW},
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO claim_line_decision (line_id, dispute_id, decision, reason, intake_mark, decided_at,"
                 " decided_by) VALUES (:line, :dispute, 'accepted', 'x', 1, :at, :by)"),
            {"line": line.id, "dispute": dispute, "at": NOW, "by": by},
        )  # fmt: skip


def test_states__every_move_of_every_user_between_any_two_states_by_the_database(claims, engine):
    # The claim that is paid has one refused line: corrected, it goes to approved and never back to partly approved.
    expected = {pair: users for pair, users in MOVES.items() if pair != ("paid", "partly_approved")}
    with engine.begin() as connection:
        for before, after in product(STATES, STATES):
            number = claims[before]
            may = {user for user in (*USERS, None) if _tried(connection, _raw_move, number, before, after, user)}
            assert may == expected.get((before, after), set()), (before, after)


def test_states__no_state_is_named_that_the_claim_is_not_in(claims, engine):
    with engine.begin() as connection:
        for state in STATES:
            for before, after in MOVES:
                if before != state:
                    user = min(MOVES[before, after] - {None}, default=None)
                    assert not _tried(connection, _move, claims[state], before, after, user)


def test_states__the_table_of_the_code_is_the_one_that_is_tested():
    for state, (name, action) in product(STATES, ACTIONS.items()):
        names = ("approve", "reject") if name == "decide" else (name,)
        assert {(state, one) in ALLOWED for one in names} == {state in action.states}
        if state in action.states:
            check_state(name, "CLM-H1-2025-000001", state)
        else:
            with pytest.raises(RuleRefused, match=STATES[state]):
                check_state(name, "CLM-H1-2025-000001", state)

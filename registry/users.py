"""Users (contract.md §2): who may act, in which role and for which party."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from core.errors import RuleRefused

ROLES = ("finance", "hospital", "company", "operator", "auditor", "admin")
PARTY_ROLES = ("hospital", "company", "operator")


@dataclass(frozen=True, kw_only=True)
class User:
    """A person who acts: `role` one of ROLES; `party` of a hospital, a company or the operator, else None."""

    name: str
    role: str
    party: str | None


def acting(connection: Connection, name: str, *roles: str, party: str | None = None) -> User:
    """The user of that name, who must have one of the roles (an administrator may act in each) and, with a role of a
    party, must belong to `party` where one is given.

    Raises RuleRefused for one who is unknown, disabled, or may not.
    """
    row = connection.execute(
        text("SELECT name, role, party FROM user_account WHERE name = :name AND disabled_at IS NULL"), {"name": name}
    ).one_or_none()
    if row is None:
        raise RuleRefused(
            f"'{name}': 등록되어 쓸 수 있는 사용자가 아닙니다. `jeongsan user add` 로 등록하세요 "
            "(no such user, or disabled)."
        )
    user = User(**row._mapping)
    if user.role not in (*roles, "admin"):
        raise RuleRefused(
            f"'{name}': {user.role} 역할로는 할 수 없습니다. 할 수 있는 역할: {', '.join(roles)} "
            "(the user's role may not do this)."
        )
    if user.role in PARTY_ROLES and party is not None and user.party != party:
        raise RuleRefused(f"'{name}': {party} 의 사용자가 아닙니다 (the user belongs to another party).")
    return user

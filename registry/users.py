"""Users (contract.md §2): who may act, in which role and for which party."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.errors import BadInput, RuleRefused
from registry import passwords

ROLES = ("finance", "hospital", "company", "operator", "auditor", "admin")
PARTY_ROLES = ("hospital", "company", "operator")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class User:
    """A person who acts: `role` one of ROLES; `party` of a hospital, a company or the operator, else None."""

    name: str
    role: str
    party: str | None


@dataclass(frozen=True, kw_only=True)
class ListedUser(User):
    """A user as the list shows one; `disabled_at` empty while he may act, `signs_in` where there is a password."""

    created_at: datetime
    disabled_at: datetime | None
    signs_in: bool


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


def add_user(connection: Connection, user: User, password: str | None, now: datetime) -> bool:
    """Adds a user; False when the same one is there already, who keeps the password he has.

    Raises BadInput for a name, a role's party or a password that cannot be, RuleRefused for a name that is used
    otherwise or was disabled: what was done under a name stays one person's.
    """
    _check(connection, user)
    added = connection.execute(
        text(
            "INSERT INTO user_account (name, role, party, password_hash, created_at)"
            " VALUES (:name, :role, :party, :hash, :now) ON CONFLICT (name) DO NOTHING"
        ),
        {
            "name": user.name,
            "role": user.role,
            "party": user.party,
            "hash": None if password is None else passwords.hashed(user.name, password),
            "now": now,
        },
    ).rowcount
    if added:
        return True
    known = next(one for one in listed_users(connection) if one.name == user.name)
    if (known.role, known.party, known.disabled_at) != (user.role, user.party, None):
        raise RuleRefused(
            f"'{user.name}': 이미 다르게 등록된 이름입니다 ({known.role}, {known.party or '-'}"
            f"{', 정지됨' if known.disabled_at else ''}). 다른 이름을 쓰세요 (the name is used otherwise, or disabled)."
        )
    return False


def _check(connection: Connection, user: User) -> None:
    if not NAME.fullmatch(user.name):
        raise BadInput(
            f"'{user.name}': 이름은 영문자나 숫자로 시작하는 64자까지의 영문자, 숫자, _ . @ - 입니다 "
            "(a name is letters, digits, _ . @ -)."
        )
    if user.role not in PARTY_ROLES:
        if user.party is not None:
            raise BadInput(f"--party: {user.role} 역할은 기관에 속하지 않습니다 (the role belongs to no party).")
        return
    kind = connection.scalar(text("SELECT kind FROM party WHERE code = :code"), {"code": user.party})
    if kind != user.role:
        raise BadInput(
            f"--party '{user.party or ''}': {user.role} 역할에는 등록된 {user.role} 기관의 코드가 필요합니다 "
            f"(the role needs the code of a party of that kind)."
        )


def set_password(connection: Connection, name: str, password: str) -> None:
    """Gives a user another password and ends all his sessions. Raises BadInput for one that cannot be, or no user."""
    changed = connection.execute(
        text(
            "UPDATE user_account SET password_hash = :hash, sign_outs = sign_outs + 1"
            " WHERE name = :name AND disabled_at IS NULL"
        ),
        {"hash": passwords.hashed(name, password), "name": name},
    ).rowcount
    if not changed:
        raise _unknown(name)


def disable_user(connection: Connection, name: str, now: datetime) -> bool:
    """Disables a user for good, signed out at the next request; False when that was done before.

    Raises BadInput for a name that is not there.
    """
    changed = connection.execute(
        text("UPDATE user_account SET disabled_at = :now WHERE name = :name AND disabled_at IS NULL"),
        {"name": name, "now": now},
    ).rowcount
    if not changed and name not in {one.name for one in listed_users(connection)}:
        raise _unknown(name)
    return bool(changed)


def _unknown(name: str) -> BadInput:
    return BadInput(f"'{name}': 쓸 수 있는 사용자가 아닙니다. `jeongsan user list` 를 보세요 (no such user in use).")


def listed_users(connection: Connection) -> Sequence[ListedUser]:
    """Every user by name, disabled ones too."""
    rows = connection.execute(
        text(
            "SELECT name, role, party, created_at, disabled_at, password_hash IS NOT NULL AS signs_in"
            " FROM user_account ORDER BY name"
        )
    )
    return [ListedUser(**row._mapping) for row in rows]

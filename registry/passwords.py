"""Passwords: what one must be, and how one is kept (Argon2id)."""

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from core.errors import BadInput

SHORTEST, LONGEST = 12, 200
_hasher = PasswordHasher()


def hashed(name: str, password: str) -> str:
    """What is kept of the password of the user `name`.

    Raises BadInput for one of fewer than 12 or more than 200 characters, and for one that is the name.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(
            f"비밀번호: {SHORTEST}자에서 {LONGEST}자까지입니다 (a password has {SHORTEST} to {LONGEST} characters)."
        )
    if name.casefold() in password.casefold() and len(password) - len(name) < SHORTEST // 2:
        raise BadInput(
            "비밀번호: 사용자 이름과 다르게, 이름에 몇 글자만 더하지 말고 정하세요 "
            "(a password is not the user's name, nor the name with a few characters added)."
        )
    return _hasher.hash(_same(password))


def matches(kept: str | None, password: str) -> bool:
    """Whether the password is the one that is kept; without one as slowly, so that the time tells nothing."""
    if len(password) > LONGEST:
        return False
    try:
        return _hasher.verify(kept or _of_nobody(), _same(password)) and kept is not None
    except VerifyMismatchError:
        return False


def _same(password: str) -> str:
    """The one form of a text that keyboards send in several: Hangul whole or in parts, wide letters."""
    return unicodedata.normalize("NFKC", password)


@cache
def _of_nobody() -> str:
    return _hasher.hash("nobody has this password")

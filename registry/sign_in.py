"""Signing in: a name and a password become a session, guesses are slowed down, and a session ends."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, Engine, text

from core.errors import RuleRefused
from registry import passwords
from registry.users import NAME, User

WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
OF_BOTH, OF_NAME, OF_ADDRESS = 5, 30, 50


class TooManyAttempts(RuleRefused):
    """So many attempts failed of late that the next one has to wait."""


@dataclass(frozen=True, kw_only=True)
class SignedIn(User):
    """A user with a session: its language, and how many sign-outs went before it, which ends it with the next."""

    lang: str
    sign_outs: int


def sign_in(engine: Engine, name: str, password: str, address: str, now: datetime) -> SignedIn | None:
    """The user of that name and password, else None, after as long a time for a name that is not there.

    Raises TooManyAttempts once, within 15 minutes, 5 attempts failed of this name from this address, 30 of the name, or
    50 from the address: a name is not locked by one stranger who knows it.
    """
    name = name.strip()
    with engine.begin() as connection:
        attempt = _begin_attempt(connection, name, _network(address), now)
        kept = connection.scalar(
            text("SELECT password_hash FROM user_account WHERE name = :name AND disabled_at IS NULL"),
            {"name": name if NAME.fullmatch(name) else ""},
        )
    if not passwords.matches(kept, password):
        return None
    with engine.begin() as connection:
        connection.execute(text("UPDATE sign_in_attempt SET succeeded = true WHERE id = :id"), {"id": attempt})
        return signed_in(connection, name)


def _begin_attempt(connection: Connection, name: str, address: str, now: datetime) -> int:
    """Records an attempt as failed until it succeeds, so that attempts at once count each other."""
    key = {"name": sha256(name.encode()).digest(), "address": address, "since": now - WINDOW}
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:sign-in'))"))
    connection.execute(text("DELETE FROM sign_in_attempt WHERE at < :until"), {"until": now - KEPT})
    failed = connection.execute(
        text(
            "SELECT count(*) FILTER (WHERE name_digest = :name AND address = :address) AS of_both,"
            " count(*) FILTER (WHERE name_digest = :name) AS of_name,"
            " count(*) FILTER (WHERE address = :address) AS of_address"
            " FROM sign_in_attempt WHERE at > :since AND NOT succeeded"
        ),
        key,
    ).one()
    if failed.of_both >= OF_BOTH or failed.of_name >= OF_NAME or failed.of_address >= OF_ADDRESS:
        raise TooManyAttempts("로그인 시도가 너무 많습니다. 15분 뒤에 다시 하세요 (too many attempts).")
    return connection.execute(
        text(
            "INSERT INTO sign_in_attempt (name_digest, address, at, succeeded)"
            " VALUES (:name, :address, :now, false) RETURNING id"
        ),
        {**key, "now": now},
    ).scalar_one()


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the network, since a subscriber has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def signed_in(connection: Connection, name: str) -> SignedIn | None:
    """The user of a session as he is now; None for one who is unknown or disabled."""
    row = connection.execute(
        text("SELECT name, role, party, lang, sign_outs FROM user_account WHERE name = :name AND disabled_at IS NULL"),
        {"name": name},
    ).one_or_none()
    return None if row is None else SignedIn(**row._mapping)


def sign_out(connection: Connection, name: str) -> None:
    """Ends every session of the user, copies of its cookie included."""
    connection.execute(text("UPDATE user_account SET sign_outs = sign_outs + 1 WHERE name = :name"), {"name": name})


def set_language(connection: Connection, name: str, lang: str) -> None:
    """Keeps the language (ko, en) that the user reads the portal in."""
    connection.execute(text("UPDATE user_account SET lang = :lang WHERE name = :name"), {"lang": lang, "name": name})


def see_own_rows(connection: Connection, party: str) -> None:
    """From here on the transaction sees and writes rows of this party only, by the database's own policies."""
    connection.execute(text("SELECT set_config('jeongsan.party', :party, true)"), {"party": party})

"""Users: added, listed, given a password and disabled by command; guesses at the sign-in are slowed down."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from sqlalchemy import text

from core.errors import BadInput, RuleRefused
from portal.cli import main
from registry import passwords, sign_in, users
from registry.users import User

AT = datetime(2025, 11, 5, tzinfo=UTC)
PASSWORD = "correct horse battery"


def add(engine, name="h01", role="hospital", party="H1", password=PASSWORD):
    with engine.begin() as connection:
        return users.add_user(connection, User(name=name, role=role, party=party), password, AT)


def attempt(engine, password=PASSWORD, name="h01", address="192.0.2.1", now=AT):
    return sign_in.sign_in(engine, name, password, address, now)


def test_user_add__the_second_time_says_so_and_changes_nothing(jeongsan, loaded):
    arguments = ("user", "add", "h01", "--role", "hospital", "--party", "H1")
    assert jeongsan(*arguments) == {"name": "h01", "role": "hospital", "party": "H1", "added": True}
    assert jeongsan(*arguments)["added"] is False
    (one,) = jeongsan("user", "list")["users"]
    assert (one["name"], one["role"], one["party"], one["signs_in"], one["disabled_at"]) == (
        "h01", "hospital", "H1", False, None,
    )  # fmt: skip


def test_user_add__a_password_from_stdin_signs_in_and_is_never_shown(loaded):
    full = ["user", "add", "finance-1", "--role", "finance", "--password-stdin", "--json"]
    done = CliRunner().invoke(main, full, input=f"{PASSWORD}\n")
    listed = CliRunner().invoke(main, ["user", "list", "--json"])
    assert (done.exit_code, listed.exit_code) == (0, 0)
    assert "argon2" not in listed.output
    assert PASSWORD not in done.output
    assert attempt(loaded, name="finance-1").role == "finance"


def test_user_add__what_cannot_be_is_bad_input_and_named(jeongsan, loaded):
    for arguments, said in (
        (("h 01", "--role", "hospital", "--party", "H1"), "'h 01'"),
        (("h01", "--role", "hospital"), "--party"),
        (("h01", "--role", "hospital", "--party", "C1"), "'C1'"),
        (("h01", "--role", "hospital", "--party", "H9"), "'H9'"),
        (("f1", "--role", "finance", "--party", "AG"), "--party"),
        (("x" * 65, "--role", "finance"), "64자"),
    ):
        assert said in jeongsan("user", "add", *arguments, exit_code=2)["messages"][0]
    assert jeongsan("user", "list")["users"] == []


@pytest.mark.parametrize("password", ["", "elevenchars", "HOSPITAL-0001", "hospital-0001!23", "x" * 201])
def test_password__a_poor_one_is_refused(password):
    with pytest.raises(BadInput, match="비밀번호"):
        passwords.hashed("hospital-0001", password)


def test_user_add__a_name_in_use_keeps_its_role_and_its_person(jeongsan, loaded):
    add(loaded)
    refusal = jeongsan("user", "add", "h01", "--role", "hospital", "--party", "H2", exit_code=3)
    assert "hospital, H1" in refusal["messages"][0]
    assert jeongsan("user", "disable", "h01")["changed"] is True
    assert jeongsan("user", "disable", "h01")["changed"] is False
    assert "정지됨" in jeongsan("user", "add", "h01", "--role", "hospital", "--party", "H1", exit_code=3)["messages"][0]
    assert "h77" in jeongsan("user", "disable", "h77", exit_code=2)["messages"][0]


def test_user_account__the_database_brings_nobody_back(loaded):
    add(loaded)
    with loaded.begin() as connection:
        users.disable_user(connection, "h01", AT)
    with pytest.raises(Exception, match="never changed"), loaded.begin() as connection:
        connection.execute(text("UPDATE user_account SET disabled_at = NULL WHERE name = 'h01'"))


def test_user_password__another_one_ends_the_sessions(loaded):
    add(loaded)
    before = attempt(loaded)
    done = CliRunner().invoke(main, ["user", "password", "h01", "--password-stdin"], input="another long password\n")
    assert done.exit_code == 0, done.output
    assert attempt(loaded) is None
    assert attempt(loaded, "another long password").sign_outs == before.sign_outs + 1
    assert CliRunner().invoke(main, ["user", "password", "h01"], input="").exit_code == 2


def test_sign_in__a_wrong_name_and_a_wrong_password_get_the_same_answer(loaded):
    for name, password in (("h01", PASSWORD), ("disabled", PASSWORD), ("without", None)):
        add(loaded, name=name, password=password)
    with loaded.begin() as connection:
        users.disable_user(connection, "disabled", AT)
    assert attempt(loaded, "a wrong password") is None
    for name in ("nobody", "h01\x00", "disabled", "without", "\u202eh01", ""):
        assert attempt(loaded, PASSWORD, name) is None
        assert attempt(loaded, "nobody has this password", name) is None


def test_sign_in__an_unknown_name_costs_as_much_time_as_a_known_one(monkeypatch):
    verified = []

    class Counting(PasswordHasher):
        def verify(self, kept, password):
            verified.append(kept)
            return super().verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    passwords._of_nobody.cache_clear()
    assert not passwords.matches(None, "nobody has this password")
    assert not passwords.matches(passwords.hashed("h01", PASSWORD), "a wrong password")
    first, second = (kept.split("$")[1:4] for kept in verified)
    assert first == second == ["argon2id", "v=19", "m=65536,t=3,p=4"]


def test_sign_in__a_password_typed_in_another_unicode_form_is_the_same(loaded):
    add(loaded, password="비밀번호를 길게 정합니다")
    assert attempt(loaded, "비밀번호를 길게 정합니다") is not None


def test_sign_in__after_five_failures_of_a_name_from_an_address_the_right_password_waits_too(loaded):
    add(loaded)
    for _ in range(sign_in.OF_BOTH):
        assert attempt(loaded, "a wrong password") is None
    with pytest.raises(sign_in.TooManyAttempts):
        attempt(loaded)
    assert attempt(loaded, address="192.0.2.2").name == "h01"
    assert attempt(loaded, now=AT + sign_in.WINDOW + timedelta(seconds=1)).name == "h01"


@pytest.mark.parametrize(
    ("names", "addresses"),
    [(lambda n: "h01", lambda n: f"192.0.2.{n}"), (lambda n: f"h{n}", lambda n: "192.0.2.1"),
     (lambda n: f"h{n}", lambda n: f"2001:db8::{n:x}")],
    ids=["a name from everywhere", "an address for everybody", "a network for everybody"],
)  # fmt: skip
def test_sign_in__guesses_at_a_name_and_from_an_address_are_limited(loaded, monkeypatch, names, addresses):
    monkeypatch.setattr(sign_in.passwords, "matches", lambda kept, password: False)
    limit = sign_in.OF_NAME if names(1) == names(2) else sign_in.OF_ADDRESS
    for number in range(1, limit + 1):
        assert attempt(loaded, name=names(number), address=addresses(number)) is None
    with pytest.raises(sign_in.TooManyAttempts):
        attempt(loaded, name=names(limit + 1), address=addresses(limit + 1))


def test_sign_in__guesses_at_once_count_each_other(loaded, monkeypatch):
    monkeypatch.setattr(sign_in.passwords, "matches", lambda kept, password: False)
    start, refused = threading.Barrier(12), []

    def guess():
        start.wait()
        try:
            attempt(loaded)
        except sign_in.TooManyAttempts:
            refused.append(1)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(refused) == 12 - sign_in.OF_BOTH


def test_sign_in__attempts_are_kept_for_a_day_without_the_name(loaded):
    attempt(loaded, name="a password typed in the wrong field")
    attempt(loaded, now=AT + timedelta(days=2))
    with loaded.connect() as connection:
        kept = connection.execute(text("SELECT name_digest, at FROM sign_in_attempt")).all()
    assert [(len(one.name_digest), one.at) for one in kept] == [(32, AT + timedelta(days=2))]


def test_acting__one_who_is_disabled_may_not(loaded):
    add(loaded)
    with loaded.begin() as connection:
        assert users.acting(connection, "h01", "hospital", party="H1").party == "H1"
        users.disable_user(connection, "h01", AT)
        with pytest.raises(RuleRefused, match="h01"):
            users.acting(connection, "h01", "hospital")

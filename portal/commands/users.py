"""user add, list, disable, password: who may act, and who signs in to the portal."""

import sys

import click

from core.database import service_engine
from core.errors import BadInput
from portal.command import Answer, Call, command
from portal.month_text import table
from registry import users as registry_users
from registry.users import ROLES, User

commands = click.Group()
users = click.Group("user", help="Users: who may act in which role, and who signs in.")
commands.add_command(users)
from_stdin = click.option("--password-stdin", is_flag=True, help="The password is the first line of stdin.")


@command(users, "add", help="Adds a user; on a terminal asks for a password, which may be left empty.")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What the user may do.")
@click.option("--party", help="Code of the hospital, company or operator that the user belongs to.")
@from_stdin
def add(call: Call, name: str, role: str, party: str | None, password_stdin: bool) -> Answer:
    """Without a password the user acts by command only; a second call with the same says so and changes nothing."""
    password = _password(call, password_stdin)
    with service_engine(call.settings).begin() as connection:
        added = registry_users.add_user(connection, User(name=name, role=role, party=party), password, call.now)
    document = {"name": name, "role": role, "party": party, "added": added}
    there = call.say("이미 등록되어 있습니다. 바뀐 것이 없습니다", "is there already; nothing changed")
    return Answer(document=document, text=f"{name}: {call.say('등록했습니다', 'added') if added else there}.")


@command(users, "password", help="Gives a user another password, which ends all of the user's sessions.")
@click.argument("name")
@from_stdin
def password_of(call: Call, name: str, password_stdin: bool) -> Answer:
    """On a terminal asks for it, else takes it from stdin."""
    password = _password(call, password_stdin)
    if password is None:
        raise BadInput("비밀번호가 없습니다. 터미널에서 입력하거나 --password-stdin 으로 주세요 (no password given).")
    with service_engine(call.settings).begin() as connection:
        registry_users.set_password(connection, name, password)
    return Answer(document={"name": name, "changed": True}, text=f"{name}: {call.say('바꿨습니다', 'changed')}.")


def _password(call: Call, from_stdin: bool) -> str | None:
    """The password from stdin or, where a person sits there, from the terminal; None where it is left out."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        return None
    asked, again = call.say("비밀번호 (빈 줄: 없음)", "Password (empty: none)"), call.say("한 번 더", "Once more")
    given = click.prompt(asked, hide_input=True, confirmation_prompt=again, default="", show_default=False, err=True)
    return given or None


@command(users, "list", help="Every user, disabled ones too.")
def listing(call: Call) -> Answer:
    """Name, role, party, state; never what is kept of a password."""
    with service_engine(call.settings).connect() as connection:
        found = registry_users.listed_users(connection)
    document = [
        {"name": one.name, "role": one.role, "party": one.party, "created_at": one.created_at.isoformat(),
         "disabled_at": one.disabled_at and one.disabled_at.isoformat(), "signs_in": one.signs_in}
        for one in found
    ]  # fmt: skip
    head = (
        ["이름", "역할", "기관", "로그인", "상태"]
        if call.lang == "ko"
        else ["name", "role", "party", "signs in", "state"]
    )
    rows = [
        [one.name, one.role, one.party or "-", call.say("예", "yes") if one.signs_in else "-",
         call.say("정지", "disabled") if one.disabled_at else call.say("사용", "in use")]
        for one in found
    ]  # fmt: skip
    nobody = call.say(
        "사용자가 없습니다. `jeongsan user add` 로 등록하세요.", "No users; add one by `jeongsan user add`."
    )
    return Answer(document={"users": document}, text="\n".join(table([head, *rows], len(head))) if rows else nobody)


@command(users, "disable", help="Disables a user for good; the portal signs him out at the next request.")
@click.argument("name")
def disable(call: Call, name: str) -> Answer:
    """What he did stays under his name; the name is not given to anybody else."""
    with service_engine(call.settings).begin() as connection:
        changed = registry_users.disable_user(connection, name, call.now)
    said = (
        call.say("정지했습니다", "disabled") if changed else call.say("이미 정지되어 있습니다", "was disabled before")
    )
    return Answer(document={"name": name, "disabled": True, "changed": changed}, text=f"{name}: {said}.")

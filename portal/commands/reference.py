"""init and load: the database and the reference data."""

import click

from core import schema
from portal.command import Answer, Call, command

commands = click.Group()


@command(commands, "init", help="Creates or migrates the database.")
def init(call: Call) -> Answer:
    """Creates the embedded database where none is given, migrates, and makes the service's role."""
    before, after = schema.initialise(call.settings)
    document = {"revision": after, "migrated": before != after}
    if before == after:
        return Answer(
            document=document,
            text=call.say(f"데이터베이스가 이미 최신입니다 ({after}).", f"The database is up to date ({after})."),
        )
    return Answer(
        document=document,
        text=call.say(
            f"데이터베이스를 준비했습니다 ({before or '새로'} → {after}).",
            f"The database is ready ({before or 'new'} → {after}).",
        ),
    )

"""Visits the portal as its users do: an application over a test's database, and clients that are signed in."""

import re
from datetime import UTC, datetime

from flask import Flask
from flask.testing import EnvironBuilder, FlaskClient
from sqlalchemy import Engine

from core.settings import Settings
from portal.app import create_app
from registry import users
from registry.users import User

AT = datetime(2025, 12, 5, 1, tzinfo=UTC)
HERE = "https://portal.example"
PASSWORD = "correct horse battery"
USERS = {
    "c01": ("company", "C1"), "c02": ("company", "C2"), "h01": ("hospital", "H1"), "h02": ("hospital", "H2"),
    "op1": ("operator", "OP"), "finance-1": ("finance", None), "auditor-1": ("auditor", None),
    "admin-1": ("admin", None),
}  # fmt: skip


def portal(settings: Settings) -> Flask:
    """The application over a test's database, at the instant AT."""
    keyed = Settings(database_url=settings.database_url, home=settings.home, secret_key="k" * 32)
    return create_app(keyed, lambda: AT)


def add_users(engine: Engine, *names: str, password: str | None = None) -> None:
    """Users of the small programme: those named, else one of each role and of each party."""
    with engine.begin() as connection:
        for name in names or USERS:
            role, party = USERS[name]
            users.add_user(connection, User(name=name, role=role, party=party), password, AT)


class Visitor:
    """A client that is signed in as a user (none: nobody), over https."""

    def __init__(self, app: Flask, name: str | None = None):
        self.client: FlaskClient = app.test_client()
        if name is not None:
            with self.client.session_transaction(base_url=HERE) as session:
                session["_user_id"] = f"0 {name}"

    def get(self, path: str, **arguments):
        """GET of a page."""
        return self.client.get(path, base_url=HERE, **arguments)

    def post(self, path: str, form: dict | None = None):
        """A form sent from a page of the site, with the session's token."""
        sent = {"csrf_token": self.token(), **(form or {})}
        builder = EnvironBuilder(
            self.client.application, path, method="POST", data=sent, base_url=HERE, headers={"Referer": HERE + "/"}
        )
        environ = builder.get_environ()
        done = self.client.open(environ)
        environ["wsgi.input"].close()  # a large form is a file, which the client leaves open
        builder.close()
        return done

    def token(self) -> str:
        """The session's token, as every page with a form shows it."""
        return re.search(r'name="csrf_token" value="([^"]+)"', self.get("/nowhere").text)[1]

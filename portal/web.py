"""What every page shares: who asks and may, the request's transaction, its language, its instant."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, g, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf import CSRFProtect
from sqlalchemy import Connection, Engine
from werkzeug import Response

from core.database import service_engine
from core.errors import BadInput
from portal.menu import MAY
from registry.sign_in import SignedIn, see_own_rows, signed_in

csrf = CSRFProtect()
login = LoginManager()


@dataclass(frozen=True, kw_only=True, eq=False)
class Visitor(UserMixin):
    """A signed-in user, as Flask-Login wants one: the session's id changes with every sign-out."""

    account: SignedIn

    def get_id(self) -> str:
        """`SIGN_OUTS NAME`."""
        return f"{self.account.sign_outs} {self.account.name}"


@login.user_loader
def _visitor(identity: str) -> Visitor | None:
    """The user of a session that no sign-out, other password or disabling has ended."""
    with engine().connect() as connection:
        account = signed_in(connection, identity.partition(" ")[2])
    visitor = account and Visitor(account=account)
    return visitor if visitor and visitor.get_id() == identity else None


def pages(name: str) -> Blueprint:
    """A blueprint of pages: each answers only the roles that `portal.menu` gives it, and nobody where it gives none."""
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def guard() -> Response | None:
        may = MAY.get(request.endpoint or "", ())
        g.user = current_user.account if current_user.is_authenticated else None
        if may == "everybody":
            return None
        if g.user is None:
            return redirect(url_for("account.sign_in", next=_asked()))
        if g.user.role not in may:
            abort(403)
        _refuse_unstorable()
        return None

    return blueprint


def _refuse_unstorable() -> None:
    """Raises BadInput for a NUL in a field: no text of the database holds one. 404 for an address with one."""
    if "\0" in request.path:
        abort(404)
    for name, values in request.values.lists():
        if any("\0" in value for value in values):
            raise BadInput(say(f"{name}: 쓸 수 없는 글자(NUL)를 빼세요.", f"{name}: take the NUL character out."))


def _asked() -> str | None:
    """The page that was asked for, to come back to; what was sent to it is not sent again."""
    return request.full_path.removesuffix("?") if request.method == "GET" else None


def user() -> SignedIn:
    """The user who asks, on a page that only users see."""
    return g.user


def engine() -> Engine:
    """The engine of the service's role."""
    return service_engine(current_app.config["SETTINGS"])


@contextmanager
def transaction() -> Iterator[Connection]:
    """The request's transaction; that of a party's user sees and writes the party's rows only."""
    with engine().begin() as connection:
        if user().party:
            see_own_rows(connection, user().party)
        yield connection


def now() -> datetime:
    """The instant that the request stamps."""
    return current_app.config["CLOCK"]()


def lang() -> str:
    """The language of the page: the session's, which signing in sets to the user's."""
    return session.get("lang", "ko")


def say(korean: str, english: str) -> str:
    """The text in the language of the page."""
    return english if lang() == "en" else korean


def local_path(wanted: str | None) -> str:
    """Where to go on: a path of this site, else its first page. Refuses what a browser would read as another site."""
    if not wanted or not wanted.startswith("/") or wanted.startswith("//"):
        return url_for("account.home")
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or "\\" in wanted or not wanted.isprintable():
        return url_for("account.home")
    return wanted

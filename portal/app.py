"""The Flask application."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Flask, g, jsonify, render_template, request
from sqlalchemy import text

from core.database import service_engine
from core.errors import ServerUnreachable
from core.settings import Settings
from portal import answers, web
from portal.cli import main
from portal.menu import MENU, ROLES
from portal.names import CLAIM_STATES, INVOICE_STATES
from portal.pages import account, claim_making, claims, invoices
from portal.stripe_webhook import blueprint as stripe_webhook
from portal.text import FILTERS

SESSION = timedelta(minutes=30)
LARGEST_REQUEST = 11 << 20  # a file of 10 MB and its form


def create_app(settings: Settings | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Flask:
    """The application: pages, and the health page; `flask --app wsgi jeongsan COMMAND` is the command line.

    Nothing connects before the first request. `clock` says the instant that a request stamps.
    """
    settings = settings or Settings.from_environment()
    app = Flask(__name__)
    app.config.update(
        SETTINGS=settings,
        CLOCK=clock,
        SECRET_KEY=settings.secret_key or None,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION,
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
    )
    app.cli.add_command(main, "jeongsan")
    answers.register(app)
    _pages(app)
    web.csrf.exempt(stripe_webhook)  # its signature says whose it is
    app.register_blueprint(stripe_webhook)

    @app.get("/health")
    def health():
        """200 when the database answers, 503 when it does not."""
        try:
            with service_engine(settings).connect() as connection:
                connection.execute(text("SELECT 1"))
        except ServerUnreachable:
            return jsonify(status="unavailable", database="unreachable"), 503
        return jsonify(status="ok", database="ok")

    return app


def _pages(app: Flask) -> None:
    """The pages with sign-in, CSRF and the words and figures of their templates."""

    @app.before_request
    def refuse_without_key():
        """Nobody signs in where sessions cannot be signed: says what to do instead."""
        page = request.endpoint is None or request.blueprint in PAGES  # no endpoint: the page that says so has a form
        if page and not app.config["SECRET_KEY"]:
            return render_template("no_key.html"), 503
        return None

    web.csrf.init_app(app)
    web.login.init_app(app, add_context_processor=False)  # pages name the visitor themselves
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(invoice_states=INVOICE_STATES, claim_states=CLAIM_STATES)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.context_processor
    def words():
        visitor = g.get("user")
        return {"say": web.say, "lang": web.lang(), "visitor": visitor, "roles": ROLES,
                "menu": MENU[visitor.role] if visitor else ()}  # fmt: skip

    for blueprint in PAGES.values():
        app.register_blueprint(blueprint)


PAGES = {one.blueprint.name: one.blueprint for one in (account, invoices, claims, claim_making)}

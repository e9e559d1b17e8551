"""The Flask application."""

from flask import Flask, jsonify
from sqlalchemy import text

from core.database import service_engine
from core.errors import ServerUnreachable
from core.settings import Settings
from portal.cli import main


def create_app(settings: Settings | None = None) -> Flask:
    """The application with its health page; `flask --app wsgi jeongsan COMMAND` is the command line.

    Nothing connects before the first request.
    """
    settings = settings or Settings.from_environment()
    app = Flask(__name__, static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key or None,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.cli.add_command(main, "jeongsan")

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

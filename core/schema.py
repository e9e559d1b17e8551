"""Creates and migrates the schema (`jeongsan init`): the owner's work, never the service's."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from core import database
from core.errors import BadInput
from core.settings import Settings


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection of the owner."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> tuple[str | None, str | None]:
    """Brings the schema to the newest revision; returns the revision before and after."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:migrate'))"))
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(alembic_config(connection), "head")
        after = MigrationContext.configure(connection).get_current_revision()
    return before, after


def grant_service_role(engine: Engine, user: str, password: str) -> None:
    """Makes the role that the service runs as, when missing, and gives it the rights of the group `jeongsan_rights`."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:migrate'))"))
        quote = connection.dialect.identifier_preparer.quote
        if not connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :user"), {"user": user}):
            connection.exec_driver_sql(f"CREATE ROLE {quote(user)} LOGIN")
            literal = connection.scalar(text("SELECT quote_literal(:password)"), {"password": password})
            connection.exec_driver_sql(f"ALTER ROLE {quote(user)} PASSWORD {literal}")
        connection.exec_driver_sql(f"GRANT jeongsan_rights TO {quote(user)}")


def initialise(settings: Settings) -> tuple[str | None, str | None]:
    """Creates or migrates the database and the service's role; returns the revision before and after."""
    if not settings.database_url:
        database.create_embedded_database(settings)
    user, password = database.service_credentials(settings)
    owner = database.owner_engine(settings)
    if user == owner.url.username:
        raise BadInput(
            f"DATABASE_URL과 DATABASE_OWNER_URL의 역할이 같습니다 ('{user}'). 서비스는 표를 소유하지 않는 역할로 "
            "실행해야 합니다 (the service needs a role of its own that owns nothing)."
        )
    revisions = migrate(owner)
    grant_service_role(owner, user, password)
    return revisions

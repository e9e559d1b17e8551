"""The schema in the database and the models in the code are the same."""

from alembic import command

from core import schema


def test_schema__models_and_migrations_agree(owner):
    with owner.begin() as connection:
        command.check(schema.alembic_config(connection))


def test_init__second_time_changes_nothing(jeongsan):
    assert jeongsan("init")["migrated"] is False

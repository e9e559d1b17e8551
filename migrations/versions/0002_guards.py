"""What must never happen, made impossible by the database: unbalanced or changed books, closed months, overspent budgets

Revision ID: 0002
Revises: 0001
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(Path(__file__).with_name("guards.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("the guards are not taken off")

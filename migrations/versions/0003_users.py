"""Users: who may act, in which role, for which party

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_account",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('finance','hospital','company','operator','auditor','admin')", name=op.f("ck_user_account_role")
        ),
        sa.CheckConstraint(
            "(role IN ('hospital','company','operator')) = (party IS NOT NULL)",
            name=op.f("ck_user_account_party_of_role"),
        ),
        sa.ForeignKeyConstraint(["party"], ["party.code"], name=op.f("fk_user_account_party_party")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_user_account")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE (password_hash, disabled_at) ON user_account TO jeongsan_rights")


def downgrade() -> None:
    op.drop_table("user_account")

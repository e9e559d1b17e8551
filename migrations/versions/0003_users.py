"""Users: who may act, in which role, for which party, how they sign in, and that a party's request sees its own rows only

Revision ID: 0003
Revises: 0002
"""

from pathlib import Path

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
        sa.Column("sign_outs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lang", sa.Text(), server_default="ko", nullable=False),
        sa.CheckConstraint(
            "role IN ('finance','hospital','company','operator','auditor','admin')", name=op.f("ck_user_account_role")
        ),
        sa.CheckConstraint(
            "(role IN ('hospital','company','operator')) = (party IS NOT NULL)",
            name=op.f("ck_user_account_party_of_role"),
        ),
        sa.CheckConstraint("lang IN ('ko','en')", name=op.f("ck_user_account_lang")),
        sa.ForeignKeyConstraint(["party"], ["party.code"], name=op.f("fk_user_account_party_party")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_user_account")),
    )
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name_digest", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempt")),
    )
    op.create_index(op.f("ix_sign_in_attempt_at"), "sign_in_attempt", ["at"])
    op.execute(Path(__file__).with_name("row_security.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("row-level security is not taken off")

"""Bank statements, matches, the suspense account

Revision ID: 0007
Revises: 0006
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_statement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("fresh", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_statement")),
    )
    op.create_table(
        "bank_row",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount_krw", sa.BigInteger(), nullable=False),
        sa.Column("balance_krw", sa.BigInteger(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("counterparty", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("raw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("amount_krw <> 0", name=op.f("ck_bank_row_amount_moves")),
        sa.ForeignKeyConstraint(
            ["statement_id"], ["bank_statement.id"], name=op.f("fk_bank_row_statement_id_bank_statement")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_row")),
        sa.UniqueConstraint("digest", name=op.f("uq_bank_row_digest")),
    )
    op.create_table(
        "bank_match",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("candidates", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('unmatched','proposed','over','double','partial','booked','suspense','returned')",
            name=op.f("ck_bank_match_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('suspense','returned') OR (reason <> '' AND decided_by IS NOT NULL)",
            name=op.f("ck_bank_match_never_silently"),
        ),
        sa.CheckConstraint(
            "(state = 'returned') = (returned_by IS NOT NULL)", name=op.f("ck_bank_match_returned_by_a_row")
        ),
        sa.ForeignKeyConstraint(["row_id"], ["bank_row.id"], name=op.f("fk_bank_match_row_id_bank_row")),
        sa.ForeignKeyConstraint(["returned_by"], ["bank_row.id"], name=op.f("fk_bank_match_returned_by_bank_row")),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["user_account.name"], name=op.f("fk_bank_match_decided_by_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_match")),
        sa.UniqueConstraint("row_id", "number", name=op.f("uq_bank_match_row_id_number")),
        sa.UniqueConstraint("returned_by", name=op.f("uq_bank_match_returned_by")),
    )
    op.create_index(op.f("ix_bank_match_state"), "bank_match", ["state"])
    op.create_table(
        "bank_part",
        sa.Column("match_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["match_id"],
            ["bank_match.id"],
            name=op.f("fk_bank_part_match_id_bank_match"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_bank_part_payment_id_payment")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_bank_part")),
    )
    op.create_index(op.f("ix_bank_part_match_id"), "bank_part", ["match_id"])
    op.execute(Path(__file__).with_name("bank.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("statements of the bank are evidence and stay")

"""Tax documents with items, originals and reason codes; their files and the tax office's numbers

Revision ID: 0008
Revises: 0007
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

REASON = "reason IN ('01','02','03','04','05','06')"


def upgrade() -> None:
    op.add_column("category", sa.Column("tax_reason", sa.Text(), nullable=True))
    op.drop_constraint(op.f("uq_document_programme_month_kind_issuer_recipient_project_correction"), "document")
    op.create_index(op.f("ix_document_charge_charge_id"), "document_charge", ["charge_id"])
    _tax_document()
    op.create_table(
        "tax_reason",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(REASON, name=op.f("ck_tax_reason_reason")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["tax_document.document_id"], name=op.f("fk_tax_reason_document_id_tax_document")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_reason")),
    )
    op.create_index(op.f("ix_tax_reason_document_id"), "tax_reason", ["document_id"])
    _tax_files()
    op.create_table(
        "tax_approval",
        sa.Column("document_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("approval_number", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("approval_number ~ '^[0-9A-Za-z]{24}$'", name=op.f("ck_tax_approval_approval_number")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["tax_document.document_id"], name=op.f("fk_tax_approval_document_id_tax_document")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_tax_approval")),
        sa.UniqueConstraint("approval_number", name=op.f("uq_tax_approval_approval_number")),
    )
    op.execute(Path(__file__).with_name("tax.sql").read_text())


def _tax_document() -> None:
    op.create_table(
        "tax_document",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("original_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("items", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tax IN ('taxable','zero','exempt')", name=op.f("ck_tax_document_tax")),
        sa.CheckConstraint("role IN ('ordinary','change','cancel','corrected')", name=op.f("ck_tax_document_role")),
        sa.CheckConstraint(REASON, name=op.f("ck_tax_document_reason")),
        sa.CheckConstraint(
            "num_nonnulls(original_id, reason) = CASE role WHEN 'ordinary' THEN 0 ELSE 2 END",
            name=op.f("ck_tax_document_original_named"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(issued_by, issued_at) = CASE WHEN role IN ('cancel','corrected') THEN 2 ELSE 0 END",
            name=op.f("ck_tax_document_person_named"),
        ),
        sa.CheckConstraint("jsonb_array_length(items) BETWEEN 1 AND 4", name=op.f("ck_tax_document_one_to_four_items")),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_tax_document_document_id_document")),
        sa.ForeignKeyConstraint(
            ["original_id"], ["tax_document.document_id"], name=op.f("fk_tax_document_original_id_tax_document")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_tax_document")),
    )
    op.create_index(op.f("ix_tax_document_original_id"), "tax_document", ["original_id"])
    op.create_index(
        "uq_tax_document_modified_once",
        "tax_document",
        ["original_id", "role"],
        unique=True,
        postgresql_where=sa.text("role IN ('cancel','corrected')"),
    )


def _tax_files() -> None:
    op.create_table(
        "tax_file",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["programme"], ["programme.code"], name=op.f("fk_tax_file_programme_programme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_file")),
        sa.UniqueConstraint("programme", "month", "name", name=op.f("uq_tax_file_programme_month_name")),
    )
    op.create_table(
        "tax_file_document",
        sa.Column("document_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["tax_document.document_id"], name=op.f("fk_tax_file_document_document_id_tax_document")
        ),
        sa.ForeignKeyConstraint(["file_id"], ["tax_file.id"], name=op.f("fk_tax_file_document_file_id_tax_file")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_tax_file_document")),
        sa.UniqueConstraint("file_id", "row", name=op.f("uq_tax_file_document_file_id_row")),
    )


def downgrade() -> None:
    raise NotImplementedError("the guards are not taken off")

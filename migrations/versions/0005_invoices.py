"""Company invoices with their items

Revision ID: 0005
Revises: 0004
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = "'tax_invoice','invoice_exempt','statement','reconciliation'"


def upgrade() -> None:
    op.add_column("document", sa.Column("total_krw", sa.BigInteger(), nullable=True))
    op.add_column("document", sa.Column("due_on", sa.Date(), nullable=True))
    op.drop_constraint(op.f("ck_document_kind"), "document")
    op.create_check_constraint(op.f("ck_document_kind"), "document", f"kind IN ({KINDS},'invoice','credit_note')")
    op.create_check_constraint(
        op.f("ck_document_invoice_has_total_and_due_day"),
        "document",
        "CASE kind WHEN 'invoice' THEN coalesce(total_krw >= 0, false) AND num_nulls(project, due_on) = 0"
        " WHEN 'credit_note' THEN coalesce(total_krw < 0, false) AND num_nulls(project, due_on) = 0"
        " ELSE num_nonnulls(total_krw, due_on) = 0 END",
    )
    op.create_index(
        "uq_document_invoice_of_month",
        "document",
        ["programme", "month", "project"],
        unique=True,
        postgresql_where=sa.text("kind IN ('invoice','credit_note')"),
    )
    op.create_table(
        "document_item",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=True),
        sa.Column("supplier", sa.Text(), nullable=True),
        sa.Column("service_month", sa.Date(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity_base", sa.Numeric(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("unit_price_krw", sa.BigInteger(), nullable=True),
        sa.Column("supply_krw", sa.BigInteger(), nullable=False),
        sa.Column("vat_krw", sa.BigInteger(), nullable=False),
        sa.Column("own_krw", sa.BigInteger(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN kind IN ('self_pay','excess','deposit') THEN supply_krw = 0 AND vat_krw = 0 AND own_krw <> 0"
            " WHEN kind IN ('preparation','permit','gpu','cpu','storage','fee') THEN (supply_krw, vat_krw) <> (0, 0)"
            " AND own_krw = vat_krw + CASE WHEN line IS NULL THEN supply_krw ELSE 0 END ELSE false END",
            name=op.f("ck_document_item_own_part"),
        ),
        sa.CheckConstraint("position >= 1", name=op.f("ck_document_item_position_counts_from_one")),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_document_item_document_id_document")),
        sa.ForeignKeyConstraint(["supplier"], ["party.code"], name=op.f("fk_document_item_supplier_party")),
        sa.PrimaryKeyConstraint("document_id", "position", name=op.f("pk_document_item")),
    )
    op.execute(Path(__file__).with_name("invoices.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("issued invoices are not taken back")

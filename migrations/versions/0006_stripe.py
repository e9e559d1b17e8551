"""What Stripe collected: parts of invoices, refunds, events, the balance's movements, payouts

Revision ID: 0006
Revises: 0005
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stripe_part",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("amount_krw", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="requested", nullable=False),
        sa.Column("intent_id", sa.Text(), nullable=True),
        sa.Column("charge_id", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_krw BETWEEN 1 AND 99999999", name=op.f("ck_stripe_part_amount_of_a_charge")),
        sa.CheckConstraint("part >= 1", name=op.f("ck_stripe_part_part_positive")),
        sa.CheckConstraint("status IN ('requested','open','succeeded','canceled')", name=op.f("ck_stripe_part_status")),
        sa.CheckConstraint(
            "(status = 'requested') = (intent_id IS NULL)", name=op.f("ck_stripe_part_requested_until_answered")
        ),
        sa.CheckConstraint(
            "(status IN ('succeeded','canceled')) = (closed_at IS NOT NULL)",
            name=op.f("ck_stripe_part_closed_at_an_instant"),
        ),
        sa.CheckConstraint(
            "(document_id IS NULL) = (account LIKE 'deposit:%')", name=op.f("ck_stripe_part_invoice_or_deposit")
        ),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_stripe_part_document_id_document")),
        sa.ForeignKeyConstraint(["programme"], ["programme.code"], name=op.f("fk_stripe_part_programme_programme")),
        sa.ForeignKeyConstraint(["project"], ["project.code"], name=op.f("fk_stripe_part_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_part")),
        sa.UniqueConstraint("reference", "part", name=op.f("uq_stripe_part_reference_part")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_stripe_part_idempotency_key")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_stripe_part_intent_id")),
        sa.UniqueConstraint("charge_id", name=op.f("uq_stripe_part_charge_id")),
    )
    op.create_index(op.f("ix_stripe_part_document_id"), "stripe_part", ["document_id"])
    op.create_table(
        "stripe_refund",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("part_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_krw", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=True),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_krw > 0", name=op.f("ck_stripe_refund_amount_positive")),
        sa.CheckConstraint(
            "status IN ('requested','refused','pending','succeeded','failed','canceled')",
            name=op.f("ck_stripe_refund_status"),
        ),
        sa.CheckConstraint(
            "(requested_by IS NULL) = (idempotency_key IS NULL)", name=op.f("ck_stripe_refund_requested_with_key")
        ),
        sa.CheckConstraint(
            "(requested_by IS NULL) = (request_hash IS NULL)", name=op.f("ck_stripe_refund_requested_with_hash")
        ),
        sa.CheckConstraint(
            "(status IN ('requested','refused')) = (refund_id IS NULL)",
            name=op.f("ck_stripe_refund_requested_until_answered"),
        ),
        sa.CheckConstraint(
            "(refund_id IS NULL) = (refunded_at IS NULL)", name=op.f("ck_stripe_refund_refunded_at_an_instant")
        ),
        sa.CheckConstraint(
            "(status IN ('failed','canceled')) = (failed_at IS NOT NULL)",
            name=op.f("ck_stripe_refund_failed_at_an_instant"),
        ),
        sa.ForeignKeyConstraint(["part_id"], ["stripe_part.id"], name=op.f("fk_stripe_refund_part_id_stripe_part")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["user_account.name"], name=op.f("fk_stripe_refund_requested_by_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_refund")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_stripe_refund_idempotency_key")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_stripe_refund_refund_id")),
    )
    op.create_index(op.f("ix_stripe_refund_part_id"), "stripe_refund", ["part_id"])
    op.create_table(
        "stripe_movement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("amount_krw", sa.BigInteger(), nullable=False),
        sa.Column("fee_krw", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_movement")),
    )
    op.create_index(op.f("ix_stripe_movement_source"), "stripe_movement", ["source"])
    op.create_table(
        "stripe_payout",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("amount_krw", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("arrives_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending','in_transit','paid','failed','canceled')", name=op.f("ck_stripe_payout_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_payout")),
    )
    op.create_table(
        "stripe_payout_item",
        sa.Column("movement_id", sa.Text(), nullable=False),
        sa.Column("payout_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["movement_id"], ["stripe_movement.id"], name=op.f("fk_stripe_payout_item_movement_id_stripe_movement")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["stripe_payout.id"], name=op.f("fk_stripe_payout_item_payout_id_stripe_payout")
        ),
        sa.PrimaryKeyConstraint("movement_id", name=op.f("pk_stripe_payout_item")),
    )
    op.create_index(op.f("ix_stripe_payout_item_payout_id"), "stripe_payout_item", ["payout_id"])
    op.create_table(
        "stripe_event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_by", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("received_by IN ('webhook','poll')", name=op.f("ck_stripe_event_received_by")),
        sa.CheckConstraint("outcome IN ('booked','recorded','listed')", name=op.f("ck_stripe_event_outcome")),
        sa.CheckConstraint("(outcome = 'listed') = (reason <> '')", name=op.f("ck_stripe_event_listed_with_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_event")),
    )
    op.create_table(
        "stripe_poll",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_poll")),
    )
    op.execute(Path(__file__).with_name("stripe.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("what Stripe said is not taken back")

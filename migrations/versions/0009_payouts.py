"""Payees' bank accounts with their approvals, payment orders

Revision ID: 0009
Revises: 0008
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payee_account",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("bank_code", sa.Text(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("account_number", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence_name", sa.Text(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("evidence_sha256", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("bank_code ~ '^[0-9]{3}$'", name=op.f("ck_payee_account_bank_code")),
        sa.CheckConstraint("btrim(bank) <> '' AND btrim(holder) <> ''", name=op.f("ck_payee_account_named")),
        sa.CheckConstraint(
            "evidence_sha256 = encode(sha256(evidence), 'hex')", name=op.f("ck_payee_account_evidence_hash")
        ),
        sa.ForeignKeyConstraint(["party"], ["party.code"], name=op.f("fk_payee_account_party_party")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["user_account.name"], name=op.f("fk_payee_account_requested_by_user_account")
        ),
        sa.PrimaryKeyConstraint("party", "version", name=op.f("pk_payee_account")),
    )
    op.create_table(
        "payee_account_decision",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("decision IN ('approved','rejected')", name=op.f("ck_payee_account_decision_decision")),
        sa.CheckConstraint(
            "(decision = 'rejected') = (btrim(reason) <> '')", name=op.f("ck_payee_account_decision_reason_of_refusal")
        ),
        sa.ForeignKeyConstraint(
            ["party", "version"],
            ["payee_account.party", "payee_account.version"],
            name=op.f("fk_payee_account_decision_party_version_payee_account"),
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["user_account.name"], name=op.f("fk_payee_account_decision_decided_by_user_account")
        ),
        sa.PrimaryKeyConstraint("party", "version", name=op.f("pk_payee_account_decision")),
    )
    op.create_table(
        "payment_order",
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(version = 1) = (btrim(reason) = '')", name=op.f("ck_payment_order_reason_of_version")),
        sa.ForeignKeyConstraint(["programme"], ["programme.code"], name=op.f("fk_payment_order_programme_programme")),
        sa.ForeignKeyConstraint(["made_by"], ["user_account.name"], name=op.f("fk_payment_order_made_by_user_account")),
        sa.PrimaryKeyConstraint("programme", "month", "version", name=op.f("pk_payment_order")),
    )
    op.create_table(
        "payment_order_row",
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("amount_krw", sa.BigInteger(), nullable=False),
        sa.Column("collected_krw", sa.BigInteger(), nullable=True),
        sa.Column("payee_name", sa.Text(), nullable=False),
        sa.Column("payee_brn", sa.Text(), nullable=True),
        sa.Column("account_version", sa.Integer(), nullable=True),
        sa.Column("bank_code", sa.Text(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=True),
        sa.Column("account_number", sa.Text(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.CheckConstraint("payer IN ('agency','settlement')", name=op.f("ck_payment_order_row_payer")),
        sa.CheckConstraint("amount_krw <> 0", name=op.f("ck_payment_order_row_something")),
        sa.CheckConstraint(
            "num_nulls(account_version, bank_code, bank, account_number, holder) IN (0, 5)",
            name=op.f("ck_payment_order_row_whole_account"),
        ),
        sa.ForeignKeyConstraint(
            ["programme", "month", "version"],
            ["payment_order.programme", "payment_order.month", "payment_order.version"],
            name=op.f("fk_payment_order_row_programme_month_version_payment_order"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["party", "account_version"],
            ["payee_account.party", "payee_account.version"],
            name=op.f("fk_payment_order_row_party_account_version_payee_account"),
        ),
        sa.ForeignKeyConstraint(["party"], ["party.code"], name=op.f("fk_payment_order_row_party_party")),
        sa.ForeignKeyConstraint(["project"], ["project.code"], name=op.f("fk_payment_order_row_project_project")),
        sa.PrimaryKeyConstraint("programme", "month", "version", "number", name=op.f("pk_payment_order_row")),
        sa.UniqueConstraint(
            "programme",
            "month",
            "version",
            "account",
            "payer",
            name=op.f("uq_payment_order_row_programme_month_version_account_payer"),
        ),
    )
    op.execute(Path(__file__).with_name("payouts.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("the guards are not taken off")

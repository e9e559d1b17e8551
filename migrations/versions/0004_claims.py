"""Hospital claims: lines, states, decisions, disputes, evidence

Revision ID: 0004
Revises: 0003
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "claim",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("hospital", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parties", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drafted_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.CheckConstraint(
            "state IN ('draft','submitted','approved','partly_approved','rejected','withdrawn','paid')",
            name=op.f("ck_claim_state"),
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_claim_number_positive")),
        sa.ForeignKeyConstraint(["drafted_by"], ["user_account.name"], name=op.f("fk_claim_drafted_by_user_account")),
        sa.ForeignKeyConstraint(["hospital"], ["party.code"], name=op.f("fk_claim_hospital_party")),
        sa.ForeignKeyConstraint(["programme"], ["programme.code"], name=op.f("fk_claim_programme_programme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim")),
        sa.UniqueConstraint("hospital", "year", "number", name=op.f("uq_claim_hospital_year_number")),
    )
    op.create_index("ix_claim_programme_month", "claim", ["programme", "month"], unique=False)
    op.create_table(
        "claim_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("accept_seq", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("performed_on", sa.Date(), nullable=False),
        sa.Column("accepted_on", sa.Date(), nullable=False),
        sa.Column("quantity_milli", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("unit_price_krw", sa.BigInteger(), nullable=False),
        sa.Column("supply_krw", sa.BigInteger(), nullable=False),
        sa.Column("vat_krw", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("live", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("tax IN ('taxable','exempt','zero')", name=op.f("ck_claim_line_tax")),
        sa.CheckConstraint(
            "quantity_milli > 0 AND supply_krw >= 0 AND vat_krw >= 0", name=op.f("ck_claim_line_not_negative")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("fk_claim_line_claim_id_claim")),
        sa.ForeignKeyConstraint(["project"], ["project.code"], name=op.f("fk_claim_line_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_line")),
        sa.UniqueConstraint("claim_id", "line", "work", name=op.f("uq_claim_line_claim_id_line_work")),
    )
    op.create_index("uq_claim_line_live", "claim_line", ["accept_seq"], unique=True, postgresql_where=sa.text("live"))
    op.create_table(
        "claim_transition",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(to_state = 'paid') = (moved_by IS NULL)", name=op.f("ck_claim_transition_paid_by_payments")
        ),
        sa.CheckConstraint(
            "to_state <> 'rejected' OR btrim(reason) <> ''", name=op.f("ck_claim_transition_rejected_with_reason")
        ),
        sa.ForeignKeyConstraint(
            ["moved_by"], ["user_account.name"], name=op.f("fk_claim_transition_moved_by_user_account")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("fk_claim_transition_claim_id_claim")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_transition")),
    )
    op.create_index(op.f("ix_claim_transition_claim_id"), "claim_transition", ["claim_id"], unique=False)
    op.create_table(
        "claim_dispute",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_claim_dispute_reason_given")),
        sa.ForeignKeyConstraint(["line_id"], ["claim_line.id"], name=op.f("fk_claim_dispute_line_id_claim_line")),
        sa.ForeignKeyConstraint(
            ["opened_by"], ["user_account.name"], name=op.f("fk_claim_dispute_opened_by_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_dispute")),
        sa.UniqueConstraint("line_id", name=op.f("uq_claim_dispute_line_id")),
    )
    op.create_table(
        "claim_line_decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("dispute_id", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("intake_mark", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "btrim(reason) <> '' OR (decision = 'accepted' AND dispute_id IS NULL)",
            name=op.f("ck_claim_line_decision_refused_with_reason"),
        ),
        sa.CheckConstraint("decision IN ('accepted','refused')", name=op.f("ck_claim_line_decision_decision")),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["user_account.name"], name=op.f("fk_claim_line_decision_decided_by_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["claim_dispute.id"], name=op.f("fk_claim_line_decision_dispute_id_claim_dispute")
        ),
        sa.ForeignKeyConstraint(["line_id"], ["claim_line.id"], name=op.f("fk_claim_line_decision_line_id_claim_line")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_line_decision")),
        sa.UniqueConstraint("dispute_id", name=op.f("uq_claim_line_decision_dispute_id")),
    )
    op.create_index("ix_claim_line_decision_line_id", "claim_line_decision", ["line_id"], unique=False)
    op.create_index(
        "uq_claim_line_decision_first",
        "claim_line_decision",
        ["line_id"],
        unique=True,
        postgresql_where=sa.text("dispute_id IS NULL"),
    )
    op.create_table(
        "claim_evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "CASE media_type WHEN 'application/pdf' THEN starts_with(encode(substring(content FROM 1 FOR 5), 'hex'), '255044462d') WHEN 'image/png' THEN starts_with(encode(substring(content FROM 1 FOR 8), 'hex'), '89504e470d0a1a0a') WHEN 'image/jpeg' THEN starts_with(encode(substring(content FROM 1 FOR 3), 'hex'), 'ffd8ff') ELSE false END",
            name=op.f("ck_claim_evidence_media_type"),
        ),
        sa.CheckConstraint("octet_length(content) BETWEEN 1 AND 10485760", name=op.f("ck_claim_evidence_size")),
        sa.CheckConstraint("sha256(content) = sha256", name=op.f("ck_claim_evidence_hash")),
        sa.ForeignKeyConstraint(
            ["added_by"], ["user_account.name"], name=op.f("fk_claim_evidence_added_by_user_account")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("fk_claim_evidence_claim_id_claim")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_evidence")),
        sa.UniqueConstraint("claim_id", "sha256", name=op.f("uq_claim_evidence_claim_id_sha256")),
    )
    op.execute(Path(__file__).with_name("claims.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("what was claimed is not taken back")

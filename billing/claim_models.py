"""Hospital claims (청구, domain.md §8): what was claimed, how its state moved, what was decided, disputed, proved."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class Claim(Base):
    """A hospital's claim of a month. Numbers per hospital and year, gapless.

    `state` moves by a transition only, in the database; `parties` is the snapshot of claimant, payee and agency.
    """

    __tablename__ = "claim"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    hospital: Mapped[str] = mapped_column(ForeignKey("party.code"))
    month: Mapped[date]
    year: Mapped[int]
    number: Mapped[int]
    parties: Mapped[dict] = mapped_column(JSONB)
    drafted_at: Mapped[datetime]
    drafted_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    state: Mapped[str] = mapped_column(Text, server_default="draft")
    __table_args__ = (
        UniqueConstraint("hospital", "year", "number"),
        CheckConstraint(
            "state IN ('draft','submitted','approved','partly_approved','rejected','withdrawn','paid')", name="state"
        ),
        CheckConstraint("number >= 1", name="number_positive"),
        Index("ix_claim_programme_month", "programme", "month"),
    )


class ClaimedLine(Base):
    """A claim's line as it was claimed: one acceptance, won ex VAT and VAT apart, quantity in thousandths.

    `live`: it holds its acceptance, which no other live line may hold; a refused line and a withdrawn claim let it go.
    """

    __tablename__ = "claim_line"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    claim_id: Mapped[int] = mapped_column(ForeignKey("claim.id"))
    accept_seq: Mapped[int] = mapped_column(BigInteger)
    line: Mapped[str] = mapped_column(Text)
    work: Mapped[str] = mapped_column(Text)
    project: Mapped[str] = mapped_column(ForeignKey("project.code"))
    kind: Mapped[str] = mapped_column(Text)
    performed_on: Mapped[date]
    accepted_on: Mapped[date]
    quantity_milli: Mapped[int] = mapped_column(BigInteger)
    unit: Mapped[str] = mapped_column(Text)
    unit_price_krw: Mapped[int] = mapped_column(BigInteger)
    supply_krw: Mapped[int] = mapped_column(BigInteger)
    vat_krw: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    live: Mapped[bool] = mapped_column(server_default=sql("true"))
    __table_args__ = (
        UniqueConstraint("claim_id", "line", "work"),
        Index("uq_claim_line_live", "accept_seq", unique=True, postgresql_where=sql("live")),
        CheckConstraint("quantity_milli > 0 AND supply_krw >= 0 AND vat_krw >= 0", name="not_negative"),
        CheckConstraint("tax IN ('taxable','exempt','zero')", name="tax"),
    )


class ClaimTransition(Base):
    """A claim's way from one state to the next: who, when, why. Append-only; `moved_by` empty: all of it was paid."""

    __tablename__ = "claim_transition"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    claim_id: Mapped[int] = mapped_column(ForeignKey("claim.id"), index=True)
    from_state: Mapped[str] = mapped_column(Text)
    to_state: Mapped[str] = mapped_column(Text)
    moved_at: Mapped[datetime]
    moved_by: Mapped[str | None] = mapped_column(ForeignKey("user_account.name"))
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        CheckConstraint("(to_state = 'paid') = (moved_by IS NULL)", name="paid_by_payments"),
        CheckConstraint("to_state <> 'rejected' OR btrim(reason) <> ''", name="rejected_with_reason"),
    )


class ClaimDispute(Base):
    """A hospital's objection to the refusal of a line. Append-only; a decision that names it resolves it."""

    __tablename__ = "claim_dispute"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("claim_line.id"), unique=True)
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (CheckConstraint("btrim(reason) <> ''", name="reason_given"),)


class ClaimDecision(Base):
    """What was decided of a line, and once more where a dispute was resolved. Append-only; the last one counts.

    `intake_mark`: the intake up to which the line was checked against metered, accepted work.
    """

    __tablename__ = "claim_line_decision"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("claim_line.id"))
    dispute_id: Mapped[int | None] = mapped_column(ForeignKey("claim_dispute.id"), unique=True)
    decision: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    intake_mark: Mapped[int] = mapped_column(BigInteger)
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    __table_args__ = (
        Index("uq_claim_line_decision_first", "line_id", unique=True, postgresql_where=sql("dispute_id IS NULL")),
        Index("ix_claim_line_decision_line_id", "line_id"),
        CheckConstraint("decision IN ('accepted','refused')", name="decision"),
        CheckConstraint(
            "btrim(reason) <> '' OR (decision = 'accepted' AND dispute_id IS NULL)", name="refused_with_reason"
        ),
    )


class ClaimEvidence(Base):
    """A file that proves a claim: its bytes and their SHA-256. Append-only."""

    __tablename__ = "claim_evidence"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    claim_id: Mapped[int] = mapped_column(ForeignKey("claim.id"))
    file_name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    __table_args__ = (
        UniqueConstraint("claim_id", "sha256"),
        CheckConstraint("octet_length(content) BETWEEN 1 AND 10485760", name="size"),
        CheckConstraint("sha256(content) = sha256", name="hash"),
        CheckConstraint(
            "CASE media_type WHEN 'application/pdf' THEN starts_with(encode(substring(content FROM 1 FOR 5), 'hex'),"
            " '255044462d') WHEN 'image/png' THEN starts_with(encode(substring(content FROM 1 FOR 8), 'hex'),"
            " '89504e470d0a1a0a') WHEN 'image/jpeg' THEN starts_with(encode(substring(content FROM 1 FOR 3), 'hex'),"
            " 'ffd8ff') ELSE false END",
            name="media_type",
        ),
    )

"""Tax documents' faces, their files for the tax office, the numbers that it gave them (domain.md §8). Append-only."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base

REASON = "reason IN ('01','02','03','04','05','06')"


class TaxDocument(Base):
    """What a document of kind tax_invoice or invoice_exempt says beside its sums: its tax type, its items as issued
    (four at most), and, of a modified one, the original with the reason code.

    `role`: ordinary; change, the difference that a month booked; cancel and corrected, the pair that a person issued at
    `issued_at`. The monthly run issues the others.
    """

    __tablename__ = "tax_document"
    document_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("document.id"), primary_key=True)
    tax: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    original_id: Mapped[int | None] = mapped_column(ForeignKey("tax_document.document_id"))
    reason: Mapped[str | None] = mapped_column(Text)
    items: Mapped[list] = mapped_column(JSONB)
    issued_by: Mapped[str | None] = mapped_column(Text)
    issued_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("tax IN ('taxable','zero','exempt')", name="tax"),
        CheckConstraint("role IN ('ordinary','change','cancel','corrected')", name="role"),
        CheckConstraint(REASON, name="reason"),
        CheckConstraint(
            "num_nonnulls(original_id, reason) = CASE role WHEN 'ordinary' THEN 0 ELSE 2 END", name="original_named"
        ),
        CheckConstraint(
            "num_nonnulls(issued_by, issued_at) = CASE WHEN role IN ('cancel','corrected') THEN 2 ELSE 0 END",
            name="person_named",
        ),
        CheckConstraint("jsonb_array_length(items) BETWEEN 1 AND 4", name="one_to_four_items"),
        Index(
            "uq_tax_document_modified_once",
            "original_id",
            "role",
            unique=True,
            postgresql_where=text("role IN ('cancel','corrected')"),
        ),
        Index("ix_tax_document_original_id", "original_id"),
    )


class TaxReason(Base):
    """A reason code that a person stated for a modified document in the place of the run's; the last one counts."""

    __tablename__ = "tax_reason"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("tax_document.document_id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    said_by: Mapped[str] = mapped_column(Text)
    said_at: Mapped[datetime]
    __table_args__ = (CheckConstraint(REASON, name="reason"),)


class TaxFile(Base):
    """A bulk-issue workbook that was exported, byte for byte."""

    __tablename__ = "tax_file"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    month: Mapped[date]
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes]
    exported_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("programme", "month", "name"),)


class TaxFileDocument(Base):
    """Which row of which file a document stands in: it is exported once."""

    __tablename__ = "tax_file_document"
    document_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("tax_document.document_id"), primary_key=True, autoincrement=False
    )
    file_id: Mapped[int] = mapped_column(ForeignKey("tax_file.id"))
    row: Mapped[int]
    __table_args__ = (UniqueConstraint("file_id", "row"),)


class TaxApproval(Base):
    """The number (국세청 승인번호, 24 characters) under which the tax office issued a document."""

    __tablename__ = "tax_approval"
    document_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("tax_document.document_id"), primary_key=True, autoincrement=False
    )
    approval_number: Mapped[str] = mapped_column(Text)
    issued_on: Mapped[date | None]
    imported_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("approval_number"),
        CheckConstraint("approval_number ~ '^[0-9A-Za-z]{24}$'", name="approval_number"),
    )

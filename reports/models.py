"""Published statements: their versions, the bytes and their hash, for ever (domain.md §11)."""

from datetime import date, datetime

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class StatementVersion(Base):
    """A version of a month's statements: why it was issued, and the parties and projects that it names. Append-only.

    The run makes version 1; each later one follows the lock, with a reason, and re-issues some statements.
    """

    __tablename__ = "statement_version"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Text)
    issued_by: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime]
    parties: Mapped[list] = mapped_column(JSONB)
    projects: Mapped[list[str]] = mapped_column(ARRAY(Text))
    __table_args__ = (
        CheckConstraint("version >= 1", name="version_positive"),
        CheckConstraint("btrim(reason) <> ''", name="reason_given"),
    )


class PublishedFile(Base):
    """A published workbook of a month, with the SHA-256 of its bytes. Append-only."""

    __tablename__ = "published_file"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(Text, index=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(
            ["programme", "month", "version"],
            ["statement_version.programme", "statement_version.month", "statement_version.version"],
        ),
    )

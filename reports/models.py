"""Published statements: the bytes and their hash, for ever (domain.md §11)."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class PublishedFile(Base):
    """A published workbook of a month, with the SHA-256 of its bytes. Append-only."""

    __tablename__ = "published_file"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, index=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[datetime]

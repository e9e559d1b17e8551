"""The settlement books of each programme (domain.md §6): accounts, entries, postings, locked months. Append-only."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class Account(Base):
    """An account of a programme's books. `balance_krw` (debit +) is kept by the database itself on every posting."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    code: Mapped[str] = mapped_column(Text)
    is_budget: Mapped[bool] = mapped_column(Computed("starts_with(code, 'budget:')", persisted=True))
    balance_krw: Mapped[int] = mapped_column(BigInteger, server_default="0")
    __table_args__ = (
        UniqueConstraint("programme", "code"),
        CheckConstraint("code <> 'budget:available' OR balance_krw >= 0", name="available_not_overspent"),
        CheckConstraint(
            "NOT starts_with(code, 'budget:committed:') OR balance_krw >= 0", name="commitment_not_overspent"
        ),
        CheckConstraint("NOT starts_with(code, 'deposit:') OR balance_krw <= 0", name="deposit_not_overdrawn"),
        CheckConstraint("NOT starts_with(code, 'advance:') OR balance_krw >= 0", name="advance_not_overdrawn"),
    )


class Entry(Base):
    """A journal entry of two or more postings; `number` counts from 1 per programme, `hash` chains to the one before.

    `month` is the month whose books it belongs to; `reference` names what caused it, once per programme.
    """

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    number: Mapped[int]
    month: Mapped[date]
    kind: Mapped[str] = mapped_column(Text)
    memo: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    posting_count: Mapped[int]
    recorded_at: Mapped[datetime]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (
        UniqueConstraint("programme", "number"),
        UniqueConstraint("programme", "reference"),
        CheckConstraint("posting_count >= 2", name="two_postings_or_more"),
        CheckConstraint("extract(day FROM month) = 1", name="month_is_first_day"),
    )


class Posting(Base):
    """One side of an entry, in signed won: debit +, credit −."""

    __tablename__ = "posting"
    entry_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("entry.id", deferrable=True, initially="DEFERRED"), primary_key=True, autoincrement=False
    )
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    amount_krw: Mapped[int] = mapped_column(BigInteger)


class MonthLock(Base):
    """A closed month of a programme's books: nothing is booked into it any more.

    `last_number`: the journal's last entry at the lock; an entry of the month with a higher number came too late.
    """

    __tablename__ = "month_lock"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    locked_at: Mapped[datetime]
    locked_by: Mapped[str] = mapped_column(Text)
    last_number: Mapped[int]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProgrammeLock(Base):
    """A programme that its final settlement has closed: its budget is not moved any more (domain.md §7 Year-end).

    `month`: the last settled one; `last_number`: the journal's last entry at the close; `figures`: what was settled.
    """

    __tablename__ = "programme_lock"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date]
    locked_at: Mapped[datetime]
    locked_by: Mapped[str] = mapped_column(Text)
    last_number: Mapped[int]
    figures: Mapped[dict] = mapped_column(JSONB)

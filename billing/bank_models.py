"""Bank statements, their rows, and what became of each row (domain.md §7, §8). All of it append-only."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class BankStatement(Base):
    """An export of our bank account that was imported. `account`: the mapping file's name of it; `fresh`: how many of
    its rows no earlier export had."""

    __tablename__ = "bank_statement"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    account: Mapped[str] = mapped_column(Text)
    file: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    rows: Mapped[int]
    fresh: Mapped[int]
    imported_at: Mapped[datetime]


class BankRow(Base):
    """A row of our bank account: won signed as the account moved. `digest`: its identity, whatever export it comes in;
    `raw`: its cells as they were; `at`: its instant, of a day without a time the day's beginning in Korea."""

    __tablename__ = "bank_row"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    statement_id: Mapped[int] = mapped_column(ForeignKey("bank_statement.id"))
    line: Mapped[int]
    digest: Mapped[str] = mapped_column(Text, unique=True)
    account: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    balance_krw: Mapped[int | None] = mapped_column(BigInteger)
    memo: Mapped[str] = mapped_column(Text)
    counterparty: Mapped[str] = mapped_column(Text)
    number: Mapped[str] = mapped_column(Text)
    raw: Mapped[list] = mapped_column(JSONB)
    __table_args__ = (CheckConstraint("amount_krw <> 0", name="amount_moves"),)


class BankMatch(Base):
    """What became of a bank row, one record after the other, `number` from 1; the newest counts (view `bank_state`).

    `candidates`: what it may be, for a person to confirm; `decided_by` empty: by the rule of a reference alone.
    `returned_by`: the bank row that paid a suspended one back.
    """

    __tablename__ = "bank_match"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    row_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("bank_row.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(Text, index=True)
    candidates: Mapped[list] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("user_account.name"))
    decided_at: Mapped[datetime]
    returned_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("bank_row.id"), unique=True)
    __table_args__ = (
        UniqueConstraint("row_id", "number"),
        CheckConstraint(
            "state IN ('unmatched','proposed','over','double','partial','booked','suspense','returned')", name="state"
        ),
        CheckConstraint(
            "state NOT IN ('suspense','returned') OR (reason <> '' AND decided_by IS NOT NULL)", name="never_silently"
        ),
        CheckConstraint("(state = 'returned') = (returned_by IS NOT NULL)", name="returned_by_a_row"),
    )


class BankPart(Base):
    """A payment that a bank row was booked as, or that it turned out to be; a row's parts sum to it."""

    __tablename__ = "bank_part"
    match_id: Mapped[int] = mapped_column(
        ForeignKey("bank_match.id", deferrable=True, initially="DEFERRED"), index=True
    )
    payment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payment.id"), primary_key=True, autoincrement=False)

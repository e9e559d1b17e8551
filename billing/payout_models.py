"""Payees' bank accounts with who asked for and who decided about them, and payment orders. All append-only."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class PayeeAccount(Base):
    """A bank account as asked for: what a party is paid to from a local day on, once it is approved.

    `account_number` is shown whole in a payment order's file only; `reason`: why the holder is another than the party
    or its legal payee, else empty. The newest approved version whose day has come counts.
    """

    __tablename__ = "payee_account"
    party: Mapped[str] = mapped_column(ForeignKey("party.code"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bank_code: Mapped[str] = mapped_column(Text)
    bank: Mapped[str] = mapped_column(Text)
    account_number: Mapped[str] = mapped_column(Text)
    holder: Mapped[str] = mapped_column(Text)
    effective_from: Mapped[date]
    reason: Mapped[str] = mapped_column(Text)
    evidence_name: Mapped[str] = mapped_column(Text)
    evidence: Mapped[bytes] = mapped_column(LargeBinary)
    evidence_sha256: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    requested_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("bank_code ~ '^[0-9]{3}$'", name="bank_code"),
        CheckConstraint("btrim(bank) <> '' AND btrim(holder) <> ''", name="named"),
        CheckConstraint("evidence_sha256 = encode(sha256(evidence), 'hex')", name="evidence_hash"),
    )


class PayeeAccountDecision(Base):
    """The one decision about an account that was asked for, by another person than the one who asked."""

    __tablename__ = "payee_account_decision"
    party: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    decision: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    decided_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["party", "version"], ["payee_account.party", "payee_account.version"]),
        CheckConstraint("decision IN ('approved','rejected')", name="decision"),
        CheckConstraint("(decision = 'rejected') = (btrim(reason) <> '')", name="reason_of_refusal"),
    )


class PaymentOrder(Base):
    """A version of a locked month's payment order (지급요청); `reason` says why it was made anew, `due_on` is the local
    day on which it is paid."""

    __tablename__ = "payment_order"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Text)
    due_on: Mapped[date]
    made_by: Mapped[str] = mapped_column(ForeignKey("user_account.name"))
    made_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("(version = 1) = (btrim(reason) = '')", name="reason_of_version"),)


class PaymentOrderRow(Base):
    """What one payer is asked to pay (negative: to recover) on one account of the books, to whom and to which account.

    `payer`: `agency`, or `settlement`, our account; payee and account as they were when the order was made, without an
    account where none was approved; `collected_krw`: of a hospital's part from the company, what that had paid by then.
    """

    __tablename__ = "payment_order_row"
    programme: Mapped[str] = mapped_column(Text, primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    payer: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text)
    party: Mapped[str] = mapped_column(ForeignKey("party.code"))
    project: Mapped[str | None] = mapped_column(ForeignKey("project.code"))
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    collected_krw: Mapped[int | None] = mapped_column(BigInteger)
    payee_name: Mapped[str] = mapped_column(Text)
    payee_brn: Mapped[str | None] = mapped_column(Text)
    account_version: Mapped[int | None]
    bank_code: Mapped[str | None] = mapped_column(Text)
    bank: Mapped[str | None] = mapped_column(Text)
    account_number: Mapped[str | None] = mapped_column(Text)
    holder: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (
        ForeignKeyConstraint(
            ["programme", "month", "version"],
            ["payment_order.programme", "payment_order.month", "payment_order.version"],
            deferrable=True, initially="DEFERRED",
        ),
        ForeignKeyConstraint(["party", "account_version"], ["payee_account.party", "payee_account.version"]),
        UniqueConstraint("programme", "month", "version", "account", "payer"),
        CheckConstraint("payer IN ('agency','settlement')", name="payer"),
        CheckConstraint("amount_krw <> 0", name="something"),
        CheckConstraint(
            "num_nulls(account_version, bank_code, bank, account_number, holder) IN (0, 5)", name="whole_account"
        ),
    )  # fmt: skip

"""What Stripe collects, pays back and pays out, as far as we know it, and the events that told us (domain.md §8)."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class StripePart(Base):
    """A part of an invoice, or of a deposit, that one payment intent collects: at most 99,999,999 won.

    `reference`: the invoice's number, or the deposit's account. Recorded before Stripe is asked; what it answered is
    written once: `intent_id`, then `charge_id` and the instant at which the intent was paid or canceled.
    """

    __tablename__ = "stripe_part"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    project: Mapped[str] = mapped_column(ForeignKey("project.code"))
    document_id: Mapped[int | None] = mapped_column(ForeignKey("document.id"), index=True)
    reference: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text)
    part: Mapped[int]
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    idempotency_key: Mapped[str] = mapped_column(Text, unique=True)
    request_hash: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(Text, server_default="requested")
    intent_id: Mapped[str | None] = mapped_column(Text, unique=True)
    charge_id: Mapped[str | None] = mapped_column(Text, unique=True)
    closed_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("reference", "part"),
        CheckConstraint("amount_krw BETWEEN 1 AND 99999999", name="amount_of_a_charge"),
        CheckConstraint("part >= 1", name="part_positive"),
        CheckConstraint("status IN ('requested','open','succeeded','canceled')", name="status"),
        CheckConstraint("(status = 'requested') = (intent_id IS NULL)", name="requested_until_answered"),
        CheckConstraint("(status IN ('succeeded','canceled')) = (closed_at IS NOT NULL)", name="closed_at_an_instant"),
        CheckConstraint("(document_id IS NULL) = (account LIKE 'deposit:%')", name="invoice_or_deposit"),
    )


class StripeRefund(Base):
    """What goes back of a collected part: asked for by us (`requested_by`) or made at Stripe itself.

    Won count as gone back from `pending` on; `failed` and `canceled` bring them back.
    """

    __tablename__ = "stripe_refund"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    part_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("stripe_part.id"), index=True)
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[str | None] = mapped_column(ForeignKey("user_account.name"))
    idempotency_key: Mapped[str | None] = mapped_column(Text, unique=True)
    request_hash: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(Text)
    refund_id: Mapped[str | None] = mapped_column(Text, unique=True)
    refunded_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("amount_krw > 0", name="amount_positive"),
        CheckConstraint("status IN ('requested','refused','pending','succeeded','failed','canceled')", name="status"),
        CheckConstraint("(requested_by IS NULL) = (idempotency_key IS NULL)", name="requested_with_key"),
        CheckConstraint("(requested_by IS NULL) = (request_hash IS NULL)", name="requested_with_hash"),
        CheckConstraint("(status IN ('requested','refused')) = (refund_id IS NULL)", name="requested_until_answered"),
        CheckConstraint("(refund_id IS NULL) = (refunded_at IS NULL)", name="refunded_at_an_instant"),
        CheckConstraint("(status IN ('failed','canceled')) = (failed_at IS NOT NULL)", name="failed_at_an_instant"),
    )


class StripeMovement(Base):
    """A movement of our balance at Stripe (its balance transaction), `amount_krw` before its fee. Append-only."""

    __tablename__ = "stripe_movement"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text, index=True)
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    fee_krw: Mapped[int] = mapped_column(BigInteger)
    moved_at: Mapped[datetime]


class StripePayout(Base):
    """What Stripe pays out to our bank account; its status never goes back. `automatic`: Stripe says what is in it."""

    __tablename__ = "stripe_payout"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    automatic: Mapped[bool]
    arrives_on: Mapped[date]
    created_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("status IN ('pending','in_transit','paid','failed','canceled')", name="status"),)


class StripePayoutItem(Base):
    """Which movement of the balance a payout paid out. Append-only."""

    __tablename__ = "stripe_payout_item"
    movement_id: Mapped[str] = mapped_column(ForeignKey("stripe_movement.id"), primary_key=True)
    payout_id: Mapped[str] = mapped_column(ForeignKey("stripe_payout.id"), index=True)


class StripeEvent(Base):
    """An event of Stripe, once per id: booked, recorded, or listed with the reason why not. Append-only.

    `content`: the fields that we use; the rest of an event is not kept.
    """

    __tablename__ = "stripe_event"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    received_by: Mapped[str] = mapped_column(Text)
    content: Mapped[dict] = mapped_column(JSONB)
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        CheckConstraint("received_by IN ('webhook','poll')", name="received_by"),
        CheckConstraint("outcome IN ('booked','recorded','listed')", name="outcome"),
        CheckConstraint("(outcome = 'listed') = (reason <> '')", name="listed_with_reason"),
    )


class StripePoll(Base):
    """When Stripe was asked for what no webhook brought; the next poll begins where this one stood. Append-only."""

    __tablename__ = "stripe_poll"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    polled_at: Mapped[datetime]

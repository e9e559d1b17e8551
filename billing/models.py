"""Price books, charge lines, documents and payments (domain.md §4, §5, §8)."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import DATERANGE, JSONB, ExcludeConstraint
from sqlalchemy.dialects.postgresql.ranges import Range
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class PriceBook(Base):
    """A price book (단가표) of a supplier, effective from a local day."""

    __tablename__ = "price_book"
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    supplier: Mapped[str] = mapped_column(ForeignKey("party.code"))
    effective_from: Mapped[date]


class Rate(Base):
    """A version of a price, in won per unit ex VAT. `dimensions`: canonical text of supplier, meter and dimensions.

    `payee`: the infrastructure firm that the supplier owes `cost_price_krw` of each unit.
    """

    __tablename__ = "rate"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    price_book: Mapped[str] = mapped_column(ForeignKey("price_book.code"))
    supplier: Mapped[str] = mapped_column(ForeignKey("party.code"))
    dimensions: Mapped[str] = mapped_column(Text)
    valid: Mapped[Range[date]] = mapped_column(DATERANGE)
    meter: Mapped[str] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    storage_class: Mapped[str | None] = mapped_column(Text)
    work: Mapped[str | None] = mapped_column(Text)
    unit: Mapped[str | None] = mapped_column(Text)
    grade: Mapped[str | None] = mapped_column(Text)
    modality: Mapped[str | None] = mapped_column(Text)
    project: Mapped[str | None] = mapped_column(ForeignKey("project.code"))
    unit_price_krw: Mapped[int] = mapped_column(BigInteger)
    tiers: Mapped[list] = mapped_column(JSONB)
    minimum_krw: Mapped[int] = mapped_column(BigInteger)
    payee: Mapped[str | None] = mapped_column(ForeignKey("party.code"))
    cost_price_krw: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        ExcludeConstraint(("dimensions", "="), ("valid", "&&"), using="gist", name="ex_rate_no_overlap"),
        CheckConstraint("meter IN ('gpu','cpu','storage','preparation')", name="meter"),
        CheckConstraint("unit_price_krw >= 0 AND minimum_krw >= 0", name="price_not_negative"),
        CheckConstraint("cost_price_krw >= 0", name="cost_price_not_negative"),
        CheckConstraint("(payee IS NULL) = (cost_price_krw IS NULL)", name="payee_with_cost_price"),
        CheckConstraint("NOT isempty(valid)", name="valid_not_empty"),
    )


class Charge(Base):
    """What a month's run booked of one charge line: the line as derived now less what was booked before. Append-only.

    `line_key` identifies the charge line across months, `key` is what contract.md §6 shows; `quantity_base` is the
    change of the exact base quantity (µs × thousandths, µs × bytes, thousandths of a unit; won for a fee's base);
    `rated_krw` what the whole quantity costs now, `amount_krw`/`vat_krw` what is booked by this row; `cost_krw` what
    the supplier owes its infrastructure firm `payee` for it.
    """

    __tablename__ = "charge"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    month: Mapped[date]
    project: Mapped[str] = mapped_column(ForeignKey("project.code"))
    service_month: Mapped[date]
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    line_key: Mapped[str] = mapped_column(Text)
    line: Mapped[str | None] = mapped_column(Text)
    supplier: Mapped[str] = mapped_column(ForeignKey("party.code"))
    description: Mapped[str] = mapped_column(Text)
    tax: Mapped[str] = mapped_column(Text)
    quantity_base: Mapped[Decimal]
    unit: Mapped[str] = mapped_column(Text)
    unit_price_krw: Mapped[int] = mapped_column(BigInteger)
    price_version: Mapped[date | None]
    performed_on: Mapped[date | None]
    accepted_at: Mapped[datetime | None]
    work_seq: Mapped[int | None] = mapped_column(BigInteger)
    accept_seq: Mapped[int | None] = mapped_column(BigInteger)
    rated_krw: Mapped[int] = mapped_column(BigInteger)
    held_krw: Mapped[int] = mapped_column(BigInteger)
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    vat_krw: Mapped[int] = mapped_column(BigInteger)
    payee: Mapped[str | None] = mapped_column(ForeignKey("party.code"))
    cost_krw: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        UniqueConstraint("programme", "month", "project", "service_month", "line_key"),
        CheckConstraint("payee IS NOT NULL OR cost_krw = 0", name="cost_has_payee"),
        CheckConstraint("kind IN ('gpu','cpu','storage','preparation','permit','fee')", name="kind"),
        CheckConstraint("service_month <= month", name="service_month_not_ahead"),
        Index("ix_charge_line", "programme", "project", "service_month", "line_key"),
    )


class Document(Base):
    """An issued document: tax invoice (세금계산서), 계산서, company invoice (청구서), credit note or statement number.
    Numbers per issuer and year, gapless.

    `parties` is the snapshot of the parties it was issued with. `total_krw`: what the company pays by an invoice, and
    gets back by a credit note (negative), due on the local day `due_on`; empty for other kinds.
    """

    __tablename__ = "document"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    month: Mapped[date]
    kind: Mapped[str] = mapped_column(Text)
    issuer: Mapped[str] = mapped_column(ForeignKey("party.code"))
    year: Mapped[int]
    number: Mapped[int]
    recipient: Mapped[str] = mapped_column(ForeignKey("party.code"))
    project: Mapped[str | None] = mapped_column(ForeignKey("project.code"))
    correction: Mapped[bool]
    issued_on: Mapped[date]
    supply_krw: Mapped[int] = mapped_column(BigInteger)
    vat_krw: Mapped[int] = mapped_column(BigInteger)
    parties: Mapped[dict] = mapped_column(JSONB)
    total_krw: Mapped[int | None] = mapped_column(BigInteger)
    due_on: Mapped[date | None]
    __table_args__ = (
        UniqueConstraint("kind", "issuer", "year", "number"),
        Index(
            "uq_document_invoice_of_month",
            "programme",
            "month",
            "project",
            unique=True,
            postgresql_where=text("kind IN ('invoice','credit_note')"),
        ),
        CheckConstraint(
            "kind IN ('tax_invoice','invoice_exempt','statement','reconciliation','invoice','credit_note')",
            name="kind",
        ),
        CheckConstraint("number >= 1", name="number_positive"),
        CheckConstraint(
            "CASE kind WHEN 'invoice' THEN coalesce(total_krw >= 0, false) AND num_nulls(project, due_on) = 0"
            " WHEN 'credit_note' THEN coalesce(total_krw < 0, false) AND num_nulls(project, due_on) = 0"
            " ELSE num_nonnulls(total_krw, due_on) = 0 END",
            name="invoice_has_total_and_due_day",
        ),
    )


class DocumentItem(Base):
    """An item of a company invoice as issued, in won; the items sum to the document. Append-only.

    `own_krw` is what the company pays of it: of an agreement line's supply its VAT, of usage and fee supply and VAT;
    the line's self-pay and excess, and the deposit drawn (negative), are items of their own. `key`: of its charges, a
    line's work as `LINE/*`, empty of a sum; `quantity_base` as in `charge`; `remark`: why it corrects an earlier
    service month.
    """

    __tablename__ = "document_item"
    document_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("document.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text)
    line: Mapped[str | None] = mapped_column(Text)
    supplier: Mapped[str | None] = mapped_column(ForeignKey("party.code"))
    service_month: Mapped[date]
    key: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    quantity_base: Mapped[Decimal | None]
    unit: Mapped[str] = mapped_column(Text)
    unit_price_krw: Mapped[int | None] = mapped_column(BigInteger)
    supply_krw: Mapped[int] = mapped_column(BigInteger)
    vat_krw: Mapped[int] = mapped_column(BigInteger)
    own_krw: Mapped[int] = mapped_column(BigInteger)
    remark: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        CheckConstraint(
            "CASE WHEN kind IN ('self_pay','excess','deposit') THEN supply_krw = 0 AND vat_krw = 0 AND own_krw <> 0"
            " WHEN kind IN ('preparation','permit','gpu','cpu','storage','fee') THEN (supply_krw, vat_krw) <> (0, 0)"
            " AND own_krw = vat_krw + CASE WHEN line IS NULL THEN supply_krw ELSE 0 END ELSE false END",
            name="own_part",
        ),
        CheckConstraint("position >= 1", name="position_counts_from_one"),
    )


class DocumentCharge(Base):
    """Which charges a document carries."""

    __tablename__ = "document_charge"
    document_id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    charge_id: Mapped[int] = mapped_column(ForeignKey("charge.id"), primary_key=True, index=True)


class DocumentSequence(Base):
    """The locked sequence row that document numbers come from."""

    __tablename__ = "document_sequence"
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    issuer: Mapped[str] = mapped_column(Text, primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last_number: Mapped[int]


class Payment(Base):
    """A payment by bank, agency or Stripe (contract.md §5). `entry_id` empty: it matched no account; `document_id`: the
    invoice that it names, if it names one.

    Such a row stays on record; imported again once the account is there, it is booked by a row of its own.
    """

    __tablename__ = "payment"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    paid_at: Mapped[datetime]
    account: Mapped[str] = mapped_column(Text)
    amount_krw: Mapped[int] = mapped_column(BigInteger)
    counterparty: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[datetime]
    programme: Mapped[str | None] = mapped_column(ForeignKey("programme.code"))
    entry_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("entry.id"))
    unmatched_reason: Mapped[str] = mapped_column(Text)
    document_id: Mapped[int | None] = mapped_column(ForeignKey("document.id"), index=True)
    __table_args__ = (
        Index("uq_payment_booked", "channel", "reference", unique=True, postgresql_where=text("entry_id IS NOT NULL")),
        Index("uq_payment_unmatched", "channel", "reference", unique=True, postgresql_where=text("entry_id IS NULL")),
        CheckConstraint("channel IN ('bank','agency','stripe')", name="channel"),
        CheckConstraint("(entry_id IS NULL) = (unmatched_reason <> '')", name="booked_or_listed"),
    )

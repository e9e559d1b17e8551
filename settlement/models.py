"""What a month's run decided: the split per agreement line, incentive pools and shares (domain.md §5, §10)."""

from datetime import date
from fractions import Fraction

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Numeric, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class LineSettlement(Base):
    """The split of one agreement line at one month's close, in won: cumulative (`total_*`) and booked by this month.

    `supply_krw` is charged supply (funded plus excess); `held_krw` what is held at the close; `paid_to`: who the
    programme pays for it, the hospital, the operator, or the company that pays its suppliers itself. Append-only.
    """

    __tablename__ = "line_settlement"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    line: Mapped[str] = mapped_column(Text, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.code"))
    supplier: Mapped[str] = mapped_column(ForeignKey("party.code"))
    category: Mapped[str] = mapped_column(Text)
    paid_to: Mapped[str] = mapped_column(Text)
    self_pay_bp: Mapped[int]
    limit_krw: Mapped[int] = mapped_column(BigInteger)
    supply_krw: Mapped[int] = mapped_column(BigInteger)
    voucher_krw: Mapped[int] = mapped_column(BigInteger)
    self_pay_krw: Mapped[int] = mapped_column(BigInteger)
    excess_krw: Mapped[int] = mapped_column(BigInteger)
    vat_krw: Mapped[int] = mapped_column(BigInteger)
    held_krw: Mapped[int] = mapped_column(BigInteger)
    held_reason: Mapped[str] = mapped_column(Text)
    deposit_drawn_krw: Mapped[int] = mapped_column(BigInteger)
    total_supply_krw: Mapped[int] = mapped_column(BigInteger)
    total_voucher_krw: Mapped[int] = mapped_column(BigInteger)
    total_self_pay_krw: Mapped[int] = mapped_column(BigInteger)
    total_excess_krw: Mapped[int] = mapped_column(BigInteger)
    total_deposit_drawn_krw: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        CheckConstraint("total_voucher_krw BETWEEN 0 AND limit_krw", name="voucher_within_limit"),
        CheckConstraint("supply_krw = voucher_krw + self_pay_krw + excess_krw", name="split_foots"),
        CheckConstraint("held_krw >= 0", name="held_not_negative"),
        CheckConstraint("paid_to IN ('hospital','operator','company')", name="paid_to"),
    )


class IncentivePool(Base):
    """A month's incentive pool in won: its own, distributed, carried on. Append-only."""

    __tablename__ = "incentive_pool"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    pool_krw: Mapped[int] = mapped_column(BigInteger)
    distributed_krw: Mapped[int] = mapped_column(BigInteger)
    carried_krw: Mapped[int] = mapped_column(BigInteger)


class IncentiveShare(Base):
    """A hospital's contribution and share in a month's pool. Contributions are exact fractions.

    `total`: contribution T(n) of the hospital; `counted`: what entered this month's distribution; `carried`: what is
    carried to the next. Numerator and denominator apart.
    """

    __tablename__ = "incentive_share"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    hospital: Mapped[str] = mapped_column(ForeignKey("party.code"), primary_key=True)
    total_numerator: Mapped[int] = mapped_column(Numeric)
    total_denominator: Mapped[int] = mapped_column(Numeric)
    counted_numerator: Mapped[int] = mapped_column(Numeric)
    counted_denominator: Mapped[int] = mapped_column(Numeric)
    carried_numerator: Mapped[int] = mapped_column(Numeric)
    carried_denominator: Mapped[int] = mapped_column(Numeric)
    share_krw: Mapped[int] = mapped_column(BigInteger)

    @property
    def total(self) -> Fraction:
        """Contribution T(n)."""
        return Fraction(int(self.total_numerator), int(self.total_denominator))

    @property
    def carried(self) -> Fraction:
        """Contribution carried to the next month."""
        return Fraction(int(self.carried_numerator), int(self.carried_denominator))

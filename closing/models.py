"""The monthly run on record: its steps with control totals (domain.md §7)."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.base import Base


class MonthRun(Base):
    """A month's run: made by freeze. `intake_mark`: last intake batch, `journal_mark`: last entry number it takes."""

    __tablename__ = "month_run"
    programme: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    intake_mark: Mapped[int] = mapped_column(BigInteger)
    journal_mark: Mapped[int]
    frozen_at: Mapped[datetime]


class RunStep(Base):
    """A finished step of a run, with the control totals that show what it did."""

    __tablename__ = "run_step"
    programme: Mapped[str] = mapped_column(Text, primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(Text, primary_key=True)
    finished_at: Mapped[datetime]
    control: Mapped[dict] = mapped_column(JSONB)
    __table_args__ = (
        ForeignKeyConstraint(["programme", "month"], ["month_run.programme", "month_run.month"]),
        CheckConstraint(
            "step IN ('freeze','rate','split','post','documents','reconcile','publish','lock')", name="step"
        ),
    )

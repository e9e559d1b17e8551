"""What `trace` looks things up with: whose books, their charge rows, and what a reference stands for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, text

from billing.booked import charge_line
from billing.charge import ChargeLine
from core.errors import BadInput
from core.month import Month
from reports.month import charge_reference


@dataclass(frozen=True, kw_only=True)
class Books:
    """Where a reference is looked up: in the books of one programme, or of every programme that has it."""

    connection: Connection
    programme: str | None

    def rows(self, sql: str, values: Mapping) -> Sequence[Row]:
        """The rows of a query, which may ask for `:only`, the one programme or null."""
        return self.connection.execute(text(sql), {**values, "only": self.programme}).all()


@dataclass(frozen=True, kw_only=True)
class Booked:
    """A charge row and the month that booked it."""

    month: Month
    row: ChargeLine
    mark: int

    @property
    def reference(self) -> str:
        """Its id in every output."""
        return charge_reference(self.month, self.row)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a reference stands for: its amount in won, the references above it, the charge rows below it."""

    amount_krw: int | None
    parents: Sequence[str] = ()
    charges: Sequence[Booked] = ()


def booked(books: Books, where: str, values: Mapping) -> list[Booked]:
    """Charge rows by a condition that `trace` itself writes, in the order they were booked."""
    rows = books.rows(
        "SELECT charge.*, intake_mark FROM charge JOIN month_run USING (programme, month)"  # noqa: S608
        f" WHERE ({where}) AND charge.programme = coalesce(:only, charge.programme) ORDER BY charge.id",
        values,
    )
    return [Booked(month=Month.of(row.month), row=charge_line(row), mark=row.intake_mark) for row in rows]


def require(reference: str, found: Iterable) -> None:
    """Raises BadInput when nothing was found under a reference."""
    if not list(found):
        raise BadInput(f"'{reference}': 장부에 없는 참조번호입니다 (nothing is booked under it).")

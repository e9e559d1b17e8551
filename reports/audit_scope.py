"""What an auditors' check looks at, and what it answers: one month's close, or the books as they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection, Row, text

from core.month import Month
from registry.values import ProgrammeTerms

# What several checks read. `work`: accepted work of every programme as booked up to the month, one row a charge line,
# its newest with what stands of it in all. `settled`: each line's settlement by the newest month that is booked;
# `share_krw` what the grant may bear of it, floor(F × (10000 − r) / 10000) of supply without VAT (domain.md §5).
# `in_force`: each line with its limit in force at the month's end.
READ = """
WITH work AS (
  SELECT DISTINCT ON (programme, project, service_month, line_key) programme, month, project, service_month, kind, key,
    line, supplier, description, unit, performed_on, work_seq, accept_seq, held_krw,
    sum(quantity_base) OVER charge_line AS base, (sum(amount_krw) OVER charge_line)::bigint AS krw
  FROM charge WHERE kind = 'preparation' AND month <= :month
  WINDOW charge_line AS (PARTITION BY programme, project, service_month, line_key)
  ORDER BY programme, project, service_month, line_key, month DESC
), settled AS (
  SELECT *, div((total_supply_krw - total_excess_krw)::numeric * (10000 - self_pay_bp), 10000)::bigint AS share_krw
  FROM line_settlement WHERE programme = :programme AND month = :settled
), in_force AS (
  SELECT agreement_line.*, coalesce(grant_limit_krw, 0) AS now_krw FROM agreement_line
  LEFT JOIN line_limit ON line_limit.line = agreement_line.id AND valid @> CAST(:last AS date)
  WHERE programme = :programme
)
"""


# How many lines a finding names at most where any number may stand behind it.
MOST_REFS = 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """A fault, in both languages; `refs` lead to the lines behind it and are what `trace` follows."""

    korean: str
    english: str
    refs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A programme at a month's close, or as it stands in a month that was not run.

    Events of batches up to `intake_mark` and payments of entries up to `journal_mark` count; `settled` is the newest
    month up to this one whose figures are booked. `at`: when the month was frozen, or the instant that is asked about;
    none where nobody named one.
    """

    connection: Connection
    terms: ProgrammeTerms
    month: Month
    settled: Month | None
    intake_mark: int
    journal_mark: int
    at: datetime | None = None

    @cached_property
    def values(self) -> dict:
        """What every query may name."""
        return {
            "programme": self.terms.code,
            "month": self.month.first,
            "last": self.month.last,
            "settled": self.settled.first if self.settled else None,
            "payable": self._payable.first if self._payable else None,
            "intake": self.intake_mark,
            "journal": self.journal_mark,
        }

    @property
    def _payable(self) -> Month | None:
        """The newest month whose dues payments up to the mark can have met: at a close, the one before it."""
        return self.settled + -1 if self.settled == self.month else self.settled

    def rows(self, sql: str, **more: object) -> Iterator[Row]:
        """The rows of a query that goes on from READ, with `, NAME AS (…)` of its own or without; its parameters are
        `values` and `more`."""
        yield from self.connection.execute(text(f"{READ} {sql}"), {**self.values, **more})

    def line(self, code: str) -> str:
        """The reference of an agreement line at the settlement."""
        return f"line:{self.settled}/{code}"


def charge_ref(row: Row) -> str:
    """The reference of a row that has a charge's month, project, service_month, kind and key."""
    return f"charge:{row.month:%Y-%m}/{row.project}/{row.service_month:%Y-%m}/{row.kind}/{row.key}"

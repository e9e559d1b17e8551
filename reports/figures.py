"""What the statements of a month show: frozen values, nothing computed but sums (`reports.reading` reads them).

Everything depends only on rows of months up to the month and on the marks of its run, so that a payment booked later
never changes an earlier statement.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from core.errors import RuleRefused
from core.month import Month, kst_day
from registry.values import LineTerms, ProgrammeTerms
from settlement.line import LineResult

RUN_KINDS = (
    "amendment", "settle", "draw", "gpu", "cpu", "storage", "infra", "fee", "pool", "incentive", "advance_offset",
    "release",
)  # fmt: skip
OPERATOR_KINDS = ("gpu", "cpu", "storage", "fee")


@dataclass(frozen=True, kw_only=True)
class Party:
    """A party as a statement names it; the payee is the one who is paid (domain.md §1), to `account`: bank and masked
    number, None where none was approved."""

    code: str
    kind: str
    name: str
    brn: str | None
    payee_name: str | None
    payee_brn: str | None
    account: str | None = None

    @property
    def payee(self) -> tuple[str, str | None]:
        """Name and registration number of the legal payee."""
        return (self.payee_name, self.payee_brn) if self.payee_name else (self.name, self.brn)

    @property
    def paid_to(self) -> str:
        """The account that it is paid to: bank and masked number, or whose record has it."""
        return self.account or "전담기관 등록 계좌"

    @property
    def titled(self) -> str:
        """`name (사업자등록번호 124-81-00998)`."""
        return f"{self.name} (사업자등록번호 {self.brn})" if self.brn else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """A charge row of the month; amounts in won, `quantity_base` as in billing's charge."""

    month: Month
    project: str
    service_month: Month
    kind: str
    key: str
    line: str | None
    supplier: str
    description: str
    quantity_base: int
    unit: str
    unit_price_krw: int
    price_version: date | None
    performed_on: date | None
    accepted_on: date | None
    held_krw: int
    amount_krw: int
    vat_krw: int
    payee: str | None
    cost_krw: int
    reason: str

    @property
    def correction(self) -> bool:
        """Whether it corrects an earlier service month."""
        return self.service_month < self.month

    @property
    def reference(self) -> str:
        """What `trace` finds it by."""
        return f"charge:{self.month}/{self.project}/{self.service_month}/{self.kind}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class Settled(LineResult):
    """The split of an agreement line that a month booked, in won; totals over its life at that close."""

    month: Month

    @property
    def moved(self) -> bool:
        """Whether the month shows anything of it."""
        return any((self.supply_krw, self.voucher_krw, self.self_pay_krw, self.vat_krw, self.held_krw))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A journal entry; `closed_in` is the first settled month whose freeze took it (its own, for a run's entry)."""

    number: int
    kind: str
    memo: str
    reference: str
    closed_in: Month
    paid_on: date | None
    own: bool
    postings: Mapping[str, int]

    @property
    def subject(self) -> str:
        """What it is about: the last part of its reference (line, project, hospital)."""
        return self.reference.rsplit(":", 1)[-1]

    def sum_of(self, account: str) -> int:
        """Σ of its postings to an account, or to all whose code begins so where that ends in a colon; won, debit +."""
        if not account.endswith(":"):
            return self.postings.get(account, 0)
        return sum(krw for code, krw in self.postings.items() if code.startswith(account))


@dataclass(frozen=True, kw_only=True)
class Share:
    """A hospital's part in the month's incentive pool: counted and carried contribution as exact fractions."""

    hospital: str
    counted: tuple[int, int]
    carried: tuple[int, int]
    share_krw: int


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The month's incentive pool in won."""

    pool_krw: int = 0
    distributed_krw: int = 0
    carried_krw: int = 0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A settled month of a programme, as its statements need it."""

    terms: ProgrammeTerms
    month: Month
    months: Sequence[Month]
    closed_at: datetime
    parties: Mapping[str, Party]
    tiers: Mapping[str, str]
    charges: Sequence[Charge]
    direct_krw: Mapping[Month, int]
    settled: Sequence[Settled]
    entries: Sequence[Entry]
    pool: Pool
    shares: Sequence[Share]
    budget_krw: Mapping[str, int]
    transfers_krw: Mapping[Month, int]
    numbers: Mapping[tuple[str, str], str]
    intake: Mapping[str, int]

    @property
    def closed_on(self) -> date:
        """Local day of the close."""
        return kst_day(self.closed_at)

    @cached_property
    def lines(self) -> dict[str, Settled]:
        """What this month settled, by line."""
        return {one.line: one for one in self.settled if one.month == self.month}

    @cached_property
    def lines_of(self) -> Mapping[str, Sequence[Settled]]:
        """What this month settled, by project: like what follows, asked for again and again, so gathered once."""
        return _gathered(self.lines.values(), lambda one: one.project)

    @cached_property
    def settled_of(self) -> Mapping[str, Sequence[Settled]]:
        """What all months settled, by project."""
        return _gathered(self.settled, lambda one: one.project)

    @cached_property
    def company_projects(self) -> Mapping[str, Sequence[str]]:
        """The codes of projects, in order, by company."""
        return _gathered(sorted(self.terms.projects), lambda code: self.terms.projects[code].company)

    @cached_property
    def company_lines(self) -> Mapping[str, Sequence[Settled]]:
        """What this month settled, by company."""
        return _gathered(self.lines.values(), lambda one: self.terms.projects[one.project].company)

    @cached_property
    def company_charges(self) -> Mapping[str, Sequence[Charge]]:
        """The month's charge rows, by company."""
        return _gathered(self.charges, lambda one: self.terms.projects[one.project].company)

    def line_terms(self, project: str) -> tuple[LineTerms, ...]:
        """A project's agreement lines, by code."""
        return self.terms.projects[project].lines

    @cached_property
    def own(self) -> list[Entry]:
        """The entries of this month's run, in order."""
        return [entry for entry in self.entries if entry.own and entry.closed_in == self.month]

    @cached_property
    def own_settles(self) -> Mapping[str, Sequence[Entry]]:
        """The settlements among them, by line."""
        return _gathered((one for one in self.own if one.kind == "settle"), lambda one: one.subject)

    @cached_property
    def moves(self) -> Mapping[str, Sequence[tuple[Entry, int]]]:
        """What moved each account, in order."""
        found: dict[str, list[tuple[Entry, int]]] = {}
        for entry in self.entries:
            for code, krw in entry.postings.items():
                found.setdefault(code, []).append((entry, krw))
        return found

    def posted(self, account: str, *kinds: str) -> int:
        """Σ of this run's postings, in entries of some kinds (all when none), to an account, or to all whose code
        begins so where that ends in a colon; won."""
        if account.endswith(":"):
            return sum(entry.sum_of(account) for entry in self.own if not kinds or entry.kind in kinds)
        return sum(
            krw
            for entry, krw in self.moves.get(account, ())
            if entry.own and entry.closed_in == self.month and (not kinds or entry.kind in kinds)
        )

    def balance(self, account: str, until: Month | None = None) -> int:
        """Balance of an account at the close of a month (this one by default), won, debit +."""
        last = until or self.month
        return sum(krw for entry, krw in self.moves.get(account, ()) if entry.closed_in <= last)

    def balances(self) -> dict[str, int]:
        """Every account's balance at the close, zeros left out, by code."""
        sums: dict[str, int] = {}
        for entry in self.entries:
            for code, krw in entry.postings.items():
                sums[code] = sums.get(code, 0) + krw
        return {code: krw for code, krw in sorted(sums.items()) if krw}

    def agency_paid(self, project: str | None, months: Iterable[Month] | None = None) -> int:
        """What the agency paid out for a project, offset advances included, taken up by the closes of some months.

        `project` None: to the operator, whose account names no project.
        """
        among = None if months is None else set(months)
        return -sum(
            entry.sum_of("receivable:agency")
            for entry in self._paid_for.get(project, ())
            if among is None or entry.closed_in in among
        )

    @cached_property
    def _paid_for(self) -> dict[str | None, list[Entry]]:
        """Payments and offset advances by the project that they were for; None: the operator's."""
        found: dict[str | None, list[Entry]] = {}
        for entry in self.entries:
            if entry.kind in ("payment", "advance_offset"):
                for code in (code for code in entry.postings if code.startswith("payable:")):
                    project = None if code == "payable:operator" else code.rpartition(":")[2]
                    found.setdefault(project, []).append(entry)
        return found

    def number(self, kind: str, recipient: str) -> str:
        """The document number of a statement. Raises RuleRefused when the documents step gave none."""
        try:
            return self.numbers[kind, recipient]
        except KeyError:
            raise RuleRefused(
                f"{self.month}: {recipient} 정산서의 문서번호가 없습니다. documents 단계를 먼저 실행하세요 "
                f"(no document number for the {kind} of {recipient}; run the documents step first)."
            ) from None


def _gathered(values: Iterable, key: Callable[[Any], str]) -> dict[str, list]:
    """The values by their key, each in the order given."""
    found: dict[str, list] = {}
    for one in values:
        found.setdefault(key(one), []).append(one)
    return found

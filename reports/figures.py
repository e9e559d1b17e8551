"""What the statements of a month show, read from what was booked: frozen values, nothing computed but sums.

Everything depends only on rows of months up to the month and on the marks of its run, so that a payment booked later
never changes an earlier statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from core.errors import RuleRefused
from core.month import Month, kst_day
from registry.terms import programme_terms
from registry.values import LineTerms, ProgrammeTerms

RUN_KINDS = (
    "amendment", "settle", "draw", "gpu", "cpu", "storage", "fee", "pool", "incentive", "advance_offset", "release",
)  # fmt: skip
OPERATOR_KINDS = ("gpu", "cpu", "storage", "fee")


@dataclass(frozen=True, kw_only=True)
class Party:
    """A party as a statement names it; the payee is the one who is paid (domain.md §1)."""

    code: str
    kind: str
    name: str
    brn: str | None
    payee_name: str | None
    payee_brn: str | None

    @property
    def payee(self) -> tuple[str, str | None]:
        """Name and registration number of the legal payee."""
        return (self.payee_name, self.payee_brn) if self.payee_name else (self.name, self.brn)

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
class Settled:
    """The split of an agreement line that a month booked, in won; totals over its life at that close."""

    month: Month
    line: str
    project: str
    supplier: str
    category: str
    self_pay_bp: int
    limit_krw: int
    supply_krw: int
    voucher_krw: int
    self_pay_krw: int
    excess_krw: int
    vat_krw: int
    held_krw: int
    held_reason: str
    deposit_drawn_krw: int
    total_supply_krw: int
    total_voucher_krw: int
    total_self_pay_krw: int
    total_excess_krw: int

    @property
    def own_krw(self) -> int:
        """What the company owes the hospital: self-pay, excess, VAT."""
        return self.self_pay_krw + self.excess_krw + self.vat_krw

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

    def sum_of(self, prefix: str) -> int:
        """Σ of its postings to accounts that begin so, won, debit +."""
        return sum(krw for code, krw in self.postings.items() if code.startswith(prefix))


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

    @property
    def lines(self) -> dict[str, Settled]:
        """What this month settled, by line."""
        return {one.line: one for one in self.settled if one.month == self.month}

    def line_terms(self, project: str) -> tuple[LineTerms, ...]:
        """A project's agreement lines, by code."""
        return self.terms.projects[project].lines

    @property
    def own(self) -> list[Entry]:
        """The entries of this month's run, in order."""
        return [entry for entry in self.entries if entry.own and entry.closed_in == self.month]

    def posted(self, prefix: str, *kinds: str) -> int:
        """Σ of this run's postings to accounts that begin so, in entries of some kinds (all when none), won."""
        return sum(entry.sum_of(prefix) for entry in self.own if not kinds or entry.kind in kinds)

    def balance(self, account: str, until: Month | None = None) -> int:
        """Balance of an account at the close of a month (this one by default), won, debit +."""
        last = until or self.month
        return sum(entry.postings.get(account, 0) for entry in self.entries if entry.closed_in <= last)

    def balances(self) -> dict[str, int]:
        """Every account's balance at the close, zeros left out, by code."""
        sums: dict[str, int] = {}
        for entry in self.entries:
            for code, krw in entry.postings.items():
                sums[code] = sums.get(code, 0) + krw
        return {code: krw for code, krw in sorted(sums.items()) if krw}

    def agency_paid(self, project: str, months: Iterable[Month] | None = None) -> int:
        """What the agency paid out for a project, offset advances included, taken up by the closes of some months."""
        among = None if months is None else set(months)
        return -sum(
            entry.sum_of("receivable:agency")
            for entry in self.entries
            if entry.kind in ("payment", "advance_offset")
            and (among is None or entry.closed_in in among)
            and any(code.startswith("payable:") and code.endswith(f":{project}") for code in entry.postings)
        )

    def number(self, kind: str, recipient: str) -> str:
        """The document number of a statement. Raises RuleRefused when the documents step gave none."""
        try:
            return self.numbers[kind, recipient]
        except KeyError:
            raise RuleRefused(
                f"{self.month}: {recipient} 정산서의 문서번호가 없습니다. documents 단계를 먼저 실행하세요 "
                f"(no document number for the {kind} of {recipient}; run the documents step first)."
            ) from None


def read_figures(connection: Connection, programme: str, month: Month) -> Figures:
    """Reads a month that is frozen, posted and documented. Raises RuleRefused when it is not frozen."""
    at = {"programme": programme, "month": month.first, "last": month.last}
    run = connection.execute(
        text("SELECT * FROM month_run WHERE programme = :programme AND month = :month"), at
    ).one_or_none()
    if run is None:
        raise RuleRefused(f"{programme} {month}: 정산을 실행하지 않은 달입니다 (the month has not been run).")
    marks = {
        Month.of(row.month): row.journal_mark
        for row in connection.execute(
            text(
                "SELECT month, journal_mark FROM month_run WHERE programme = :programme AND month <= :month"
                " ORDER BY month"
            ),
            at,
        )
    }
    terms = programme_terms(connection, programme)
    return Figures(
        terms=terms,
        month=month,
        months=_months(terms, month, marks),
        closed_at=run.frozen_at,
        parties=_parties(connection),
        tiers=_tiers(connection, at),
        charges=_charges(connection, at),
        direct_krw=_direct(connection, at),
        settled=_settled(connection, at),
        entries=_entries(connection, at, marks, month),
        pool=_pool(connection, at),
        shares=_shares(connection, at),
        budget_krw=_budget(connection, at),
        transfers_krw=_transfers(connection, at),
        numbers=_numbers(connection, at),
        intake=_intake(connection, run.intake_mark),
    )


def _months(terms: ProgrammeTerms, month: Month, marks: Mapping[Month, int]) -> list[Month]:
    """From the first agreement's month (or the first run's) to this one; two years at most."""
    starts = [Month.of(one.starts) for project in terms.projects.values() for one in project.agreements]
    first = max(min([*starts, *marks]), month + -23)
    found = [first]
    while found[-1] < month:
        found.append(found[-1] + 1)
    return found


def _parties(connection: Connection) -> dict[str, Party]:
    rows = connection.execute(text("SELECT code, kind, name, brn, payee_name, payee_brn FROM party ORDER BY code"))
    return {row.code: Party(**row._mapping) for row in rows}


def _tiers(connection: Connection, at: dict) -> dict[str, str]:
    rows = connection.execute(text("SELECT code, tier FROM project WHERE programme = :programme"), at)
    return {row.code: row.tier for row in rows}


def _charges(connection: Connection, at: dict) -> list[Charge]:
    rows = connection.execute(
        text(
            "SELECT month, project, service_month, kind, key, line, supplier, description, quantity_base, unit,"
            " unit_price_krw, price_version, performed_on,"
            " CAST(accepted_at AT TIME ZONE 'Asia/Seoul' AS date) AS accepted_on,"
            " held_krw, amount_krw, vat_krw, reason FROM charge"
            " WHERE programme = :programme AND month = :month ORDER BY id"
        ),
        at,
    )
    month = Month.of(at["month"])
    known: dict[date, Month] = {}
    charges = []
    for row in rows:
        service = known.setdefault(row.service_month, Month.of(row.service_month))
        values = {**row._mapping, "month": month, "service_month": service, "quantity_base": int(row.quantity_base)}
        charges.append(Charge(**values))
    return charges


def _direct(connection: Connection, at: dict) -> dict[Month, int]:
    """By month, what companies bear of the operator's charges and of all VAT, in won."""
    rows = connection.execute(
        text(
            "SELECT month, sum(vat_krw + CASE WHEN line IS NULL THEN amount_krw ELSE 0 END)::bigint AS krw FROM charge"
            " WHERE programme = :programme AND month <= :month GROUP BY month ORDER BY month"
        ),
        at,
    )
    return {Month.of(row.month): row.krw for row in rows}


def _settled(connection: Connection, at: dict) -> list[Settled]:
    rows = connection.execute(
        text("SELECT * FROM line_settlement WHERE programme = :programme AND month <= :month ORDER BY month, line"),
        at,
    )
    names = Settled.__dataclass_fields__.keys() - {"month"}
    return [Settled(month=Month.of(row.month), **{name: getattr(row, name) for name in names}) for row in rows]


def _entries(connection: Connection, at: dict, marks: Mapping[Month, int], month: Month) -> list[Entry]:
    """Entries that the closes up to this month took, and the runs' own."""
    rows = connection.execute(
        text(
            "SELECT entry.number, entry.kind, entry.memo, entry.reference, entry.month, payment.paid_at,"
            " array_agg(account.code ORDER BY account.code) AS codes,"
            " array_agg(posting.amount_krw ORDER BY account.code) AS amounts FROM entry"
            " JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " LEFT JOIN payment ON payment.entry_id = entry.id"
            " WHERE entry.programme = :programme AND entry.month <= :month"
            " GROUP BY entry.id, payment.paid_at ORDER BY entry.number"
        ),
        at,
    )
    found = []
    for row in rows:
        booked_in = Month.of(row.month)
        own = row.kind in RUN_KINDS
        taken = booked_in if own else next((one for one, mark in marks.items() if row.number <= mark), None)
        if taken is None:
            continue
        found.append(
            Entry(
                number=row.number,
                kind=row.kind,
                memo=row.memo,
                reference=row.reference,
                closed_in=taken,
                paid_on=kst_day(row.paid_at) if row.paid_at else None,
                own=own,
                postings=dict(zip(row.codes, row.amounts, strict=True)),
            )
        )
    return found


def _pool(connection: Connection, at: dict) -> Pool:
    row = connection.execute(
        text(
            "SELECT pool_krw, distributed_krw, carried_krw FROM incentive_pool"
            " WHERE programme = :programme AND month = :month"
        ),
        at,
    ).one_or_none()
    return Pool(**row._mapping) if row else Pool()


def _shares(connection: Connection, at: dict) -> list[Share]:
    rows = connection.execute(
        text("SELECT * FROM incentive_share WHERE programme = :programme AND month = :month ORDER BY hospital"), at
    )
    return [
        Share(
            hospital=row.hospital,
            counted=(int(row.counted_numerator), int(row.counted_denominator)),
            carried=(int(row.carried_numerator), int(row.carried_denominator)),
            share_krw=row.share_krw,
        )
        for row in rows
    ]


def _budget(connection: Connection, at: dict) -> dict[str, int]:
    """Dated records up to the month's last day, by kind, in won."""
    rows = connection.execute(
        text(
            "SELECT kind, sum(amount_krw)::bigint AS krw FROM budget_record"
            " WHERE programme = :programme AND dated <= :last GROUP BY kind ORDER BY kind"
        ),
        at,
    )
    return {row.kind: row.krw for row in rows}


def _transfers(connection: Connection, at: dict) -> dict[Month, int]:
    rows = connection.execute(
        text(
            "SELECT dated, amount_krw FROM budget_record WHERE programme = :programme AND kind = 'transfer'"
            " AND dated <= :last ORDER BY dated, id"
        ),
        at,
    )
    sums: dict[Month, int] = {}
    for row in rows:
        sums[Month.of(row.dated)] = sums.get(Month.of(row.dated), 0) + row.amount_krw
    return sums


def _numbers(connection: Connection, at: dict) -> dict[tuple[str, str], str]:
    rows = connection.execute(
        text(
            "SELECT kind, recipient, year, number FROM document WHERE programme = :programme AND month = :month"
            " AND kind IN ('statement', 'reconciliation') ORDER BY number"
        ),
        at,
    )
    return {(row.kind, row.recipient): f"정산 제{row.year}-{row.number:04d}호" for row in rows}


def _intake(connection: Connection, mark: int) -> dict[str, int]:
    """Counts of everything received up to the freeze's intake mark; an event released by then counts as what it became.

    A release is a batch that received nothing: what it stored or knew is no longer in quarantine.
    """
    row = connection.execute(
        text(
            "SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,"
            " coalesce(sum(duplicate), 0)::bigint AS duplicate,"
            " ((SELECT count(*) FROM quarantine WHERE batch_id <= :mark)"
            "  - coalesce(sum(stored + duplicate) FILTER (WHERE received = 0), 0))::bigint AS quarantined,"
            " (SELECT count(*) FROM dead_letter WHERE batch_id <= :mark) AS dead_lettered"
            " FROM intake_batch WHERE id <= :mark"
        ),
        {"mark": mark},
    ).one()
    return dict(row._mapping)

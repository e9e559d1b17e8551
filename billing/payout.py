"""Payment orders (지급요청) of locked months: what the run booked to be paid out, to whom, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

from billing.bank_account import APPROVED
from billing.payout_status import PayoutRow, allocated
from core.errors import BadInput, RuleRefused
from core.month import Month, kst_day, kst_midnight
from ledger.books import locked_months
from registry.due_dates import due_terms
from registry.users import acting


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    """What a payer is asked to pay (negative: to recover), in won; payee and account as of the order, the account's
    number whole. Without an approved account bank, number and holder are None: 계좌 미등록."""

    number: int
    payer: str
    account: str
    party: str
    project: str | None
    amount_krw: int
    collected_krw: int | None
    payee_name: str
    payee_brn: str | None
    bank_code: str | None
    bank: str | None
    account_number: str | None = field(repr=False)
    masked_number: str | None
    holder: str | None

    @property
    def blocked(self) -> bool:
        """Whether it cannot be paid: no account of the payee is approved."""
        return self.amount_krw > 0 and self.account_number is None

    @property
    def waiting_krw(self) -> int:
        """What the company has not paid yet of a hospital's part; it is paid out once it is collected."""
        return 0 if self.collected_krw is None else self.amount_krw - self.collected_krw


@dataclass(frozen=True, kw_only=True)
class Order:
    """A version of a month's payment order; `new`: made by this call."""

    programme: str
    month: Month
    version: int
    reason: str
    due_on: date
    made_by: str
    made_at: datetime
    rows: Sequence[OrderRow]
    new: bool = False

    @property
    def made_on(self) -> date:
        """The local day on which it was made."""
        return kst_day(self.made_at)


def order_payouts(
    connection: Connection, programme: str, month: Month, by: str, now: datetime, reason: str = ""
) -> Order:
    """Makes a locked month's order, or gives the one that is there; with a reason, makes it anew and keeps the old one.

    Raises RuleRefused where the user may not, the month or one before it is not locked and ordered, or `now` lies
    before a freeze; BadInput for a reason where there is nothing to make anew.
    """
    acting(connection, by, "finance")
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('payouts:' || :code))"), {"code": programme})
    _refuse_out_of_turn(connection, programme, month)
    found = newest_order(connection, programme, month)
    if found is not None and not reason.strip():
        return found
    if found is None and reason.strip():
        raise BadInput(f"--reason: {month} 의 첫 지급요청에는 적지 않습니다 (nothing is made anew yet).")
    values = {
        "programme": programme, "month": month.first, "version": found.version + 1 if found else 1,
        "reason": reason.strip(), "due_on": due_terms(connection, programme).payout_due_on(month), "by": by, "at": now,
        "day": kst_day(now), "until": now,
    }  # fmt: skip
    connection.execute(text(INSERT_ROWS), values)
    connection.execute(
        text(
            "INSERT INTO payment_order (programme, month, version, reason, due_on, made_by, made_at)"
            " VALUES (:programme, :month, :version, :reason, :due_on, :by, :at)"
        ),
        values,
    )
    return newest_order(connection, programme, month, new=True)


def _refuse_out_of_turn(connection: Connection, programme: str, month: Month) -> None:
    locked = locked_months(connection, programme)
    if month not in locked:
        raise RuleRefused(f"{month}: 마감된 달만 지급을 요청합니다 (payments are ordered of locked months only).")
    ordered = set(
        connection.scalars(text("SELECT month FROM payment_order WHERE programme = :code"), {"code": programme})
    )
    missing = [one for one in locked if one < month and one.first not in ordered]
    if missing:
        raise RuleRefused(
            f"{month}: {missing[0]} 의 지급을 먼저 요청하세요 (order the payments of {missing[0]} first)."
        )


# What the companies of a programme have paid of each hospital's part, by account and month, of what was paid up to the
# instant `until`: money goes to the months in their order, within a month to the hospitals' parts by account, and then
# to usage and fee; what is recovered within the project was collected when it was first paid.
COLLECTED = """
side AS (
  SELECT entry.month, entry.kind, account.code, posting.amount_krw,
    starts_with(entry.reference, 'run:') AND entry.kind <> 'draw' AS charged,
    max(account.code) FILTER (WHERE starts_with(account.code, 'payable:hospital:')) OVER (PARTITION BY entry.id) AS due
  FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id
  LEFT JOIN (SELECT DISTINCT entry_id, paid_at FROM payment) AS payment ON payment.entry_id = entry.id
  WHERE entry.programme = :programme
    AND (starts_with(entry.reference, 'run:') OR coalesce(payment.paid_at, entry.recorded_at) <= :until)
), part AS (
  SELECT split_part(code, ':', 3) AS project, month, coalesce(due, kind) AS use, sum(amount_krw) AS krw FROM side
  WHERE charged AND starts_with(code, 'receivable:company:') GROUP BY 1, 2, 3
), billed AS (
  SELECT project, month, sum(krw) AS krw, coalesce(-sum(krw) FILTER (WHERE krw < 0), 0) AS back_krw FROM part
  GROUP BY project, month
), paid AS (
  SELECT split_part(code, ':', 3) AS project, -sum(amount_krw) AS krw FROM side
  WHERE NOT charged AND starts_with(code, 'receivable:company:') GROUP BY 1
), available AS (
  SELECT billed.project, month, coalesce(paid.krw, 0) + billed.krw + back_krw
    - sum(billed.krw) OVER (PARTITION BY billed.project ORDER BY month) AS krw
  FROM billed LEFT JOIN paid ON paid.project = billed.project
), collected AS (
  SELECT use AS account, month, greatest(0, least(part.krw, available.krw + part.krw
    - sum(part.krw) OVER (PARTITION BY project, month ORDER BY use)))::bigint AS krw
  FROM part JOIN available USING (project, month) WHERE part.krw > 0 AND starts_with(use, 'payable:hospital:')
)
"""

INSERT_ROWS = f"""
WITH {COLLECTED}, due AS (
  SELECT account, payer, amount_krw,
    CASE WHEN account LIKE 'payable:hospital:%' THEN split_part(account, ':', 4)
      WHEN account LIKE 'payable:company:%' THEN split_part(account, ':', 3)
      WHEN account LIKE 'deposit:%' THEN split_part(account, ':', 2) END AS project
  FROM payable_of(:programme, :month)
), named AS (
  SELECT due.*, CASE WHEN account ~ '^payable:(hospital|incentive|infra):' THEN split_part(account, ':', 3)
    WHEN account = 'payable:operator' THEN programme.operator ELSE project.company END AS party
  FROM due JOIN programme ON programme.code = :programme LEFT JOIN project ON project.code = due.project
), approved AS ({APPROVED})
INSERT INTO payment_order_row (programme, month, version, number, payer, account, party, project, amount_krw,
  collected_krw, payee_name, payee_brn, account_version, bank_code, bank, account_number, holder)
SELECT :programme, :month, :version, row_number() OVER (ORDER BY payer, named.account COLLATE "C"), payer,
  named.account, named.party, named.project, named.amount_krw,
  CASE WHEN payer = 'settlement' AND amount_krw > 0 AND named.account LIKE 'payable:hospital:%'
    THEN coalesce(collected.krw, 0) END,
  coalesce(payee.name, party.name), CASE WHEN payee.name IS NULL THEN party.brn ELSE payee.brn END,
  approved.version, approved.bank_code, approved.bank, approved.account_number, approved.holder
FROM named JOIN party ON party.code = named.party
LEFT JOIN LATERAL (SELECT name, brn FROM party_payee WHERE party_payee.party = named.party AND since <= :day
  ORDER BY since DESC LIMIT 1) AS payee ON true
LEFT JOIN approved ON approved.party = named.party
LEFT JOIN collected ON collected.account = named.account AND collected.month = :month
"""  # noqa: S608


def newest_order(connection: Connection, programme: str, month: Month, *, new: bool = False) -> Order | None:
    """The newest version of a month's order with its rows, None where there is none."""
    head = connection.execute(
        text(
            "SELECT * FROM payment_order WHERE programme = :programme AND month = :month ORDER BY version DESC LIMIT 1"
        ),
        {"programme": programme, "month": month.first},
    ).one_or_none()
    if head is None:
        return None
    rows = connection.execute(
        text(
            "SELECT number, payer, account, party, project, amount_krw, collected_krw, payee_name, payee_brn,"
            " bank_code, bank, account_number, masked_number(account_number) AS masked_number, holder"
            " FROM payment_order_row"
            " WHERE programme = :programme AND month = :month AND version = :version ORDER BY number"
        ),
        dict(head._mapping),
    )
    return Order(**{**head._mapping, "month": month}, rows=[OrderRow(**row._mapping) for row in rows], new=new)


# By account and payer, what was paid and what came back up to the instant `until`, booked by anything but the run; of
# a deposit what was given back after the freeze of the month whose run ordered it.
PAID = """
WITH leg AS (
  SELECT entry.number, account.code, posting.amount_krw, coalesce(sum(posting.amount_krw)
    FILTER (WHERE account.code = 'receivable:agency') OVER (PARTITION BY entry.id), 0) AS agency_krw
  FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id
  LEFT JOIN (SELECT DISTINCT entry_id, paid_at FROM payment) AS payment ON payment.entry_id = entry.id
  WHERE entry.programme = :programme AND NOT starts_with(entry.reference, 'run:')
    AND coalesce(payment.paid_at, entry.recorded_at) <= :until
), refunding AS (
  SELECT account, min(journal_mark) AS mark FROM payment_order_row JOIN month_run USING (programme, month)
  WHERE programme = :programme AND starts_with(account, 'deposit:') GROUP BY account
), moved AS (
  SELECT code, 'agency' AS payer, -agency_krw AS krw FROM leg WHERE starts_with(code, 'payable:')
  UNION ALL SELECT code, 'settlement', amount_krw + agency_krw FROM leg WHERE starts_with(code, 'payable:')
  UNION ALL SELECT code, 'settlement', amount_krw FROM leg JOIN refunding ON account = code
  WHERE number > mark AND amount_krw > 0
)
SELECT code AS account, payer, coalesce(sum(krw) FILTER (WHERE krw > 0), 0)::bigint AS paid_krw,
  coalesce(-sum(krw) FILTER (WHERE krw < 0), 0)::bigint AS back_krw
FROM moved WHERE krw <> 0 GROUP BY code, payer ORDER BY code COLLATE "C", payer
"""

ORDERED = f"""
WITH {COLLECTED}, newest AS (
  SELECT DISTINCT ON (month) programme, month, version, due_on FROM payment_order
  WHERE programme = :programme AND made_at <= :until ORDER BY month, version DESC
)
SELECT line.month, number, line.account, payer, party, payee_name, amount_krw > 0 AND account_number IS NULL AS blocked,
  amount_krw AS ordered_krw, CASE WHEN collected_krw IS NOT NULL THEN coalesce(collected.krw, 0) END AS collected_krw,
  due_on
FROM newest JOIN payment_order_row AS line USING (programme, month, version)
LEFT JOIN collected ON collected.account = line.account AND collected.month = line.month
ORDER BY line.month, number
"""  # noqa: S608


def payout_rows(connection: Connection, programme: str, day: date) -> list[PayoutRow]:
    """Every row ordered by the end of a local day with what was paid of it by then, by month and number; after them
    what was paid on an account and by a payer that no order names. Nothing where nothing was ordered.
    """
    at = {"programme": programme, "until": kst_midnight(day + timedelta(days=1)) - timedelta(microseconds=1)}
    ordered = connection.execute(text(ORDERED), at).all()
    if not ordered:
        return []
    paid = {(row.account, row.payer): (row.paid_krw, row.back_krw) for row in connection.execute(text(PAID), at)}
    of_account: dict[tuple[str, str], list] = {}
    for row in ordered:
        of_account.setdefault((row.account, row.payer), []).append(row)
    parts = {
        (row.month, row.number): krw
        for key, rows in of_account.items()
        for row, krw in zip(rows, allocated([one.ordered_krw for one in rows], *paid.get(key, (0, 0))), strict=True)
    }
    found = [
        PayoutRow(**{**row._mapping, "month": Month.of(row.month)}, paid_krw=parts[row.month, row.number], at=day)
        for row in ordered
    ]
    return found + [
        PayoutRow(
            month=None, number=None, account=account, payer=payer, party=None, payee_name="", blocked=False,
            ordered_krw=0, paid_krw=out - back, collected_krw=None, due_on=None, at=day,
        )
        for (account, payer), (out, back) in paid.items()
        if (account, payer) not in of_account and out != back
    ]  # fmt: skip

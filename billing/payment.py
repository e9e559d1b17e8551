"""Payments (domain.md §6): from the bank's and the agency's file into the books, once per channel and reference."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from billing.claim_paid import mark_paid
from billing.payment_account import Accounts, Match
from billing.payment_file import PaymentRow, read_payments
from core.errors import RuleRefused
from core.month import Month, kst_day
from ledger import books
from ledger.journal import NewEntry, combined

FROZEN = ("deposit:", "advance:")
OF_ROW = "bank:"  # how the reference of a payment begins that a bank statement's row was booked as
ON_STATEMENT = (
    "은행 거래내역에서 같은 날, 같은 계정, 같은 금액으로 이미 기장했습니다. 다른 건이면 거래내역으로 가져오세요 "
    "(booked from a bank statement already; another one comes with a row of its own)"
)
IN_SUSPENSE = (
    "같은 날 같은 금액의 은행 거래가 가수금에 있습니다. 같은 돈이면 `bank release` 로 옮기세요 "
    "(a bank row of that day and amount is in suspense; where it is this one, release it)"
)
# By account, won and local day: parts of bank rows, and all that a row gave to an account and that is still there.
OF_STATEMENTS = """
WITH part AS (
  SELECT account, amount_krw, CAST(paid_at AT TIME ZONE 'Asia/Seoul' AS date) AS day,
         split_part(reference, ':', 2) AS digest
    FROM payment WHERE channel = 'bank' AND entry_id IS NOT NULL AND starts_with(reference, :ours)
     AND CAST(paid_at AT TIME ZONE 'Asia/Seoul' AS date) = ANY(:days))
SELECT account, amount_krw, day FROM part WHERE account <> 'suspense:bank'
UNION SELECT account, sum(amount_krw)::bigint, day FROM part GROUP BY account, day, digest HAVING sum(amount_krw) <> 0
"""


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What an import did: rows = booked + already + unmatched; `unmatched` are the rows and why."""

    rows: int
    booked: int
    already: int
    unmatched: tuple[tuple[PaymentRow, str], ...]


def import_payments(engine: Engine, path: Path, now: datetime, programme: str | None = None) -> ImportResult:
    """Books a payments file in one transaction; `programme` narrows accounts that several programmes have.

    Raises BadInput for bad rows, RuleRefused for other content under a used reference and for a deposit's refund
    or an advance taken back between freeze and lock; nothing of the file is booked then.
    """
    rows = read_payments(path)
    with engine.begin() as connection:
        return book_payments(connection, rows, now, source=path.name, programme=programme)


def book_payments(
    connection: Connection, rows: Sequence[PaymentRow], now: datetime, *, source: str, programme: str | None = None
) -> ImportResult:
    """Books payments once per channel and reference, within the caller's transaction; `source` (a file's name, Stripe)
    and each row's line say in a refusal which row is meant. Raises RuleRefused as `import_payments` does.
    """
    lock_payments(connection)
    fresh, listed, already = _known(connection, rows, source)
    accounts = Accounts.read(connection, [row.account for row in rows], programme)
    matches = _but_doubles(connection, accounts.match_all(fresh))
    _refuse_frozen_refunds(connection, matches, source)
    booked = _book(connection, matches, listed, now)
    _mark_paid(connection, matches, now)
    unmatched = tuple((row, match) for row, match in matches if isinstance(match, str))
    return ImportResult(rows=len(rows), booked=booked, already=already, unmatched=unmatched)


def lock_payments(connection: Connection) -> None:
    """Waits until no other transaction books payments; held to the end of the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:payments'))"))


def move_payments(
    connection: Connection, taken: PaymentRow, given: Sequence[PaymentRow], programme: str, now: datetime
) -> None:
    """Moves what `taken` takes back from its account to the accounts of `given`, in one entry: their cash sums to zero,
    so that none moves. Within the caller's transaction; raises RuleRefused where an account cannot take its part.
    """
    rows = [taken, *given]
    matches = Accounts.read(connection, [row.account for row in rows], programme).match_all(rows)
    refused = [f"{row.account}: {match}" for row, match in matches if isinstance(match, str)]
    if refused:
        raise RuleRefused("\n".join(refused))
    _refuse_frozen_refunds(connection, matches, taken.reference)
    entry = NewEntry(
        kind="payment", memo=", ".join(match.memo for _, match in matches),
        reference=f"payment:{taken.channel}:{taken.reference}",
        postings=combined(posting for _, match in matches for posting in match.postings.items()),
    )  # fmt: skip
    month = books.open_month(connection, programme, kst_day(taken.paid_at))
    (entry_id,) = books.post(connection, programme, month, [entry], now)
    _record(connection, matches, {row.key: entry_id for row in rows}, now)
    _mark_paid(connection, matches, now)


def _but_doubles(
    connection: Connection, matches: Sequence[tuple[PaymentRow, Match | str]]
) -> list[tuple[PaymentRow, Match | str]]:
    """The matches, but without those that a bank statement has booked already: same day, account and amount, of a part
    of one of its rows or of all its parts; or same day and amount of a row in suspense, whose account is not known."""
    asked = {row.key: row for row, _ in matches if row.channel == "bank" and not row.reference.startswith(OF_ROW)}
    if not asked:
        return list(matches)
    days = sorted({kst_day(row.paid_at) for row in asked.values()})
    booked = {tuple(one) for one in connection.execute(text(OF_STATEMENTS), {"ours": OF_ROW, "days": days})}
    refused: dict[tuple[str, str], str] = {}
    for key, row in asked.items():
        day, cash_krw = kst_day(row.paid_at), -row.amount_krw if row.account.startswith("payable:") else row.amount_krw
        if (row.account, row.amount_krw, day) in booked:
            refused[key] = ON_STATEMENT
        elif ("suspense:bank", cash_krw, day) in booked:
            refused[key] = IN_SUSPENSE
    return [(row, refused.get(row.key, match)) for row, match in matches]


def _known(
    connection: Connection, rows: Sequence[PaymentRow], file: str
) -> tuple[list[PaymentRow], set[tuple[str, str]], int]:
    """The rows to be matched, the keys among them that are listed as unmatched already, and how many were booked."""
    found = connection.execute(
        text(
            "SELECT payment.channel, payment.reference, paid_at, account, amount_krw, counterparty, entry_id"
            " FROM payment JOIN (SELECT DISTINCT * FROM unnest(CAST(:channels AS text[]), CAST(:references AS text[])))"
            " AS wanted (channel, reference) USING (channel, reference)"
        ),
        {"channels": [row.channel for row in rows], "references": [row.reference for row in rows]},
    ).all()
    known = {(one.channel, one.reference): _compared(one.channel, tuple(one[2:6])) for one in found}
    done = {(one.channel, one.reference) for one in found if one.entry_id is not None}
    fresh: dict[tuple[str, str], PaymentRow] = {}
    already, refused = 0, []
    for row in rows:
        compared = _compared(row.channel, row.content)
        if known.setdefault(row.key, compared) != compared:
            refused.append(
                f"{file}:{row.line}: {row.channel} '{row.reference}': 이미 다른 내용으로 기록된 번호입니다 "
                "(other content under a used reference)."
            )
        elif row.key in done or row.key in fresh:
            already += 1
        else:
            fresh[row.key] = row
    if refused:
        raise RuleRefused("\n".join(refused))
    listed = {(one.channel, one.reference) for one in found} - done
    return list(fresh.values()), listed, already


def _compared(channel: str, content: tuple) -> tuple:
    """What must be the same under a used reference. Webhook, poll and file tell a Stripe payment's instant and payer in
    their own ways, so there account and amount decide (contract.md §5)."""
    return content[1:3] if channel == "stripe" else content


def _refuse_frozen_refunds(
    connection: Connection, matches: Sequence[tuple[PaymentRow, Match | str]], file: str
) -> None:
    """A deposit or an advance that a frozen month counts on does not go back before that month is locked."""
    refunds = [
        (row, match)
        for row, match in matches
        if isinstance(match, Match) and row.amount_krw < 0 and row.account.startswith(FROZEN)
    ]
    frozen = frozen_programmes(connection, {match.programme for _, match in refunds})
    refused = [
        f"{file}:{row.line}: {row.account}: 사업 {match.programme}의 월 정산이 진행 중이라 선납금과 "
        "선금을 돌려줄 수 없습니다. 마감 뒤에 다시 가져오세요 (no refund between freeze and lock)."
        for row, match in refunds
        if match.programme in frozen
    ]
    if refused:
        raise RuleRefused("\n".join(refused))


def frozen_programmes(connection: Connection, programmes: Collection[str]) -> set[str]:
    """Those of the programmes of which a month is between freeze and lock; their books stay locked for the caller."""
    for programme in sorted(programmes):
        books.lock_books(connection, programme)
    return set(
        connection.scalars(
            text(
                "SELECT programme FROM month_run LEFT JOIN month_lock USING (programme, month)"
                " WHERE programme = ANY(:programmes) AND month_lock.locked_at IS NULL"
            ),
            {"programmes": list(programmes)},
        )
    )


def _book(
    connection: Connection,
    matches: Sequence[tuple[PaymentRow, Match | str]],
    listed: set[tuple[str, str]],
    now: datetime,
) -> int:
    """Posts per programme and month, then records each row with its entry, or once as unmatched; returns the booked."""
    booked = [(row, match) for row, match in matches if isinstance(match, Match)]
    days = {(match.programme, kst_day(row.paid_at)) for row, match in booked}
    months = {(programme, day): books.open_month(connection, programme, day) for programme, day in days}
    groups: dict[tuple[str, Month], list[tuple[PaymentRow, Match]]] = {}
    for row, match in booked:
        month = months[match.programme, kst_day(row.paid_at)]
        groups.setdefault((match.programme, month), []).append((row, match))
    entry_ids: dict[tuple[str, str], int] = {}
    for (programme, month), members in sorted(groups.items(), key=lambda one: one[0]):
        entries = [_entry(row, match) for row, match in members]
        ids = books.post(connection, programme, month, entries, now)
        entry_ids |= {row.key: entry_id for (row, _), entry_id in zip(members, ids, strict=True)}
    fresh = [(row, match) for row, match in matches if isinstance(match, Match) or row.key not in listed]
    _record(connection, fresh, entry_ids, now)
    return len(entry_ids)


def _record(
    connection: Connection,
    matches: Sequence[tuple[PaymentRow, Match | str]],
    entry_ids: Mapping[tuple[str, str], int],
    now: datetime,
) -> None:
    """Stores the payments in one statement; rows under row-level security cannot be COPYed."""
    rows = [row for row, _ in matches]
    names = ("channel", "reference", "paid_at", "account", "amount_krw", "counterparty", "document_id")
    connection.execute(
        text(
            "INSERT INTO payment (channel, reference, paid_at, account, amount_krw, counterparty, document_id,"
            " programme, entry_id, unmatched_reason, imported_at) SELECT *, :now FROM unnest("
            " CAST(:channel AS text[]), CAST(:reference AS text[]), CAST(:paid_at AS timestamptz[]),"
            " CAST(:account AS text[]), CAST(:amount_krw AS bigint[]), CAST(:counterparty AS text[]),"
            " CAST(:document_id AS bigint[]), CAST(:programme AS text[]), CAST(:entry_id AS bigint[]),"
            " CAST(:unmatched_reason AS text[]))"
        ),
        {
            **{name: [getattr(row, name) for row in rows] for name in names},
            "programme": [match.programme if isinstance(match, Match) else None for _, match in matches],
            "entry_id": [entry_ids.get(row.key) for row in rows],
            "unmatched_reason": [match if isinstance(match, str) else "" for _, match in matches],
            "now": now,
        },
    )


def _mark_paid(connection: Connection, matches: Sequence[tuple[PaymentRow, Match | str]], now: datetime) -> None:
    """The claims of hospitals that were paid may be paid in full by now."""
    found: dict[str, set[str]] = {}
    for row, match in matches:
        if isinstance(match, Match) and row.account.startswith("payable:hospital:"):
            found.setdefault(match.programme, set()).add(row.account.split(":")[2])
    for programme, hospitals in found.items():
        mark_paid(connection, programme, hospitals, now)


def _entry(row: PaymentRow, match: Match) -> NewEntry:
    return NewEntry(
        kind="payment", memo=match.memo, reference=f"payment:{row.channel}:{row.reference}", postings=match.postings
    )

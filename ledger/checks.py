"""Checks that recompute the books from their own rows: chain, zero sums, balances. Each is one pass in the database."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ledger.journal import CHAIN_START

# Every entry with its digest recomputed from its own rows: the canonical JSON of docs/books.md written in SQL, apart
# from the one that posting writes in Python (ledger.journal.canonical_json). `to_json` escapes a text as the page says.
FAULTY = """
    WITH label AS MATERIALIZED (
      SELECT id, is_budget, row_number() OVER (ORDER BY code COLLATE "C") AS place, to_json(code)::text || ':' AS name
        FROM account WHERE programme = :programme
    ), sides AS (
      SELECT entry_id, count(*) AS posted, string_agg(name || amount_krw, ',' ORDER BY place) AS postings,
             coalesce(sum(amount_krw) FILTER (WHERE is_budget), 0) AS budget_krw,
             coalesce(sum(amount_krw) FILTER (WHERE NOT is_budget), 0) AS money_krw
        FROM posting JOIN label ON label.id = posting.account_id GROUP BY entry_id
    ), recomputed AS MATERIALIZED (
      SELECT number, previous_hash, hash,
             posted IS DISTINCT FROM posting_count OR budget_krw <> 0 OR money_krw <> 0 AS unbalanced,
             hash IS DISTINCT FROM sha256(previous_hash || convert_to(
               '{"kind":' || to_json(kind) || ',"memo":' || to_json(memo) || ',"month":"' || to_char(month, 'YYYY-MM')
               || '","number":' || number || ',"postings":{' || postings || '},"programme":' || to_json(programme)
               || ',"reference":' || to_json(reference) || '}', 'UTF8')) AS altered
        FROM entry LEFT JOIN sides ON sides.entry_id = entry.id WHERE programme = :programme
    ), chained AS (
      SELECT number, unbalanced,
             altered OR number <> row_number() OVER chain OR previous_hash <> coalesce(lag(hash) OVER chain, :start)
               AS broken
        FROM recomputed WINDOW chain AS (ORDER BY number)
    )
    SELECT number, broken, unbalanced FROM chained WHERE broken OR unbalanced ORDER BY number
"""


def faulty_entries(connection: Connection, programme: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with entries, as (check, message, reference): the first whose number, previous hash or own hash is
    not what recomputing gives, and each that does not sum to zero within the money or within the budget accounts.
    """
    rows = connection.execute(text(FAULTY), {"programme": programme, "start": CHAIN_START}).all()
    for row in [row for row in rows if row.broken][:1]:
        message = f"분개 {row.number}: 앞 분개와 이어지지 않거나 내용이 다릅니다 (the chain breaks at this entry)"
        yield "hash chain", message, f"entry:{programme}/{row.number}"
    for row in rows:
        if row.unbalanced:
            message = f"분개 {row.number}: 차변과 대변이 맞지 않습니다 (does not sum to zero)"
            yield "zero sum", message, f"entry:{programme}/{row.number}"


def wrong_balances(connection: Connection, programme: str) -> Iterator[tuple[str, str]]:
    """Accounts whose kept balance is not the sum of their postings."""
    rows = connection.execute(
        text(
            "SELECT account.code, account.balance_krw, coalesce(sum(amount_krw), 0)::bigint AS krw FROM account"
            " LEFT JOIN posting ON posting.account_id = account.id WHERE account.programme = :programme"
            " GROUP BY account.id HAVING account.balance_krw <> coalesce(sum(amount_krw), 0) ORDER BY 1"
        ),
        {"programme": programme},
    )
    for row in rows:
        message = f"{row.code}: 잔액 {row.balance_krw:,} ≠ 분개 합 {row.krw:,} (balance ≠ sum of its postings)"
        yield message, f"balance:{row.code}"


def late_entries(connection: Connection, programme: str) -> Iterator[tuple[str, str]]:
    """Entries of a closed month that came after its lock."""
    rows = connection.execute(
        text(
            "SELECT entry.number, month FROM entry JOIN month_lock USING (programme, month)"
            " WHERE programme = :programme AND entry.number > month_lock.last_number ORDER BY entry.number"
        ),
        {"programme": programme},
    )
    for row in rows:
        message = f"{row.month:%Y-%m} 마감 뒤에 기장된 분개 {row.number} (entry booked after the month's lock)"
        yield message, f"entry:{programme}/{row.number}"

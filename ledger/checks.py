"""Checks that recompute the books from their own rows: chain, zero sums, balances."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ledger.journal import CHAIN_START, NewEntry, entry_hash

FETCH_ROWS = 5_000


def broken_chain(connection: Connection, programme: str) -> Iterator[tuple[str, str]]:
    """The first entry whose number, previous hash or own hash is not what recomputing gives: (message, reference)."""
    with connection.execute(
        text(
            "SELECT entry.number, entry.month, entry.kind, entry.memo, entry.reference, previous_hash, hash,"
            " jsonb_object_agg(account.code, amount_krw) AS postings FROM entry"
            " JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " WHERE entry.programme = :programme GROUP BY entry.id ORDER BY entry.number"
        ),
        {"programme": programme},
        execution_options={"yield_per": FETCH_ROWS},
    ) as rows:
        previous = CHAIN_START
        for expected, row in enumerate(rows, start=1):
            entry = NewEntry(kind=row.kind, memo=row.memo, reference=row.reference, postings=row.postings)
            digest = entry_hash(previous, programme, row.number, row.month, entry)
            if row.number != expected or bytes(row.previous_hash) != previous or bytes(row.hash) != digest:
                yield f"분개 {row.number}: 앞 분개와 이어지지 않거나 내용이 다릅니다", f"entry:{programme}/{row.number}"
                return
            previous = digest


def unbalanced_entries(connection: Connection, programme: str) -> Iterator[tuple[str, str]]:
    """Entries that do not sum to zero within the money or within the budget accounts."""
    rows = connection.execute(
        text(
            "SELECT entry.number FROM entry LEFT JOIN posting ON posting.entry_id = entry.id"
            " LEFT JOIN account ON account.id = posting.account_id WHERE entry.programme = :programme"
            " GROUP BY entry.id, entry.number, entry.posting_count"
            " HAVING coalesce(sum(amount_krw) FILTER (WHERE is_budget), 0) <> 0"
            " OR coalesce(sum(amount_krw) FILTER (WHERE NOT is_budget), 0) <> 0"
            " OR count(posting.entry_id) <> entry.posting_count ORDER BY entry.number"
        ),
        {"programme": programme},
    )
    for row in rows:
        yield f"분개 {row.number}: 차변과 대변이 맞지 않습니다", f"entry:{programme}/{row.number}"


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
        yield f"{row.code}: 잔액 {row.balance_krw:,} ≠ 분개 합 {row.krw:,}", f"balance:{row.code}"


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
        yield f"{row.month:%Y-%m} 마감 뒤에 기장된 분개 {row.number}", f"entry:{programme}/{row.number}"

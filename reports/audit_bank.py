"""Auditors' checks of the suspense account: money that nobody knows, row by row, and since when (domain.md §7, §9)."""

from collections.abc import Iterator

from reports.audit_scope import MOST_REFS, Found, Scope

LONGEST_DAYS = 30

# Bank rows that are in suspense at the mark: booked there by then, and neither moved on nor paid back by then.
HELD = """
, held AS (
  SELECT suspended.row_id, bank_row.counterparty, payment.amount_krw, entry.number,
    CAST(bank_row.at AT TIME ZONE 'Asia/Seoul' AS date) AS day
  FROM bank_match AS suspended JOIN bank_row ON bank_row.id = suspended.row_id
  JOIN bank_part ON match_id = suspended.id JOIN payment ON payment.id = payment_id
  JOIN entry ON entry.id = payment.entry_id
  WHERE suspended.state = 'suspense' AND entry.programme = :programme AND entry.number <= :journal
    AND NOT EXISTS (
      SELECT 1 FROM bank_match AS later LEFT JOIN bank_match AS back ON back.row_id = later.returned_by
      JOIN bank_part AS left_as ON left_as.match_id IN (later.id, back.id)
      JOIN payment AS gone ON gone.id = left_as.payment_id JOIN entry AS left_by ON left_by.id = gone.entry_id
      WHERE later.row_id = suspended.row_id AND later.number > suspended.number AND left_by.number <= :journal)
)
"""


AGAINST_ROWS = f"""
{HELD} SELECT rows.*, coalesce(-balance.krw, 0)::bigint AS balance_krw
FROM (SELECT coalesce(sum(amount_krw), 0)::bigint AS krw, coalesce(array_agg(number ORDER BY number), '{{}}') AS numbers
  FROM held) AS rows,
(SELECT sum(posting.amount_krw) AS krw FROM posting JOIN entry ON entry.id = entry_id
  JOIN account ON account.id = account_id
  WHERE entry.programme = :programme AND entry.number <= :journal AND account.code = 'suspense:bank') AS balance
"""  # noqa: S608
WAITING = f"""
{HELD} SELECT *, days FROM held CROSS JOIN LATERAL (SELECT CAST(:last AS date) - day AS days) AS waited
WHERE days > :longest ORDER BY number
"""  # noqa: S608


def suspense_against_rows(scope: Scope) -> Iterator[Found]:
    """The suspense account's balance is not the sum of the bank rows that are in it."""
    (row,) = scope.rows(AGAINST_ROWS)
    if row.krw != row.balance_krw:
        entries = [f"entry:{scope.terms.code}/{number}" for number in row.numbers[:MOST_REFS]]
        yield Found(
            korean=f"가수금 잔액 {row.balance_krw:,}원이 그 은행 거래의 합 {row.krw:,}원과 다릅니다.",
            english=f"suspense holds KRW {row.balance_krw:,}; the bank rows in it sum to KRW {row.krw:,}.",
            refs=(f"balance:suspense:bank@{scope.settled or scope.month}", *entries),
        )


def suspense_waiting(scope: Scope) -> Iterator[Found]:
    """Rows that at the month's last day have been in suspense for more than 30 days."""
    for row in scope.rows(WAITING, longest=LONGEST_DAYS):
        yield Found(
            korean=f"은행 거래 {row.row_id} ({row.day}, {row.counterparty}): {row.amount_krw:,}원이 {row.days}일째 "
            "가수금에 있습니다.",
            english=f"bank row {row.row_id} ({row.day}, {row.counterparty}): KRW {row.amount_krw:,} in suspense for "
            f"{row.days} days.",
            refs=(f"entry:{scope.terms.code}/{row.number}",),
        )

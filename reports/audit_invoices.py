"""Auditors' check of company invoices: each is what its items sum to, and what its month booked (domain.md §8, §9)."""

from collections.abc import Iterator

from billing.invoice import invoice_number
from reports.audit_scope import Found, Scope

# Of a month whose documents are issued, by project: what its invoice says, what its items sum to, what was booked.
INVOICED = """
SELECT project, kind, issuer, year, number, coalesce(total_krw, 0) AS total_krw, coalesce(items_krw, 0) AS items_krw,
  coalesce(booked_krw, 0) AS booked_krw
FROM (SELECT document.*, (SELECT sum(own_krw)::bigint FROM document_item WHERE document_id = document.id) AS items_krw
      FROM document WHERE programme = :programme AND month = :month AND kind IN ('invoice', 'credit_note')) AS invoice
FULL JOIN (SELECT split_part(account.code, ':', 3) AS project, sum(amount_krw)::bigint AS booked_krw FROM posting
      JOIN entry ON entry.id = posting.entry_id JOIN account ON account.id = posting.account_id
      WHERE entry.programme = :programme AND month = :month AND starts_with(account.code, 'receivable:company:')
      AND kind IN ('settle', 'gpu', 'cpu', 'storage', 'fee', 'draw') GROUP BY 1) AS booked USING (project)
WHERE EXISTS (SELECT 1 FROM run_step WHERE programme = :programme AND month = :month AND step = 'documents')
  AND (coalesce(total_krw, 0), coalesce(total_krw, 0)) <> (coalesce(items_krw, 0), coalesce(booked_krw, 0))
ORDER BY project
"""


def invoice_against_receivable(scope: Scope) -> Iterator[Found]:
    """The month's invoices that are not what their items sum to or what was booked; receivables without an invoice."""
    for row in scope.rows(INVOICED):
        name = invoice_number(row.kind, row.issuer, row.year, row.number) if row.kind else "-"
        yield Found(
            korean=f"{row.project} 청구서 {name}: {row.total_krw:,}원, 항목의 합 {row.items_krw:,}원, 장부의 채권 "
            f"{row.booked_krw:,}원이 서로 다릅니다.",
            english=f"{row.project} invoice {name}: KRW {row.total_krw:,}; its items sum to KRW {row.items_krw:,}, KRW "
            f"{row.booked_krw:,} are booked as receivable.",
            refs=(
                f"balance:receivable:company:{row.project}@{scope.month}",
                *([f"invoice:{name}"] if row.kind else []),
            ),
        )

"""Auditors' check of a closed month: nothing of it was written anew (domain.md §0, §6, §9)."""

from collections.abc import Iterator

from ledger.journal import NewEntry, entry_hash
from reports.audit_scope import Found, Scope

CONTROLLED = {"charge_rows": "청구행 수", "amount_krw": "공급가액", "vat_krw": "부가가치세", "voucher_krw": "보조금",
              "self_pay_krw": "자부담", "held_krw": "보류", "pool_krw": "참여유인 재원"}  # fmt: skip


def closed_month_rewritten(scope: Scope) -> Iterator[Found]:
    """Entries of a locked month that are not as they were hashed, figures that are not those of the run's record."""
    locked = list(
        scope.rows("SELECT last_number FROM month_lock WHERE programme = :programme AND month = CAST(:month AS date)")
    )
    if locked:
        yield from _entries(scope, locked[0].last_number)
        yield from _totals(scope)
        yield from _files(scope)


def _entries(scope: Scope, last_number: int) -> Iterator[Found]:
    rows = scope.rows(
        "SELECT entry.number, entry.month, entry.kind, entry.memo, entry.reference, entry.previous_hash, entry.hash,"
        " before.hash AS before_hash, jsonb_object_agg(account.code, amount_krw) FILTER (WHERE amount_krw IS NOT NULL)"
        "  AS postings FROM entry LEFT JOIN entry AS before ON before.programme = entry.programme"
        "  AND before.number = entry.number - 1"
        " LEFT JOIN posting ON posting.entry_id = entry.id LEFT JOIN account ON account.id = posting.account_id"
        " WHERE entry.programme = :programme AND entry.month = :month GROUP BY entry.id, before.hash"
        " ORDER BY entry.number"
    )
    for row in rows:
        entry = NewEntry(kind=row.kind, memo=row.memo, reference=row.reference, postings=row.postings or {})
        previous = bytes(row.previous_hash)
        digest = entry_hash(previous, scope.terms.code, row.number, row.month, entry)
        follows = row.number == 1 or (row.before_hash is not None and bytes(row.before_hash) == previous)
        if row.number > last_number or digest != bytes(row.hash) or not follows:
            yield Found(
                korean=f"마감된 {scope.month} 의 분개 {row.number} 이(가) 마감 때와 다릅니다.",
                english=f"entry {row.number} of the closed {scope.month} is not as it was at the lock.",
                refs=(f"entry:{scope.terms.code}/{row.number}",),
            )


def _totals(scope: Scope) -> Iterator[Found]:
    """Control totals of the run's post step against the rows that are there now; with the lines that do not foot."""
    (row,) = scope.rows(
        "SELECT (SELECT control FROM run_step WHERE programme = :programme AND month = :month AND step = 'post'),"
        " charges.*, lines.*, (SELECT pool_krw FROM incentive_pool WHERE programme = :programme AND month = :month)"
        " FROM (SELECT count(*) AS charge_rows, coalesce(sum(amount_krw), 0)::bigint AS amount_krw,"
        "  coalesce(sum(vat_krw), 0)::bigint AS vat_krw FROM charge WHERE programme = :programme AND month = :month)"
        " AS charges, (SELECT coalesce(sum(voucher_krw), 0)::bigint AS voucher_krw,"
        "  coalesce(sum(self_pay_krw), 0)::bigint AS self_pay_krw, coalesce(sum(held_krw), 0)::bigint AS held_krw"
        "  FROM line_settlement WHERE programme = :programme AND month = :month) AS lines"
    )
    for name, title in CONTROLLED.items():
        recorded, now = row.control[name], getattr(row, name)
        if recorded != now:
            yield Found(
                korean=f"{scope.month}: {title} {now or 0:,} 이(가) 마감 때의 {recorded:,} 과 다릅니다.",
                english=f"{scope.month}: {name} is {now or 0:,}, it was {recorded:,} when the month was closed.",
                refs=(f"tie:{scope.month}", *_unfooted_lines(scope)),
            )


def _unfooted_lines(scope: Scope) -> list[str]:
    rows = scope.rows(
        "SELECT line FROM line_settlement LEFT JOIN (SELECT line, sum(amount_krw) AS amount_krw, sum(vat_krw) AS vat"
        "  FROM charge WHERE programme = :programme AND month = :month GROUP BY line) AS charged USING (line)"
        " WHERE programme = :programme AND month = :month"
        " AND (supply_krw, vat_krw) <> (coalesce(amount_krw, 0), coalesce(vat, 0)) ORDER BY line"
    )
    return [f"line:{scope.month}/{row.line}" for row in rows]


def _files(scope: Scope) -> Iterator[Found]:
    rows = scope.rows(
        "SELECT name FROM published_file WHERE programme = :programme AND month = :month"
        " AND encode(sha256(content), 'hex') <> sha256 ORDER BY name"
    )
    for row in rows:
        yield Found(
            korean=f"{row.name}: 공표한 파일이 기록된 해시와 다릅니다.",
            english=f"{row.name}: the published file is not the one whose hash was recorded.",
            refs=(f"tie:{scope.month}",),
        )

"""Ties of what a month's run orders to be paid out: by payer, the payment order beside what the month settled."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from core.month import Month
from registry.values import ProgrammeTerms
from reports.month import month_lines
from reports.ties import Tie


def payout_ties(connection: Connection, terms: ProgrammeTerms, month: Month) -> list[Tie]:
    """What a payment order of the month asks each payer for, from the journal, against the split, the charge rows, the
    incentive shares, the advances and the deposits.
    """
    asked = {
        row.payer: row.krw
        for row in connection.execute(
            text("SELECT payer, sum(amount_krw)::bigint AS krw FROM payable_of(:programme, :month) GROUP BY payer"),
            {"programme": terms.code, "month": month.first},
        )
    }
    lines = month_lines(connection, terms.code, month)
    agency = sum(line.voucher_krw for line in lines) - _offset_krw(connection, terms, month)
    settlement = (
        sum(line.owed_krw for line in lines)
        + _usage_and_incentive_krw(connection, terms, month)
        + _refund_krw(connection, terms, month)
    )
    return [
        Tie(
            name=f"지급요청 ↔ 정산 ({name})", left_name=left, left=krw, right_name="지급요청할 금액 − 회수할 금액",
            right=asked.get(payer, 0),
        )
        for name, payer, left, krw in (
            ("전담기관", "agency", "바우처 − 선금 충당", agency),
            ("정산 계정", "settlement", "기업 부담분 + 사용료 + 참여유인 + 선납금 환급", settlement),
        )
    ]  # fmt: skip


def _offset_krw(connection: Connection, terms: ProgrammeTerms, month: Month) -> int:
    """What of the advances that the agency paid the month's run used up, in won."""
    return connection.scalar(
        text(
            "SELECT coalesce(-sum(amount_krw), 0)::bigint FROM posting JOIN entry ON entry.id = posting.entry_id"
            " JOIN account ON account.id = posting.account_id WHERE entry.programme = :programme AND month = :month"
            " AND kind = 'advance_offset' AND starts_with(account.code, 'advance:hospital:')"
        ),
        {"programme": terms.code, "month": month.first},
    )


def _usage_and_incentive_krw(connection: Connection, terms: ProgrammeTerms, month: Month) -> int:
    """Usage that the company pays for as a whole, with its VAT, of which an infrastructure firm gets its part, and what
    is distributed; a pool of a fixed sum comes out of the operator's usage.
    """
    row = connection.execute(
        text(
            "SELECT (SELECT coalesce(sum(amount_krw + vat_krw), 0) FROM charge WHERE programme = :programme"
            "  AND month = :month AND line IS NULL AND kind IN ('gpu', 'cpu', 'storage'))::bigint AS usage_krw,"
            " coalesce(sum(pool_krw), 0)::bigint AS pool_krw,"
            " coalesce(sum(distributed_krw), 0)::bigint AS distributed_krw"
            " FROM incentive_pool WHERE programme = :programme AND month = :month"
        ),
        {"programme": terms.code, "month": month.first},
    ).one()
    return row.usage_krw + row.distributed_krw - (row.pool_krw if terms.incentive_monthly_krw else 0)


def _refund_krw(connection: Connection, terms: ProgrammeTerms, month: Month) -> int:
    """What is left of the deposits of projects that end with the month, and what changed of those that ended before."""
    ends = {
        f"deposit:{code}": project.deposit_ends
        for code, project in terms.projects.items()
        if project.deposit_ends is not None and project.deposit_ends <= month
    }
    return sum(
        row.closing_krw - (0 if ends[row.code] == month else row.before_krw - row.refunded_krw)
        for row in _deposits(connection, terms, month, sorted(ends))
    )


def _deposits(connection: Connection, terms: ProgrammeTerms, month: Month, accounts: Sequence[str]):
    """By account, in won: what is left at the month's close, at the one before, and what was given back between."""
    return connection.execute(
        text(
            "SELECT code, coalesce(-sum(amount_krw), 0)::bigint AS closing_krw,"
            " coalesce(-sum(amount_krw) FILTER (WHERE taken_in < :month), 0)::bigint AS before_krw,"
            " coalesce(sum(amount_krw) FILTER (WHERE taken_in = :month AND kind <> 'draw' AND amount_krw > 0),"
            "  0)::bigint AS refunded_krw FROM (SELECT account.code, posting.amount_krw, entry.kind,"
            "  CASE WHEN entry.kind = 'draw' THEN entry.month ELSE (SELECT min(run.month) FROM month_run AS run"
            "   WHERE run.programme = :programme AND entry.number <= run.journal_mark) END AS taken_in"
            "  FROM account JOIN posting ON posting.account_id = account.id JOIN entry ON entry.id = posting.entry_id"
            "  WHERE account.programme = :programme AND account.code = ANY(:accounts)) AS moved"
            " WHERE taken_in <= :month GROUP BY code ORDER BY code"
        ),
        {"programme": terms.code, "month": month.first, "accounts": list(accounts)},
    )

"""The reconciliation of a month (domain.md §7): each tie has two sides, each side derived by itself."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import Connection, text

from billing.booked import month_charges
from billing.charge import ChargeLine
from core.month import Month
from metering.quarantine import intake_counts
from metering.usage import raw_totals, rolled_totals, stored_usage, uncut_storage, work_items
from registry.values import ProgrammeTerms
from reports.month import incentive_figures, matrix_figures, month_lines
from reports.payout_ties import payout_ties
from reports.ties import Tie, decimal_text
from settlement.matrix import total_krw


def month_ties(
    connection: Connection,
    terms: ProgrammeTerms,
    month: Month,
    derived: Sequence[ChargeLine],
    frozen: Mapping[str, str],
    statements: Mapping[str, int],
) -> list[Tie]:
    """Every tie of a month that is posted and documented.

    `derived`: T(n), every charge line anew from the usage; `frozen`: control totals of the freeze, raw events beside
    rolled-up usage; `statements`: totals that the rendered workbooks show.
    """
    return [
        *_usage_ties(frozen),
        _work_tie(connection, terms, month, frozen),
        _charge_tie(connection, terms, month, derived),
        *_line_ties(connection, terms, month),
        *_matrix_ties(connection, terms, month),
        *_statement_ties(connection, terms, month, statements),
        _document_tie(connection, terms, month),
        _invoice_tie(connection, terms, month),
        *payout_ties(connection, terms, month),
        _cash_tie(connection, terms, month),
        *budget_ties(connection, terms, month),
        _books_tie(connection, terms),
        _intake_tie(connection),
    ]


def usage_totals(connection: Connection, terms: ProgrammeTerms, month: Month, mark: int) -> dict[str, str]:
    """Control totals of a freeze, exact integers as text: usage from the raw events, uncut, beside the rolled-up usage.

    gpu and cpu in µs × thousandths; storage in µs × bytes up to the month's end; preparation accepted up to then, in
    thousandths.
    """
    projects = sorted(terms.projects)
    ends = {
        code: max(one.ends for one in project.agreements)
        for code, project in terms.projects.items()
        if project.agreements
    }
    until, first = month.last + timedelta(days=1), min((month.first, *_starts(terms)))
    cuts = [first.replace(day=1)]
    accepted = [one for item in work_items(connection, projects, mark) for one in item.acceptances]
    allocated = {"raw": raw_totals(connection, projects, mark), "rolled": rolled_totals(connection, projects, mark)}
    totals = {
        f"{meter}_{side}": sum(quantity for key, quantity in found.items() if key[1] == meter)
        for meter in ("gpu", "cpu")
        for side, found in allocated.items()
    } | {
        "storage_raw": uncut_storage(connection, ends, mark, until),
        "storage_rolled": sum(one.quantity for one in stored_usage(connection, ends, mark, until, cuts)),
        "preparation_accepted": sum(one.quantity_milli for one in accepted if one.at < month.end),
    }
    return {name: str(total) for name, total in totals.items()}


def _starts(terms: ProgrammeTerms) -> Iterator[date]:
    return (one.starts for project in terms.projects.values() for one in project.agreements)


def _work_tie(connection: Connection, terms: ProgrammeTerms, month: Month, frozen: Mapping[str, str]) -> Tie:
    """What was accepted, from the events, against the quantity of all charge rows, held work included."""
    charged = connection.scalar(
        text(
            "SELECT coalesce(sum(quantity_base), 0) FROM charge"
            " WHERE programme = :programme AND month <= :month AND kind = 'preparation'"
        ),
        {"programme": terms.code, "month": month.first},
    )
    return Tie(
        name="인정 작업 ↔ 청구행 수량 (누계)",
        left_name="검수 이벤트의 인정 수량",
        left=decimal_text(Fraction(int(frozen["preparation_accepted"]), 1000)),
        right_name="청구행 수량 (보류 포함)",
        right=decimal_text(Fraction(int(charged), 1000)),
        note="단위의 합",
    )


def _usage_ties(frozen: Mapping[str, str]) -> list[Tie]:
    units = (
        ("gpu", 10**9, "GPU", "GPU·초"),
        *([("cpu", 10**9, "CPU", "코어·초")] if {frozen["cpu_raw"], frozen["cpu_rolled"]} != {"0"} else []),
        ("storage", 10**6, "저장공간", "바이트·초"),
    )
    return [
        Tie(
            name=f"원시 이벤트 ↔ 집계 사용량 ({name})",
            left_name="원시 이벤트에서 다시 더한 값",
            left=decimal_text(Fraction(int(frozen[f"{meter}_raw"]), scale)),
            right_name="집계 사용량",
            right=decimal_text(Fraction(int(frozen[f"{meter}_rolled"]), scale)),
            note=unit,
        )
        for meter, scale, name, unit in units
    ]


def _charge_tie(connection: Connection, terms: ProgrammeTerms, month: Month, derived: Sequence[ChargeLine]) -> Tie:
    """T(n) derived now against the sum of all charge rows ever booked up to the month."""
    booked = connection.scalar(
        text(
            "SELECT coalesce(sum(amount_krw), 0)::bigint FROM charge WHERE programme = :programme AND month <= :month"
        ),
        {"programme": terms.code, "month": month.first},
    )
    return Tie(
        name="집계 사용량 ↔ 청구행 (누계)",
        left_name="사용량 × 단가 (공급가액)",
        left=sum(line.amount_krw for line in derived),
        right_name="청구행 공급가액",
        right=booked,
        note=_different_lines(connection, terms, month, derived),
    )


def _different_lines(connection: Connection, terms: ProgrammeTerms, month: Month, derived: Sequence[ChargeLine]) -> str:
    """The charge lines whose booked sum is not what was derived."""
    rows = connection.execute(
        text(
            "SELECT project, service_month, line_key, sum(amount_krw)::bigint AS krw FROM charge"
            " WHERE programme = :programme AND month <= :month GROUP BY 1, 2, 3"
        ),
        {"programme": terms.code, "month": month.first},
    )
    booked = {(row.project, Month.of(row.service_month), row.line_key): row.krw for row in rows}
    anew = {line.identity: line.amount_krw for line in derived}
    different = [key for key in {*booked, *anew} if booked.get(key, 0) != anew.get(key, 0)]
    return ", ".join(f"{project} {month} {key}" for project, month, key in sorted(different)[:20])


def _line_ties(connection: Connection, terms: ProgrammeTerms, month: Month) -> list[Tie]:
    row = connection.execute(
        text(
            "SELECT (SELECT coalesce(sum(amount_krw), 0) FROM charge WHERE programme = :programme AND month = :month"
            "  AND line IS NOT NULL)::bigint AS charged_krw,"
            " (SELECT coalesce(sum(voucher_krw + self_pay_krw + excess_krw), 0) FROM line_settlement"
            "  WHERE programme = :programme AND month = :month)::bigint AS split_krw"
        ),
        {"programme": terms.code, "month": month.first},
    ).one()
    return [
        Tie(
            name="청구행 ↔ 재원 분담", left_name="데이터 공급 청구행", left=row.charged_krw,
            right_name="바우처 + 자부담 + 초과분", right=row.split_krw,
        )
    ]  # fmt: skip


def _run_postings(connection: Connection, terms: ProgrammeTerms, month: Month, account: str, *kinds: str) -> int:
    """Σ of a month's run postings to accounts beginning with `account`, from entries of some kinds, in won."""
    return connection.scalar(
        text(
            "SELECT coalesce(sum(amount_krw), 0)::bigint FROM posting JOIN entry ON entry.id = posting.entry_id"
            " JOIN account ON account.id = posting.account_id WHERE entry.programme = :programme AND month = :month"
            " AND kind = ANY(:kinds) AND starts_with(account.code, :account)"
        ),
        {"programme": terms.code, "month": month.first, "account": account, "kinds": list(kinds)},
    )


CHARGING = ("settle", "gpu", "cpu", "storage", "fee")


def _matrix_ties(connection: Connection, terms: ProgrammeTerms, month: Month) -> list[Tie]:
    charges = [row for _id, row in month_charges(connection, terms.code, month)]
    lines = month_lines(connection, terms.code, month)
    pool_krw = incentive_figures(connection, terms.code, month)["pool_krw"]
    total = total_krw(matrix_figures(terms, charges, lines, pool_krw))
    past_books = sum(line.own_krw - line.owed_krw for line in lines)
    charged = sum(row.amount_krw + row.vat_krw for row in charges)
    credits = -sum(
        _run_postings(connection, terms, month, account, *CHARGING, "pool")
        for account in (
            "payable:hospital:",
            "payable:company:",
            "payable:operator",
            "income:platform_fee",
            "vat:operator",
            "incentive:pool",
        )
    )
    return [
        Tie(
            name="청구행 ↔ 재원 × 용도 행렬", left_name="청구행 공급가액 + 부가가치세", left=charged,
            right_name="행렬 총계", right=total,
        ),
        Tie(
            name="행렬 ↔ 분개", right_name="지급·수입 계정 대변", right=credits, left=total - past_books,
            left_name="행렬 총계" + (" (기업이 직접 낸 부분 제외)" if past_books else ""),
        ),
    ]  # fmt: skip


def _statement_ties(
    connection: Connection, terms: ProgrammeTerms, month: Month, statements: Mapping[str, int]
) -> list[Tie]:
    company = _run_postings(connection, terms, month, "receivable:company:", *CHARGING, "draw")
    hospital = -_run_postings(connection, terms, month, "payable:hospital:", "settle")
    agency = _run_postings(connection, terms, month, "receivable:agency", "settle", "advance_offset")
    operator = -sum(
        _run_postings(connection, terms, month, account, *CHARGING)
        for account in ("payable:operator", "income:platform_fee", "vat:operator")
    )
    sides = (
        ("기업 정산서", "기업 채권 (선납 충당 후)", company, "납부할 금액", "company_due_krw"),
        ("병원 정산서", "병원 채무", hospital, "공급가액 + 부가가치세", "hospital_total_krw"),
        ("운영기관 내역서", "운영기관 수입·채무", operator, "이용료 + 부가가치세", "operator_total_krw"),
        ("지급요청서", "전담기관 채권", agency, "지급액 − 회수액", "agency_net_krw"),
        *_sides_of_some(connection, terms, month),
    )
    return [
        Tie(name=f"분개 ↔ {name}", left_name=left, left=krw, right_name=right, right=statements[key])
        for name, left, krw, right, key in sides
    ]


def _sides_of_some(connection: Connection, terms: ProgrammeTerms, month: Month) -> list[tuple]:
    """Ties of programmes that pay the grant to the company, or whose operator has infrastructure firms to pay."""
    grant = -_run_postings(connection, terms, month, "payable:company:", "settle")
    infra = -_run_postings(connection, terms, month, "payable:infra:", "infra")
    return [
        *([("기업 정산서 (지원금)", "기업에 줄 지원금", grant, "당월 지원금", "company_grant_krw")]
          if terms.funding == "company" else []),
        *([("운영기관 내역서 (인프라)", "인프라기업 채무", infra, "인프라 원가", "operator_infra_krw")]
          if infra else []),
    ]  # fmt: skip


def _document_tie(connection: Connection, terms: ProgrammeTerms, month: Month) -> Tie:
    documents = connection.scalar(
        text(
            "SELECT coalesce(sum(supply_krw + vat_krw), 0)::bigint FROM document WHERE programme = :programme"
            " AND month = :month AND kind IN ('tax_invoice', 'invoice_exempt')"
        ),
        {"programme": terms.code, "month": month.first},
    )
    granted = terms.funding == "company"  # the agency then owes a grant, for which no document of ours is issued
    account = "receivable:company:" if granted else "receivable:"
    receivables = _run_postings(connection, terms, month, account, *CHARGING)
    return Tie(
        name="문서 ↔ 채권", left_name="세금계산서·계산서 공급가액 + 세액", left=documents,
        right_name="채권 (기업)" if granted else "채권 (기업 + 전담기관)", right=receivables,
    )  # fmt: skip


def _invoice_tie(connection: Connection, terms: ProgrammeTerms, month: Month) -> Tie:
    """What the items of the month's company invoices say, project by project, against the companies' receivables."""
    rows = connection.execute(
        text(
            "SELECT coalesce(invoiced.project, booked.project) AS project, coalesce(invoiced.krw, 0) AS invoiced_krw,"
            " coalesce(booked.krw, 0) AS booked_krw FROM (SELECT project, sum(own_krw)::bigint AS krw FROM document"
            "   JOIN document_item ON document_id = document.id WHERE programme = :programme AND month = :month"
            "   GROUP BY project) AS invoiced"
            " FULL JOIN (SELECT split_part(account.code, ':', 3) AS project, sum(amount_krw)::bigint AS krw"
            "   FROM posting JOIN entry ON entry.id = posting.entry_id JOIN account ON account.id = posting.account_id"
            "   WHERE entry.programme = :programme AND month = :month AND kind = ANY(:kinds)"
            "   AND starts_with(account.code, 'receivable:company:') GROUP BY 1) AS booked USING (project)"
            " ORDER BY 1"
        ),
        {"programme": terms.code, "month": month.first, "kinds": [*CHARGING, "draw"]},
    ).all()
    return Tie(
        name="청구서 ↔ 기업 채권", left_name="청구서 항목의 기업 부담", right_name="기업 채권 (선납 충당 후)",
        left=sum(row.invoiced_krw for row in rows), right=sum(row.booked_krw for row in rows),
        note=", ".join(row.project for row in rows if row.invoiced_krw != row.booked_krw),
    )  # fmt: skip


def _cash_tie(connection: Connection, terms: ProgrammeTerms, month: Month) -> Tie:
    """The payments file by itself against the cash accounts, over the programme's months up to this one."""
    row = connection.execute(
        text(
            "SELECT coalesce((SELECT sum(CASE WHEN channel = 'agency' OR account = 'cash:stripe' THEN 0"
            "    WHEN starts_with(account, 'payable:') OR starts_with(account, 'expense:') THEN -amount_krw"
            "    ELSE amount_krw END)"
            "   FROM payment JOIN entry ON entry.id = payment.entry_id"
            "   WHERE entry.programme = :programme AND entry.month <= :month), 0)::bigint AS paid_krw,"
            " coalesce((SELECT sum(posting.amount_krw) FROM posting JOIN entry ON entry.id = posting.entry_id"
            "   JOIN account ON account.id = posting.account_id WHERE entry.programme = :programme"
            "   AND entry.month <= :month AND account.code IN ('cash:bank', 'cash:stripe')), 0)::bigint AS cash_krw"
        ),
        {"programme": terms.code, "month": month.first},
    ).one()
    return Tie(
        name="지급 ↔ 현금", left_name="은행·카드 지급 기록", left=row.paid_krw, right_name="cash:bank + cash:stripe",
        right=row.cash_krw, note="마감 시점",
    )  # fmt: skip


def budget_ties(connection: Connection, terms: ProgrammeTerms, month: Month) -> list[Tie]:
    """A = C + D + E with C from the line settlements and E from the books; executed + committed + available = A.

    A transfer that became known after its month was closed counts from the month in which it is booked.
    """
    row = connection.execute(
        text(
            "SELECT appropriation_krw + carry_in_krw + coalesce((SELECT sum(amount_krw) FROM budget_record"
            "   WHERE budget_record.programme = programme.code AND kind = 'transfer' AND dated <= :last"
            "   AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.programme = programme.code AND entry.month > :month"
            "   AND entry.reference = 'transfer:' || budget_record.id)), 0)::bigint"
            "   AS current_krw,"
            " (SELECT coalesce(sum(voucher_krw), 0) FROM line_settlement WHERE programme = :programme"
            "   AND month <= :month)::bigint AS executed_krw FROM programme WHERE code = :programme"
        ),
        {"programme": terms.code, "month": month.first, "last": month.last},
    ).one()
    booked = {
        one.item: one.krw
        for one in connection.execute(
            text(
                "SELECT split_part(code, ':', 2) AS item, sum(amount_krw)::bigint AS krw FROM posting"
                " JOIN account ON account.id = posting.account_id JOIN entry ON entry.id = posting.entry_id"
                " WHERE entry.programme = :programme AND is_budget AND entry.month <= :month GROUP BY 1"
            ),
            {"programme": terms.code, "month": month.first},
        )
    }
    left_over = booked.get("committed", 0) + booked.get("available", 0)
    return [
        Tie(
            name="예산 항등식 A = C + D + E", left_name="예산현액 A", left=row.current_krw,
            right_name="집행 C (재원 분담) + 집행잔액 E (장부)", right=row.executed_krw + left_over,
        ),
        Tie(
            name="예산 상태", left_name="예산현액 A", left=row.current_krw, right_name="집행 + 약정 + 가용 (장부)",
            right=booked.get("executed", 0) + left_over,
        ),
    ]  # fmt: skip


def _books_tie(connection: Connection, terms: ProgrammeTerms) -> Tie:
    row = connection.execute(
        text(
            "SELECT coalesce(sum(amount_krw) FILTER (WHERE amount_krw > 0), 0)::bigint AS debit,"
            " coalesce(-sum(amount_krw) FILTER (WHERE amount_krw < 0), 0)::bigint AS credit"
            " FROM posting JOIN entry ON entry.id = posting.entry_id WHERE entry.programme = :programme"
        ),
        {"programme": terms.code},
    ).one()
    return Tie(
        name="장부 대차", left_name="차변 합계", left=row.debit, right_name="대변 합계", right=row.credit,
    )  # fmt: skip


def _intake_tie(connection: Connection) -> Tie:
    counts = intake_counts(connection)
    parts = counts["stored"] + counts["duplicate"] + counts["quarantined"] + counts["dead_lettered"]
    return Tie(
        name="수신 항등식", left_name="수신", left=counts["received"],
        right_name="저장 + 중복 + 격리 + 판독 불가", right=parts, note="건, 누계",
    )  # fmt: skip

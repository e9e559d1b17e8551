"""Auditors' checks of limits and of the budget's course over the year (domain.md §1, §9)."""

from collections.abc import Iterator
from datetime import date, timedelta

from reports.audit_scope import Found, Scope

# Of a project's whole execution, what its settlements of December and later may have: a month is a twelfth of a year,
# and a quarter of a programme that runs from September; two fifths are well above either.
YEAR_END_SHARE_BP = 4_000
# Of a project's grant limits, what is to be executed by the end of its agreements; before, in proportion to their days.
TARGET_RATE_BP = 8_000


def line_limit(scope: Scope) -> Iterator[Found]:
    """A line that was granted more than its limit in force."""
    rows = scope.rows(
        "SELECT line, settled.project, total_voucher_krw AS krw, now_krw FROM settled"
        " JOIN in_force ON in_force.code = line WHERE total_voucher_krw > now_krw ORDER BY line"
    )
    for row in rows:
        yield Found(
            korean=f"{row.line} ({row.project}): 보조금 {row.krw:,}원이 지원 한도 {row.now_krw:,}원을 넘었습니다.",
            english=f"{row.line} ({row.project}): the grant of KRW {row.krw:,} exceeds the line's limit of "
            f"KRW {row.now_krw:,}.",
            refs=(scope.line(row.line),),
        )


def project_grant(scope: Scope) -> Iterator[Found]:
    """A project whose line limits, or what was executed of them, sum to more than its grant."""
    rows = scope.rows(
        "SELECT project.code, grant_krw, greatest(sum(now_krw), sum(total_voucher_krw))::bigint AS krw,"
        " array_agg(in_force.code ORDER BY in_force.code) AS lines FROM project JOIN in_force"
        " ON in_force.project = project.code LEFT JOIN settled ON settled.line = in_force.code"
        " GROUP BY project.code HAVING greatest(sum(now_krw), sum(total_voucher_krw)) > grant_krw ORDER BY 1"
    )
    for row in rows:
        lines = map(scope.line, row.lines) if scope.settled else ()
        yield Found(
            korean=f"{row.code}: 항목 한도 또는 집행액의 합 {row.krw:,}원이 과제 지원금 {row.grant_krw:,}원을 "
            "넘었습니다.",
            english=f"{row.code}: line limits or execution of KRW {row.krw:,} exceed the project's grant of "
            f"KRW {row.grant_krw:,}.",
            refs=(f"registry:project/{row.code}", *lines),
        )


def tier_grant_cap(scope: Scope) -> Iterator[Found]:
    """A project whose grant is more than its tier's cap."""
    rows = scope.rows(
        "SELECT project.code, grant_krw, tier, grant_cap_krw FROM project"
        " JOIN tier ON tier.programme = project.programme AND tier.code = tier"
        " WHERE project.programme = :programme AND grant_krw > grant_cap_krw ORDER BY 1"
    )
    for row in rows:
        yield Found(
            korean=f"{row.code}: 지원금 {row.grant_krw:,}원이 {row.tier} 등급 상한 {row.grant_cap_krw:,}원을 "
            "넘었습니다.",
            english=f"{row.code}: the grant of KRW {row.grant_krw:,} exceeds the cap of tier {row.tier}, "
            f"KRW {row.grant_cap_krw:,}.",
            refs=(f"registry:project/{row.code}", f"registry:tier/{row.tier}"),
        )


def price_cap(scope: Scope) -> Iterator[Found]:
    """A project whose funded supply (grant and self-pay) is more than its tier's price cap."""
    rows = scope.rows(
        "SELECT settled.project, price_cap_krw, sum(total_voucher_krw + total_self_pay_krw)::bigint AS krw,"
        " array_agg(line ORDER BY line) AS lines FROM settled"
        " JOIN project ON project.code = settled.project"
        " JOIN tier ON tier.programme = project.programme AND tier.code = tier GROUP BY settled.project, price_cap_krw"
        " HAVING sum(total_voucher_krw + total_self_pay_krw) > price_cap_krw ORDER BY 1"
    )
    for row in rows:
        yield Found(
            korean=f"{row.project}: 보조금과 자부담 {row.krw:,}원이 과제 금액 상한 {row.price_cap_krw:,}원을 "
            "넘었습니다.",
            english=f"{row.project}: grant and self-pay of KRW {row.krw:,} exceed the price cap of "
            f"KRW {row.price_cap_krw:,}.",
            refs=(*map(scope.line, row.lines), f"registry:project/{row.project}"),
        )


def appropriation(scope: Scope) -> Iterator[Found]:
    """Project grants (of ended projects what they executed), or what was executed, of more than the current budget."""
    rows = scope.rows(
        "SELECT * FROM (SELECT appropriation_krw + carry_in_krw + coalesce((SELECT sum(amount_krw) FROM budget_record"
        "  WHERE programme = :programme AND kind = 'transfer'), 0)::bigint AS current_krw,"
        " greatest((SELECT sum(coalesce(executed_krw, project.grant_krw)) FROM project"
        "  LEFT JOIN ended_project USING (code) WHERE project.programme = :programme),"
        "  (SELECT sum(total_voucher_krw) FROM settled))::bigint AS krw"
        " FROM programme WHERE code = :programme) AS budget WHERE krw > current_krw"
    )
    for row in rows:
        yield Found(
            korean=f"과제 지원금 또는 집행액의 합 {row.krw:,}원이 예산현액 {row.current_krw:,}원을 넘었습니다.",
            english=f"grants or execution of KRW {row.krw:,} exceed the current budget of KRW {row.current_krw:,}.",
            refs=(f"budget:{scope.settled or scope.month}/current", f"registry:programme/{scope.terms.code}"),
        )


def category_overrun(scope: Scope) -> Iterator[Found]:
    """A cost category of a project that was granted more than its lines' limits; nothing where no voucher may pay."""
    rows = scope.rows(
        "SELECT settled.project, category.name, sum(total_voucher_krw)::bigint AS krw, array_agg(line ORDER BY line)"
        " AS lines, (CASE WHEN voucher THEN sum(now_krw) ELSE 0 END)::bigint AS plan_krw"
        " FROM settled JOIN in_force ON in_force.code = line"
        " JOIN category ON category.programme = settled.programme AND category.code = settled.category"
        " GROUP BY settled.project, category.code, category.name, voucher"
        " HAVING sum(total_voucher_krw) > CASE WHEN voucher THEN sum(now_krw) ELSE 0 END ORDER BY 1, 2"
    )
    for row in rows:
        yield Found(
            korean=f"{row.project} · {row.name}: 보조금 {row.krw:,}원이 비목 예산 {row.plan_krw:,}원을 넘었습니다.",
            english=f"{row.project} · {row.name}: the grant of KRW {row.krw:,} exceeds the category's budget of "
            f"KRW {row.plan_krw:,}.",
            refs=tuple(map(scope.line, row.lines)),
        )


def year_end_bulk(scope: Scope) -> Iterator[Found]:
    """A project whose settlements of the fiscal year's December and later have too much of its whole execution."""
    december = date(scope.terms.fiscal_year, 12, 1)
    rows = scope.rows(
        "SELECT project, (sum(voucher_krw) FILTER (WHERE month >= :december))::bigint AS late_krw,"
        " sum(voucher_krw)::bigint AS krw, array_agg(DISTINCT line ORDER BY line)"
        "  FILTER (WHERE month = :settled AND voucher_krw > 0) AS lines"
        " FROM line_settlement WHERE programme = :programme AND month <= :settled GROUP BY project"
        " HAVING sum(voucher_krw) FILTER (WHERE month >= :december) * 10000 > sum(voucher_krw) * :share ORDER BY 1",
        december=december,
        share=YEAR_END_SHARE_BP,
    )
    for row in rows:
        rate = _percent(row.late_krw, row.krw)
        yield Found(
            korean=f"{row.project}: 집행액 {row.krw:,}원의 {rate}인 {row.late_krw:,}원이 연말에 집행되었습니다.",
            english=f"{row.project}: KRW {row.late_krw:,}, {rate} of KRW {row.krw:,}, were executed at the year's end.",
            refs=(*map(scope.line, row.lines or ()), f"registry:project/{row.project}"),
        )


def below_target(scope: Scope) -> Iterator[Found]:
    """A project that is behind the target of its limits at the fiscal year's December and later, or at its own end."""
    targets = _targets_bp(scope)
    rows = scope.rows(
        "SELECT settled.project, target_bp, sum(total_voucher_krw)::bigint AS krw, sum(now_krw)::bigint AS limit_krw,"
        " array_agg(line ORDER BY line) AS lines FROM settled JOIN in_force ON in_force.code = line"
        " JOIN unnest(CAST(:projects AS text[]), CAST(:targets AS int[])) AS target (project, target_bp)"
        "  ON target.project = settled.project GROUP BY settled.project, target_bp"
        " HAVING sum(total_voucher_krw) * 10000 < sum(now_krw) * target_bp ORDER BY 1",
        projects=list(targets),
        targets=list(targets.values()),
    )
    for row in rows:
        rate, target = _percent(row.krw, row.limit_krw), _percent(row.target_bp, 10_000)
        yield Found(
            korean=f"{row.project}: 한도 {row.limit_krw:,}원 가운데 {row.krw:,}원을 집행해 집행률 {rate}로 "
            f"목표 {target}에 못 미칩니다.",
            english=f"{row.project}: KRW {row.krw:,} of KRW {row.limit_krw:,} were executed, {rate}; "
            f"the target is {target}.",
            refs=(*map(scope.line, row.lines), f"registry:project/{row.project}"),
        )


def _targets_bp(scope: Scope) -> dict[str, int]:
    """By project that is asked at all, what should be executed of its limits by the settlement, in basis points."""
    if scope.settled is None:
        return {}
    year_end = scope.settled.first >= date(scope.terms.fiscal_year, 12, 1)
    targets = {}
    for code, project in scope.terms.projects.items():
        if project.closes is not None and project.closes <= scope.settled:
            targets[code] = TARGET_RATE_BP
        elif year_end and project.agreements:
            starts = min(one.starts for one in project.agreements)
            days = max(one.ends for one in project.agreements) - starts
            passed = min(max(scope.settled.last - starts, timedelta()), days)
            targets[code] = TARGET_RATE_BP * (passed.days + 1) // (days.days + 1)
    return targets


def _percent(part: int, whole: int) -> str:
    """A rate with one decimal, rounded down."""
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10}%"

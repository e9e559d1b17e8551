"""Auditors' checks of what agreement lines carry: VAT, deposit, held work, amendments, recoveries (domain.md §9)."""

from collections.abc import Callable, Iterator

from reports.audit_scope import MOST_REFS, Found, Scope, charge_ref


def vat_inside_grant(scope: Scope) -> Iterator[Found]:
    """A line whose voucher, as split or as executed in the books, is more than its share of the supply ex VAT."""
    rows = scope.rows(
        ", executed AS (SELECT split_part(reference, ':', 4) AS line, sum(amount_krw)::bigint AS krw FROM entry"
        "  JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
        "  WHERE entry.programme = :programme AND entry.kind = 'settle' AND entry.month <= :settled"
        "  AND starts_with(account.code, 'budget:executed:') GROUP BY 1)"
        " SELECT line, project, share_krw, greatest(total_voucher_krw, executed.krw) AS grant_krw"
        " FROM settled LEFT JOIN executed USING (line)"
        " WHERE greatest(total_voucher_krw, executed.krw) > share_krw ORDER BY line"
    )
    for row in rows:
        over = row.grant_krw - row.share_krw
        yield Found(
            korean=f"{row.line} ({row.project}): 보조금 {row.grant_krw:,}원이 공급가액에서 낼 수 있는 "
            f"{row.share_krw:,}원보다 {over:,}원 많습니다. 부가가치세는 보조금으로 낼 수 없습니다.",
            english=f"{row.line} ({row.project}): the grant pays KRW {row.grant_krw:,}, KRW {over:,} more than its "
            f"share of the supply, KRW {row.share_krw:,}; VAT is never paid from the grant.",
            refs=(scope.line(row.line),),
        )


def grant_below_share(scope: Scope) -> Iterator[Found]:
    """A line whose voucher is less than the split gives it: the company pays what the grant should."""
    rows = scope.rows(
        "SELECT line, project, total_voucher_krw AS grant_krw, least(share_krw, limit_krw) AS share_krw FROM settled"
        " WHERE total_voucher_krw < least(share_krw, limit_krw) ORDER BY line"
    )
    for row in rows:
        yield Found(
            korean=f"{row.line} ({row.project}): 보조금 {row.grant_krw:,}원이 분담 기준 {row.share_krw:,}원보다 "
            "적습니다.",
            english=f"{row.line} ({row.project}): the grant pays KRW {row.grant_krw:,}, less than its share of "
            f"KRW {row.share_krw:,}.",
            refs=(scope.line(row.line),),
        )


def charged_before_deposit(scope: Scope) -> Iterator[Found]:
    """Supply charged under a deposit agreement whose deposit no freeze so far has found complete."""
    rows = scope.rows(
        ", paid AS (SELECT split_part(account.code, ':', 2) AS project, sum(-amount_krw)::bigint AS krw"
        "  FROM month_run JOIN entry ON entry.programme = month_run.programme AND entry.kind = 'payment'"
        "  AND entry.number <= journal_mark JOIN posting ON posting.entry_id = entry.id"
        "  JOIN account ON account.id = posting.account_id WHERE month_run.programme = :programme"
        "  AND month_run.month <= :settled AND starts_with(account.code, 'deposit:')"
        "  GROUP BY account.code, month_run.month),"
        " agreed AS (SELECT project, sum(deposit_krw)::bigint AS krw, array_agg(code) AS agreements FROM agreement"
        "  WHERE self_pay_mode = 'deposit' GROUP BY project)"
        " SELECT * FROM (SELECT settled.project, agreed.krw AS agreed_krw, sum(total_supply_krw)::bigint AS supply_krw,"
        "  coalesce((SELECT max(krw) FROM paid WHERE paid.project = settled.project), 0) AS paid_krw,"
        "  array_agg(line ORDER BY line) AS lines FROM settled JOIN in_force ON in_force.code = line"
        "  JOIN agreed ON agreed.project = settled.project AND in_force.agreement = ANY(agreements)"
        "  WHERE total_supply_krw <> 0 GROUP BY settled.project, agreed.krw) AS charged"
        " WHERE agreed_krw > paid_krw ORDER BY project"
    )
    for row in rows:
        yield Found(
            korean=f"{row.project}: 자부담 선납금 {row.agreed_krw:,}원 가운데 {row.paid_krw:,}원만 들어왔는데 "
            f"{row.supply_krw:,}원이 집행되었습니다.",
            english=f"{row.project}: KRW {row.supply_krw:,} were charged with KRW {row.paid_krw:,} of a deposit of "
            f"KRW {row.agreed_krw:,} paid.",
            refs=(*map(scope.line, row.lines), f"registry:project/{row.project}"),
        )


def held(reason: str, korean: str, english: str) -> Callable[[Scope], Iterator[Found]]:
    """The check of lines with work held for a reason, with the held work behind it."""

    def check(scope: Scope) -> Iterator[Found]:
        items: dict[str, list[str]] = {}
        for row in scope.rows("SELECT * FROM work WHERE programme = :programme AND held_krw > 0 ORDER BY project, key"):
            items.setdefault(row.line, []).append(charge_ref(row))
        for row in scope.rows(
            "SELECT line, project, held_krw FROM settled WHERE held_krw > 0 AND held_reason = :reason ORDER BY line",
            reason=reason,
        ):
            yield Found(
                korean=f"{row.line} ({row.project}): {korean} {row.held_krw:,}원이 보류되어 있습니다.",
                english=f"{row.line} ({row.project}): KRW {row.held_krw:,} are held {english}.",
                refs=(scope.line(row.line), *items.get(row.line, ())[:MOST_REFS]),
            )

    return check


def amended_after_spend(scope: Scope) -> Iterator[Found]:
    """Work accepted before an amendment raised its line's limit, and charged because of it."""
    rows = scope.rows(
        "SELECT charge.month, charge.line, charge.key, charge.project, charge.kind, service_month, effective,"
        " amount_krw FROM charge JOIN agreement_line ON agreement_line.programme = charge.programme"
        "  AND agreement_line.code = charge.line"
        " JOIN line_limit ON line_limit.line = agreement_line.id AND lower(line_limit.valid) = charge.month"
        " WHERE charge.programme = :programme AND charge.month = :settled AND service_month < charge.month"
        "  AND amount_krw > 0 AND quantity_base = 0 AND (accepted_at AT TIME ZONE 'Asia/Seoul')::date < effective"
        " ORDER BY charge.id"
    )
    for row in rows:
        yield Found(
            korean=f"{row.key}: {row.effective} 협약변경으로 그 전에 검수된 작업 {row.amount_krw:,}원이 "
            "집행되었습니다.",
            english=f"{row.key}: KRW {row.amount_krw:,} of work accepted before were charged by the amendment of "
            f"{row.effective}.",
            refs=(charge_ref(row), scope.line(row.line)),
        )


def recoveries(scope: Scope) -> Iterator[Found]:
    """What a supplier, or the company that pays its suppliers itself, has to give back of a project by the month."""
    rows = scope.rows(
        "SELECT * FROM (SELECT supplier, project, sum(voucher_krw)::bigint AS agency_krw,"
        "  (sum(self_pay_krw + excess_krw + vat_krw) FILTER (WHERE paid_to <> 'company'))::bigint AS company_krw,"
        "  CASE paid_to WHEN 'hospital' THEN 'hospital:' || supplier || ':' || project"
        "   WHEN 'company' THEN 'company:' || project ELSE 'operator' END AS payable FROM settled"
        "  GROUP BY supplier, project, paid_to) AS of_supplier"
        " WHERE agency_krw < 0 OR company_krw < 0 ORDER BY supplier, project"
    )
    for row in rows:
        agency, company = max(-row.agency_krw, 0), max(-(row.company_krw or 0), 0)
        yield Found(
            korean=f"{row.supplier} · {row.project}: 전담기관에 {agency:,}원, 기업 측에 {company:,}원을 "
            "돌려주어야 합니다.",
            english=f"{row.supplier} · {row.project}: KRW {agency:,} are due back to the agency, KRW {company:,} to "
            "the company.",
            refs=(f"balance:payable:{row.payable}@{scope.settled}",),
        )

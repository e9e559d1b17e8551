"""Auditors' checks of accepted work: inside agreement and permit, claimed once, with evidence (domain.md §3, §9)."""

from collections.abc import Iterator

from metering.usage import work_items
from reports.audit_scope import MOST_REFS, Found, Scope, charge_ref


def outside_agreement(scope: Scope) -> Iterator[Found]:
    """Charged work, or metered usage, of a local day outside every agreement period of its line or project."""
    lines = [line for project in scope.terms.projects.values() for line in project.lines]
    rows = scope.rows(
        "SELECT work.*, agreement, starts, ends FROM work"
        " JOIN unnest(CAST(:lines AS text[]), CAST(:agreements AS text[]), CAST(:starts AS date[]),"
        "  CAST(:ends AS date[])) AS agreed (line, agreement, starts, ends) USING (line)"
        " WHERE programme = :programme AND base <> 0 AND performed_on NOT BETWEEN starts AND ends"
        " ORDER BY project, key",
        lines=[one.code for one in lines],
        agreements=[one.agreement for one in lines],
        starts=[one.starts for one in lines],
        ends=[one.ends for one in lines],
    )
    for row in rows:
        yield Found(
            korean=f"{row.key}: {row.performed_on} 수행한 작업이 협약 {row.agreement} 의 항목 기간"
            f"({row.starts} – {row.ends}) 밖입니다.",
            english=f"{row.key}: performed on {row.performed_on}, outside its line of agreement {row.agreement} "
            f"({row.starts} – {row.ends}).",
            refs=(charge_ref(row), f"registry:agreement/{row.agreement}"),
        )
    yield from _usage_outside(scope)


def _usage_outside(scope: Scope) -> Iterator[Found]:
    agreements = [one for project in scope.terms.projects.values() for one in project.agreements]
    rows = scope.rows(
        ", outside AS (SELECT project.code AS project, CASE usage_delta.meter WHEN 0 THEN 'gpu' ELSE 'cpu' END"
        "  AS kind, date_trunc('month', DATE '1970-01-01' + day)::date AS service_month,"
        "  count(DISTINCT day) AS days FROM usage_delta JOIN term ON term.id = project_id"
        "  JOIN project ON project.code = term.value WHERE project.programme = :programme AND batch_id <= :intake"
        "  AND DATE '1970-01-01' + day <= :last AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:projects AS text[]),"
        "   CAST(:starts AS date[]), CAST(:ends AS date[])) AS agreed (project, starts, ends)"
        "   WHERE agreed.project = project.code AND DATE '1970-01-01' + day BETWEEN starts AND ends)"
        "  GROUP BY 1, 2, 3 HAVING sum(quantity) <> 0)"
        " SELECT outside.*, '*' AS key, coalesce((SELECT max(month) FROM charge WHERE programme = :programme"
        "  AND charge.project = outside.project AND charge.service_month = outside.service_month"
        "  AND charge.kind = outside.kind AND month <= :month), :month) AS month FROM outside ORDER BY 1, 2, 3",
        projects=[one.project for one in agreements],
        starts=[one.starts for one in agreements],
        ends=[one.ends for one in agreements],
    )
    for row in rows:
        yield Found(
            korean=f"{row.project}: {row.service_month:%Y-%m} {row.kind} 사용 {row.days}일이 협약 기간 밖입니다.",
            english=f"{row.project}: {row.kind} usage of {row.days} days of {row.service_month:%Y-%m} lies outside "
            "every agreement.",
            refs=(charge_ref(row), f"registry:project/{row.project}"),
        )


def outside_permit(scope: Scope) -> Iterator[Found]:
    """Charged work of a day that none of its project's permits covers: before its approval, after its expiry."""
    permits = [(project.code, one) for project in scope.terms.projects.values() for one in project.permits]
    rows = scope.rows(
        ", permit AS (SELECT * FROM unnest(CAST(:projects AS text[]), CAST(:hospitals AS text[]),"
        "  CAST(:approved AS date[]), CAST(:expired AS date[])) AS permit (project, hospital, approved_on, expires_on))"
        " SELECT work.* FROM work WHERE programme = :programme AND base <> 0"
        " AND project IN (SELECT project FROM permit) AND NOT EXISTS (SELECT 1 FROM permit"
        "  WHERE permit.project = work.project AND coalesce(hospital, work.supplier) = work.supplier"
        "  AND performed_on >= approved_on AND performed_on <= coalesce(expires_on, performed_on))"
        " ORDER BY project, key",
        projects=[code for code, _ in permits],
        hospitals=[one.hospital for _, one in permits],
        approved=[one.approved_on for _, one in permits],
        expired=[one.expires_on for _, one in permits],
    )
    for row in rows:
        yield Found(
            korean=f"{row.key}: {row.performed_on} 에 {row.supplier} 의 작업을 덮는 IRB·DRB 승인이 없습니다.",
            english=f"{row.key}: no permit of {row.project} covers work of {row.supplier} on {row.performed_on}.",
            refs=(charge_ref(row), f"registry:project/{row.project}"),
        )


def charged_twice(scope: Scope) -> Iterator[Found]:
    """One acceptance that stands in more than one charge line, of any project and programme."""
    rows = scope.rows(
        "SELECT * FROM (SELECT work.*, count(*) OVER same AS times, bool_or(programme = :programme) OVER same AS mine"
        "  FROM work WHERE base <> 0 WINDOW same AS (PARTITION BY accept_seq)) AS charged"
        " WHERE times > 1 AND mine ORDER BY accept_seq, project, key"
    )
    lines: dict[int, list] = {}
    for row in rows:
        lines.setdefault(row.accept_seq, []).append(row)
    for same in lines.values():
        names = ", ".join(f"{row.project} {row.key}" for row in same)
        yield Found(
            korean=f"검수 한 건이 청구행 {len(same)}개에 있습니다: {names}.",
            english=f"one acceptance is charged {len(same)} times: {names}.",
            refs=tuple(map(charge_ref, same)),
        )


def alike(scope: Scope) -> Iterator[Found]:
    """Deliveries of a hospital of the same work, unit, quantity and local day, of any project and programme."""
    rows = scope.rows(
        ", delivery AS (SELECT programme, project, supplier, description, unit, performed_on, work_seq,"
        "  min(key) AS key, sum(base) AS base, min(format('charge:%s/%s/%s/%s/%s', to_char(month, 'YYYY-MM'), project,"
        "   to_char(service_month, 'YYYY-MM'), kind, key)) AS ref FROM work"
        "  GROUP BY programme, project, supplier, description, unit, performed_on, work_seq HAVING sum(base) <> 0)"
        " SELECT supplier, description, performed_on, array_agg(project || ' ' || key ORDER BY project, key) AS names,"
        " array_agg(ref ORDER BY project, key) AS refs FROM delivery"
        " GROUP BY supplier, description, unit, performed_on, base"
        " HAVING count(*) > 1 AND bool_or(programme = :programme) ORDER BY performed_on, names"
    )
    for row in rows:
        more = " …" if len(row.names) > MOST_REFS else ""
        names = ", ".join(row.names[:MOST_REFS]) + more
        yield Found(
            korean=f"{row.supplier} 가 {row.performed_on} 에 한 {row.description} 작업 {len(row.names)}건의 수량이 "
            f"같습니다: {names}.",
            english=f"{len(row.names)} deliveries of {row.description} by {row.supplier} on {row.performed_on} have "
            f"the same quantity: {names}.",
            refs=tuple(row.refs[:MOST_REFS]),
        )


def charge_against_acceptance(scope: Scope) -> Iterator[Found]:
    """Acceptances whose charged quantity at the close, held work included, is not what the events say was accepted."""
    if scope.settled != scope.month:
        return
    items = work_items(scope.connection, sorted(scope.terms.projects), scope.intake_mark)
    accepted = {
        one.seq: (f"event:{one.source}#{one.id}", one.quantity_milli)
        for item in items
        for one in item.acceptances
        if one.at < scope.month.end
    }
    charged = {
        row.accept_seq: row
        for row in scope.rows(
            "SELECT accept_seq, sum(base)::bigint AS base, min(key) AS key, min(project) AS project,"
            " min(kind) AS kind, max(month) AS month, min(service_month) AS service_month"
            " FROM work WHERE programme = :programme AND base <> 0 GROUP BY accept_seq"
        )
    }
    for seq in sorted({*accepted, *charged}, key=lambda seq: seq or 0):
        reference, quantity = accepted.get(seq, ("", 0))
        row = charged.get(seq)
        base = row.base if row else 0
        if quantity != base:
            refs = (*([charge_ref(row)] if row else []), *([reference] if reference else []))
            yield Found(
                korean=f"{row.key if row else reference}: 검수한 수량은 {_decimal(quantity)}, 청구한 수량은 "
                f"{_decimal(base)}입니다.",
                english=f"{row.key if row else reference}: {_decimal(quantity)} accepted, {_decimal(base)} charged.",
                refs=refs,
            )


def _decimal(thousandths: int) -> str:
    sign = "-" if thousandths < 0 else ""
    return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"


def no_event(scope: Scope) -> Iterator[Found]:
    """Work that the month charged, without the stored events of its delivery and its acceptance."""
    rows = scope.rows(
        "SELECT work.* FROM work WHERE programme = :programme AND month = :month AND base <> 0 AND ("
        " NOT EXISTS (SELECT 1 FROM event WHERE event.seq = work_seq AND type <> 0)"
        " OR NOT EXISTS (SELECT 1 FROM event WHERE event.seq = accept_seq AND type <> 0)) ORDER BY project, key"
    )
    for row in rows:
        yield Found(
            korean=f"{row.key}: 청구한 {row.krw:,}원에 수행 또는 검수 기록이 없습니다.",
            english=f"{row.key}: KRW {row.krw:,} are charged without the event of its delivery or acceptance.",
            refs=(charge_ref(row),),
        )

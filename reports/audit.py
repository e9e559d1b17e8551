"""The auditors' checks of a month (domain.md §9) that the books and the reference data answer by themselves."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from core.month import Month, kst_day
from metering.usage import Evidence, raw_exports, revived_volumes, undeleted_volumes
from registry.values import ProgrammeTerms
from reports.ties import Finding


def findings(connection: Connection, terms: ProgrammeTerms, month: Month) -> list[Finding]:
    """Every finding at a month's close, errors first; each with references that `trace` follows."""
    found = [
        *_held(connection, terms, month),
        *_amended_after_spend(connection, terms, month),
        *_recoveries(connection, terms, month),
        *_without_permit(terms),
        *_tier_rules(connection, terms),
        *_left_the_space(connection, terms, month),
    ]
    return sorted(found, key=lambda one: (one.level != "ERROR", one.check, one.message))


def _held(connection: Connection, terms: ProgrammeTerms, month: Month) -> Iterator[Finding]:
    rows = connection.execute(
        text(
            "SELECT line, project, held_krw, held_reason FROM line_settlement"
            " WHERE programme = :programme AND month = :month AND held_krw > 0 ORDER BY line"
        ),
        {"programme": terms.code, "month": month.first},
    )
    checks = {
        "deposit": ("spending before the deposit", "자부담 선납금이 확인되지 않아"),
        "grant_limit": ("held beyond grant_limit", "지원 한도를 넘어"),
        "price_cap": ("held beyond price_cap", "과제 금액 상한을 넘어"),
    }
    for row in rows:
        check, why = checks[row.held_reason]
        yield Finding(
            level="WARN",
            check=check,
            message=f"{row.line} ({row.project}): {why} {row.held_krw:,}원이 보류되어 있습니다.",
            refs=(f"line:{month}/{row.line}",),
        )


def _amended_after_spend(connection: Connection, terms: ProgrammeTerms, month: Month) -> Iterator[Finding]:
    """Work accepted before an amendment raised its line's limit, and charged because of it."""
    rows = connection.execute(
        text(
            "SELECT charge.line, charge.key, charge.project, charge.kind, service_month, effective, amount_krw"
            " FROM charge JOIN agreement_line ON agreement_line.programme = charge.programme"
            "  AND agreement_line.code = charge.line"
            " JOIN line_limit ON line_limit.line = agreement_line.id AND lower(line_limit.valid) = charge.month"
            " WHERE charge.programme = :programme AND charge.month = :month AND service_month < charge.month"
            "  AND amount_krw > 0 AND quantity_base = 0 AND (accepted_at AT TIME ZONE 'Asia/Seoul')::date < effective"
            " ORDER BY charge.id"
        ),
        {"programme": terms.code, "month": month.first},
    )
    for row in rows:
        reference = f"charge:{month}/{row.project}/{Month.of(row.service_month)}/{row.kind}/{row.key}"
        yield Finding(
            level="WARN",
            check="amendment dated after the spend",
            message=(
                f"{row.key}: {row.effective} 협약변경으로 그 전에 검수된 작업 {row.amount_krw:,}원이 집행되었습니다."
            ),
            refs=(reference, f"line:{month}/{row.line}"),
        )


def _recoveries(connection: Connection, terms: ProgrammeTerms, month: Month) -> Iterator[Finding]:
    rows = connection.execute(
        text(
            "SELECT supplier, project, sum(voucher_krw)::bigint AS agency_krw,"
            " sum(self_pay_krw + excess_krw + vat_krw)::bigint AS company_krw FROM line_settlement"
            " WHERE programme = :programme AND month = :month GROUP BY supplier, project"
            " HAVING sum(voucher_krw) < 0 OR sum(self_pay_krw + excess_krw + vat_krw) < 0 ORDER BY 1, 2"
        ),
        {"programme": terms.code, "month": month.first},
    )
    for row in rows:
        yield Finding(
            level="WARN",
            check="recovery due from hospital",
            message=(
                f"{row.supplier} · {row.project}: 전담기관에 {max(-row.agency_krw, 0):,}원, "
                f"기업 측에 {max(-row.company_krw, 0):,}원을 돌려주어야 합니다."
            ),
            refs=(f"balance:payable:hospital:{row.supplier}:{row.project}@{month}",),
        )


def _left_the_space(connection: Connection, terms: ProgrammeTerms, month: Month) -> Iterator[Finding]:
    """Raw data exported, and data that stayed: of events frozen with the month, up to its end."""
    mark = connection.scalar(
        text("SELECT intake_mark FROM month_run WHERE programme = :programme AND month = :month"),
        {"programme": terms.code, "month": month.first},
    )
    projects = sorted(terms.projects)
    ends = {one.code: max(each.ends for each in one.agreements) for one in terms.projects.values() if one.agreements}
    for one in raw_exports(connection, projects, mark):
        yield from _until(month, one, "raw data exported", f"원천 데이터가 반출되었습니다 ({one.subject}).")
    for one in revived_volumes(connection, projects, mark):
        message = f"삭제 증명서가 나온 볼륨 {one.subject} 에 다시 데이터가 있습니다."
        yield from _until(month, one, "snapshot after certified deletion", message)
    for one in undeleted_volumes(connection, ends, mark, month.last):
        message = f"협약이 {ends[one.project]} 에 끝났으나 분석 영역의 볼륨 {one.subject} 에 삭제 증명서가 없습니다."
        yield from _until(month, one, "no deletion certificate after the agreement", message)


def _until(month: Month, one: Evidence, check: str, message: str) -> Iterator[Finding]:
    if one.at < month.end:
        text_ = f"{one.project}: {kst_day(one.at)} {message}"
        yield Finding(level="ERROR", check=check, message=text_, refs=(one.reference,))


def _without_permit(terms: ProgrammeTerms) -> Iterator[Finding]:
    for code, project in sorted(terms.projects.items()):
        if not project.permits:
            yield Finding(
                level="WARN",
                check="project without a permit",
                message=f"{code}: 등록된 IRB·DRB 승인이 없습니다.",
                refs=(f"registry:project/{code}",),
            )


def _tier_rules(connection: Connection, terms: ProgrammeTerms) -> Iterator[Finding]:
    """A project that does not meet its tier's rule, and tiers with more projects than slots."""
    rows = connection.execute(
        text(
            "SELECT project.code, tier.code AS tier, tier.slots, tier.min_modalities, tier.min_suppliers,"
            " cardinality(modalities) AS modalities, (SELECT count(DISTINCT supplier) FROM agreement_line"
            "  WHERE agreement_line.project = project.code) AS suppliers,"
            " rank() OVER (PARTITION BY tier.code ORDER BY project.code) AS place"
            " FROM project JOIN tier ON tier.programme = project.programme AND tier.code = project.tier"
            " WHERE project.programme = :programme ORDER BY project.code"
        ),
        {"programme": terms.code},
    )
    for row in rows:
        rules = [
            actual >= wanted
            for actual, wanted in ((row.modalities, row.min_modalities), (row.suppliers, row.min_suppliers))
            if wanted is not None
        ]
        if rules and not any(rules):
            yield Finding(
                level="WARN",
                check="project below its tier's rule",
                message=(
                    f"{row.code}: {row.tier} 기준(데이터 종류 {row.min_modalities}종 또는 "
                    f"공급병원 {row.min_suppliers}곳 이상)에 못 미칩니다."
                ),
                refs=(f"registry:project/{row.code}",),
            )
        if row.slots is not None and row.place > row.slots:
            yield Finding(
                level="WARN",
                check="more projects than slots",
                message=f"{row.code}: {row.tier} 과제가 {row.slots}개 내외를 넘습니다.",
                refs=(f"registry:project/{row.code}",),
            )

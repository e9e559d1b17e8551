"""Auditors' checks of the reference data itself: permits, tiers, reasons on record (domain.md §1, §9)."""

from collections.abc import Iterator

from reports.audit_scope import Found, Scope


def without_permit(scope: Scope) -> Iterator[Found]:
    """A project without any permit: its work is not checked (contract.md §3)."""
    for code, project in sorted(scope.terms.projects.items()):
        if not project.permits:
            yield Found(
                korean=f"{code}: 등록된 IRB·DRB 승인이 없습니다.",
                english=f"{code}: no IRB or DRB permit is registered.",
                refs=(f"registry:project/{code}",),
            )


def below_tier_rule(scope: Scope) -> Iterator[Found]:
    """A project that meets neither of its tier's rules with the suppliers that have a limit in force."""
    rows = scope.rows(
        "SELECT project.code, tier, coalesce(min_modalities, 0) AS min_modalities,"
        " coalesce(min_suppliers, 0) AS min_suppliers FROM project"
        " JOIN tier ON tier.programme = project.programme AND tier.code = tier"
        " WHERE project.programme = :programme AND (min_modalities IS NOT NULL OR min_suppliers IS NOT NULL)"
        " AND cardinality(modalities) >= min_modalities IS NOT TRUE"
        " AND (SELECT count(DISTINCT supplier) FROM agreement_line"
        "  JOIN party ON party.code = supplier AND party.kind = 'hospital'"
        "  JOIN line_limit ON line_limit.line = agreement_line.id AND valid @> CAST(:last AS date)"
        "  WHERE agreement_line.project = project.code AND grant_limit_krw > 0) >= min_suppliers IS NOT TRUE"
        " ORDER BY 1"
    )
    for row in rows:
        yield Found(
            korean=f"{row.code}: {row.tier} 기준(데이터 종류 {row.min_modalities}종 또는 "
            f"공급병원 {row.min_suppliers}곳 이상)에 못 미칩니다.",
            english=f"{row.code}: meets neither {row.min_modalities} modalities nor {row.min_suppliers} supplying "
            f"hospitals, as tier {row.tier} asks.",
            refs=(f"registry:project/{row.code}",),
        )


def slots_exceeded(scope: Scope) -> Iterator[Found]:
    """Projects beyond their tier's number ("내외": a warning)."""
    rows = scope.rows(
        "SELECT project.code, tier, slots FROM (SELECT project.*,"
        " rank() OVER (PARTITION BY tier ORDER BY code) AS place FROM project WHERE programme = :programme) AS project"
        " JOIN tier ON tier.programme = project.programme AND tier.code = tier WHERE place > slots ORDER BY 1"
    )
    for row in rows:
        yield Found(
            korean=f"{row.code}: {row.tier} 과제가 {row.slots}개 내외를 넘습니다.",
            english=f"{row.code}: more projects of tier {row.tier} than its {row.slots} slots.",
            refs=(f"registry:project/{row.code}", f"registry:tier/{row.tier}"),
        )


def without_evidence(scope: Scope) -> Iterator[Found]:
    """A version of an agreement, in effect by the month's end, that names no document as its evidence."""
    rows = scope.rows(
        "SELECT agreement.code, agreement.project, kind, effective FROM agreement_version"
        " JOIN agreement ON agreement.code = agreement JOIN project ON project.code = agreement.project"
        " WHERE programme = :programme AND effective <= :last AND coalesce(counts_from, :month) <= :month"
        " AND evidence_reference IS NULL AND evidence_sha256 IS NULL ORDER BY 1, 4, 3"
    )
    korean = {"signed": "체결", "amended": "변경", "terminated": "해지"}
    for row in rows:
        yield Found(
            korean=f"{row.code} ({row.project}): {row.effective} 협약{korean[row.kind]}의 증빙이 없습니다.",
            english=f"{row.code} ({row.project}): no evidence is on record of what was {row.kind} on {row.effective}.",
            refs=(f"registry:agreement/{row.code}/{row.effective}",),
        )

"""Auditors' checks of the data space: what left it, and what stayed in it (domain.md §3, §9)."""

from collections.abc import Iterator

from core.month import kst_day
from metering.usage import Evidence, raw_exports, revived_volumes, undeleted_volumes
from reports.audit_scope import Found, Scope


def raw_exported(scope: Scope) -> Iterator[Found]:
    """Raw data that left the space: only results may."""
    for one in raw_exports(scope.connection, sorted(scope.terms.projects), scope.intake_mark):
        yield from _until(
            scope, one, f"원천 데이터가 반출되었습니다 ({one.subject}).", f"raw data left the space ({one.subject})."
        )


def revived(scope: Scope) -> Iterator[Found]:
    """A snapshot of a volume after its certified deletion."""
    for one in revived_volumes(scope.connection, sorted(scope.terms.projects), scope.intake_mark):
        yield from _until(
            scope, one, f"삭제 증명서가 나온 볼륨 {one.subject} 에 다시 데이터가 있습니다.",
            f"volume {one.subject} holds data again after its certified deletion.",
        )  # fmt: skip


def kept(scope: Scope) -> Iterator[Found]:
    """Data in the analysis zone after the agreement's end without a certificate of its deletion."""
    projects = scope.terms.projects.values()
    ends = {one.code: max(each.ends for each in one.agreements) for one in projects if one.agreements}
    for one in undeleted_volumes(scope.connection, ends, scope.intake_mark, scope.month.last):
        yield from _until(
            scope, one,
            f"협약이 {ends[one.project]} 에 끝났으나 분석 영역의 볼륨 {one.subject} 에 삭제 증명서가 없습니다.",
            f"the agreement ended on {ends[one.project]}; volume {one.subject} in the analysis zone has no deletion "
            "certificate.",
        )  # fmt: skip


def _until(scope: Scope, one: Evidence, korean: str, english: str) -> Iterator[Found]:
    if one.at < scope.month.end:
        said = f"{one.project}: {kst_day(one.at)} "
        yield Found(korean=said + korean, english=said + english, refs=(one.reference,))

"""What auditors ask of metering: raw data exported, volumes that came back, volumes that were never deleted."""

from datetime import datetime

import pytest

from core.month import Month
from registry.terms import programme_terms
from reports.audit import findings
from tests.events import NOW, amended, deleted, event, snapshot, take, voided

AT = datetime.fromisoformat(NOW)
EXPORTED, REVIVED, KEPT = (
    "raw data exported",
    "snapshot after certified deletion",
    "no deletion certificate after the agreement",
)


def export(event_id: str, kind: str, at="2025-11-10T00:00:00Z") -> dict:
    return event("result.exported", event_id, project="P1", at=at, kind=kind, digest=f"sha256:{event_id}")


@pytest.fixture
def errors(jeongsan, registry_file, engine):
    """Takes events in, runs November, and gives the ERROR findings: check → references. `ends`: of P1's agreement."""

    def run(*events, ends: str = "2026-03-31") -> dict[str, tuple[str, ...]]:
        named = 'project = "P1"\nstarts = 2025-09-15\nends = '
        jeongsan("load", registry_file((named + "2026-03-31", named + ends)), now="2025-09-15T09:00:00+09:00")
        take(engine, events, AT)
        shown = jeongsan("month", "run", "2025-11", "--programme", "V25", now=NOW)
        assert shown["differences"] == 0
        with engine.connect() as connection:
            found = findings(connection, programme_terms(connection, "V25"), Month(2025, 11))
        return {one.check: one.refs for one in found if one.level == "ERROR"}

    return run


def test_audit__raw_data_that_left_the_space_is_an_error(errors, jeongsan):
    assert errors(export("r", "raw")) == {EXPORTED: ("event:/t#r",)}
    assert jeongsan("trace", "event:/t#r")["events"][0]["id"] == "r"


def test_audit__models_results_and_voided_or_later_exports_are_none(errors):
    found = errors(
        export("m", "model"), export("a", "analysis"), export("v", "raw"), voided("vv", "v"),
        export("x", "raw"), amended("xx", "x", kind="model"), export("later", "raw", "2025-11-30T15:00:00Z"),
    )  # fmt: skip
    assert found == {}


def test_audit__an_export_amended_to_raw_is_an_error(errors):
    assert errors(export("m", "model"), amended("mm", "m", kind="raw")) == {EXPORTED: ("event:/t#m",)}


def test_audit__a_snapshot_after_the_certified_deletion_is_an_error_once_for_each_life(errors):
    found = errors(
        snapshot("s1", "2025-11-01T00:00:00Z", 10), deleted("d1", "2025-11-02T00:00:00Z"),
        snapshot("s2", "2025-11-03T00:00:00Z", 10), snapshot("s3", "2025-11-04T00:00:00Z", 10),
    )  # fmt: skip
    assert found == {REVIVED: ("event:/t#s2",)}


def test_audit__a_snapshot_before_the_deletion_or_at_its_instant_is_none(errors):
    found = errors(
        deleted("d1", "2025-11-02T00:00:00Z"), snapshot("s1", "2025-11-01T00:00:00Z", 10),
        snapshot("s2", "2025-11-02T00:00:00Z", 10), snapshot("o", "2025-11-03T00:00:00Z", 10, volume="other"),
    )  # fmt: skip
    assert found == {}


def test_audit__a_volume_in_the_analysis_zone_without_a_certificate_after_the_agreement_is_an_error(errors):
    found = errors(
        snapshot("s1", "2025-11-01T00:00:00Z", 10, zone="analysis"),
        snapshot("s2", "2025-11-02T00:00:00Z", 0, zone="analysis"), ends="2025-11-20",
    )  # fmt: skip
    assert found == {KEPT: ("event:/t#s2",)}


def test_audit__certified_or_in_the_providers_zone_it_is_none(errors):
    found = errors(
        snapshot("s1", "2025-11-01T00:00:00Z", 10, zone="analysis"), deleted("d", "2025-11-25T00:00:00Z"),
        snapshot("s2", "2025-11-01T00:00:00Z", 10, volume="w", zone="provider"), ends="2025-11-20",
    )  # fmt: skip
    assert found == {}


def test_audit__while_the_agreement_runs_nothing_need_be_deleted(errors):
    assert errors(snapshot("s", "2025-11-01T00:00:00Z", 10, zone="analysis"), ends="2025-11-30") == {}

"""Hospital claims: what can be claimed, drafted from accepted work, decided line by line, disputed, paid."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from billing.claim import claimable, draft_claim
from core.errors import BadInput, RuleRefused
from core.month import Month
from tests.driven import World, event, work

NOVEMBER = Month(2025, 11)
NOW = datetime(2025, 12, 1, 3, tzinfo=UTC)


@pytest.fixture
def users(loaded):
    """A user of each role, and one of another hospital."""
    names = {"h1-1": ("hospital", "H1"), "h1-2": ("hospital", "H1"), "h2-1": ("hospital", "H2"),
             "finance-1": ("finance", None), "finance-2": ("finance", None), "admin-1": ("admin", None),
             "company-1": ("company", "C1"), "operator-1": ("operator", "OP"),
             "auditor-1": ("auditor", None)}  # fmt: skip
    with loaded.begin() as connection:
        connection.execute(
            text("INSERT INTO user_account (name, role, party, created_at) VALUES (:name, :role, :party, now())"),
            [{"name": name, "role": role, "party": party} for name, (role, party) in names.items()],
        )


@pytest.fixture
def claims(world, users):
    """The small programme with November's work of H1: 10 studies on the 10th, 5 on the 12th, accepted in part."""
    late = event("preparation.accepted", "b-w2", ref="w2", at="2025-12-02T05:00:00+09:00", by="company", quantity="2")
    world.ingest(*work("w1", "L11", 10), *work("w2", "L11", 5, "2025-11-12")[:1], part("a-w2", "w2", "3"),
                 *work("x1", "L12", 7), late, now="2025-12-02T09:00:00+09:00")  # fmt: skip
    return world


def part(name, ref, quantity, at="2025-11-13T05:00:00+09:00"):
    return event("preparation.accepted", name, ref=ref, at=at, by="company", quantity=quantity)


def test_claimable__is_accepted_work_of_the_month_priced_and_taxed_as_the_run_does(claims, engine):
    with engine.connect() as connection:
        first, second = claimable(connection, "V25", "H1", NOVEMBER)
        of_december = claimable(connection, "V25", "H1", NOVEMBER + 1)
    assert (first.work, first.supply_krw, first.vat_krw) == ("w1", 123_450, 12_345)
    assert (second.work, second.quantity_milli, second.accepted_on) == ("w2", 3_000, date(2025, 11, 13))
    assert (second.unit_price_krw, second.supply_krw, second.vat_krw, second.tax) == (12_345, 37_035, 3_703, "taxable")
    assert [one.work for one in of_december] == ["w1", "w2", "w2/b-w2"]


def test_draft__takes_its_work_and_the_next_number(claims, engine):
    with engine.begin() as connection:
        lines = claimable(connection, "V25", "H1", NOVEMBER)
        assert draft_claim(connection, "V25", "H1", NOVEMBER, lines[:1], "h1-1", NOW) == "CLM-H1-2025-000001"
        assert claimable(connection, "V25", "H1", NOVEMBER) == lines[1:]
        noted = replace(lines[1], note="일부 검수")
        assert draft_claim(connection, "V25", "H1", NOVEMBER, [noted], "h1-2", NOW) == "CLM-H1-2025-000002"
        assert claimable(connection, "V25", "H1", NOVEMBER) == []


def test_draft__what_is_not_as_accepted_is_refused_line_by_line_and_takes_no_number(claims, engine):
    with engine.begin() as connection:
        first, second = claimable(connection, "V25", "H1", NOVEMBER)
        wrong = [replace(first, quantity_milli=11_000, supply_krw=135_795), second, second, replace(first, work="w9")]
        with pytest.raises(RuleRefused) as refused:
            draft_claim(connection, "V25", "H1", NOVEMBER, wrong, "h1-1", NOW)
        assert str(refused.value).splitlines() == [
            "L11/w1: 수량 11 ≠ 10 (quantity), 공급가액 135,795 ≠ 123,450 (supply).",
            "L11/w2: 이 청구에 두 번 있습니다 (twice in this claim).",
            "L11/w9: 검수된 작업이 아닙니다 (not accepted work).",
        ]
        draft_claim(connection, "V25", "H1", NOVEMBER, [first], "h1-1", NOW)
        with pytest.raises(RuleRefused, match="이미 CLM-H1-2025-000001 에 청구"):
            draft_claim(connection, "V25", "H1", NOVEMBER, [first], "h1-1", NOW)
        with pytest.raises(RuleRefused, match="청구할 검수 작업이 없습니다"):
            draft_claim(connection, "V25", "H1", NOVEMBER, [], "h1-1", NOW)
        assert draft_claim(connection, "V25", "H1", NOVEMBER, [second], "h1-1", NOW) == "CLM-H1-2025-000002"


def test_draft__is_for_the_hospitals_own_users(claims, engine):
    with engine.begin() as connection:
        lines = claimable(connection, "V25", "H1", NOVEMBER)
        for name in ("h2-1", "finance-1", "company-1", "nobody"):
            with pytest.raises(RuleRefused):
                draft_claim(connection, "V25", "H1", NOVEMBER, lines, name, NOW)
        with pytest.raises(BadInput, match="등록된 병원이 아닙니다"):
            claimable(connection, "V25", "C1", NOVEMBER)


def test_claimable__work_without_a_rate_is_refused_with_its_list(loaded, users, tmp_path, jeongsan):
    World(jeongsan, tmp_path).ingest(*work("x1", "L12", 7), now="2025-12-02T09:00:00+09:00")
    with loaded.connect() as connection, pytest.raises(RuleRefused, match="P1 · study/study · 2025-11-10"):
        claimable(connection, "V25", "H2", NOVEMBER)

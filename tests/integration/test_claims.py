"""Hospital claims: what can be claimed, drafted from accepted work, decided line by line, disputed, paid."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from billing import claim_action, claim_decision
from billing.claim import claimable, draft_claim
from core.errors import BadInput, RuleRefused
from tests.claiming import NOVEMBER, NOW, add_users, approved, drafted, part, state_of, submitted
from tests.driven import World, event, work

VOID = event("usage.voided", "v-w2", ref="w2", reason="중복 보고", author="ops")


@pytest.fixture
def claims(world, loaded):
    """November's work of H1: 10 studies accepted on the 10th, 3 of 5 on the 13th, the other 2 in December."""
    add_users(loaded)
    late = part("b-w2", "w2", "2", at="2025-12-02T05:00:00+09:00")
    world.ingest(*work("w1", "L11", 10), work("w2", "L11", 5, "2025-11-12")[0], part("a-w2", "w2", "3"),
                 *work("x1", "L12", 7), late, now="2025-12-02T09:00:00+09:00")  # fmt: skip
    return world


def test_claimable__is_accepted_work_of_the_month_priced_and_taxed_as_the_run_does(claims, engine):
    with engine.connect() as connection:
        first, second = claimable(connection, "V25", "H1", NOVEMBER)
        of_december = claimable(connection, "V25", "H1", NOVEMBER + 1)
    assert (first.work, first.supply_krw, first.vat_krw) == ("w1", 123_450, 12_345)
    assert (second.work, second.quantity_milli, second.accepted_on) == ("w2", 3_000, date(2025, 11, 13))
    assert (second.unit_price_krw, second.supply_krw, second.vat_krw, second.tax) == (12_345, 37_035, 3_703, "taxable")
    assert [one.work for one in of_december] == ["w1", "w2", "w2/b-w2"]


def test_claimable__has_the_keys_and_amounts_that_the_run_charges(claims, engine):
    claims.pay("bank,deposit:P1,10000000", now="2025-11-05T09:00:00+09:00")
    with engine.connect() as connection:
        before = claimable(connection, "V25", "H1", NOVEMBER)
    shown = claims.run("2025-11")
    charged = {one["key"]: (one["amount_krw"], one["vat_krw"]) for one in shown["charges"]}
    with engine.connect() as connection:
        after = claimable(connection, "V25", "H1", NOVEMBER)
    assert after == before
    assert {f"{one.line}/{one.work}": (one.supply_krw, one.vat_krw) for one in before}.items() <= charged.items()


def test_claimable__works_of_two_sources_that_share_their_id_are_told_apart(claims, engine):
    twin = {**work("w1", "L11", 4)[0], "source": "/u"}
    accepted = {**work("w1", "L11", 4)[1], "source": "/u"}
    claims.ingest(twin, accepted, now="2025-12-02T09:00:00+09:00")
    with engine.connect() as connection:
        found = {one.work: one.quantity_milli for one in claimable(connection, "V25", "H1", NOVEMBER)}
    assert found == {"w1": 10_000, "w1@/u": 4_000, "w2": 3_000}


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


def test_claimable__work_without_a_rate_is_refused_with_its_list(loaded, tmp_path, jeongsan):
    World(jeongsan, tmp_path).ingest(*work("x1", "L12", 7), now="2025-12-02T09:00:00+09:00")
    with loaded.connect() as connection, pytest.raises(RuleRefused, match="P1 · study/study · 2025-11-10"):
        claimable(connection, "V25", "H2", NOVEMBER)


def test_approve__refuses_the_named_lines_and_frees_their_work(claims, engine):
    with engine.begin() as connection:
        number = submitted(connection)
        decided = claim_decision.approve(connection, number, {"w2": "증빙 부족"}, "finance-1", NOW)
        assert (decided.state, decided.refused) == ("partly_approved", {"L11/w2": "증빙 부족"})
        assert [one.work for one in claimable(connection, "V25", "H1", NOVEMBER)] == ["w2"]
        again = approved(connection, "w2")
    with engine.connect() as connection:
        assert (again, state_of(connection, again)) == ("CLM-H1-2025-000002", "approved")


def test_approve__work_voided_or_amended_in_between_is_refused_line_by_line(claims, engine):
    with engine.begin() as connection:
        number = submitted(connection)
    moved = event("usage.amended", "m-w1", ref="a-w1", reason="검수일 정정", author="ops",
                  fields={"at": "2025-11-11T05:00:00+09:00"})  # fmt: skip
    claims.ingest(VOID, moved, now="2025-12-02T10:00:00+09:00")
    with engine.begin() as connection:
        decided = claim_decision.approve(connection, number, {}, "finance-1", NOW)
    assert (decided.state, list(decided.refused)) == ("rejected", ["L11/w1", "L11/w2"])
    assert decided.refused["L11/w1"] == "검수일 2025-11-10 ≠ 2025-11-11 (accepted)"
    assert "no acceptance" in decided.refused["L11/w2"]
    with engine.begin() as connection:
        claim_action.dispute(connection, number, [], "검수 확인", "h1-1", NOW)
        with pytest.raises(RuleRefused, match="no acceptance"):
            claim_decision.resolve(connection, number, [], True, "정정", "finance-1", NOW)


def test_approve__refusing_every_line_rejects_the_claim(claims, engine):
    with engine.begin() as connection:
        number = submitted(connection, "w1")
        decided = claim_decision.approve(connection, number, {"L11/w1": "중복"}, "finance-1", NOW)
        assert (decided.state, decided.refused) == ("rejected", {"L11/w1": "중복"})
        number = submitted(connection, "w2")
        for unknown in ("w9", "L12/w2"):
            with pytest.raises(BadInput, match="0건이 이 이름"):
                claim_decision.approve(connection, number, {unknown: "?"}, "finance-1", NOW)
        with pytest.raises(BadInput, match="사유를 적으세요"):
            claim_decision.approve(connection, number, {"w2": " "}, "finance-1", NOW)


def test_decide__nobody_decides_a_claim_that_he_submitted(claims, engine):
    with engine.begin() as connection:
        number = submitted(connection, "w1", by="admin-1")
        for decide in (claim_decision.approve, claim_decision.reject):
            with pytest.raises(RuleRefused, match="자기 청구를 심사할 수 없습니다"):
                decide(connection, number, {} if decide is claim_decision.approve else "?", "admin-1", NOW)
        claim_decision.reject(connection, number, "양식 오류", "admin-2", NOW)
        claim_action.dispute(connection, number, ["w1"], "양식은 맞음", "h1-1", NOW)
        with pytest.raises(RuleRefused, match="자기 청구를 심사할 수 없습니다"):
            claim_decision.resolve(connection, number, ["w1"], True, "인정", "admin-1", NOW)


def test_withdraw__frees_the_works_for_another_claim(claims, engine):
    with engine.begin() as connection:
        claim_action.withdraw(connection, submitted(connection), "다시 청구", "h1-2", NOW)
        assert drafted(connection) == "CLM-H1-2025-000002"


def test_dispute__corrected_makes_the_line_good_and_upheld_leaves_it_refused(claims, engine):
    with engine.begin() as connection:
        number = submitted(connection)
        claim_decision.reject(connection, number, "증빙 없음", "finance-1", NOW)
        assert claim_action.dispute(connection, number, [], "제출했음", "h1-1", NOW) == ["L11/w1", "L11/w2"]
        assert claimable(connection, "V25", "H1", NOVEMBER) == []
        decided = claim_decision.resolve(connection, number, ["w1"], True, "확인함", "finance-2", NOW)
        assert decided.state == "partly_approved"
        decided = claim_decision.resolve(connection, number, [], False, "w2 증빙은 없음", "finance-2", NOW)
        assert (decided.state, decided.refused) == ("partly_approved", {"L11/w2": "w2 증빙은 없음"})
        assert [one.work for one in claimable(connection, "V25", "H1", NOVEMBER)] == ["w2"]
        with pytest.raises(RuleRefused, match="이미 이의를 신청했습니다"):
            claim_action.dispute(connection, number, ["w2"], "다시", "h1-1", NOW)
        with pytest.raises(RuleRefused, match="처리할 이의신청이 없습니다"):
            claim_decision.resolve(connection, number, ["w2"], True, "다시", "finance-2", NOW)


def test_dispute__is_open_until_the_last_day_and_closed_when_the_work_was_claimed_anew(claims, engine):
    with engine.begin() as connection:
        number = approved(connection, refusals=["w1", "w2"])
        last_day = NOW + timedelta(days=14)  # 2025-12-15, a Monday
        with pytest.raises(RuleRefused, match="이의신청 기한 2025-12-15"):
            claim_action.dispute(connection, number, ["w1"], "늦음", "h1-1", last_day + timedelta(days=1))
        again = drafted(connection, "w1")
        with pytest.raises(RuleRefused, match="다른 청구에 들어 있는 작업"):
            claim_action.dispute(connection, number, ["w1"], "다시", "h1-1", last_day)
        claim_action.withdraw(connection, again, "", "h1-1", last_day)
        assert claim_action.dispute(connection, number, ["w1"], "다시", "h1-1", last_day) == ["L11/w1"]


def test_claimable__a_programme_that_pays_companies_has_no_claims(jeongsan, registry_file, engine):
    changes = [('funding = "hospital"', 'funding = "company"'),
               ('self_pay_mode = "deposit"\ndeposit_krw = 10_000_000', 'self_pay_mode = "arrears"')]  # fmt: skip
    jeongsan("load", registry_file(*changes), now="2025-09-15T09:00:00+09:00")
    with engine.connect() as connection, pytest.raises(RuleRefused, match="hospitals bill them"):
        claimable(connection, "V25", "H1", NOVEMBER)


def test_claimable__an_exempt_category_bears_no_vat(jeongsan, registry_file, engine, tmp_path):
    exempt = ('{ code = "processing", name = "데이터 가공" }', '{ code = "processing", name = "가공", tax = "exempt" }')
    jeongsan("load", registry_file(exempt), now="2025-09-15T09:00:00+09:00")
    world = World(jeongsan, tmp_path)
    world.ingest(*work("w1", "L11", 10), now="2025-12-02T09:00:00+09:00")
    with engine.connect() as connection:
        (line,) = claimable(connection, "V25", "H1", NOVEMBER)
        assert (line.supply_krw, line.vat_krw, line.tax) == (123_450, 0, "exempt")


def test_audit__work_corrected_after_the_approval_is_told_from_a_claim_that_never_tied(claims, engine):
    with engine.begin() as connection:
        number = approved(connection)
    claims.ingest(VOID, now="2025-12-03T00:00:00Z")

    def found():
        answer = claims.call("audit", "--programme", "V25", now="2025-12-05T00:00:00Z")
        return [(one["level"], one["refs"]) for one in answer["findings"] if one["check"].startswith("claim")]

    assert found() == [("WARN", [f"claim:{number}"])]


def paid(world, *rows):
    for row in rows:
        world.pay(row, now="2025-12-10T09:00:00+09:00")


def test_paid__once_what_was_settled_for_the_hospital_is_paid_in_full(claims, engine):
    claims.pay("bank,deposit:P1,10000000", now="2025-11-05T09:00:00+09:00")
    with engine.begin() as connection:
        number = approved(connection)
    claims.run("2025-11")
    paid(claims, "agency,payable:hospital:H1:P1,136412")
    with engine.connect() as connection:
        assert state_of(connection, number) == "approved"
    left = -claims.balances()["payable:hospital:H1:P1"]
    paid(claims, f"bank,payable:hospital:H1:P1,{left}")
    with engine.connect() as connection:
        assert state_of(connection, number) == "paid"
        rows = connection.execute(text("SELECT to_state, moved_by FROM claim_transition ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [("submitted", "h1-1"), ("approved", "finance-1"), ("paid", None)]
    for reference in (number, f"claim:{number}"):
        traced = claims.call("trace", reference)
        assert (traced["kind"], traced["amount_krw"], len(traced["charges"])) == ("claim", 160_485, 2)
        assert traced["parents"] == ["event:/t#a-w1", "event:/t#a-w2"]


def test_paid__what_is_held_stays_approved_and_what_was_paid_before_is_paid_at_once(claims, engine):
    with engine.begin() as connection:
        number = approved(connection, "w1")
    claims.run("2025-11")  # without its deposit the project's supply is held
    claims.pay("bank,deposit:P1,10000000", now="2025-12-05T09:00:00+09:00")
    with engine.connect() as connection:
        assert state_of(connection, number) == "approved"
    claims.run("2025-12")
    left = -claims.balances()["payable:hospital:H1:P1"]
    paid(claims, f"bank,payable:hospital:H1:P1,{left}")
    with engine.begin() as connection:
        assert state_of(connection, number) == "paid"
        late = approved(connection, "w2")
        assert state_of(connection, late) == "paid"


def test_paid__a_refusal_corrected_after_its_work_was_paid_makes_the_claim_paid_again(claims, engine):
    claims.pay("bank,deposit:P1,10000000", now="2025-11-05T09:00:00+09:00")
    claims.run("2025-11")
    paid(claims, f"bank,payable:hospital:H1:P1,{-claims.balances()['payable:hospital:H1:P1']}")
    with engine.begin() as connection:
        number = approved(connection, refusals=["w2"])
        assert state_of(connection, number) == "paid"
    later = NOW + timedelta(days=3)
    with engine.begin() as connection:
        claim_action.dispute(connection, number, ["w2"], "증빙을 냈음", "h1-1", later)
    with engine.begin() as connection:
        assert claim_decision.resolve(connection, number, [], True, "확인함", "finance-2", later).state == "paid"
    with engine.connect() as connection:
        states = connection.scalars(text("SELECT to_state FROM claim_transition ORDER BY id")).all()
    assert states == ["submitted", "partly_approved", "paid", "approved", "paid"]


def test_paid__by_an_advance_that_the_run_offsets(claims, engine):
    claims.pay("bank,deposit:P1,10000000", now="2025-11-05T09:00:00+09:00")
    claims.pay("agency,advance:hospital:H1:P1,1000000", now="2025-11-05T09:00:00+09:00")
    claims.pay("bank,payable:hospital:H1:P1,40121", now="2025-11-05T09:00:00+09:00")
    with engine.begin() as connection:
        number = approved(connection)
    claims.run("2025-11")
    assert "payable:hospital:H1:P1" not in claims.balances()
    with engine.connect() as connection:
        assert state_of(connection, number) == "paid"

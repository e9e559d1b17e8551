"""An agreement through its life: draft, signed, amended, extended, ended and terminated early; what stays as it was."""

import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.month import Month
from registry.terms import programme_terms
from tests.driven import CLOSE, H2_PRICES, World, event, work

SIGNED = "2025-09-15T09:00:00+09:00"
A2_LINES = 'line = [ { code = "L21", supplier = "H2", category = "processing", grant_limit_krw = 150_000_000 } ]'
FIRST = '{ effective = 2025-11-20, reason = "협약변경", limits = { L21 = 180_000_000 } }'


@pytest.fixture
def amend(jeongsan, registry_file):
    """Loads the registry with A2 as amended: amend('{ … }', …, more=keys of the agreement, now=…, exit_code=0)."""

    def load(*amendments, more="", now=CLOSE["2025-11"], **expecting):
        text_ = f"amendment = [ {', '.join([FIRST, *amendments])} ]\n{more}"
        file = registry_file((f"amendment = [ {FIRST} ]", text_), more=H2_PRICES)
        return jeongsan("load", file, now=now, **expecting)

    return load


def project(engine, code, month=None):
    with engine.connect() as connection:
        return programme_terms(connection, "V25", month).projects[code]


def entries(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM entry"))


# ---------------------------------------------------------------- draft and signed


def test_draft__commits_nothing_and_takes_no_events_until_it_is_signed(jeongsan, registry_file, tmp_path):
    draft = ('code = "A2"', 'code = "A2"\nstatus = "draft"')
    unsigned = [draft, (f"amendment = [ {FIRST} ]", "")]
    jeongsan("load", registry_file(*unsigned, more=H2_PRICES), now=SIGNED)
    world = World(jeongsan, tmp_path)
    assert "budget:committed:P2" not in world.balances()
    world.ingest(*work("w1", "L21", 10, project="P2"), now=CLOSE["2025-11"])
    assert {one["reason"] for one in jeongsan("quarantine", "list")["events"]} == {"unknown_line", "ref_missing"}
    changed = [*unsigned, ("grant_limit_krw = 150_000_000 } ]", "grant_limit_krw = 140_000_000 } ]")]
    assert jeongsan("load", registry_file(*changed), now=SIGNED)["changed"] == {"agreement": ["A2"]}
    signed = ('code = "A2"', 'code = "A2"\nsigned_on = 2025-09-14\nevidence = { reference = "협약서 2025-17" }')
    done = jeongsan("load", registry_file(signed), now=SIGNED)
    assert (done["entries"], done["released"]) == (1, 2)
    assert world.balances()["budget:committed:P2"] == 150_000_000
    assert jeongsan("quarantine", "list")["events"] == []
    back = jeongsan("load", registry_file(draft, (f"amendment = [ {FIRST} ]", "")), now=SIGNED, exit_code=3)
    assert "agreement[2].status" in str(back["messages"])


def test_draft__a_permits_fee_cannot_name_its_line(jeongsan, registry_file):
    unsigned = [('code = "A2"', 'code = "A2"\nstatus = "draft"'), (f"amendment = [ {FIRST} ]", "")]
    permit = '[[permit]]\ncode = "D1"\nproject = "P2"\nkind = "drb"\napproved_on = 2025-09-10\n'
    permit += 'fee_krw = 1\nline = "L21"\n'
    refused = jeongsan("load", registry_file(*unsigned, more=permit), now=SIGNED, exit_code=2)
    assert "permit[1].line" in refused["messages"][0]


# ---------------------------------------------------------------- amended


REPLACED = (
    '{ effective = 2025-12-10, reason = "공급기관 교체", end_lines = ["L21"], limits = { L21 = 100_000 },'
    ' line = [ { code = "L22", supplier = "H1", category = "processing", grant_limit_krw = 60_000_000,'
    ' self_pay_bp = 1000 } ], evidence = { reference = "변경협약서 3", sha256 = "' + "ab" * 32 + '" } }'
)


def test_amendment__ends_a_line_and_opens_another_at_another_rate(world, loaded, jeongsan, amend):
    world.ingest(*work("w1", "L21", 80, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    assert world.balances()["budget:committed:P2"] == 180_000_000 - 81_420
    amend(REPLACED)
    assert world.balances()["budget:committed:P2"] == 180_000_000 - 81_420
    early, late = work("w2", "L21", 1, "2025-12-10", "P2"), work("w3", "L22", 1, "2025-12-09", "P2")
    world.ingest(*early, *late, *work("w4", "L21", 3, "2025-12-09", "P2"), *work("w5", "L22", 10, "2025-12-10", "P2"),
                 now=CLOSE["2025-12"])  # fmt: skip
    held = [one for one in jeongsan("quarantine", "list")["events"] if one["reason"] == "outside_agreement"]
    assert len(held) == 2
    december = world.run("2025-12")
    assert (december["state"], december["differences"]) == ("locked", 0)
    assert december["lines"]["L21"]["voucher_krw"] == 1_357 * 83 * 3 // 4 - 81_420
    assert (december["lines"]["L22"]["voucher_krw"], december["lines"]["L22"]["self_pay_krw"]) == (111_105, 12_345)
    assert world.balances()["budget:committed:P2"] == 60_100_000 - 1_357 * 83 * 3 // 4 - 111_105
    assert jeongsan("verify", "--deep")["ok"] is True
    with loaded.connect() as connection:
        row = connection.execute(
            text("SELECT kind, reason, evidence_reference, evidence_sha256, counts_from::text FROM agreement_version"
                 " WHERE agreement = 'A2' ORDER BY effective DESC LIMIT 1")
        ).one()  # fmt: skip
    assert tuple(row) == ("amended", "공급기관 교체", "변경협약서 3", "ab" * 32, "2025-12-01")
    assert [line.code for line in project(loaded, "P2", Month(2025, 11)).lines] == ["L21"]


def test_amendment__loaded_with_its_agreement_commits_the_added_line_in_its_month(jeongsan, registry_file, tmp_path):
    jeongsan("load", registry_file((FIRST, f"{FIRST}, {REPLACED}"), more=H2_PRICES), now=SIGNED)
    world = World(jeongsan, tmp_path)
    assert world.balances()["budget:committed:P2"] == 150_000_000
    world.run("2025-11")
    assert world.balances()["budget:committed:P2"] == 180_000_000
    world.run("2025-12")
    assert world.balances()["budget:committed:P2"] == 60_100_000


def test_amendment__extends_the_period_and_what_waited_is_attributed(world, loaded, jeongsan, amend):
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2026-04-01T00:00:00Z", end="2026-04-01T01:00:00Z",
                gpus=1, model="H100")  # fmt: skip
    world.ingest(gpu, now="2026-04-02T00:00:00Z")
    assert jeongsan("quarantine", "list")["events"][0]["reason"] == "outside_agreement"
    assert amend('{ effective = 2025-12-10, reason = "기간 연장", ends = 2026-06-30 }')["released"] == 1
    assert (jeongsan("intake")["stored"], jeongsan("intake")["quarantined"]) == (1, 0)
    assert str(project(loaded, "P2").agreements[0].ends) == "2026-06-30"


@pytest.mark.parametrize(
    ("amendment", "path"),
    [
        ('{ effective = 2025-12-10, reason = "x" }', "amendment[2]: 바꾸는 것이 없습니다"),
        ('{ effective = 2025-12-10, reason = "x", ends = 2026-03-31 }', "amendment[2].ends"),
        ('{ effective = 2025-12-10, reason = "x", end_lines = ["L11"] }', "amendment[2].end_lines[1]"),
        ('{ effective = 2025-12-10, reason = "x", ends = 2026-06-30, evidence = {} }', "amendment[2].evidence"),
        (REPLACED.replace("L22", "L21"), "amendment[2].line[1].code"),
        (REPLACED.replace('"H1"', '"C1"'), "amendment[2].line[1].supplier"),
        (REPLACED.replace("2025-12-10", "2025-09-15"), "amendment[2]"),
        (f'{REPLACED}, {{ effective = 2025-12-11, reason = "x", end_lines = ["L21"] }}', "amendment[3].end_lines[1]"),
        (f'{REPLACED}, {{ effective = 2025-12-11, reason = "x", limits = {{ L22 = 1 }} }}', "amendment[3].limits.L22"),
    ],
)  # fmt: skip
def test_amendment__that_cannot_be_is_refused_with_its_path(world, loaded, amend, amendment, path):
    before = entries(loaded)
    messages = amend(amendment, exit_code=2)["messages"]
    assert any(f"agreement[2].{path}" in one for one in messages), messages
    assert entries(loaded) == before


CATEGORY = '{ code = "processing", name = "데이터 가공" },'
METERED = (
    (CATEGORY, f'{CATEGORY} {{ code = "gpu", name = "GPU", meter = "gpu" }},'),
    ("limit_krw = 150_000_000 } ]\namendment", 'limit_krw = 150_000_000 }, { code = "L22", supplier = "OP",'
     ' category = "gpu", grant_limit_krw = 5_000_000 } ]\namendment'),
)  # fmt: skip
OTHER_RATE = (
    '{ effective = 2025-12-10, reason = "자부담률 변경", end_lines = ["L22"], line = [ { code = "L23", supplier = "OP",'
    ' category = "gpu", grant_limit_krw = 5_000_000, self_pay_bp = 1000 } ] }'
)


@pytest.mark.parametrize(
    ("amendments", "path"),
    [
        (OTHER_RATE.replace('end_lines = ["L22"], ', ""), "amendment[2].line[1].category"),
        (f"{OTHER_RATE}, {OTHER_RATE.replace('L23', 'L24').replace('L22', 'L21').replace('12-10', '12-20')}",
         "amendment[3].line[1].category"),
    ],
)  # fmt: skip
def test_amendment__opens_no_second_line_of_a_meter_beside_an_open_one(jeongsan, registry_file, amendments, path):
    messages = jeongsan("load", registry_file(*METERED, (FIRST, f"{FIRST}, {amendments}")), exit_code=2)["messages"]
    assert [f"agreement[2].{path}" in one for one in messages] == [True], messages


def test_amendment__metered_usage_passes_to_the_line_that_follows(jeongsan, registry_file, tmp_path):
    jeongsan("load", registry_file(*METERED, (FIRST, f"{FIRST}, {OTHER_RATE}"), more=H2_PRICES), now=SIGNED)
    world = World(jeongsan, tmp_path)
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-12-09T14:00:00Z", end="2025-12-09T17:00:00Z",
                gpus=1, model="H100")  # fmt: skip
    world.ingest(gpu, now=CLOSE["2025-11"])
    world.run("2025-11")
    december = world.run("2025-12")
    assert (december["state"], december["differences"]) == ("locked", 0)
    paid = {code: (one["voucher_krw"], one["self_pay_krw"]) for code, one in december["lines"].items()}
    assert (paid["L22"], paid["L23"]) == ((5_250, 1_750), (12_600, 1_400))


def test_amendment__what_is_executed_cannot_be_cut(world, loaded, amend):
    world.ingest(*work("w1", "L21", 80, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    before = entries(loaded)
    for limit, exit_code in ((81_419, 3), (81_420, 0)):
        cut = f'{{ effective = 2025-12-10, reason = "축소", limits = {{ L21 = {limit} }} }}'
        answer = amend(cut, exit_code=exit_code)
        assert ("집행액 81,420원보다 작습니다" in str(answer)) == bool(exit_code)
        assert entries(loaded) == before


def test_amendment__a_line_does_not_end_before_its_work(world, jeongsan, amend):
    world.ingest(*work("w1", "L21", 1, "2025-12-10", "P2"), now=CLOSE["2025-11"])
    assert "/t#w1" in str(amend(REPLACED, exit_code=3)["messages"])
    world.ingest(event("usage.voided", "v1", ref="w1", reason="wrong line", author="H2"), now=CLOSE["2025-11"])
    amend(REPLACED)


# ---------------------------------------------------------------- terminated


ENDED = 'terminated = { on = 2025-12-10, reason = "기업 휴업", evidence = { reference = "해지 통보 1" } }\n'


def test_termination__releases_the_rest_at_the_months_run_and_takes_no_later_work(world, loaded, jeongsan, amend):
    world.ingest(*work("w1", "L21", 80, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    amend(more=ENDED)
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-12-10T14:00:00Z", end="2025-12-10T16:00:00Z",
                gpus=1, model="H100")  # fmt: skip
    world.ingest(gpu, *work("w2", "L21", 1, "2025-12-11", "P2"), *work("w3", "L21", 4, "2025-12-10", "P2"),
                 now=CLOSE["2025-12"])  # fmt: skip
    reasons = [one["reason"] for one in jeongsan("quarantine", "list")["events"]]
    assert sorted(reasons) == ["outside_agreement", "outside_agreement", "ref_missing"]
    available = world.balances()["budget:available"]
    december = world.run("2025-12")
    assert (december["state"], december["differences"]) == ("locked", 0)
    executed = 1_357 * 84 * 3 // 4
    balances = world.balances()
    assert "budget:committed:P2" not in balances
    assert balances["budget:executed:P2"] == executed
    assert balances["budget:available"] == available + 180_000_000 - executed + 400_000_000  # P1 ends too
    world.ingest(event("usage.voided", "v1", ref="w1", reason="twice", author="H2"), now=CLOSE["2026-01"])
    january = world.run("2026-01")
    assert january["differences"] == 0
    assert "budget:committed:P2" not in world.balances()
    assert world.balances()["budget:available"] == balances["budget:available"] + executed - 1_357 * 4 * 3 // 4
    assert jeongsan("verify", "--deep")["ok"] is True


NEXT = """
[[project]]
code = "P3"
programme = "V25"
company = "C1"
tier = "large"
title = "다음 과제"
modalities = ["imaging"]
channel = "bank"
[[agreement]]
code = "A3"
project = "P3"
starts = 2025-12-15
ends = 2026-03-31
self_pay_mode = "arrears"
over_limit = "hold"
line = [ {{ code = "L31", supplier = "H1", category = "processing", grant_limit_krw = {krw} }} ]
"""
A2_ENDED = (f"amendment = [ {FIRST} ]", f"amendment = [ {FIRST} ]\n{ENDED.replace('2025-12-10', '2025-11-25')}")
ENDS = {
    "terminated": ([A2_ENDED, ('closes = "2025-12"\n', "")], ("L21", "P2"), 180_000_000 - 81_420),
    "closes": ([('closes = "2025-12"', 'closes = "2025-11"')], ("L11", "P1"), 400_000_000 - 839_460),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_ended_project__its_freed_won_are_committed_again_and_never_twice(
    jeongsan, registry_file, tmp_path, engine, end
):
    changes, (line, code), freed_krw = ENDS[end]
    changes = [("appropriation_krw = 1_000_000_000", "appropriation_krw = 580_000_000"), *changes]

    def load(more="", **expecting):
        return jeongsan("load", registry_file(*changes, more=H2_PRICES + more), now=CLOSE["2025-11"], **expecting)

    load()
    world = World(jeongsan, tmp_path)
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", line, 80, project=code), now=CLOSE["2025-11"])
    assert "예산현액 580,000,000원을 넘습니다" in str(load(NEXT.format(krw=1), exit_code=3))
    world.run("2025-11")
    assert world.balances()["budget:available"] == freed_krw
    assert "예산현액 580,000,000원을 넘습니다" in str(load(NEXT.format(krw=freed_krw + 1), exit_code=3))
    load(NEXT.format(krw=freed_krw))
    assert world.balances()["budget:committed:P3"] == freed_krw
    assert "budget:available" not in world.balances()
    again = "UPDATE project SET grant_krw = grant_krw + 1 WHERE code = 'P3'"
    with pytest.raises(DBAPIError, match="exceed the current budget"), engine.begin() as connection:
        connection.execute(text(again))
    world.ingest(*work("w2", line, 1, project=code), now=CLOSE["2025-12"])
    assert "예산" in str(world.run("2025-12", exit_code=3)["messages"])


def test_termination__of_one_agreement_leaves_the_other_of_its_project(jeongsan, registry_file, tmp_path, engine):
    second = (
        '[[agreement]]\ncode = "A3"\nproject = "P2"\nstarts = 2025-09-15\nends = 2026-03-31\n'
        'self_pay_mode = "arrears"\nover_limit = "hold"\n'
        'line = [ { code = "L31", supplier = "H1", category = "processing", grant_limit_krw = 5_000_000 } ]\n'
    )
    jeongsan("load", registry_file(more=H2_PRICES + second), now=SIGNED)
    world = World(jeongsan, tmp_path)
    ended = registry_file((f"amendment = [ {FIRST} ]", f"amendment = [ {FIRST} ]\n{ENDED}"), more=H2_PRICES + second)
    jeongsan("load", ended, now=CLOSE["2025-11"])
    world.run("2025-11")
    assert world.balances()["budget:committed:P2"] == 185_000_000
    assert world.run("2025-12")["differences"] == 0
    assert world.balances()["budget:committed:P2"] == 5_000_000
    assert project(engine, "P2").ends_in(project(engine, "P2").agreements) is None


def test_termination__orders_the_refund_of_the_deposit(world, loaded, jeongsan, registry_file):
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), now=CLOSE["2025-11"])
    world.run("2025-11")
    rest = 'line = [\n  { code = "L11"'
    open_end, ended = ('closes = "2025-12"\n', ""), (rest, ENDED + rest)
    jeongsan("load", registry_file(open_end, ended, more=H2_PRICES), now=CLOSE["2025-11"])
    assert project(loaded, "P1").deposit_ends == Month(2025, 12)
    world.run("2025-12")
    left = -world.balances()["deposit:P1"]
    assert left == 10_000_000 - 18_518
    world.pay(f"bank,deposit:P1,-{left}", now="2026-01-10T00:00:00Z")
    assert "deposit:P1" not in world.balances()


def test_termination__before_usage_or_work_that_is_there_is_refused(world, loaded, amend):
    gpu = event("gpu.usage", "g1", project="P2", session="s", start="2025-12-11T00:00:00Z", end="2025-12-11T01:00:00Z",
                gpus=1, model="H100")  # fmt: skip
    world.ingest(gpu, *work("w1", "L21", 1, "2025-12-11", "P2"), now=CLOSE["2025-11"])
    messages = amend(more=ENDED, exit_code=3)["messages"]
    assert "/t#w1" in messages[0]
    assert "there is usage after that day" in messages[0]
    assert project(loaded, "P2").agreements[0].terminates is None


def test_termination__is_said_once_and_the_agreement_is_not_amended_after_it(world, amend):
    amend(more=ENDED)
    amend(more=ENDED)
    assert "agreement[2].terminated.on" in str(amend(more=ENDED.replace("12-10", "12-11"), exit_code=3))
    later = '{ effective = 2026-01-05, reason = "늦음", limits = { L21 = 170_000_000 } }'
    assert "해지된 협약은 변경할 수 없습니다" in str(amend(later, more=ENDED, exit_code=3))
    assert "agreement[2].terminated" in str(amend(exit_code=3))


# ---------------------------------------------------------------- the legal payee


def test_payee__a_statement_names_the_one_in_force_on_its_months_last_day(world, jeongsan, registry_file, tmp_path):
    dated = (
        'code = "H2"\nkind = "hospital"',
        'code = "H2"\nkind = "hospital"\npayee = [ { name = "산학협력단", brn = "101-82-79198" },'
        ' { name = "학교법인", brn = "124-81-00998", from = 2025-12-15 } ]',
    )
    assert jeongsan("load", registry_file(dated), now=SIGNED)["changed"] == {"party": ["H2"]}
    names = {}
    for month in ("2025-11", "2025-12"):
        world.ingest(*work(f"w-{month}", "L21", 1, f"{month}-10", "P2"), now=CLOSE[month])
        world.run(month)
        jeongsan("statements", month, "--programme", "V25", "--out", tmp_path / month)
        (path,) = (tmp_path / month).glob("*병원*H2*.xlsx")
        cells = [cell for row in openpyxl.load_workbook(path)["정산서"].values for cell in row if isinstance(cell, str)]
        names[month] = [one for one in ("산학협력단", "학교법인") if any(one in cell for cell in cells)]
    assert names == {"2025-11": ["산학협력단"], "2025-12": ["학교법인"]}


@pytest.mark.parametrize(
    ("payee", "path"),
    [
        ('[ { name = "a", brn = "101-82-79198" }, { name = "b", brn = "101-82-79198" } ]', "payee[2].from"),
        ('[ { name = "a", brn = "101-82-79198", from = 2026-01-01 }, { name = "b", brn = "101-82-79198",'
         ' from = 2025-01-01 } ]', "payee: from"),
        ('[ { name = "a", brn = "101-82-79199" } ]', "payee[1].brn"),
        ('{ name = "a", brn = "101-82-79199" }', "payee.brn"),
        ('[ { name = "a" } ]', "payee[1].brn"),
    ],
)  # fmt: skip
def test_payee__that_cannot_be_is_refused_with_its_path(jeongsan, registry_file, payee, path):
    wrong = ('code = "H2"\nkind = "hospital"', f'code = "H2"\nkind = "hospital"\npayee = {payee}')
    messages = jeongsan("load", registry_file(wrong), now=SIGNED, exit_code=2)["messages"]
    assert any(f"party[7].{path}" in one for one in messages), messages


def test_consortium__of_a_supplier_is_the_one_of_the_day(loaded, jeongsan, registry_file):
    def load(consortium, exit_code=0):
        member = ('code = "H2"\nkind = "hospital"', f'code = "H2"\nkind = "hospital"\nconsortium = {consortium}')
        return jeongsan("load", registry_file(member), now=SIGNED, exit_code=exit_code)

    def shown(day):
        return jeongsan("agreement", "show", "A2", now=f"{day}T12:00:00+09:00")["lines"][0]["consortium"]

    assert load('"중심병원 1"')["changed"] == {"party": ["H2"]}
    assert shown("2026-01-01") == "중심병원 1"
    dated = '[ { name = "중심병원 1", from = 2025-10-01 }, { name = "중심병원 2", from = 2026-01-01 } ]'
    load(dated)
    assert [shown(day) for day in ("2025-09-30", "2025-12-31", "2026-01-01")] == [None, "중심병원 1", "중심병원 2"]
    for wrong, path in (('""', "consortium:"), ('[ { name = "" } ]', "consortium[1].name"), ("5", "consortium:"),
                        (dated.replace(", from = 2026-01-01", ""), "consortium[2].from"),
                        (dated.replace("2026-01-01", "2025-10-01"), "consortium: from")):  # fmt: skip
        assert f"party[7].{path}" in load(wrong, exit_code=2)["messages"][0]

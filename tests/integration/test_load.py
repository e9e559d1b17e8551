"""jeongsan load: reference data goes in whole or not at all, and what was loaded stays as it was."""

from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from billing.commitment import amendment_entries
from billing.price_book import rates
from core.month import Month
from ledger import books
from portal.cli import main
from registry.terms import programme_terms
from tests.driven import World, work

NOW = "2025-09-15T09:00:00+09:00"
SOURCE = 'source = [ {{ code = "S", name = "국비", share_bp = {} }} ]'
PAYEE = "price_book[1].rate[1].payee"
AT = datetime(2025, 9, 15, tzinfo=UTC)


def figures(engine):
    with engine.connect() as connection:
        tables = (
            "party",
            "programme",
            "project",
            "agreement",
            "line_limit",
            "rate",
            "budget_record",
            "entry",
            "posting",
        )
        return {name: connection.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2")).all() for name in tables}  # noqa: S608


def lock(engine, month):
    with engine.begin() as connection:
        books.lock_month(connection, "V25", Month.parse(month), AT, "test")


def test_load__books_the_appropriation_and_each_commitment(jeongsan, registry_file):
    answer = jeongsan("load", registry_file(), now=NOW)
    assert answer["entries"] == 3
    assert {kind: len(codes) for kind, codes in answer["new"].items()} == {
        "programme": 1, "party": 7, "project": 2, "agreement": 2, "price_book": 2,
    }  # fmt: skip
    assert jeongsan("balances") == {
        "budget:appropriation": -1_000_000_000,
        "budget:available": 450_000_000,
        "budget:committed:P1": 400_000_000,
        "budget:committed:P2": 150_000_000,
    }


def test_load__a_second_load_says_so_and_changes_no_figure(loaded, jeongsan, registry_file):
    before = figures(loaded)
    answer = jeongsan("load", registry_file(), now="2025-09-16T09:00:00+09:00")
    assert (answer["new"], answer["changed"], answer["entries"]) == ({}, {}, 0)
    assert sum(map(len, answer["already"].values())) == 14
    assert figures(loaded) == before


def test_load__a_person_reads_what_was_new_and_what_was_there(settings, registry_file):
    def read(*options):
        return CliRunner().invoke(main, ["load", str(registry_file()), "--now", NOW, *options]).stdout.splitlines()

    assert read() == ["새로 등록: 사업 1, 참여자 7, 과제 2, 협약 2, 단가표 2", "예산 분개 3건을 기록했습니다."]
    assert read("--lang", "en") == [
        "there already: programme 1, party 7, project 2, agreement 2, price_book 2",
        "Nothing changed.",
    ]


def test_load__an_amendment_is_in_force_from_its_month_on_and_booked_by_that_months_run(loaded):
    with loaded.begin() as connection:
        terms = programme_terms(connection, "V25")
        (line,) = terms.projects["P2"].lines
        assert line.limits == ((date(2025, 9, 1), 150_000_000), (date(2025, 11, 1), 180_000_000))
        assert amendment_entries(connection, terms, Month(2025, 10)) == []
        (entry,) = due = amendment_entries(connection, terms, Month(2025, 11))
        assert (entry.kind, entry.reference) == ("amendment", "amendment:A2:2025-11-20")
        assert entry.postings == {"budget:committed:P2": 30_000_000, "budget:available": -30_000_000}
        books.post(connection, "V25", Month(2025, 11), due, AT)
        assert amendment_entries(connection, terms, Month(2025, 12)) == []


def test_load__an_amendment_within_an_agreement_that_moves_limits_only_has_no_entry(jeongsan, registry_file, engine):
    amended = 'line = [\n  { code = "L11"', 'amendment = [ { effective = 2025-10-05, reason = "조정", limits = ' \
        '{ L11 = 240_000_000, L12 = 160_000_000 } } ]\nline = [\n  { code = "L11"'  # fmt: skip
    jeongsan("load", registry_file(amended), now=NOW)
    with engine.connect() as connection:
        assert amendment_entries(connection, programme_terms(connection, "V25"), Month(2025, 10)) == []


def test_load__carry_in_and_past_transfers_are_booked_and_future_ones_when_their_day_has_come(jeongsan, registry_file):
    money = "carry_in_krw = 7\ntransfer = [ { on = 2025-09-15, krw = -5, reason = '감액' }, " \
        "{ on = 2025-10-01, krw = 11, reason = '증액' } ]\nfunding"  # fmt: skip
    file = registry_file(("funding", money))
    assert jeongsan("load", file, now=NOW)["entries"] == 5
    assert jeongsan("balances")["budget:appropriation"] == -1_000_000_002
    assert jeongsan("load", file, now="2025-10-01T00:00:00+09:00")["entries"] == 1
    assert jeongsan("balances")["budget:appropriation"] == -1_000_000_013


def test_load__several_files_are_one_unit(jeongsan, registry_file, tmp_path, engine):
    extra = tmp_path / "extra.toml"
    extra.write_text(
        '[[permit]]\ncode = "D1"\nproject = "P1"\nhospital = "H1"\nkind = "drb"\napproved_on = 2025-09-10\n'
    )
    broken = tmp_path / "broken.toml"
    broken.write_text('[[permit]]\ncode = "D2"\nproject = "P9"\nkind = "irb"\napproved_on = 2025-09-10\n')
    error = jeongsan("load", registry_file(), broken, now=NOW, exit_code=2)
    assert error["messages"] == ["broken.toml: permit[1].project: 'P9': 등록되지 않은 과제입니다 (no such project)."]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM party")) == 0
    assert jeongsan("load", extra, registry_file(), now=NOW)["new"]["permit"] == ["D1"]


def test_load__a_permits_fee_names_a_line_of_its_hospital(loaded, jeongsan, tmp_path):
    file = tmp_path / "permit.toml"
    text_ = '[[permit]]\ncode = "D1"\nproject = "P1"\nhospital = "H1"\nkind = "drb"\n'
    text_ += "approved_on = 2025-09-10\nfee_krw = 500_000\n"
    file.write_text(text_)
    assert "permit[1].line" in jeongsan("load", file, now=NOW, exit_code=2)["messages"][0]
    file.write_text(text_ + 'line = "L12"\n')
    assert "permit[1].line" in jeongsan("load", file, now=NOW, exit_code=2)["messages"][0]
    file.write_text(text_ + 'line = "L11"\n')
    jeongsan("load", file, now=NOW)
    with loaded.connect() as connection:
        (permit,) = programme_terms(connection, "V25").projects["P1"].permits
    assert (permit.fee_krw, permit.line) == (500_000, "L11")


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('name = "가온"', 'name = "가온"\nbrn = "124-81-00997"', "party[4].brn"),
        ("settlement_closes_on = 2026-03-31", "settlement_closes_on = 2026-03-31\n"
         'tax_reason = [ { category = "processing", reason = "부가가치세법 제26조" } ]', "programme[1].tax_reason[1]"),
        ('tier = "large"', 'tier = "huge"', "project[1].tier"),
        ('company = "C1"', 'company = "H1"', "project[1].company"),
        ('company = "C1"', 'company = "C9"', "project[1].company"),
        ('programme = "V25"', 'programme = "V24"', "project[1].programme"),
        ("small = 1500", "small = 10001", "programme[1].self_pay_bp.small"),
        ("small = 1500, ", "", "agreement[1].line[1].self_pay_bp"),
        ("appropriation_krw = 1_000_000_000", "appropriation_krw = -1", "programme[1].appropriation_krw"),
        ("appropriation_krw = 1_000_000_000", "appropriation_krw = 1e9", "programme[1].appropriation_krw"),
        ("ends = 2026-03-31", "ends = 2025-09-14", "agreement[1].ends"),
        ("ends = 2026-03-31", "ends = 2026-03-31T00:00:00Z", "agreement[1].ends"),
        ("deposit_krw = 10_000_000", "deposit_krw = 0", "agreement[1].deposit_krw"),
        ('self_pay_mode = "deposit"', 'self_pay_mode = "arrears"', "agreement[1].deposit_krw"),
        ('supplier = "H1", category', 'supplier = "OP", category', "agreement[1].line[1].supplier"),
        ('code = "L12"', 'code = "L11"', "agreement[1].line[2].code"),
        ('code = "L21"', 'code = "L11"', "agreement[2].line[1].code"),
        ('category = "processing"', 'category = "magic"', "agreement[1].line[1].category"),
        ('weight = "3"', 'weight = "three"', "programme[1].weight[1].weight"),
        ('weight = "3"', 'weight = "NaN"', "programme[1].weight[1].weight"),
        ('weight = "3"', "weight = 3.5", "programme[1].weight[1].weight"),
        ('closes = "2025-12"', 'closes = "2025-13"', "project[1].closes"),
        ('closes = "2025-12"', 'closes = "2025-08"', "agreement[1].starts"),
        ("effective = 2025-11-20", "effective = 2026-04-01", "agreement[2].amendment[1].effective"),
        ("limits = { L21", "limits = { L22", "agreement[2].amendment[1].limits.L22"),
        ("effective = 2025-11-20", "effective = 2025-09-20", "agreement[2].amendment[1].limits.L21"),
        ('code = "C2"', 'code = "C1"', "party[5].code"),
        ('code = "OP-1"', 'code = "OP 1"', "price_book[1].code"),
        ('model = "H100", ', "", "price_book[1].rate[1].model"),
        ('work = "study", ', 'model = "H100", ', "price_book[2].rate[1].work"),
        ('funding = "hospital"', 'funding = "company"', "agreement[1].self_pay_mode"),
        ('funding = "hospital"', f'funding = "hospital"\n{SOURCE.format(9_999)}', "programme[1].source"),
        ('name = "데이터 가공"', 'name = "GPU", meter = "cpu"', "programme[1].category[1].meter"),
        ('name = "데이터 가공"', 'name = "GPU", meter = "gpu"', "agreement[1].line[2].category"),
        ('unit_price_krw = 7000', 'unit_price_krw = 7000, payee = "H1", cost_price_krw = 1', PAYEE),
        ('unit_price_krw = 7000', 'unit_price_krw = 7000, payee = "H1"', PAYEE),
        ('unit_price_krw = 7000', 'unit_price_krw = 7000, cost_price_krw = 1', PAYEE),
        ('funding = "hospital"', 'funding = "hospital"\ncolour = 1', "programme[1].colour"),
        ('operator = "OP"\n', "", "programme[1].operator"),
        ('size = "small"\n', "", "party[4].size"),
    ],
)  # fmt: skip
def test_load__bad_data_is_refused_with_its_path_and_nothing_is_loaded(jeongsan, registry_file, engine, old, new, path):
    messages = jeongsan("load", registry_file((old, new)), now=NOW, exit_code=2)["messages"]
    assert any(message.startswith(f"registry.toml: {path}") for message in messages), messages
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM loaded_object")) == 0


def test_load__each_problem_is_listed(jeongsan, registry_file):
    changes = [
        ('size = "small"', 'size = "tiny"'),
        ('tier = "large"\n', ""),
        ("fiscal_year = 2025", "fiscal_year = '2025'"),
    ]
    messages = jeongsan("load", registry_file(*changes), now=NOW, exit_code=2)["messages"]
    assert [message.split(": ")[1] for message in messages] == [
        "programme[1].fiscal_year",
        "party[4].size",
        "project[1].tier",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\n[[x]\n", "line 2"),
        (b"[[party]]\nname = \"\xb1\xe8\"\n", "UTF-8"),
        (b"x = 9" + b"9" * 5000, "TOML"),
        (b"x = " + b"[" * 5000, "TOML"),
        (b"[party]\ncode = 1\n", "[[party]]"),
        (b"", "없습니다"),
    ],
)  # fmt: skip
def test_load__a_file_that_is_no_registry_is_refused(jeongsan, tmp_path, content, said):
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    (message,) = jeongsan("load", file if content else tmp_path / "none.toml", now=NOW, exit_code=2)["messages"]
    assert said in message


def transfer(day, krw):
    one = f'transfer = [ {{ on = {day}, krw = {krw}, reason = "증감" }} ]'
    return 'funding = "hospital"', f'funding = "hospital"\n{one}'


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("grant_limit_krw = 250_000_000", "grant_limit_krw = 250_000_001")], "구간 large의 한도"),
        ([('closes = "2025-12"', "grant_krw = 399_999_999")], "과제 지원금 399,999,999원을 넘습니다"),
        ([("L21 = 180_000_000", "L21 = 200_000_001")], "구간 medium의 한도"),
        (
            [("appropriation_krw = 1_000_000_000", "appropriation_krw = 579_999_999")],
            "예산현액 579,999,999원을 넘습니다",
        ),
        ([("krw = 500_000_000", "krw = 1_000_000_001")], "2025-09-03까지 교부액 1,000,000,001원이 그날의 예산현액"),
        ([("krw = 500_000_000", "krw = 1_000_000_001"), transfer("2025-09-04", 1)], "예산현액 1,000,000,000원을"),
        ([("krw = 500_000_000", "krw = 1_000_000_000"), transfer("2025-09-03", -1)], "예산현액 999,999,999원을"),
    ],
)
def test_load__caps_are_kept_to_the_won(jeongsan, registry_file, changes, said):
    (message,) = jeongsan("load", registry_file(*changes), now=NOW, exit_code=3)["messages"]
    assert message.startswith("registry.toml: ")
    assert said in message


@pytest.mark.parametrize(("received", "day", "krw"), [(1_000_000_001, "2025-09-03", 1), (10**9, "2025-09-04", -1)])
def test_load__what_is_received_of_the_budget_of_its_day_is_loaded(jeongsan, registry_file, received, day, krw):
    file = registry_file(("krw = 500_000_000", f"krw = {received}"), transfer(day, krw))
    jeongsan("load", file, now=NOW)
    assert jeongsan("load", file, now=NOW)["new"] == {}


def test_load__what_reaches_every_cap_exactly_is_loaded(jeongsan, registry_file):
    exact = [
        ("appropriation_krw = 1_000_000_000", "appropriation_krw = 600_000_000"),
        ("krw = 500_000_000", "krw = 600_000_000"),
        ("L21 = 180_000_000", "L21 = 200_000_000"),
    ]
    jeongsan("load", registry_file(*exact), now=NOW)


LINE = 'line = [ { code = "L31", supplier = "H1", category = "processing", grant_limit_krw = 1_000_000 } ]\n'
THIRD = (
    '[[project]]\ncode = "P3"\nprogramme = "V25"\ncompany = "C2"\ntier = "medium"\ntitle = "과제 셋"\n'
    'modalities = ["imaging"]\nchannel = "bank"\n[[agreement]]\ncode = "A3"\nproject = "P3"\nstarts = 2025-09-15\n'
    f'ends = 2026-03-31\nself_pay_mode = "arrears"\nover_limit = "hold"\n{LINE}'
)
PERMIT = '[[permit]]\ncode = "{}"\nproject = "P1"\nkind = "drb"\napproved_on = 2025-{}\n'


def test_load__releases_what_waited_for_it_and_nothing_else(loaded, jeongsan, registry_file, tmp_path):
    late = PERMIT.format("D2", "12-01")
    jeongsan("load", registry_file(more=late), now=NOW)
    world = World(jeongsan, tmp_path)
    world.ingest(*work("w1", "L31", 1, project="P3"), *work("w2", "L11", 1), *work("w3", "L99", 1), now=NOW)
    told = {one["event_id"]: one["reason"] for one in jeongsan("quarantine", "list")["events"]}
    assert [told[name] for name in ("w1", "w2", "w3", "a-w1")] == ["unknown_project", "no_permit", "unknown_line",
                                                                 "ref_missing"]  # fmt: skip
    assert jeongsan("load", registry_file(more=late + THIRD), now=NOW)["released"] == 2
    assert jeongsan("load", registry_file(more=late + THIRD), now=NOW)["released"] == 0
    file = registry_file(more=late + THIRD + PERMIT.format("D1", "11-10"))
    said = CliRunner().invoke(main, ["load", str(file), "--now", NOW]).stdout
    assert said == "새로 등록: 심의 승인 1\n이미 등록됨: 사업 1, 참여자 7, 과제 3, 협약 3, 단가표 2, 심의 승인 1\n" \
        "격리된 이벤트 2건을 해제했습니다.\n"  # fmt: skip
    assert {one["event_id"] for one in jeongsan("quarantine", "list")["events"]} == {"w3", "a-w3"}
    intake = jeongsan("intake")
    assert (intake["stored"], intake["quarantined"], intake["balanced"]) == (4, 2, True)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("appropriation_krw = 1_000_000_000", "appropriation_krw = 1_000_000_001", "programme[1].appropriation_krw"),
        ("grant_cap_krw = 200_000_000", "grant_cap_krw = 300_000_000", "programme[1].tier[2].grant_cap_krw"),
        ('brn = "124-81-00998"', 'brn = "101-82-79198"', "party[6].brn"),
        ("grant_limit_krw = 250_000_000", "grant_limit_krw = 240_000_000", "agreement[1].line[1].grant_limit_krw"),
        ("unit_price_krw = 7000", "unit_price_krw = 6999", "price_book[1].rate[1].unit_price_krw"),
        ("krw = 500_000_000", "krw = 500_000_001", "programme[1].grant_received"),
        ("L21 = 180_000_000", "L21 = 181_000_000", "agreement[2].amendment"),
    ],
)
def test_load__other_content_under_a_used_code_is_refused(loaded, jeongsan, registry_file, old, new, path):
    before = figures(loaded)
    (message,) = jeongsan("load", registry_file((old, new)), now=NOW, exit_code=3)["messages"]
    assert message.startswith(f"registry.toml: {path}: ")
    assert figures(loaded) == before


def test_load__descriptions_closing_months_and_growing_lists_may_change(loaded, jeongsan, registry_file):
    answer = jeongsan(
        "load",
        registry_file(
            ('name = "첫째병원"', 'name = "새 첫째병원"\npayee = { name = "산학협력단", brn = "101-82-79198" }'),
            ('closes = "2025-12"', 'closes = "2026-01"'),
            ("krw = 500_000_000 } ]", "krw = 500_000_000 }, { on = 2025-10-01, krw = 500_000_000 } ]\n"
             "interest = [ { on = 2025-12-31, krw = 3 } ]"),
            ("L21 = 180_000_000 } } ]", "L21 = 180_000_000 } }, { effective = 2026-01-02, reason = '또', limits = "
             "{ L21 = 190_000_000 } } ]"),
        ),
        now=NOW,
    )  # fmt: skip
    assert answer["changed"] == {"programme": ["V25"], "party": ["H1"], "project": ["P1"], "agreement": ["A2"]}
    with loaded.connect() as connection:
        terms = programme_terms(connection, "V25")
        records = connection.execute(text("SELECT kind, amount_krw FROM budget_record ORDER BY id")).all()
        payee = connection.scalar(text("SELECT name FROM party_payee WHERE party = 'H1'"))
    assert terms.projects["P1"].closes == Month(2026, 1)
    assert terms.projects["P2"].grant_krw == 190_000_000
    assert terms.projects["P2"].lines[0].limits[-1] == (date(2026, 1, 1), 190_000_000)
    assert [tuple(one) for one in records] == [
        ("grant_received", 500_000_000), ("grant_received", 500_000_000), ("interest", 3),
    ]  # fmt: skip
    assert payee == "산학협력단"


def test_load__an_amendment_of_a_closed_month_is_in_force_from_the_first_open_one(loaded, jeongsan, registry_file):
    for month in ("2025-11", "2025-12"):
        lock(loaded, month)
    late = "180_000_000 } }, { effective = 2025-12-05, reason = '늦은 변경', limits = { L21 = 170_000_000 } } ]"
    jeongsan("load", registry_file(("180_000_000 } } ]", late)), now="2026-01-05T09:00:00+09:00")
    with loaded.connect() as connection:
        (line,) = programme_terms(connection, "V25").projects["P2"].lines
    assert line.limits[-1] == (date(2026, 1, 1), 170_000_000)


def test_load__a_closing_month_that_is_closed_stays(loaded, jeongsan, registry_file):
    lock(loaded, "2025-12")
    change = ('closes = "2025-12"', 'closes = "2026-02"')
    (message,) = jeongsan("load", registry_file(change), now="2026-01-05T09:00:00+09:00", exit_code=3)["messages"]
    assert "project[1].closes" in message


def run_with_steps(engine, *names):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO month_run VALUES ('V25', '2025-09-01', 0, 0, now())"))
        for name in names:
            connection.execute(
                text("INSERT INTO run_step VALUES ('V25', '2025-09-01', :name, now(), '{}')"), {"name": name}
            )


def test_load__between_post_and_lock_the_programme_stays_as_it_is(loaded, jeongsan, registry_file, tmp_path):
    run_with_steps(loaded, "freeze", "rate", "split", "post")
    change = ('closes = "2025-12"', 'closes = "2026-01"')
    (message,) = jeongsan("load", registry_file(change), now="2025-10-05T09:00:00+09:00", exit_code=3)["messages"]
    assert "finish the run first" in message
    book = tmp_path / "book.toml"
    book.write_text('[[price_book]]\ncode = "OP-2"\nsupplier = "OP"\neffective_from = 2025-10-01\nrate = []\n')
    jeongsan("load", book, now="2025-10-05T09:00:00+09:00", exit_code=3)
    assert jeongsan("load", registry_file(), now="2025-10-05T09:00:00+09:00")["changed"] == {}


def test_load__before_post_an_unfinished_run_rates_and_splits_anew(loaded, jeongsan, registry_file):
    run_with_steps(loaded, "freeze", "rate", "split")
    jeongsan("load", registry_file(('closes = "2025-12"', 'closes = "2026-01"')), now="2025-10-05T09:00:00+09:00")
    with loaded.connect() as connection:
        assert connection.scalars(text("SELECT step FROM run_step")).all() == ["freeze"]


def test_load__while_a_run_is_working_a_change_is_refused(loaded, jeongsan, registry_file):
    with loaded.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('run:V25'))"))
        change = ('closes = "2025-12"', 'closes = "2026-01"')
        (message,) = jeongsan("load", registry_file(change), now=NOW, exit_code=3)["messages"]
    assert "a run is working" in message


def book(code, day, price, more=""):
    return (
        f'[[price_book]]\ncode = "{code}"\nsupplier = "OP"\neffective_from = {day}\n'
        f'rate = [ {{ meter = "gpu", model = "H100", unit_price_krw = {price}{more} }} ]\n'
    )


def test_load__a_rate_stays_in_force_until_the_next_book_sets_it_again(loaded, jeongsan, tmp_path):
    file = tmp_path / "book.toml"
    for code, day, price in (("OP-3", "2026-01-01", 9000), ("OP-2", "2025-11-16", 8000)):
        file.write_text(book(code, day, price))
        jeongsan("load", file, now=NOW)
    with loaded.connect() as connection:
        cards = [card for card in rates(connection, ["OP"]) if card.model == "H100"]
        stored = connection.scalars(text("SELECT valid::text FROM rate WHERE model = 'H100' ORDER BY valid")).all()
    assert [(card.valid_from, card.valid_until, card.unit_price_krw) for card in cards] == [
        (date(2025, 9, 1), date(2025, 11, 16), 7000),
        (date(2025, 11, 16), date(2026, 1, 1), 8000),
        (date(2026, 1, 1), None, 9000),
    ]
    assert stored == ["[2025-09-01,2025-11-16)", "[2025-11-16,2026-01-01)", "[2026-01-01,)"]


def test_load__a_rate_of_the_same_day_and_dimensions_is_refused_and_a_negotiated_one_is_not(loaded, jeongsan, tmp_path):
    file = tmp_path / "book.toml"
    file.write_text(book("OP-2", "2025-09-01", 8000))
    (message,) = jeongsan("load", file, now=NOW, exit_code=3)["messages"]
    assert message.startswith("book.toml: price_book[1].rate[1]: ")
    file.write_text(book("OP-2", "2025-09-01", 6000, ', project = "P1", minimum_krw = 10'))
    jeongsan("load", file, now=NOW)


def test_load__graduated_prices_keep_their_tiers(loaded, jeongsan, tmp_path):
    file = tmp_path / "book.toml"
    tiers = 'tiers = [ { up_to = "100.5", unit_price_krw = 7000 }, { unit_price_krw = 6000 } ]'
    file.write_text(book("OP-2", "2025-10-01", 1).replace("unit_price_krw = 1", tiers))
    jeongsan("load", file, now=NOW)
    with loaded.connect() as connection:
        card = next(card for card in rates(connection, ["OP"]) if card.tiers)
    assert [(str(up_to), price) for up_to, price in card.tiers] == [("100.5", 7000), ("None", 6000)]
    file.write_text(book("OP-3", "2025-11-01", 1).replace("unit_price_krw = 1", tiers.replace('"100.5"', '"-1"')))
    assert "tiers[1].up_to" in jeongsan("load", file, now=NOW, exit_code=2)["messages"][0]


def test_load__a_limit_below_what_was_executed_is_refused(loaded, jeongsan, registry_file, executed):
    executed(loaded, "L21", 175_000_000)
    for limit, exit_code in ((174_999_999, 3), (175_000_000, 0)):
        late = f"180_000_000 }} }}, {{ effective = 2025-12-05, reason = '변경', limits = {{ L21 = {limit} }} }} ]"
        answer = jeongsan("load", registry_file(("180_000_000 } } ]", late)), now=NOW, exit_code=exit_code)
        assert ("amendment[2].limits.L21" in str(answer)) == bool(exit_code)

"""Payment orders of locked months: what the run booked, to whom, and what became of it."""

import json
import threading
from datetime import UTC, date, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from billing.payout import order_payouts
from core.month import Month
from registry.due_dates import DueTerms
from reports.statements import prepare as render
from tests.driven import work
from tests.integration.test_examples import MONTHS, NOW, settled
from tests.integration.test_guards import refused
from tests.paying import approved, with_people
from tests.worked import CASE, CLOSE, PROGRAMME, expected, needs_case, prepare, run

NUMBERS = {"H01": "110-222-333401", "H02": "110-222-333402", "H03": "110-222-333403", "OP": "110-222-333404"}
HOLDERS = {"H01": "공급병원 H01", "H02": "공급병원 H02", "H03": "공급병원 H03", "OP": "운영기관"}
ORDERED_AT = {"2025-11": "2025-12-04T09:00:00+09:00", "2025-12": "2026-01-06T09:00:00+09:00"}
AFTER = "2026-01-28T09:00:00+09:00"


def order(jeongsan, month, *options, programme=PROGRAMME, now=None, **expecting):
    """Orders a month's payments."""
    return jeongsan("payouts", "order", month, "--programme", programme, "--by", "finance-1", *options,
                    now=now or ORDERED_AT[month], **expecting)  # fmt: skip


def amounts(answer, *wanted):
    """Ordered won by payer and account, for accounts that begin so."""
    return {(one["payer"], one["account"]): one["amount_krw"] for one in answer["rows"]
            if one["account"].startswith(wanted or "")}  # fmt: skip


@pytest.fixture(scope="module")
def said() -> dict:
    """What the commands answered, kept for the tests of the worked case: it is run once."""
    return {}


@pytest.fixture
def worked(request, said, tmp_path_factory) -> dict:
    """Both months of the worked case ordered and paid: answers by name, and the folder with the files."""
    if not said:
        jeongsan, folder = request.getfixturevalue("jeongsan"), tmp_path_factory.mktemp("orders")
        prepare(jeongsan, "2025-11")
        with_people(jeongsan)
        for party, number in NUMBERS.items():
            approved(jeongsan, folder, party, HOLDERS[party], number)
        run(jeongsan, "2025-11")
        said["2025-11"] = order(jeongsan, "2025-11", "--out", folder)
        said["again"] = order(jeongsan, "2025-11", "--out", folder / "again", now=AFTER)
        said["before"] = jeongsan("payouts", "list", "--programme", PROGRAMME, now=ORDERED_AT["2025-11"])
        jeongsan("payments", "import", CASE / "payments-after-2025-11.csv", now=CLOSE["2025-11"])
        jeongsan("ingest", CASE / "events-2025-12.jsonl", now=CLOSE["2025-12"])
        run(jeongsan, "2025-12")
        said["2025-12"] = order(jeongsan, "2025-12", "--out", folder)
        said["late"] = jeongsan("payouts", "differences", "--programme", PROGRAMME, now=AFTER, exit_code=1)
        jeongsan("payments", "import", CASE / "payments-after-2025-12.csv", now=CLOSE["2025-12"])
        said["paid"] = jeongsan("payouts", "list", "--programme", PROGRAMME, now=AFTER)
        said["differences"] = jeongsan("payouts", "differences", "--programme", PROGRAMME, now=AFTER)
        said["folder"] = folder
        jeongsan("statements", "2025-12", "--programme", PROGRAMME, "--out", folder / "statements")
    return said


def cells(path: Path) -> list[tuple]:
    """The rows of the first sheet of a workbook."""
    return list(load_workbook(BytesIO(path.read_bytes())).worksheets[0].iter_rows(values_only=True))


@needs_case
@pytest.mark.parametrize("month", ["2025-11", "2025-12"])
def test_order__of_the_worked_case_is_what_the_statements_say(worked, month):
    figures, found = expected()[month], amounts(worked[month])
    for hospital, shown in figures["hospital"].items():
        of = f"payable:hospital:{hospital}:"
        parts = {payer: sum(krw for key, krw in found.items() if key[0] == payer and key[1].startswith(of))
                 for payer in ("agency", "settlement")}  # fmt: skip
        assert parts == {"agency": shown["voucher_krw"], "settlement": shown["from_company_krw"]}
        assert found.get(("settlement", f"payable:incentive:{hospital}"), 0) == shown["incentive_krw"]
    usage = sum(uses["operator_usage"] for uses in figures["matrix"].values())
    assert found["settlement", "payable:operator"] == usage


@needs_case
def test_order__of_2025_12_equals_the_agencys_sheet_and_shows_the_recovery(worked):
    agency = {key: krw for key, krw in amounts(worked["2025-12"]).items() if key[0] == "agency"}
    assert (sum(krw for krw in agency.values() if krw > 0), sum(krw for krw in agency.values() if krw < 0)) == (
        13_201_565, -4_547_599,
    )  # fmt: skip
    assert agency["agency", "payable:hospital:H02:P1"] == -4_547_599
    assert amounts(worked["2025-12"], "deposit:") == {("settlement", "deposit:P1"): 64_305_064}
    rows = cells(worked["folder"] / f"{PROGRAMME}_2025-12_지급요청서_KHIS_지급용-1.xlsx")
    assert [row[1] for row in rows if row[0] in ("지급", "회수")] == [
        "금13,201,565원(금일천삼백이십만일천오백육십오원)", "금4,547,599원(금사백오십사만칠천오백구십구원)",
    ]  # fmt: skip
    (back,) = [row for row in rows if str(row[6]).startswith("바우처 회수")]
    assert back[1:9] == ("공급병원 H02", "108-89-33528", f"하나둘은행 (088)\n{NUMBERS['H02']}", "공급병원 H02", "P1",
                         f"바우처 회수\nPO-{PROGRAMME}-202512-2", 0, 4_547_599)  # fmt: skip


@needs_case
def test_order__is_paid_on_a_working_day_and_shows_what_the_company_has_not_paid(worked):
    assert (worked["2025-11"]["due_on"], worked["2025-12"]["due_on"]) == ("2025-12-26", "2026-01-26")
    own = {one["account"]: one for one in worked["2025-11"]["rows"]
           if one["payer"] == "settlement" and one["account"].startswith("payable:hospital:")}  # fmt: skip
    assert {one["collected_krw"] for one in own.values() if one["project"] != "P1"} == {0}
    drawn = own["payable:hospital:H01:P1"]
    assert (drawn["amount_krw"], drawn["collected_krw"], drawn["waiting_krw"]) == (7_237_256, 5_215_423, 2_021_833)
    rows = cells(worked["folder"] / f"{PROGRAMME}_2025-11_지급요청서_정산계정_지급용-1.xlsx")
    assert any(
        row[6] == f"기업 부담분\n수납 대기 2,021,833원\nPO-{PROGRAMME}-202511-5" and row[9] == 5_215_423 for row in rows
    )


@needs_case
def test_order__names_a_payee_without_an_account_and_masks_the_others(worked):
    (blocked,) = [one for one in worked["2025-12"]["rows"] if one["blocked"]]
    assert (blocked["party"], blocked["account"], blocked["bank"]) == ("C1", "deposit:P1", None)
    said = json.dumps({name: worked[name] for name in ("2025-11", "2025-12", "paid")}, ensure_ascii=False)
    assert "***-***-3401" in said
    assert not any(one in said for number in NUMBERS.values() for one in (number, number.replace("-", "")))
    rows = cells(worked["folder"] / f"{PROGRAMME}_2025-12_지급요청서_정산계정_지급용-1.xlsx")
    assert [row[3] for row in rows if str(row[6]).startswith("선납금 환급")] == ["계좌 미등록"]


@needs_case
def test_order__a_second_time_says_so_and_writes_the_same_bytes_for_the_owner_only(worked):
    first, again = worked["2025-11"], worked["again"]
    assert (first["new"], again["new"]) == (True, False)
    assert again | {"new": True, "files": first["files"]} == first
    for one, other in zip(first["files"], again["files"], strict=True):
        assert sha256(Path(one).read_bytes()).digest() == sha256(Path(other).read_bytes()).digest()
        assert Path(one).stat().st_mode & 0o777 == 0o600


@needs_case
def test_statements__show_accounts_masked_as_approved_at_the_freeze(worked):
    folder = worked["folder"] / "statements"
    agency = cells(folder / f"{PROGRAMME}_2025-12_지급요청서_KHIS.xlsx")
    assert [row[3] for row in agency if row[1] == "공급병원 H02"] == ["하나둘은행 ***-***-3402"] * 2
    hospital = cells(folder / f"{PROGRAMME}_2025-12_병원정산서_H01.xlsx")
    assert any("하나둘은행 ***-***-3401" in row for row in hospital)
    for path in folder.iterdir():
        content = "".join(str(value) for sheet in load_workbook(path) for row in sheet.iter_rows(values_only=True)
                          for value in row if value is not None)  # fmt: skip
        assert not any(number in content for number in NUMBERS.values())


@needs_case
def test_payouts__each_row_knows_what_was_paid_of_it(worked):
    assert worked["before"]["states"] == {"open": 12}
    assert worked["paid"]["states"] == {"paid": 24}
    assert worked["differences"] == {"rows": [], "states": {}}
    assert worked["late"]["states"] == {"overdue": 10}  # two wait for the company
    assert {one["month"] for one in worked["late"]["rows"]} == {"2025-12"}


@pytest.mark.parametrize(
    ("month", "day", "due"),
    [("2025-09", 3, "2025-10-10"), ("2025-11", 25, "2025-12-26"), ("2026-01", 16, "2026-02-19"),
     ("2025-12", 10, "2026-01-12")],
)  # fmt: skip
def test_due__skips_holidays_and_weekends(month, day, due):
    terms = DueTerms(**{**dict.fromkeys(DueTerms.__dataclass_fields__, 0), "payout_day": day})
    assert terms.payout_due_on(Month.parse(month)) == date.fromisoformat(due)


@pytest.fixture
def small(world, jeongsan):
    """The small programme with people of finance; its November is run: H1 and H2 worked for P1, H2 for P2."""
    with_people(jeongsan)
    world.pay("bank,deposit:P1,10000000", "agency,advance:hospital:H2:P2,1000", now="2025-11-03T09:00:00+09:00")
    world.ingest(*work("w1", "L11", 100), *work("w2", "L12", 200), *work("w3", "L21", 300, project="P2"),
                 now="2025-12-01T00:00:00Z")  # fmt: skip
    world.run("2025-11")
    return world


def test_order__only_of_locked_months_one_after_the_other_by_finance(small, jeongsan, owner):
    ordering = {"programme": "V25", "now": "2026-01-20T09:00:00+09:00"}
    assert "locked months only" in order(jeongsan, "2025-12", exit_code=3, **ordering)["messages"][0]
    small.run("2025-12")
    assert "of 2025-11 first" in order(jeongsan, "2025-12", exit_code=3, **ordering)["messages"][0]
    assert "made anew" in order(jeongsan, "2025-11", "--reason", "x", exit_code=2, **ordering)["messages"][0]
    early = order(jeongsan, "2025-11", exit_code=3, programme="V25", now="2025-12-10T09:00:00+09:00")
    assert "before a freeze" in early["messages"][0]
    jeongsan("user", "add", "h1", "--role", "hospital", "--party", "H1", now=ordering["now"])
    options = ("payouts", "order", "2025-11", "--programme", "V25", "--by", "h1")
    assert "may not do this" in jeongsan(*options, now=ordering["now"], exit_code=3)["messages"][0]
    assert order(jeongsan, "2025-11", **ordering)["new"]
    head = "INSERT INTO payment_order VALUES ('V25', '{}', {}, '{}', '2026-01-26', '{}', now())"
    for values, why in (
        (("2026-01-01", 1, "", "finance-1"), "of locked months"),
        (("2025-11-01", 3, "x", "finance-1"), "after payment order 1 comes 2"),
        (("2025-11-01", 2, "x", "h1"), "may not order payments"),
        (("2025-11-01", 2, "x", "finance-1"), "the run booked"),
    ):
        with refused("JS001", why), owner.begin() as connection:
            connection.execute(text(head.format(*values)))


ROW = """
INSERT INTO payment_order_row (programme, month, version, number, payer, account, party, amount_krw, payee_name,
  account_version, bank_code, bank, account_number, holder)
SELECT 'V25', '2025-11-01', 9, 1, 'agency', :account, 'H1', 5, 'x', version, bank_code, bank, :number, holder
FROM payee_account WHERE party = 'H1'
"""


def test_guard__an_order_pays_whom_the_books_owe_into_the_account_that_was_approved(jeongsan, engine, world, tmp_path):
    with_people(jeongsan)
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    for account, number, why in (
        ("payable:hospital:H1:P1", "110-999-888777", "to an approved account only"),
        ("payable:hospital:H2:P1", "110-222-333444", "to the one whom the account names"),
        ("payable:incentive:H2", "110-222-333444", "to the one whom the account names"),
        ("payable:operator", "110-222-333444", "to the one whom the account names"),
        ("deposit:P1", "110-222-333444", "to the one whom the account names"),
    ):
        with refused("JS001", why), engine.begin() as connection:
            connection.execute(text(ROW), {"account": account, "number": number})


def test_order__of_two_at_once_is_made_once(small, loaded, jeongsan):
    made, start = [], threading.Barrier(2)

    def at_once():
        start.wait(10)
        with loaded.begin() as connection:
            at = datetime(2025, 12, 10, tzinfo=UTC)
            made.append(order_payouts(connection, "V25", Month(2025, 11), "finance-1", at).new)

    threads = [threading.Thread(target=at_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(made) == [False, True]


def test_order__made_anew_keeps_the_old_one_takes_the_new_account_and_changes_no_statement(
    small, jeongsan, owner, tmp_path
):
    now = "2025-12-10T09:00:00+09:00"
    first = order(jeongsan, "2025-11", programme="V25", now=now)
    assert {one["blocked"] for one in first["rows"]} == {True}
    approved(jeongsan, tmp_path, "H1", "첫째병원", now="2025-11-20T09:00:00+09:00")
    second = order(jeongsan, "2025-11", "--reason", "계좌 등록", programme="V25", now=now)
    assert (second["version"], amounts(second)) == (2, amounts(first))
    assert {one["party"] for one in second["rows"] if not one["blocked"]} == {"H1"}
    with owner.connect() as connection:  # the account is dated before the freeze and came after it
        published = dict(connection.execute(text("SELECT name, sha256 FROM published_file")).all())
        rendered = render(connection, "V25", Month(2025, 11)).files
    assert {name: published[name] for name in rendered} == {
        name: sha256(content).hexdigest() for name, content in rendered.items()
    }
    for sql in ("UPDATE payment_order_row SET amount_krw = 1", "DELETE FROM payment_order"):
        with refused("JS001", "never changed"), owner.begin() as connection:
            connection.execute(text(sql))
    with refused("JS001", "nothing is added"), owner.begin() as connection:
        connection.execute(
            text("INSERT INTO payment_order_row (programme, month, version, number, payer, account, party, amount_krw,"
                 " payee_name) VALUES ('V25', '2025-11-01', 2, 99, 'agency', 'x', 'H1', 5, 'x')")
        )  # fmt: skip
    with owner.connect() as connection:
        kept = connection.execute(text("SELECT version, count(*) FROM payment_order_row GROUP BY 1 ORDER BY 1")).all()
    assert [tuple(one) for one in kept] == [(1, len(first["rows"])), (2, len(first["rows"]))]


@pytest.mark.parametrize("name", ["voucher-2026", "coresearch-2025", "dataspace-2026"])
def test_order__of_every_kind_of_programme_asks_for_all_that_its_books_owe(jeongsan, tmp_path, name):
    programme, months = MONTHS[name]
    settled(jeongsan, name)
    with_people(jeongsan)
    asked = {}
    for month in months:
        for one in order(jeongsan, month, "--out", tmp_path, programme=programme, now=NOW)["rows"]:
            asked[one["account"]] = asked.get(one["account"], 0) + one["amount_krw"]
            assert one["party"] in one["account"] or one["account"].startswith(("payable:operator", "payable:company:"))
    owed = jeongsan("balances", "--programme", programme)
    assert {code: -krw for code, krw in owed.items() if code.startswith("payable:")} == {
        code: krw for code, krw in asked.items() if krw
    }
    kinds = {code.split(":")[1] for code in asked}
    assert {"voucher-2026": "operator", "coresearch-2025": "company", "dataspace-2026": "infra"}[name] in kinds


def test_payouts__partly_too_much_and_without_an_order_are_differences(small, jeongsan):
    answer = order(jeongsan, "2025-11", programme="V25", now="2025-12-10T09:00:00+09:00")
    agency = {key[1]: krw for key, krw in amounts(answer).items() if key[0] == "agency"}
    shown = jeongsan("month", "show", "2025-11", "--programme", "V25")["lines"]["L21"]
    assert agency["payable:hospital:H2:P2"] == shown["voucher_krw"] - 1000  # paid in advance
    small.pay(
        f"agency,payable:hospital:H1:P1,{agency['payable:hospital:H1:P1'] - 1}",
        f"agency,payable:hospital:H2:P1,{agency['payable:hospital:H2:P1'] + 1}",
        f"agency,payable:hospital:H2:P2,{agency['payable:hospital:H2:P2']}", "bank,payable:hospital:H1:P1,-7",
        now="2025-12-11T09:00:00+09:00",
    )  # fmt: skip
    options = ("payouts", "differences", "--programme", "V25")
    found = jeongsan(*options, now="2025-12-12T09:00:00+09:00", exit_code=1)["rows"]
    shown = [(one["account"], one["payer"], one["state"], one["difference_krw"]) for one in found]
    own = amounts(answer)["settlement", "payable:hospital:H1:P1"]
    assert shown == [
        ("payable:hospital:H1:P1", "agency", "partly", 1), ("payable:hospital:H2:P1", "agency", "overpaid", -1),
        ("payable:hospital:H1:P1", "settlement", "partly", own + 7),
    ]  # fmt: skip
    assert jeongsan(*options, "--at", "2025-12-10", now="2025-12-12T09:00:00+09:00") == {"rows": [], "states": {}}
    states = jeongsan("payouts", "list", "--programme", "V25", now="2025-12-29T09:00:00+09:00")["states"]
    assert states["overdue"] >= 1


def test_order__of_an_ended_projects_deposit_follows_what_comes_after(small, jeongsan):
    """P1 ends in December: what is left is ordered then, and what the agency of no later month changes stays."""
    small.run("2025-12")
    now = "2026-02-10T09:00:00+09:00"
    left = -small.balances()["deposit:P1"]
    small.pay("bank,deposit:P1,500", f"bank,deposit:P1,-{left}", now="2026-01-12T09:00:00+09:00")
    small.run("2026-01")
    found = [amounts(order(jeongsan, month, programme="V25", now=now), "deposit:").get(("settlement", "deposit:P1"))
             for month in ("2025-11", "2025-12", "2026-01")]  # fmt: skip
    assert found == [None, left, 500]
    rows = jeongsan("payouts", "list", "--programme", "V25", now=now)["rows"]
    states = {one["month"]: (one["state"], one["paid_krw"]) for one in rows if one["account"] == "deposit:P1"}
    assert states == {"2025-12": ("paid", left), "2026-01": ("open", 0)}
    assert datetime(2026, 2, 25, tzinfo=UTC).date().isoformat() in {one["due_on"] for one in rows}

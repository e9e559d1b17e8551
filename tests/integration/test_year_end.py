"""The final settlement of a fiscal year: carried over, returned, reported once, and the programme closed."""

import json
from datetime import UTC, datetime

import psycopg
import pytest
from click.testing import CliRunner
from openpyxl import load_workbook
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.month import Month
from ledger import books
from ledger.journal import NewEntry
from portal.cli import main
from reports.final_figures import read_final
from reports.final_settlement import final_report
from tests.integration.test_examples import MONTHS
from tests.integration.test_examples import settled as settle_example
from tests.worked import CASE, PROGRAMME, needs_case, prepare, run

pytestmark = needs_case
SETTLED = "2026-01-05T09:00:00+09:00"
AFTER = "2026-01-10T09:00:00+09:00"
LATE = {
    "specversion": "1.0", "id": "late", "source": "/t", "type": "gpu.usage", "time": "2026-01-03T00:00:00Z",
    "data": {"project": "P2", "session": "s", "model": "H100", "gpus": 1, "start": "2025-12-30T00:00:00Z",
             "end": "2025-12-30T01:00:00Z"},
}  # fmt: skip
LATE_INTEREST = ("interest = [\n", "interest = [\n  { on = 2026-01-02, krw = 5 },\n")
REPORT = f"{PROGRAMME}_2025_정산보고서_KHIS.xlsx"


@pytest.fixture
def locked(jeongsan):
    """The worked case with both of its months locked."""
    prepare(jeongsan, "2025-12")
    run(jeongsan, "2025-12")


def year_end(jeongsan, *options, **expecting):
    return jeongsan("year-end", 2025, "--programme", PROGRAMME, *options, now=SETTLED, **expecting)


def amended(tmp_path, *changes):
    """The worked registry with its programme changed: (old, new) pairs."""
    content = (CASE / "registry.toml").read_text()
    for old, new in changes:
        assert old in content, old
        content = content.replace(old, new, 1)
    path = tmp_path / "registry.toml"
    path.write_text(content)
    return path


def grown(tmp_path, more):
    """The worked registry with more keys on its programme."""
    return amended(tmp_path, ("settlement_closes_on = 2026-03-31", f"settlement_closes_on = 2026-03-31\n{more}"))


def test_year_end__returns_what_was_received_and_not_executed_with_its_interest(jeongsan, locked):
    answer = year_end(jeongsan)
    assert answer["budget"] == {
        "current_krw": 2_400_000_000, "received_krw": 2_400_000_000, "executed_krw": 60_724_232, "carry_over_krw": 0,
        "balance_krw": 2_339_275_768, "interest_krw": 345_678, "dropped_krw": 0, "return_krw": 2_339_621_446,
    }  # fmt: skip
    assert answer["projects"]["P2"] == {
        "grant_krw": 200_000_000, "current_krw": 200_000_000, "executed_krw": 18_574_656, "carry_over_krw": 0,
        "balance_krw": 181_425_344, "verified": True,
    }  # fmt: skip
    assert (answer["state"], answer["differences"], answer["audited"]) == ("closed", 0, {})
    balances = jeongsan("balances", "--programme", PROGRAMME)
    assert balances["budget:available"] == 2_339_275_768
    assert not [code for code in balances if code.startswith("budget:committed:")]
    assert jeongsan("verify", "--deep")["ok"]


def test_year_end__what_is_carried_over_stays_committed_and_is_not_returned(jeongsan, locked, tmp_path):
    carried = 'carry_over = [ { project = "P3", krw = 13_455_067, reason = "사고이월 승인" } ]'
    jeongsan("load", grown(tmp_path, carried), now=AFTER)
    answer = year_end(jeongsan)
    assert answer["projects"]["P3"]["balance_krw"] == 113_455_066 - 13_455_067
    budget = answer["budget"]
    assert (budget["carry_over_krw"], budget["balance_krw"]) == (13_455_067, 2_339_275_768 - 13_455_067)
    assert budget["return_krw"] == 2_339_621_446 - 13_455_067
    balances = jeongsan("balances", "--programme", PROGRAMME)
    assert balances["budget:committed:P3"] == 13_455_067
    assert balances["budget:available"] == budget["balance_krw"]


def test_year_end__more_carried_over_than_is_left_of_the_commitment_is_refused(jeongsan, locked, tmp_path):
    carried = 'carry_over = [ { project = "P3", krw = 113_455_067, reason = "이월" } ]'
    jeongsan("load", grown(tmp_path, carried), now=AFTER)
    refused = year_end(jeongsan, exit_code=3)
    assert "113,455,067" in refused["messages"][0]
    assert "113,455,066" in refused["messages"][0]


def test_year_end__a_programme_that_drops_under_ten_won_returns_whole_tens(jeongsan, tmp_path):
    path = grown(tmp_path, "drop_under_10_krw = true")
    jeongsan("load", path, now="2025-09-15T09:00:00+09:00")
    for month in ("2025-11", "2025-12"):
        run(jeongsan, month)
    budget = year_end(jeongsan)["budget"]
    assert (budget["executed_krw"], budget["dropped_krw"], budget["return_krw"]) == (0, 8, 2_400_345_670)


def test_year_end__a_month_that_is_not_locked_is_named(jeongsan):
    prepare(jeongsan, "2025-12")
    refused = year_end(jeongsan, exit_code=3)
    assert "2025-12" in refused["messages"][0]
    jeongsan("month", "run", "2025-12", "--programme", PROGRAMME, "--until", "post", now=SETTLED)
    assert "2025-12" in year_end(jeongsan, exit_code=3)["messages"][0]


def test_year_end__what_came_after_the_last_month_must_be_settled_first(jeongsan, locked, tmp_path):
    path = tmp_path / "late.jsonl"
    path.write_text(json.dumps(LATE))
    jeongsan("ingest", path, now=SETTLED)
    jeongsan("load", amended(tmp_path, LATE_INTEREST), now=SETTLED)
    events, record = year_end(jeongsan, exit_code=3)["messages"][0].splitlines()
    assert "1건" in events
    assert "2026-01-02" in record


def test_year_end__another_year_than_the_programmes_is_bad_input(jeongsan, locked):
    refused = jeongsan("year-end", 2026, "--programme", PROGRAMME, now=SETTLED, exit_code=2)
    assert "2025" in refused["messages"][0]


def test_year_end__dry_run_shows_the_same_and_closes_nothing(jeongsan, locked):
    before = jeongsan("balances", "--programme", PROGRAMME)
    dry = year_end(jeongsan, "--dry-run")
    assert jeongsan("balances", "--programme", PROGRAMME) == before
    booked = year_end(jeongsan)
    assert {key for key in booked if booked[key] != dry[key]} == {"state"}
    assert year_end(jeongsan, "--dry-run", "--out", "x", exit_code=2)


def test_year_end__a_second_time_says_so_and_writes_the_same_bytes(jeongsan, locked, tmp_path):
    first = year_end(jeongsan, "--out", tmp_path / "a")
    second = jeongsan("year-end", 2025, "--programme", PROGRAMME, "--out", tmp_path / "b", now=AFTER)
    assert (first["already"], second["already"]) == (False, True)
    assert {key: second[key] for key in first if key not in ("already", "out")} == {
        key: first[key] for key in first if key not in ("already", "out")
    }
    assert (tmp_path / "a" / REPORT).read_bytes() == (tmp_path / "b" / REPORT).read_bytes()
    assert "이미" in text_of(jeongsan)


def test_year_end__speaks_english_where_asked(jeongsan, locked):
    said = text_of(jeongsan, "--lang", "en", "--dry-run")
    assert "✓ return: 2,339,621,446 = 2,339,621,446" in said
    assert not any("가" <= one <= "힣" for one in said)


def text_of(jeongsan, *options):
    done = CliRunner().invoke(main, ["year-end", "2025", "--programme", PROGRAMME, "--now", AFTER, *options])
    assert done.exit_code == 0, done.output
    return done.stdout


GOLDEN = [
    (14, "BG", [2_400_000_000, 2_400_000_000, 60_724_232, 0, 2_339_275_768, 345_678]),
    (19, "AG", [2_400_000_000, 60_724_232, 0, 2_339_275_768, 345_678, 0, 2_339_621_446]),
]


def test_report__shows_the_figures_and_every_one_can_be_traced(jeongsan, locked, tmp_path):
    year_end(jeongsan, "--out", tmp_path)
    path = tmp_path / REPORT
    book = load_workbook(path)
    sheet = book["정산보고서"]
    assert sheet.page_setup.orientation == "portrait"
    assert sheet.page_setup.fitToHeight == 1
    for row, (first, last), expected in GOLDEN:
        assert [cell.value for cell in sheet[f"{first}{row}" : f"{last}{row}"][0]] == expected
    found = jeongsan("trace", f"{path}!정산보고서!D14")
    assert found["amount_krw"] == 60_724_232
    assert found["charges"]


def test_report__of_the_same_figures_is_byte_identical(jeongsan, locked, engine, tmp_path):
    year_end(jeongsan, "--out", tmp_path)
    with engine.connect() as connection:
        final = read_final(connection, PROGRAMME, Month(2025, 12), datetime(2026, 1, 5, tzinfo=UTC))
    assert final_report(final) == (tmp_path / REPORT).read_bytes()


def test_closed_programme__months_loads_and_events_are_refused_and_payments_go_on(jeongsan, locked, tmp_path):
    year_end(jeongsan)
    for dry in ((), ("--dry-run",)):
        refused = jeongsan(
            "month", "run", "2026-01", "--programme", PROGRAMME, *dry, now="2026-02-03T00:00:00Z", exit_code=3
        )
        assert "programme_closed" in refused["messages"][0]
    assert jeongsan("month", "run", "2025-12", "--programme", PROGRAMME, now=AFTER)["state"] == "locked"
    more = amended(tmp_path, LATE_INTEREST)
    assert "programme_closed" in jeongsan("load", more, now=AFTER, exit_code=3)["messages"][0]
    path = tmp_path / "late.jsonl"
    path.write_text(json.dumps(LATE))
    assert jeongsan("ingest", path, now=AFTER)["files"][0]["quarantine_reasons"] == {"programme_closed": 1}
    paid = jeongsan("payments", "import", CASE / "payments-after-2025-12.csv", now=AFTER)
    assert paid["booked"] == paid["rows"] > 0
    assert jeongsan("verify", "--deep")["ok"]


CHANGES = {
    "record": "INSERT INTO budget_record (programme, kind, dated, amount_krw, reason)"
    " VALUES (:programme, 'interest', '2026-01-02', 1, '')",
    "carry-over": "INSERT INTO carry_over VALUES ('P2', :programme, 1, 'x')",
    "run": "INSERT INTO month_run VALUES (:programme, '2026-01-01', 0, 0, now())",
    "project": "UPDATE project SET closes = '2026-02-01' WHERE code = 'P2' AND programme = :programme",
}


@pytest.mark.parametrize("change", CHANGES)
def test_closed_programme__the_database_itself_refuses_a_change(jeongsan, locked, engine, change):
    year_end(jeongsan)
    with pytest.raises(DBAPIError, match="is finally settled"), engine.begin() as connection:
        connection.execute(text(CHANGES[change]), {"programme": PROGRAMME})


def test_closed_programme__the_database_itself_refuses_to_move_its_budget(jeongsan, locked, engine):
    year_end(jeongsan)
    taken = NewEntry(kind="x", memo="x", reference="x", postings={"budget:available": -1, "budget:committed:P2": 1})
    with pytest.raises(psycopg.Error, match="its budget is not moved"), engine.begin() as connection:
        books.post(connection, PROGRAMME, Month(2026, 1), [taken], datetime(2026, 1, 10, tzinfo=UTC))


def test_lock__of_a_programme_before_its_last_month_is_refused_by_the_database(jeongsan, locked, engine):
    with pytest.raises(DBAPIError, match="last locked month"), engine.begin() as connection:
        books.lock_programme(connection, PROGRAMME, Month(2025, 11), datetime(2026, 1, 5, tzinfo=UTC), "x", {})


FUNDS = {  # budget, change, A, C, D, E: a line's odd won goes to the first code
    "coresearch-2025": [
        ("CITY 시비", 175_000_000, 0, 175_000_000, 31_138_274, 0, 143_861_726),
        ("STATE 국비", 175_000_000, 0, 175_000_000, 31_138_272, 0, 143_861_728),
    ],
    "dataspace-2026": [],
}


@pytest.mark.parametrize("name", FUNDS)
def test_year_end__of_every_kind_of_programme_holds_its_identities_and_shows_each_source(jeongsan, tmp_path, name):
    programme, months = MONTHS[name]
    settle_example(jeongsan, name)
    year, last = int(months[0][:4]), int(months[-1][5:])
    now = f"{year + 1}-01-05T09:00:00+09:00"
    for number in range(last + 1, 13):
        jeongsan("month", "run", f"{year}-{number:02d}", "--programme", programme, now=now)
    answer = jeongsan("year-end", year, "--programme", programme, "--out", tmp_path, now=now)
    assert (answer["state"], answer["differences"]) == ("closed", 0)
    sheet = load_workbook(tmp_path / answer["files"][0]["name"]).worksheets[0]
    rows = [row[:7] for row in sheet.iter_rows(values_only=True)]
    titles = [row[0] for row in rows]
    at = titles.index("6. 재원별 분담 집행") + 2 if FUNDS[name] else len(rows)
    assert rows[at : at + len(FUNDS[name])] == FUNDS[name]
    budget = answer["budget"]
    assert budget["current_krw"] == sum(budget[f"{part}_krw"] for part in ("executed", "carry_over", "balance"))
    assert jeongsan("verify", "--deep")["ok"]

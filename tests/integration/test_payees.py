"""Payees' bank accounts: asked for by one person, approved by another, never shown whole."""

import json
import threading
from datetime import UTC, date, datetime
from hashlib import sha256

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.bank_account import BankAccount, approve_account
from core.errors import RuleRefused
from portal.cli import main
from tests.integration.test_guards import refused
from tests.paying import AT, PDF, approved, ask, with_people

NUMBER = "110-222-333444"
INSERT = (
    "INSERT INTO payee_account SELECT party, version + 1, bank_code, bank, {number}, holder, effective_from, reason,"
    " evidence_name, evidence, evidence_sha256, {by}, requested_at FROM payee_account WHERE party = 'H1'"
)
DECIDE = (
    "INSERT INTO payee_account_decision (party, version, decision, reason, decided_by, decided_at)"
    " VALUES ('H1', {version}, 'approved', '', '{by}', now())"
)


@pytest.fixture
def people(loaded, jeongsan):
    """The service's engine with two people of finance, one of H1, one of H2 and an auditor."""
    with_people(jeongsan)
    for name, role, party in (("h1", "hospital", "H1"), ("h2", "hospital", "H2"), ("eye", "auditor", None)):
        jeongsan("user", "add", name, "--role", role, *(["--party", party] if party else []), now=AT)
    return loaded


def execute(engine, sql):
    with engine.begin() as connection:
        return connection.execute(text(sql))


def test_account__counts_once_another_person_has_approved_it(people, jeongsan, tmp_path):
    asked = ask(jeongsan, tmp_path, "H1", "--holder", "첫째 병원", by="h1")
    assert (asked["id"], asked["state"], asked["number"], asked["added"]) == ("H1/1", "requested", "***-***-3444", True)
    jeongsan("payees", "approve", "H1/1", "--by", "finance-1", now=AT)
    (listed,) = jeongsan("payees", "list", now=AT)["accounts"]
    assert (listed["state"], listed["requested_by"], listed["decided_by"]) == ("in_force", "h1", "finance-1")
    assert listed["evidence"] == {"name": "bankbook.pdf", "sha256": sha256(PDF).hexdigest()}
    assert jeongsan("payees", "list", "--at", "2025-09-19", now=AT)["accounts"][0]["state"] == "approved"


def test_account__asked_for_again_changes_nothing(people, jeongsan, tmp_path):
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원")
    again = ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", by="finance-2")
    assert (again["id"], again["added"], again["requested_by"]) == ("H1/1", False, "finance-1")
    jeongsan("payees", "reject", "H1/1", "--reason", "흐린 사본", "--by", "finance-2", now=AT)
    assert ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원")["id"] == "H1/2"


CANNOT_BE = [
    ("H1", {"number": "12345"}, "10 to 16 digits"),
    ("H1", {"number": "110--222333444"}, "10 to 16 digits"),
    ("H1", {"number": "١١٠٢٢٢٣٣٣٤"}, "10 to 16 digits"),
    ("H1", {"number": "110 222 333444"}, "10 to 16 digits"),
    ("H1", {"number": "1" * 17}, "10 to 16 digits"),
    ("M", {}, "no hospital, company"),
    ("NOBODY", {}, "no hospital, company"),
    ("H2", {}, "give the reason"),
]


def test_account__what_cannot_be_is_said_without_the_number(people, jeongsan, tmp_path):
    for party, options, said in CANNOT_BE:
        answer = ask(jeongsan, tmp_path, party, "--holder", "첫째병원", exit_code=2, **options)
        assert said in "".join(answer["messages"])
        assert options.get("number", NUMBER) not in json.dumps(answer, ensure_ascii=False)
    assert jeongsan("payees", "history", "H1")["accounts"] == []


def test_account__evidence_is_a_readable_document(people, jeongsan, tmp_path):
    options = ("--bank-code", "088", "--bank", "은행", "--number", NUMBER, "--holder", "첫째병원", "--by", "h1")
    wrong = {b"": "empty", b"MZ": "no PDF", b"PK\x03\x04": "no PDF", b"%PDF-" + bytes(11 << 20): "larger than 10 MiB"}
    for content, said in wrong.items():
        (tmp_path / "copy.pdf").write_bytes(content)
        answer = jeongsan("payees", "add", "H1", *options, "--evidence", tmp_path / "copy.pdf", exit_code=2)
        assert said in answer["messages"][0]
    jeongsan("payees", "add", "H1", *options, "--evidence", tmp_path / "none.pdf", exit_code=2)


def test_account__evidence_is_given_back_as_it_came(people, jeongsan, tmp_path):
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원")
    answer = jeongsan("payees", "evidence", "H1/1", "--out", tmp_path / "back.pdf")
    assert (answer["name"], (tmp_path / "back.pdf").read_bytes()) == ("bankbook.pdf", PDF)
    jeongsan("payees", "evidence", "H1/2", "--out", tmp_path / "no.pdf", exit_code=2)


def test_account__of_another_holder_needs_a_reason_and_says_so(people, jeongsan, tmp_path):
    done = ask(jeongsan, tmp_path, "H2", "--holder", "모은행 신탁", "--reason", "신탁 계좌")
    assert done["reason"] == "신탁 계좌"
    answer = ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", "--reason", "까닭", exit_code=2)
    assert "only where the holder is another" in answer["messages"][0]


def test_account__of_the_legal_payee_of_the_day_needs_none(people, jeongsan, tmp_path):
    execute(people, "INSERT INTO party_payee VALUES ('H1', '2025-10-01', '첫째재단', '124-81-00998')")
    before = ask(jeongsan, tmp_path, "H1", "--holder", "첫째재단", exit_code=2)
    assert "첫째병원" in before["messages"][0]
    assert ask(jeongsan, tmp_path, "H1", "--holder", "첫째재단", "--from", "2025-10-01")["added"]


def test_account__is_asked_for_by_finance_or_the_partys_own_and_approved_by_another_of_finance(
    people, jeongsan, tmp_path
):
    for by, said in (("h2", "another party"), ("eye", "may not do this"), ("x", "no such user")):
        assert said in ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", by=by, exit_code=3)["messages"][0]
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원")
    for by, said in (("finance-1", "does not decide"), ("h1", "may not do this"), ("eye", "may not do this")):
        assert said in jeongsan("payees", "approve", "H1/1", "--by", by, now=AT, exit_code=3)["messages"][0]
    jeongsan("payees", "approve", "H1/9", "--by", "finance-2", now=AT, exit_code=2)


def test_account__superseded_or_decided_is_not_approved(people, jeongsan, tmp_path):
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원")
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", number="110-999-888777")
    answer = jeongsan("payees", "approve", "H1/1", "--by", "finance-2", now=AT, exit_code=3)
    assert "superseded" in answer["messages"][0]
    jeongsan("payees", "approve", "H1/2", "--by", "finance-2", now=AT)
    answer = jeongsan("payees", "reject", "H1/2", "--reason", "x", "--by", "finance-2", now=AT, exit_code=3)
    assert "decided before" in answer["messages"][0]
    states = [one["state"] for one in jeongsan("payees", "history", "H1", now=AT)["accounts"]]
    assert states == ["in_force", "superseded"]


def test_account__approved_for_a_later_day_waits_for_it(people, jeongsan, tmp_path):
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", "--from", "2025-12-01", number="110-999-888777")
    jeongsan("payees", "approve", "H1/2", "--by", "finance-2", now=AT)
    states = {day: [one["state"] for one in jeongsan("payees", "list", "--at", day, now=AT)["accounts"]]
              for day in ("2025-11-30", "2025-12-01")}  # fmt: skip
    assert states == {"2025-11-30": ["approved", "in_force"], "2025-12-01": ["in_force"]}


def test_account__of_two_approvals_at_once_one_counts(people, jeongsan, tmp_path):
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", by="h1")
    said, start = [], threading.Barrier(2)

    def approve(by):
        start.wait(10)
        try:
            with people.begin() as connection:
                approve_account(connection, "H1/1", by, datetime(2025, 9, 21, tzinfo=UTC))
            said.append("approved")
        except RuleRefused as error:
            said.append(str(error))

    threads = [threading.Thread(target=approve, args=(by,)) for by in ("finance-1", "finance-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert "approved" in said
    assert sum("decided before" in one for one in said) == 1


BY_HAND = [
    (DECIDE.format(version=1, by="finance-1"), "is not decided by the one who asked"),
    (DECIDE.format(version=1, by="h1"), "may not decide"),
    (DECIDE.format(version=1, by="eye"), "may not decide"),
    ("UPDATE payee_account SET holder = 'x'", "never changed"),
    ("DELETE FROM payee_account", "never changed"),
    (INSERT.format(number="account_number", by="'h2'"), "may not ask for"),
    (INSERT.format(number="'12'", by="requested_by"), "no account number"),
    (INSERT.replace("version + 1", "version + 2").format(number="account_number", by="requested_by"), "comes 2"),
]


def test_guard__the_database_refuses_it_by_hand(people, owner, jeongsan, tmp_path):
    ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원")
    for sql, said in BY_HAND:
        with refused("JS001", said):
            execute(owner, sql)


def test_guard__a_superseded_request_and_a_second_decision_are_refused_by_hand(people, owner, jeongsan, tmp_path):
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    with refused("23505"):
        execute(owner, DECIDE.format(version=1, by="finance-2"))
    for number in ("110-999-888777", "110-999-888778"):
        ask(jeongsan, tmp_path, "H1", "--holder", "첫째병원", number=number)
    with refused("JS001", "superseded"):
        execute(owner, DECIDE.format(version=2, by="finance-2"))
    execute(owner, DECIDE.format(version=3, by="finance-2"))
    with refused("JS001", "never changed"):
        execute(owner, "UPDATE payee_account_decision SET decision = 'rejected'")


def test_guard__a_partys_request_sees_its_own_accounts_only(people, jeongsan, tmp_path):
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    approved(jeongsan, tmp_path, "H2", "둘째병원", "110-999-888777")
    with people.begin() as connection:
        connection.execute(text("SELECT set_config('jeongsan.party', 'H1', true)"))
        for table in ("payee_account", "payee_account_decision"):
            assert connection.execute(text(f"SELECT DISTINCT party FROM {table}")).scalars().all() == ["H1"]  # noqa: S608


def test_number__stands_in_no_answer_no_error_and_no_value(people, jeongsan, tmp_path, monkeypatch):
    monkeypatch.setenv("JEONGSAN_LOG", "json")
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    for arguments in (["payees", "list"], ["payees", "history", "H1"], ["payees", "list", "--json"]):
        done = CliRunner().invoke(main, [*arguments, "--now", AT])
        assert "***-***-3444" in done.stdout
        assert not any(one in done.stdout + done.stderr for one in (NUMBER, NUMBER.replace("-", "")))
    account = BankAccount(
        party="H1", bank_code="088", bank="은행", number=NUMBER, holder="첫째병원", effective_from=date(2025, 9, 20)
    )
    assert NUMBER not in repr(account)


def test_number__stands_in_no_error_of_the_database(people, jeongsan, tmp_path):
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    broken = INSERT.replace("bank_code, bank,", "'x', bank,").format(number="account_number", by="'h1'")
    for sql, state in ((broken, "23514"), ("SELECT CAST(:number AS text), 1 / 0", "22012")):
        with pytest.raises(DBAPIError) as caught, people.begin() as connection:
            connection.execute(text(sql), {"number": NUMBER} if ":number" in sql else {})
        assert caught.value.orig.sqlstate == state
        assert NUMBER not in str(caught.value)

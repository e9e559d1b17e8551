"""What must never happen to bank rows, refused by the database itself; and two who act at once."""

import threading

import pytest
from sqlalchemy import text

from billing.bank import import_statement
from billing.bank_decision import Share, confirm, suspend
from billing.bank_map import read_bank_map
from core.errors import RuleRefused
from tests.integration.banking.conftest import AT, BY, CASH, INVOICE, NOW
from tests.integration.test_guards import execute, refused

MATCH = (
    "INSERT INTO bank_match (id, row_id, number, state, candidates, reason, decided_by, decided_at, returned_by)"
    " VALUES (nextval('bank_match_id'), :row, :number, :state, '[]', :reason, :by, now(), :back)"
)


@pytest.fixture
def decide(bank):
    """Records a decision in SQL about the row with that memo: decide(memo, number, state, …)."""

    def record(memo, number, state, reason="x", by="finance-1", back=None):
        rows = {row["memo"]: row["id"] for row in bank.rows()}
        return execute(
            bank.engine, MATCH, row=rows[memo], number=number, state=state, reason=reason, by=by, back=rows.get(back)
        )

    return record


@pytest.mark.parametrize("table", ["bank_statement", "bank_row", "bank_match", "bank_part"])
def test_append_only__nothing_of_a_statement_is_changed_by_anyone(bank, owner, table):
    bank.imported(f"2025-12-04,5,{INVOICE},나래")
    column = {"bank_match": "reason", "bank_part": "payment_id"}.get(table, "account")
    for change in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"):
        with refused("JS001", "never changed or deleted"):
            execute(owner, change.format(table, column))


def test_parts__that_do_not_sum_to_their_row_are_refused(bank, decide):
    bank.imported("2025-12-04,5,known,나래", "2025-12-05,6,other,나래")
    for state in ("booked", "partial", "suspense"):
        with refused("JS001", f"of 5, {state}: its parts sum to 0"):
            decide("known", 2, state)
    bank("confirm", bank.rows()[0]["id"], "--as", "receivable:company:P2", *BY)
    with refused("JS001", "not decided on again"):
        decide("known", 3, "unmatched")
    with refused("JS001", "of 6, booked: its parts sum to 10000000"):
        book(bank, bank.rows()[1]["id"], "deposit:P1")


def book(bank, row, account):
    """Records in SQL that a row was booked as the payment of an account."""
    values = {"row": row, "number": 2, "state": "booked", "reason": "", "by": "finance-1", "back": None}
    with bank.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO bank_part SELECT nextval('bank_match_id'), id FROM payment WHERE account = :account"),
            {"account": account},
        )
        connection.execute(text(MATCH.replace("nextval", "currval")), values)


def test_decision__is_of_finance_and_of_nobody_who_left(bank, decide, owner):
    bank.imported("2025-12-04,5,known,나래")
    execute(owner, "INSERT INTO user_account (name, role, party, created_at, disabled_at) VALUES"
            " ('h1', 'hospital', 'H1', now(), NULL), ('left', 'finance', NULL, now(), now())")  # fmt: skip
    for name in ("h1", "left"):
        with refused("JS001", f"{name}: may not decide about bank rows"):
            decide("known", 2, "unmatched", by=name)


def test_parts__of_another_channel_are_refused(bank):
    bank.call("payments", "import", bank.file("stripe,receivable:company:P2,5"), now=NOW)
    bank.imported("2025-12-04,5,known,나래")
    with refused("JS001", "no booked payment by bank"):
        book(bank, bank.rows()[0]["id"], "receivable:company:P2")


def test_parts__are_not_added_to_what_was_decided_and_none_is_without_a_decision(bank):
    bank.imported("2025-12-04,5,known,나래")
    bank("suspend", bank.rows()[0]["id"], "--programme", "V25", "--reason", "x", *BY)
    with refused("JS001", "no part is added to it"):
        execute(
            bank.engine,
            "INSERT INTO bank_part SELECT bank_match.id, payment.id FROM bank_match, payment"
            " WHERE state = 'suspense' AND payment.account = 'deposit:P1'",
        )
    with refused("23503", "bank_match"):
        execute(bank.engine, "INSERT INTO bank_part SELECT 99, id FROM payment WHERE account = 'deposit:P1'")


@pytest.mark.parametrize(
    ("number", "state", "reason", "by", "back", "sqlstate", "said"),
    [
        (3, "unmatched", "", None, None, "JS001", "not decided on again"),
        (1, "unmatched", "", None, None, "23505", "row_id_number"),
        (2, "lost", "", None, None, "23514", "state"),
        (2, "suspense", "", "finance-1", None, "23514", "never_silently"),
        (2, "suspense", "x", None, None, "23514", "never_silently"),
        (2, "returned", "x", "finance-1", None, "23514", "returned_by_a_row"),
        (2, "returned", "x", "finance-1", "other", "JS001", "not decided on again"),
        (2, "unmatched", "", "nobody", None, "23503", "decided_by"),
    ],
)
def test_decisions__follow_each_other(bank, decide, number, state, reason, by, back, sqlstate, said):
    bank.imported("2025-12-04,5,known,나래", "2025-12-05,-5,other,나래")
    with refused(sqlstate, said):
        decide("known", number, state, reason, by, back)
    decide("known", 2, "double", "", None)


def test_suspense__is_left_by_being_booked_or_paid_back_only(bank, decide):
    bank.imported("2025-12-04,5,known,모름", "2025-12-05,-4,other,모름")
    bank("suspend", bank.rows()[0]["id"], "--programme", "V25", "--reason", "x", *BY)
    for state in ("unmatched", "suspense"):
        with refused("JS001", "is suspense and is not decided on again"):
            decide("known", 3, state)
    with refused("JS001", "what paid it back is another sum"):
        decide("known", 3, "returned", back="other")


def test_rows__stand_there_once(bank):
    bank.imported("2025-12-04,5,known,나래")
    with refused("23505", "digest"):
        execute(
            bank.engine,
            "INSERT INTO bank_row SELECT (jsonb_populate_record(bank_row, '{\"id\": 99}')).* FROM bank_row",
        )


def test_a_partys_request__sees_no_bank_row(bank):
    bank.imported("2025-12-04,5,known,나래")
    with bank.engine.begin() as connection:
        connection.execute(text("SET LOCAL jeongsan.party = 'H1'"))
        for table in ("bank_statement", "bank_row", "bank_match", "bank_state"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608
    assert len(bank.rows()) == 1


def at_once(*calls):
    """What each of the calls answers or raises, made at the same time."""
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(place, call):
        barrier.wait()
        try:
            results[place] = call()
        except RuleRefused as error:
            results[place] = str(error)

    threads = [threading.Thread(target=run, args=one) for one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_import__four_at_once_take_a_row_in_once(bank):
    krw = bank.open(INVOICE)
    path = bank.folder / "at-once.csv"
    path.write_text(f"일시,금액,적요,상대\n2025-12-04,{krw},{INVOICE},나래\n2025-12-05,9,?,?\n")

    def take_in():
        with bank.engine.begin() as connection:
            return import_statement(connection, path, read_bank_map(bank.folder / "map.toml"), AT).fresh

    assert sorted(at_once(*[take_in] * 4)) == [0, 0, 0, 2]
    assert (bank.open(INVOICE), bank.balance("cash:bank"), len(bank.rows())) == (0, CASH + krw, 2)


def test_decision__of_two_at_once_one_is_made(bank):
    bank.imported("2025-12-04,5,known,나래")
    row = bank.rows()[0]["id"]

    def confirming():
        with bank.engine.begin() as connection:
            return confirm(connection, row, [Share(account="receivable:company:P2")], "finance-1", AT)

    def suspending():
        with bank.engine.begin() as connection:
            return suspend(connection, row, "V25", "x", "finance-1", AT)

    answers = at_once(confirming, suspending)
    assert sum("not in this state" in str(one) for one in answers) == 1
    assert bank.balance("cash:bank") == CASH + 5

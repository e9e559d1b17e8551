"""jeongsan stripe refund: what was collected goes back once, never more of it than there is."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.month import Month
from ledger import books as ledger
from ledger.journal import NewEntry
from tests.stripe_standin import Refusal

NUMBER = "INV-OP-2025-000001"
NOW = "2025-12-04T09:00:00+09:00"


@pytest.fixture
def paid(standin, jeongsan, send):
    """The ids of both parts' intents, paid and booked."""
    intents = [one["intent"] for one in jeongsan("stripe", "collect", now=NOW)["parts"]]
    for intent in intents:
        assert send(standin.pay(intent)).json["outcome"] == "booked"
    return intents


def refund(jeongsan, krw, reason="취소된 작업", by="finance-1", **expecting):
    return jeongsan("stripe", "refund", NUMBER, "--krw", krw, "--reason", reason, "--by", by, now=NOW, **expecting)


def test_refund__goes_back_of_the_parts_in_their_order_and_is_booked(paid, standin, jeongsan, books, engine):
    answer = refund(jeongsan, 100_000_000)
    assert [(one["part"], one["amount_krw"], one["status"], one["again"]) for one in answer["refunds"]] == [
        (1, 99_999_999, "succeeded", False), (2, 1, "succeeded", False),
    ]  # fmt: skip
    assert books()["cash:stripe"] == 17_647_059
    assert books()["receivable:company:P1"] == 100_000_000
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT reference, amount_krw FROM payment WHERE amount_krw < 0")).all()
    assert {tuple(row) for row in rows} == {(one["refund"], -one["amount_krw"]) for one in answer["refunds"]}


def test_refund__the_same_again_says_so_and_gives_nothing_back(paid, standin, jeongsan, books):
    first = refund(jeongsan, 5_000)
    again = refund(jeongsan, 5_000)
    assert [one["again"] for one in again["refunds"]] == [True]
    assert [one["refund"] for one in again["refunds"]] == [one["refund"] for one in first["refunds"]]
    assert len(standin.all("refund")) == 1
    refund(jeongsan, 5_000, reason="다른 사유")
    assert books()["cash:stripe"] == 117_647_059 - 10_000


def test_refund__webhook_and_poll_of_it_change_nothing(paid, standin, jeongsan, books, send):
    refund(jeongsan, 5_000)
    before = books()
    assert [send(one).json["outcome"] for one in standin.all("event") if one["type"] == "refund.created"] == [
        "recorded"
    ]
    assert jeongsan("stripe", "poll", now=NOW)["booked"] == 0
    assert books() == before


def test_refund__above_what_was_collected_is_refused_here_and_nothing_is_asked(paid, standin, jeongsan, books):
    assert "117,647,059" in refund(jeongsan, 117_647_060, exit_code=3)["messages"][0]
    refund(jeongsan, 117_647_059)
    assert "0원" in refund(jeongsan, 1, reason="또", exit_code=3)["messages"][0]
    assert sum(one["amount"] for one in standin.all("refund")) == 117_647_059
    assert "cash:stripe" not in books()


def test_refund__wants_an_amount_a_reason_and_a_person_of_finance(paid, jeongsan, owner):
    refund(jeongsan, 0, exit_code=2)
    refund(jeongsan, 5, reason=" ", exit_code=2)
    refund(jeongsan, 5, by="nobody", exit_code=3)
    with owner.begin() as connection:
        connection.execute(text("INSERT INTO user_account (name, role, created_at) VALUES ('a-1', 'auditor', now())"))
    refund(jeongsan, 5, by="a-1", exit_code=3)


def test_refund__what_was_done_and_not_answered_is_not_done_again(paid, standin, jeongsan, books):
    standin.silent = 3
    refund(jeongsan, 5_000, exit_code=4)
    assert len(standin.all("refund")) == 1
    standin.answers.clear()  # Stripe has forgotten the key
    assert refund(jeongsan, 5_000)["refunds"][0]["status"] == "succeeded"
    assert len(standin.all("refund")) == 1
    assert books()["cash:stripe"] == 117_647_059 - 5_000


def test_refund__what_stripe_refuses_is_recorded_as_refused_and_takes_no_room(paid, standin, jeongsan, books):
    standin.give_back(paid[0], 99_999_999)  # in Stripe's own pages: we have not heard of it
    assert "Stripe refuses" in refund(jeongsan, 5_000, exit_code=3)["messages"][0]
    assert jeongsan("stripe", "poll", now=NOW)["events"]["booked"] == 1
    assert books()["cash:stripe"] == 17_647_060
    assert refund(jeongsan, 17_647_060, reason="전액")["refunds"][0]["part"] == 2


def test_refund__one_that_fails_after_all_comes_back_into_the_books(paid, standin, jeongsan, books, send):
    refund(jeongsan, 5_000)
    made = standin.all("refund")[0]
    assert send(standin.event("refund.failed", made, status="failed")).json["outcome"] == "booked"
    assert books()["cash:stripe"] == 117_647_059
    assert send(standin.event("refund.updated", made)).json["outcome"] == "recorded"
    assert books()["cash:stripe"] == 117_647_059


@pytest.fixture
def deposit(standin, jeongsan, send, owner):
    """The id of the intent by which P1 paid a deposit of 5,000,000 won, of which 4,000,000 are drawn."""
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE agreement DISABLE TRIGGER USER"))
        connection.execute(
            text("UPDATE agreement SET self_pay_mode = 'deposit', deposit_krw = 5000000 WHERE code = 'A1'")
        )
        connection.execute(text("ALTER TABLE agreement ENABLE TRIGGER USER"))
    (part,) = jeongsan("stripe", "collect", "--invoice", "deposit:P1", now=NOW)["parts"]
    send(standin.pay(part["intent"]))
    postings = {"deposit:P1": 4_000_000, "receivable:company:P1": -4_000_000}
    entry = NewEntry(kind="draw", memo="draw P1", reference="run:2025-12:draw:P1", postings=postings)
    with owner.begin() as connection:
        ledger.post(connection, "V25", Month(2025, 12), [entry], datetime(2025, 12, 4, tzinfo=UTC))
    return part["intent"]


def test_refund__of_a_deposit_in_a_frozen_month_or_beyond_what_is_left_is_not_asked_for(
    deposit, standin, jeongsan, owner
):
    def give_back(krw, **expecting):
        arguments = ("deposit:P1", "--krw", krw, "--reason", "환급", "--by", "finance-1")
        return jeongsan("stripe", "refund", *arguments, now=NOW, **expecting)

    assert "1,000,000원" in give_back(1_000_001, exit_code=3)["messages"][0]
    give_back(600_000)
    assert "400,000원" in give_back(400_001, exit_code=3)["messages"][0]
    with owner.begin() as connection:
        connection.execute(text("INSERT INTO month_run VALUES ('V25', '2025-12-01', 0, 0, now())"))
    assert "between freeze and lock" in give_back(400_000, exit_code=3)["messages"][0]
    assert [one["amount"] for one in standin.all("refund")] == [600_000]


def test_refund__of_more_than_is_left_of_a_deposit_made_at_stripe_is_listed_and_stops_nothing(
    deposit, standin, jeongsan, send, books
):
    standin.give_back(deposit, 1_000_001)
    answer = send(standin.all("event")[-1]).json
    assert (answer["outcome"], "more was given back" in answer["reason"]) == ("listed", True)
    (part, _) = jeongsan("stripe", "collect", "--invoice", NUMBER, now=NOW)["parts"]
    standin.pay(part["intent"])
    polled = jeongsan("stripe", "poll", now=NOW)
    assert polled["events"]["booked"] == 1
    assert "more was given back" in polled["listed"][0]["reason"]
    assert books()["cash:stripe"] == 5_000_000 + part["amount_krw"]


def test_database__refuses_refunds_above_the_charge_also_of_many_at_once(paid, engine, standin):
    refused = []

    def give_back(number: int) -> None:
        try:
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "INSERT INTO stripe_refund (part_id, amount_krw, reason, requested_at, status, refund_id,"
                        " refunded_at) SELECT id, 30000000, '', now(), 'succeeded', :id, now() FROM stripe_part"
                        " WHERE part = 1"
                    ),
                    {"id": f"re_x{number}"},
                )
        except DBAPIError as error:
            refused.append(error.orig.sqlstate)

    threads = [threading.Thread(target=give_back, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert refused == ["JS001"] * 5
    with pytest.raises(Refusal):
        standin.give_back(paid[0], 100_000_000)


def test_database__refuses_a_refund_that_nobody_of_finance_asked_for(paid, engine, owner):
    with owner.begin() as connection:
        connection.execute(
            text("INSERT INTO user_account (name, role, party, created_at, disabled_at) VALUES"
                 " ('c1', 'company', 'C1', now(), NULL), ('left', 'finance', NULL, now(), now())")
        )  # fmt: skip
    ask = (
        "INSERT INTO stripe_refund (part_id, amount_krw, reason, requested_by, idempotency_key, request_hash,"
        " requested_at, status) SELECT id, 5, 'x', :by, 'k', 'h', now(), 'requested' FROM stripe_part WHERE part = 1"
    )
    for name in ("c1", "left"):
        with pytest.raises(DBAPIError, match="may not ask for a refund"), engine.begin() as connection:
            connection.execute(text(ask), {"by": name})

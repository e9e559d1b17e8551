"""jeongsan stripe poll and reconcile: what no webhook brought, and the day's figures to the won."""

import threading
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from billing.stripe_poll import poll
from core.month import Month
from ledger import books as ledger
from portal.cli import main
from tests.integration.collecting.conftest import AT

NOW, DAY = "2025-12-04T09:00:00+09:00", "2025-12-04"
HEADER = "paid_at,channel,account,amount_krw,reference,counterparty\n"


@pytest.fixture
def intents(standin, jeongsan):
    """The ids of both parts' intents."""
    return [one["intent"] for one in jeongsan("stripe", "collect", now="2025-12-03T09:00:00+09:00")["parts"]]


def bank_row(jeongsan, tmp_path, krw: int) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(f"{HEADER}{NOW},bank,cash:stripe,{krw},PO-{krw},Stripe\n")
    assert jeongsan("payments", "import", path, now=NOW)["booked"] == 1


def differences(jeongsan, exit_code=1) -> list[tuple[str, list[str]]]:
    answer = jeongsan("stripe", "reconcile", "--day", DAY, exit_code=exit_code)
    return [(one["check"], one["ids"]) for one in answer["differences"]]


def test_poll__brings_what_no_webhook_brought_and_again_nothing(intents, standin, jeongsan, books):
    for intent, fee in zip(intents, (3_400_000, 600_000), strict=True):
        standin.pay(intent, fee=fee)
    standin.give_back(intents[1], 47_060)
    answer = jeongsan("stripe", "poll", now=NOW)
    assert answer["events"] == {"booked": 3, "recorded": 0, "listed": 0, "already": 0}
    assert (answer["booked"], answer["listed"]) == (2, [])
    found = books()
    assert found["cash:stripe"] == 117_647_059 - 47_060 - 4_000_000
    assert found["expense:payment_fee"] == 4_000_000
    assert found["receivable:company:P1"] == 47_060
    again = jeongsan("stripe", "poll", now=NOW)
    assert (again["events"], again["booked"]) == ({"booked": 0, "recorded": 0, "listed": 0, "already": 3}, 0)
    assert books() == found


def test_poll__finds_an_intent_paid_longer_ago_than_stripe_lists_events(intents, standin, jeongsan, books):
    standin.pay(intents[0])
    for event in standin.all("event"):
        del standin.objects[event["id"]]
    assert jeongsan("stripe", "poll", now=NOW)["booked"] == 1
    assert books()["cash:stripe"] == 99_999_999


def test_poll__beside_webhooks_and_another_poll_books_once(intents, standin, jeongsan, engine, client, send, books):
    events = [standin.pay(intent, fee=1_000) for intent in intents]
    now = datetime.fromtimestamp(AT + 9_000, UTC)
    threads = [threading.Thread(target=lambda: poll(engine, client, now, live=False)) for _ in range(2)]
    threads += [threading.Thread(target=send, args=(event,)) for event in events * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert books()["cash:stripe"] == 117_647_059 - 2_000
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM payment")) == 4


def test_poll__lists_what_it_does_not_take_and_goes_on(intents, standin, jeongsan, books):
    standin.add(
        "balance_transaction", "txn", type="charge", source="ch_x", amount=5, fee=0, currency="eur", payout=None
    )
    standin.add("payout", "po", amount=5, currency="eur", status="paid", automatic=False, arrival_date=AT)
    standin.event("customer.created", {"id": "cus_1", "object": "customer"})
    standin.objects["evt_bad"] = {"id": "evt_bad", "object": "event", "created": AT}
    del standin.objects[intents[1]]
    standin.pay(intents[0])
    answer = jeongsan("stripe", "poll", now=NOW)
    assert answer["events"]["listed"] == 1
    assert sorted(one["id"].partition("_")[0] for one in answer["listed"]) == ["evt", "pi", "po", "txn"]
    assert books()["cash:stripe"] == 99_999_999
    assert "do not handle" in jeongsan("stripe", "events")["events"][0]["reason"]


def test_poll__that_stripe_does_not_answer_is_begun_again(intents, standin, jeongsan, engine):
    standin.pay(intents[0])
    standin.silent = 3
    jeongsan("stripe", "poll", now=NOW, exit_code=4)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM stripe_poll")) == 0
    assert jeongsan("stripe", "poll", now=NOW)["events"]["booked"] == 1


def test_reconcile__charges_refunds_fees_payout_and_bank_agree_to_the_won(intents, standin, jeongsan, tmp_path, books):
    for intent, fee in zip(intents, (3_400_000, 600_000), strict=True):
        standin.pay(intent, fee=fee)
    standin.give_back(intents[1], 47_060)
    payout = standin.pay_out()
    assert payout["amount"] == 113_599_999
    jeongsan("stripe", "poll", now=NOW)
    assert differences(jeongsan) == [("payout differs from the bank", [payout["id"]])]
    bank_row(jeongsan, tmp_path, 113_599_999)
    answer = jeongsan("stripe", "reconcile", "--day", DAY)
    assert answer["to_day"] == {
        "charges_krw": 117_647_059, "refunds_krw": 47_060, "fees_krw": 4_000_000, "payouts_krw": 113_599_999,
        "cash_krw": 0,
    }  # fmt: skip
    assert answer["of_day"]["payouts_krw"] == 113_599_999
    assert answer["of_day"]["charges_krw"] == 0
    assert "cash:stripe" not in books()


def test_reconcile__every_difference_is_listed_with_its_ids(
    intents, standin, jeongsan, tmp_path, send, owner, subtests
):
    assert differences(jeongsan, exit_code=0) == []
    paid = standin.pay(intents[0], fee=1_000)
    movement = standin.all("balance_transaction")[0]["id"]
    send(paid)
    with subtests.test("a charge without a movement"):
        assert differences(jeongsan) == [("charge differs from the balance", [intents[0]])]
    jeongsan("stripe", "poll", now=NOW)
    assert differences(jeongsan, exit_code=0) == []
    with subtests.test("a payment that Stripe does not know"):
        path = tmp_path / "stripe.csv"
        path.write_text(f"{HEADER}{NOW},stripe,receivable:company:P1,5,pi_unheard,x\n")
        jeongsan("payments", "import", path, now=NOW)
        assert differences(jeongsan) == [("charge differs from the books", ["pi_unheard", "receivable:company:P1"])]
    with subtests.test("a bank row that Stripe did not pay out"):
        bank_row(jeongsan, tmp_path, 77)
        assert ("payout differs from the bank", ["PO-77"]) in differences(jeongsan)
    with subtests.test("a movement of nothing that we know"):
        standin.move("stripe_fee", "fee_1", -500)
        jeongsan("stripe", "poll", now=NOW)
        extra = standin.all("balance_transaction")[-1]["id"]
        assert ("charge differs from the balance", [extra]) in differences(jeongsan)
    with subtests.test("a payout that is not the sum of its movements"):
        payout = standin.pay_out()
        standin.move("adjustment", "adj_1", 3)["payout"] = payout["id"]
        jeongsan("stripe", "poll", now=NOW)
        assert ("payout differs from its items", [payout["id"]]) in differences(jeongsan)
    with subtests.test("a fee that is in no books"), owner.begin() as connection:
        connection.execute(text("ALTER TABLE stripe_movement DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE stripe_movement SET fee_krw = 1001 WHERE id = :id"), {"id": movement})
        connection.execute(text("ALTER TABLE stripe_movement ENABLE TRIGGER USER"))
    assert ("charge differs from the books", [movement, "expense:payment_fee"]) in differences(jeongsan)
    with subtests.test("cash:stripe that payments do not explain"), owner.begin() as connection:
        connection.execute(text("ALTER TABLE account DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE account SET balance_krw = balance_krw + 1 WHERE code = 'cash:stripe'"))
        connection.execute(text("ALTER TABLE account ENABLE TRIGGER USER"))
    assert ("payments differ from cash:stripe", ["cash:stripe"]) in differences(jeongsan)


def test_reconcile__what_was_asked_and_not_answered_is_listed(standin, jeongsan):
    standin.silent = 3
    jeongsan("stripe", "collect", now="2025-12-03T09:00:00+09:00", exit_code=4)
    keys = [ids for check, ids in differences(jeongsan) if check == "asked and not answered"]
    assert keys == [["jeongsan:INV-OP-2025-000001:1:99999999"], ["jeongsan:INV-OP-2025-000001:2:17647060"]]


def test_commands__say_the_same_in_words(intents, standin, jeongsan):
    standin.pay(intents[0])
    standin.event("customer.created", {"id": "cus_1", "object": "customer"})

    def said(*arguments) -> str:
        return CliRunner().invoke(main, ["stripe", *arguments, "--lang", "en"]).stdout

    assert "0 new payment intents" in said("collect")
    assert "2 events: 1 booked, 0 recorded, 1 listed" in said("poll", "--now", NOW)
    assert "customer.created" in said("events")
    assert "0 differences" in said("reconcile", "--day", DAY)


def test_month__after_charges_fees_a_refund_and_a_payout_everything_still_ties(intents, standin, jeongsan, tmp_path):
    for intent in intents:
        standin.pay(intent, fee=1_000)
    standin.give_back(intents[1], 47_060)
    payout = standin.pay_out()
    jeongsan("stripe", "poll", now=NOW)
    bank_row(jeongsan, tmp_path, payout["amount"])
    done = jeongsan("month", "run", "2025-12", "--programme", "V25", now="2026-01-05T00:00:00Z")
    assert (done["state"], done["differences"]) == ("locked", 0)
    assert jeongsan("verify", "--deep")["ok"] is True
    findings = jeongsan("audit", "--programme", "V25")["findings"]
    assert [one for one in findings if one["level"] == "ERROR" or "payee" in one["check"]] == []


def test_refund__of_a_deposit_in_a_frozen_month_is_listed_and_booked_after_the_lock(
    standin, jeongsan, send, books, owner
):
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE agreement DISABLE TRIGGER USER"))
        connection.execute(
            text("UPDATE agreement SET self_pay_mode = 'deposit', deposit_krw = 5000000 WHERE code = 'A1'")
        )
        connection.execute(text("ALTER TABLE agreement ENABLE TRIGGER USER"))
    (part,) = jeongsan("stripe", "collect", "--invoice", "deposit:P1", now=NOW)["parts"]
    send(standin.pay(part["intent"]))
    with owner.begin() as connection:
        connection.execute(text("INSERT INTO month_run VALUES ('V25', '2025-12-01', 0, 0, now())"))
    standin.give_back(part["intent"], 2_000)
    answer = send(standin.all("event")[-1]).json
    assert answer["outcome"] == "listed"
    assert "between freeze and lock" in answer["reason"]
    assert jeongsan("stripe", "poll", now=NOW)["booked"] == 0
    with owner.begin() as connection:
        ledger.lock_month(connection, "V25", Month(2025, 12), datetime.fromtimestamp(AT, UTC), "test")
    assert jeongsan("stripe", "poll", now=NOW)["booked"] == 1
    assert books()["deposit:P1"] == -4_998_000
    assert jeongsan("stripe", "events")["events"] == []

"""jeongsan stripe collect: what a company owes becomes payment intents, each asked for once."""

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.stripe_collect import collect
from core.errors import RuleRefused
from tests.integration.collecting.conftest import AT

NUMBER = "INV-OP-2025-000001"
NOW = "2025-12-03T09:00:00+09:00"
INSERT = (
    "INSERT INTO stripe_part (programme, project, document_id, reference, account, part, amount_krw, idempotency_key,"
    " request_hash, requested_at) SELECT 'V25', 'P1', id, :reference, 'receivable:company:P1', :part, :krw, :key, '',"
    " now() FROM document WHERE kind = 'invoice'"
)


def created(standin) -> list[tuple[dict, str]]:
    """What payment intents were asked with, and under which key."""
    return [
        (asked, key) for method, path, asked, key in standin.requests if (method, path) == ("POST", "payment_intents")
    ]


def collected(jeongsan, *options, **expecting) -> dict:
    return jeongsan("stripe", "collect", *options, now=NOW, **expecting)


def pay_by_bank(jeongsan, tmp_path, krw: int) -> None:
    path = tmp_path / f"bank-{krw}.csv"
    header = "paid_at,channel,account,amount_krw,reference,counterparty\n"
    path.write_text(f"{header}{NOW},bank,receivable:company:P1,{krw},B-{krw},가온\n")
    jeongsan("payments", "import", path, now=NOW)


def test_collect__an_invoice_of_117_647_059_won_is_collected_in_two_parts(standin, jeongsan, send, books):
    assert books()["receivable:company:P1"] == 117_647_059
    answer = collected(jeongsan)
    assert answer["new"] == 2
    assert [(one["invoice"], one["part"], one["amount_krw"], one["status"]) for one in answer["parts"]] == [
        (NUMBER, 1, 99_999_999, "open"), (NUMBER, 2, 17_647_060, "open"),
    ]  # fmt: skip
    assert [(asked["amount"], asked["currency"]) for asked, _ in created(standin)] == [
        ("99999999", "krw"), ("17647060", "krw"),
    ]  # fmt: skip
    assert [key for _, key in created(standin)] == [f"jeongsan:{NUMBER}:1:99999999", f"jeongsan:{NUMBER}:2:17647060"]
    assert created(standin)[1][0] == {
        "amount": "17647060", "currency": "krw", "metadata[invoice]": NUMBER, "metadata[part]": "2",
        "metadata[programme]": "V25", "metadata[project]": "P1", "metadata[key]": f"jeongsan:{NUMBER}:2:17647060",
    }  # fmt: skip
    for one in answer["parts"]:
        assert send(standin.pay(one["intent"])).json == {"outcome": "booked", "reason": ""}
    after = books()
    assert "receivable:company:P1" not in after
    assert after["cash:stripe"] == 117_647_059
    assert collected(jeongsan) == {"new": 0, "parts": [], "left": []}
    assert jeongsan("invoices", "list", "--open")["invoices"] == []


def test_collect__again_asks_for_nothing_that_is_asked_for(standin, jeongsan):
    first = collected(jeongsan)
    assert collected(jeongsan, "--invoice", NUMBER, "--programme", "V25") == first | {"new": 0}
    assert len(created(standin)) == 2


def test_collect__many_at_once_ask_once(standin, client, engine, jeongsan):
    now, found = datetime.fromtimestamp(AT, UTC), []
    threads = [threading.Thread(target=lambda: found.append(collect(engine, client, now).new)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(found) == [0, 0, 0, 2]
    assert len(standin.all("payment_intent")) == 2


def test_collect__what_was_done_and_not_answered_is_not_done_again(standin, jeongsan):
    standin.silent = 3  # the request and its repetitions: Stripe made the intent, and we never heard of it
    assert "Stripe" in collected(jeongsan, exit_code=4)["messages"][0]
    assert len(standin.all("payment_intent")) == 1
    answer = collected(jeongsan)
    assert [one["status"] for one in answer["parts"]] == ["open", "open"]
    assert [one["amount"] for one in standin.all("payment_intent")] == [99_999_999, 17_647_060]


def test_collect__an_answer_that_was_lost_is_found_when_stripe_has_forgotten_the_key(standin, jeongsan):
    standin.silent = 3
    collected(jeongsan, exit_code=4)
    standin.answers.clear()
    collected(jeongsan)
    assert len(standin.all("payment_intent")) == 2


KILLED = """
import os, sys
from billing import stripe_collect
from portal.cli import main
stripe_collect.record_intent = lambda *_: os._exit(9)  # Stripe has answered, nothing is committed
main(["stripe", "collect", "--now", "2025-12-03T09:00:00+09:00"])
"""


def test_collect__killed_between_the_answer_and_the_commit_collects_once(standin, jeongsan):
    done = subprocess.run([sys.executable, "-c", KILLED], check=False, capture_output=True)
    assert done.returncode == 9, done.stderr
    assert len(standin.all("payment_intent")) == 1
    answer = collected(jeongsan)
    assert sum(one["amount_krw"] for one in answer["parts"]) == 117_647_059
    assert [one["id"] for one in standin.all("payment_intent")] == [one["intent"] for one in answer["parts"]]


def test_collect__other_content_under_a_used_key_is_refused(standin, jeongsan, owner):
    standin.silent = 3
    collected(jeongsan, exit_code=4)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE stripe_part DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE stripe_part SET request_hash = 'other' WHERE part = 1"))
        connection.execute(text("ALTER TABLE stripe_part ENABLE TRIGGER USER"))
    assert "other content under a used key" in collected(jeongsan, exit_code=3)["messages"][0]


def test_client__other_content_under_a_used_key_is_refused_by_stripe_as_well(client):
    first = client.create_intent(5_000, {"invoice": "I"}, "k-1")
    assert client.create_intent(5_000, {"invoice": "I"}, "k-1") == first
    with pytest.raises(RuleRefused, match="other content under a used key"):
        client.create_intent(6_000, {"invoice": "I"}, "k-1")


def test_collect__what_is_paid_by_bank_is_not_asked_for_any_more(standin, jeongsan, tmp_path):
    collected(jeongsan)
    pay_by_bank(jeongsan, tmp_path, 100_000_000)
    answer = collected(jeongsan)
    assert [(one["part"], one["amount_krw"], one["status"]) for one in answer["parts"]] == [
        (1, 99_999_999, "canceled"), (2, 17_647_060, "canceled"), (3, 17_647_059, "open"),
    ]  # fmt: skip
    pay_by_bank(jeongsan, tmp_path, 17_647_059)
    assert [one["status"] for one in collected(jeongsan)["parts"]] == ["canceled"] * 3
    assert collected(jeongsan)["parts"] == []


def test_collect__an_intent_that_is_paid_meanwhile_is_not_canceled_and_said_so(
    standin, jeongsan, tmp_path, send, books
):
    parts = collected(jeongsan)["parts"]
    paid = standin.pay(parts[0]["intent"])
    pay_by_bank(jeongsan, tmp_path, 100_000_000)
    (left,) = collected(jeongsan)["left"]
    assert (left["invoice"], left["amount_krw"]) == (NUMBER, 99_999_999)
    send(paid)
    assert books()["receivable:company:P1"] == 117_647_059 - 199_999_999


def test_collect__an_intent_whose_canceling_was_not_recorded_is_canceled_all_the_same(standin, jeongsan, tmp_path):
    for one in collected(jeongsan)["parts"]:
        standin.objects[one["intent"]]["status"] = "canceled"
    pay_by_bank(jeongsan, tmp_path, 17_647_060)
    answer = collected(jeongsan)
    assert [(one["part"], one["amount_krw"], one["status"]) for one in answer["parts"]][2:] == [(3, 99_999_999, "open")]
    assert answer["left"] == []


def test_collect__what_was_given_back_by_bank_is_left_for_the_bank_and_stops_nothing(
    standin, jeongsan, send, owner, tmp_path
):
    for one in collected(jeongsan)["parts"]:
        send(standin.pay(one["intent"]))
    pay_by_bank(jeongsan, tmp_path, -5_000)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE agreement DISABLE TRIGGER USER"))
        connection.execute(
            text("UPDATE agreement SET self_pay_mode = 'deposit', deposit_krw = 70588237 WHERE code = 'A1'")
        )
        connection.execute(text("ALTER TABLE agreement ENABLE TRIGGER USER"))
    answer = collected(jeongsan)
    assert [(one["invoice"], one["status"]) for one in answer["parts"][-1:]] == [("deposit:P1", "open")]
    assert [(one["invoice"], one["amount_krw"]) for one in answer["left"]] == [(NUMBER, 5_000)]
    assert "given back by bank" in answer["left"][0]["reason"]


def test_collect__what_is_too_small_for_a_charge_is_left_for_the_bank(standin, jeongsan, tmp_path):
    pay_by_bank(jeongsan, tmp_path, 117_647_059 - 999)
    answer = collected(jeongsan)
    assert answer["parts"] == []
    assert [(one["invoice"], one["amount_krw"]) for one in answer["left"]] == [(NUMBER, 999)]


def test_collect__wants_an_open_invoice_of_a_known_programme(standin, jeongsan):
    collected(jeongsan, "--invoice", "INV-OP-2025-000009", exit_code=2)
    collected(jeongsan, "--programme", "V99", exit_code=2)


def test_collect__without_a_key_or_with_none_at_the_address_says_so(standin, jeongsan, monkeypatch):
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:1")
    assert "does not answer" in collected(jeongsan, exit_code=4)["messages"][0]
    monkeypatch.setenv("STRIPE_API_KEY", "")
    assert "STRIPE_API_KEY" in collected(jeongsan, exit_code=2)["messages"][0]


def test_collect__a_deposit_that_is_agreed_and_not_paid_is_collected_too(standin, jeongsan, send, books, owner):
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE agreement DISABLE TRIGGER USER"))
        connection.execute(
            text("UPDATE agreement SET self_pay_mode = 'deposit', deposit_krw = 70588237 WHERE code = 'A1'")
        )
        connection.execute(text("ALTER TABLE agreement ENABLE TRIGGER USER"))
    (part,) = collected(jeongsan, "--invoice", "deposit:P1")["parts"]
    assert (part["invoice"], part["amount_krw"]) == ("deposit:P1", 70_588_237)
    assert send(standin.pay(part["intent"])).json["outcome"] == "booked"
    assert books()["deposit:P1"] == -70_588_237
    collected(jeongsan, "--invoice", "deposit:P1", exit_code=2)


# ---------------------------------------------------------------- what the database refuses


def insert_parts(engine, amounts) -> None:
    with engine.begin() as connection:
        for number, krw in enumerate(amounts, start=1):
            connection.execute(text(INSERT), {"reference": NUMBER, "part": number, "krw": krw, "key": f"k{number}"})


def test_database__refuses_parts_beyond_the_invoice_or_the_largest_charge(engine, subtests):
    for parts, said in (
        ([99_999_999, 17_647_061], "exceed the invoice"),
        ([99_999_999, 17_647_060, 1], "exceed the invoice"),
        ([100_000_000], "amount_of_a_charge"),
        ([0], "amount_of_a_charge"),
    ):
        with subtests.test(str(parts)), pytest.raises(DBAPIError, match=said):
            insert_parts(engine, parts)
    insert_parts(engine, [99_999_999, 17_647_060])


CHANGES = (
    "UPDATE stripe_part SET status = 'canceled', closed_at = now() WHERE part = 1",
    "UPDATE stripe_part SET intent_id = 'pi_other' WHERE part = 1",
    "UPDATE stripe_part SET charge_id = 'ch_other' WHERE part = 1",
    "UPDATE stripe_part SET charge_id = NULL WHERE part = 1",
    "UPDATE stripe_part SET closed_at = now() WHERE part = 1",
    "UPDATE stripe_part SET amount_krw = 5",
    "DELETE FROM stripe_part",
    "UPDATE stripe_event SET outcome = 'recorded'",
    "DELETE FROM stripe_event",
    "TRUNCATE stripe_event",
    "UPDATE stripe_refund SET status = 'pending'",
    "UPDATE stripe_refund SET refund_id = 're_other'",
    "UPDATE stripe_refund SET amount_krw = 1",
    "DELETE FROM stripe_refund",
    "UPDATE stripe_payout SET status = 'pending'",
    "UPDATE stripe_payout SET amount_krw = 1",
    "DELETE FROM stripe_payout",
    "UPDATE stripe_movement SET fee_krw = 0",
    "DELETE FROM stripe_payout_item",
    "DELETE FROM stripe_poll",
)


def test_database__what_stripe_answered_stays(standin, jeongsan, send, owner, subtests):
    intent = collected(jeongsan)["parts"][0]["intent"]
    send(standin.pay(intent))
    standin.give_back(intent, 5)
    standin.pay_out()
    jeongsan("stripe", "poll", now=NOW)
    for change in CHANGES:
        with subtests.test(change):
            with pytest.raises(DBAPIError) as caught, owner.begin() as connection:
                connection.execute(text(change))
            assert caught.value.orig.sqlstate == "JS001"


def test_rows__a_party_sees_what_is_collected_of_its_own_projects_only(standin, jeongsan, send, engine):
    intent = collected(jeongsan)["parts"][0]["intent"]
    send(standin.pay(intent))
    standin.give_back(intent, 5)
    jeongsan("stripe", "poll", now=NOW)
    counted = (
        "SELECT (SELECT count(*) FROM stripe_part), (SELECT count(*) FROM stripe_refund),"
        " (SELECT count(*) FROM stripe_event)"
    )
    seen = {}
    for party in ("C1", "C2", "H1", ""):
        with engine.begin() as connection:
            connection.execute(text("SELECT set_config('jeongsan.party', :party, true)"), {"party": party})
            seen[party] = tuple(connection.execute(text(counted)).one())
    assert seen == {"C1": (2, 1, 0), "C2": (0, 0, 0), "H1": (0, 0, 0), "": (2, 1, 2)}

"""POST /stripe/webhook: what Stripe sends is taken once, in any order; everything else gets a clear answer."""

import json
import threading
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from billing.stripe_intake import take_event
from billing.stripe_objects import read_event
from core.settings import Settings
from portal.app import create_app
from tests.integration.collecting.conftest import AT
from tests.stripe_webhooks import body_of, signature

NOW = "2025-12-03T09:00:00+09:00"
BOOKED = {"outcome": "booked", "reason": ""}


@pytest.fixture
def paid(standin, jeongsan):
    """The event of the first part's payment, not sent yet; both parts are asked for."""
    parts = jeongsan("stripe", "collect", now=NOW)["parts"]
    return standin.pay(parts[0]["intent"])


def stored(engine) -> list:
    with engine.connect() as connection:
        return connection.execute(text("SELECT id, outcome, reason FROM stripe_event ORDER BY id")).all()


def changed(event: dict, **values) -> dict:
    """An event with another id whose object has other values."""
    other = deepcopy(event) | {"id": "evt_x"}
    other["data"]["object"] |= values
    return other


def test_webhook__a_payment_is_booked_and_names_its_invoice(paid, send, books, engine):
    assert send(paid).json == BOOKED
    assert books()["receivable:company:P1"] == 17_647_060
    with engine.connect() as connection:
        row = connection.execute(text("SELECT reference, counterparty, document_id FROM payment")).one()
        invoice = connection.scalar(text("SELECT id FROM document WHERE kind = 'invoice'"))
    assert tuple(row) == (paid["data"]["object"]["id"], "C1", invoice)


def test_webhook__the_same_event_again_is_taken_once(paid, send, books):
    assert send(paid).json["outcome"] == "booked"
    before = books()
    for _ in range(3):
        answer = send(paid)
        assert (answer.status_code, answer.json["outcome"]) == (200, "already")
    assert send(changed(paid)).json["outcome"] == "recorded"
    assert books() == before


def test_webhook__the_same_event_many_times_at_once_is_booked_once(paid, send, books):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(send(paid).json["outcome"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(answers) == ["already"] * 7 + ["booked"]
    assert books()["cash:stripe"] == 99_999_999


def test_webhook__a_file_row_of_the_same_intent_is_the_same_payment_before_and_after(
    paid, send, jeongsan, tmp_path, books
):
    intent = paid["data"]["object"]["id"]
    path = tmp_path / "pay.csv"
    header = "paid_at,channel,account,amount_krw,reference,counterparty\n"
    path.write_text(f"{header}2025-12-03T08:11:12+09:00,stripe,receivable:company:P1,99999999,{intent},가온\n")
    assert jeongsan("payments", "import", path, now=NOW)["booked"] == 1
    assert send(paid).json["outcome"] == "recorded"
    path.write_text(path.read_text().replace("08:11:12", "09:59:59"))
    assert jeongsan("payments", "import", path, now=NOW)["already"] == 1
    path.write_text(path.read_text().replace("99999999", "99999998"))
    assert "other content" in jeongsan("payments", "import", path, now=NOW, exit_code=3)["messages"][0]
    assert books()["cash:stripe"] == 99_999_999


def test_webhook__a_file_row_of_another_amount_is_listed_against(paid, send, jeongsan, tmp_path, books):
    intent = paid["data"]["object"]["id"]
    path = tmp_path / "pay.csv"
    header = "paid_at,channel,account,amount_krw,reference,counterparty\n"
    path.write_text(f"{header}2025-12-03T08:11:12+09:00,stripe,receivable:company:P1,5,{intent},가온\n")
    jeongsan("payments", "import", path, now=NOW)
    answer = send(paid).json
    assert answer["outcome"] == "listed"
    assert "other content under a used reference" in answer["reason"]
    assert books()["cash:stripe"] == 5


# What is not Stripe's, not now, or no event: 400, 405 or 413, and nothing of it is kept. (event → what is sent)
REFUSED = {
    "no signature": (lambda event: {"event": event, "header": ""}, 400),
    "not a signature": (lambda event: {"event": event, "header": "nonsense"}, 400),
    "no instant": (lambda event: {"event": event, "header": "v1=" + "0" * 64}, 400),
    "no v1": (lambda event: {"event": event, "header": f"t={AT},v0=" + "0" * 64}, 400),
    "two instants": (lambda event: {"event": event, "header": f"t={AT}," + signature(body_of(event), AT)}, 400),
    "an endless header": (lambda event: {"event": event, "header": "v1=00," * 9000}, 400),
    "another secret": (lambda event: {"event": event, "header": signature(body_of(event), AT, "whsec_other")}, 400),
    "the signature of another body": (lambda event: {"event": event, "header": signature(b"{}", AT)}, 400),
    "too old": (lambda event: {"event": event, "at": AT - 301}, 400),
    "from the future": (lambda event: {"event": event, "at": AT + 301}, 400),
    "its instant changed": (
        lambda event: {"event": event, "header": signature(body_of(event), AT).replace(f"t={AT}", f"t={AT + 1}")}, 400,
    ),
    "empty": (lambda _: {"body": b""}, 400),
    "not JSON": (lambda _: {"body": b"amount=1000"}, 400),
    "not UTF-8": (lambda _: {"body": b'{"id": "\xff"}'}, 400),
    "cut short": (lambda event: {"body": body_of(event)[:-9]}, 400),
    "a list": (lambda event: {"body": body_of([event])}, 400),
    "a number too large to read": (lambda _: {"body": b'{"created": ' + b"9" * 5000 + b"}"}, 400),
    "NaN": (lambda _: {"body": b'{"created": NaN}'}, 400),
    "nested beyond reason": (lambda _: {"body": b"[" * 100_000 + b"]" * 100_000}, 400),
    "no event": (lambda event: {"event": event["data"]["object"]}, 400),
    "a thin event": (lambda event: {"event": event | {"object": "v2.core.event"}}, 400),
    "no id": (lambda event: {"event": {**event, "id": None}}, 400),
    "an id with a NUL": (lambda event: {"event": event | {"id": "evt_\x00"}}, 400),
    "half a surrogate pair": (lambda event: {"event": event | {"id": "evt_\ud800"}}, 400),
    "no instant of its own": (lambda event: {"event": event | {"created": "now"}}, 400),
    "no object": (lambda event: {"event": event | {"data": {}}}, 400),
    "neither live nor test": (lambda event: {"event": event | {"livemode": "no"}}, 400),
    "too large": (lambda event: {"event": event | {"more": "x" * 300_000}}, 413),
}  # fmt: skip
# What Stripe may well send and we do not take: 200, so that it is not sent again, and listed. (event → event)
LISTED = {
    "a live event for a test key": (lambda event: event | {"livemode": True}, "for a live key"),
    "a type that nobody knows": (lambda event: event | {"type": "sandwich.eaten"}, "do not handle"),
    "an invoice of Stripe's own": (lambda event: event | {"type": "invoice.paid"}, "do not handle"),
    "a dispute": (lambda event: event | {"type": "charge.dispute.created"}, "a dispute"),
    "an intent that is not ours": (lambda event: changed(event, id="pi_other", metadata={}), "no payment that we"),
    "a key that is not ours": (lambda event: changed(event, id="pi_o", metadata={"key": "k"}), "no payment that we"),
    "a second intent of the same part": (lambda event: changed(event, id="pi_second"), "a second payment"),
    "a won too much": (lambda event: changed(event, amount=100_000_000, amount_received=100_000_000), "not ours"),
    "a hundredfold": (lambda event: changed(event, amount=9_999_999_900, amount_received=9_999_999_900), "not ours"),
    "collected in part": (lambda event: changed(event, amount_received=5), "not ours"),
    "dollars": (lambda event: changed(event, currency="usd"), "another currency"),
    "an amount in a text": (lambda event: changed(event, amount="99999999"), "cannot be read"),
    "a broken amount": (lambda event: changed(event, amount=99_999_999.0), "cannot be read"),
    "no amount": (lambda event: changed(event, amount=None), "cannot be read"),
    "another object than its type says": (lambda event: changed(event, object="charge"), "cannot be read"),
    "a refund of what is not ours": (
        lambda event: changed(event, object="refund", payment_intent="pi_o", charge="ch_o")
        | {"type": "refund.created"},
        "no payment that we",
    ),
    "a refund above the charge": (
        lambda event: changed(event, object="refund", id="re_x", amount=100_000_000,
                              payment_intent=event["data"]["object"]["id"]) | {"type": "refund.created"},
        "above what was collected",
    ),
    "a refund in a state nobody knows": (
        lambda event: changed(event, object="refund", id="re_x", amount=5, status="lost",
                              payment_intent=event["data"]["object"]["id"]) | {"type": "refund.updated"},
        "do not know",
    ),
    "a refund for a reason that no text holds": (
        lambda event: changed(event, object="refund", id="re_x", amount=5, reason="\x00",
                              payment_intent=event["data"]["object"]["id"]) | {"type": "refund.created"},
        "cannot be read",
    ),
    "a refund for half a surrogate pair": (
        lambda event: changed(event, object="refund", id="re_x", amount=5, reason="\ud800",
                              payment_intent=event["data"]["object"]["id"]) | {"type": "refund.created"},
        "cannot be read",
    ),
    "a payout in euros": (
        lambda event: changed(event, object="payout", currency="eur", arrival_date=AT) | {"type": "payout.paid"},
        "another currency",
    ),
    "a payout in a state nobody knows": (
        lambda event: changed(event, object="payout", status="lost", arrival_date=AT) | {"type": "payout.created"},
        "do not know",
    ),
}  # fmt: skip


def test_webhook__what_is_not_stripes_or_no_event_is_refused_and_nothing_of_it_kept(
    paid, send, books, engine, subtests
):
    before = books()
    for name, (sent, status) in REFUSED.items():
        with subtests.test(name):
            answer = send(**sent(paid))
            assert answer.status_code == status, answer.text
            assert answer.json["error"]
            assert stored(engine) == []
    assert send(paid, method="GET").status_code == 405
    assert books() == before
    assert send(paid).json == BOOKED


def test_webhook__what_we_do_not_take_is_answered_listed_and_booked_nowhere(
    paid, send, books, engine, jeongsan, subtests
):
    before = books()
    for number, (name, (made, said)) in enumerate(LISTED.items()):
        with subtests.test(name):
            answer = send(made(paid) | {"id": f"evt_bad_{number:02d}"})
            assert (answer.status_code, answer.json["outcome"]) == (200, "listed"), answer.text
            assert said in answer.json["reason"]
    assert [row.outcome for row in stored(engine)] == ["listed"] * len(LISTED)
    assert books() == before
    listed = jeongsan("stripe", "events")["events"]
    assert [one["reason"] for one in listed] == [row.reason for row in stored(engine)]
    assert send(paid).json == BOOKED


def test_webhook__a_payment_with_the_charge_of_another_is_listed(standin, jeongsan, send, books):
    first, second = (standin.pay(part["intent"]) for part in jeongsan("stripe", "collect", now=NOW)["parts"])
    assert send(first).json == BOOKED
    before = books()
    answer = send(changed(second, latest_charge=first["data"]["object"]["latest_charge"]))
    assert (answer.status_code, answer.json["outcome"]) == (200, "listed")
    assert "the charge of another payment" in answer.json["reason"]
    assert books() == before
    assert send(second).json == BOOKED


def test_webhook__without_a_secret_or_a_database_says_so_and_keeps_nothing(paid):
    for settings in (
        Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"),
        Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing", stripe_webhook_secret="whsec_test"),
    ):
        answer = create_app(settings).test_client().post("/stripe/webhook", data=body_of(paid))
        assert answer.status_code == 503, answer.text
        assert "127.0.0.1" not in answer.text
        assert "nobody" not in answer.text


# ---------------------------------------------------------------- any order


def life(standin, intent: str) -> list[dict]:
    """Everything that happens to a part: asked, declined, tried again, paid, given back in two parts, paid out; and a
    refund that fails after all."""
    about = standin.objects[intent]
    events = [
        standin.event("payment_intent.created", about),
        standin.event("payment_intent.payment_failed", about),
        standin.event("payment_intent.processing", about, status="processing"),
        standin.pay(intent),
        standin.event("charge.succeeded", {"id": about["latest_charge"], "object": "charge"}),
    ]
    for amount in (30_000_000, 69_999_999 - 5):
        made = standin.give_back(intent, amount)
        events += [
            standin.event("refund.created", made, status="pending"),
            standin.event("refund.updated", made),
        ]
    failed = standin.give_back(intent, 5)
    events += [
        standin.event("refund.created", failed, status="pending"),
        standin.event("refund.failed", failed, status="failed"),
    ]
    payout = standin.pay_out()
    return [*events, standin.event("payout.created", payout, status="pending"), standin.event("payout.paid", payout)]


def test_webhooks__any_order_and_any_number_of_them_end_in_the_same_books(standin, jeongsan, engine):
    intent = jeongsan("stripe", "collect", now=NOW)["parts"][0]["intent"]
    events = [read_event(one) for one in life(standin, intent)]
    with engine.connect() as connection:
        now = read_event(standin.event("x", {"id": "x"})).created_at

        def books_after(order) -> tuple:
            with connection.begin() as outer:
                for event in order:
                    take_event(connection, event, live=False, now=now, by="webhook")
                balances = connection.execute(text("SELECT code, balance_krw FROM account ORDER BY code")).all()
                payouts = connection.execute(text("SELECT id, amount_krw, status FROM stripe_payout")).all()
                refunds = connection.execute(text("SELECT refund_id, status FROM stripe_refund ORDER BY 1")).all()
                outer.rollback()
            return balances, payouts, refunds

        expected = books_after(events)
        found = dict(tuple(one) for one in expected[0])
        assert (found["cash:stripe"], found["receivable:company:P1"]) == (5, 117_647_054)
        assert [row.status for row in expected[1]] == ["paid"]

        @hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.permutations(events), st.lists(st.sampled_from(events), max_size=6))
        def same(order, again):
            assert books_after([*again, *order]) == expected

        same()


def test_webhook__a_refund_before_its_payment_waits_for_it(standin, jeongsan, send, books):
    intent = jeongsan("stripe", "collect", now=NOW)["parts"][0]["intent"]
    paid = standin.pay(intent)
    standin.give_back(intent, 7)
    refunded = standin.all("event")[-1]
    assert send(refunded).json["outcome"] == "recorded"
    assert "cash:stripe" not in books()
    assert send(paid).json["outcome"] == "booked"
    assert books()["cash:stripe"] == 99_999_992


def test_webhook__an_intent_is_known_by_its_key_before_its_answer_is_recorded(standin, jeongsan, send, engine, owner):
    jeongsan("stripe", "collect", now=NOW)
    intent = standin.all("payment_intent")[0]
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE stripe_part DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE stripe_part SET intent_id = NULL, status = 'requested' WHERE part = 1"))
        connection.execute(text("ALTER TABLE stripe_part ENABLE TRIGGER USER"))
    assert send(standin.pay(intent["id"])).json == BOOKED
    with engine.connect() as connection:
        found = connection.execute(text("SELECT intent_id, status FROM stripe_part WHERE part = 1")).one()
    assert tuple(found) == (intent["id"], "succeeded")


def test_webhook__keeps_of_an_event_what_we_use_and_nothing_else(paid, send, engine):
    paid["data"]["object"] |= {"receipt_email": "someone@example.org", "shipping": {"name": "x"}}
    send(paid)
    with engine.connect() as connection:
        kept = connection.scalar(text("SELECT content FROM stripe_event"))
    assert "someone" not in json.dumps(kept)
    assert kept["amount"] == 99_999_999

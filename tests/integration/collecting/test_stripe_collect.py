"""jeongsan stripe collect: what a company owes becomes payment intents, each asked for once."""

NUMBER = "INV-OP-2025-000001"
NOW = "2025-12-03T09:00:00+09:00"


def test_collect__an_invoice_of_117_647_059_won_is_collected_in_two_parts(standin, jeongsan, send, books):
    before = books()["receivable:company:P1"]
    answer = jeongsan("stripe", "collect", now=NOW)
    assert before == 117_647_059
    assert answer["new"] == 2
    assert [(one["invoice"], one["part"], one["amount_krw"], one["status"]) for one in answer["parts"]] == [
        (NUMBER, 1, 99_999_999, "open"), (NUMBER, 2, 17_647_060, "open"),
    ]  # fmt: skip
    created = [
        (asked, key) for method, path, asked, key in standin.requests if (method, path) == ("POST", "payment_intents")
    ]
    assert [(asked["amount"], asked["currency"]) for asked, _ in created] == [("99999999", "krw"), ("17647060", "krw")]
    assert len({key for _, key in created}) == 2
    for one in answer["parts"]:
        assert send(standin.pay(one["intent"])).json == {"outcome": "booked", "reason": ""}
    after = books()
    assert "receivable:company:P1" not in after
    assert after["cash:stripe"] == 117_647_059
    assert jeongsan("stripe", "collect", now=NOW)["parts"] == []

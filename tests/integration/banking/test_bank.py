"""jeongsan bank: exports of our bank account, each row booked once, by a reference or by a person."""

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from portal.cli import main
from tests.claiming import approved, state_of
from tests.driven import work
from tests.integration.banking.conftest import AT, BY, CASH, INVOICE, NOW
from tests.integration.test_payments import post


def test_import__a_row_that_names_its_invoice_is_booked_once(bank):
    krw = bank.open(INVOICE)
    line = f"2025-12-04,{krw},{INVOICE} 11월분,㈜나래"
    answer = bank.imported(line, "2025-12-05,11,이자,은행")
    assert answer == {"file": "export.csv", "account": "MAIN", "rows": 2, "fresh": 2, "already": 0,
                      "states": {"booked": 1, "unmatched": 1}, "changed": {}, "left_out": []}  # fmt: skip
    assert (bank.open(INVOICE), bank.balance("receivable:company:P2"), bank.balance("cash:bank")) == (0, 0, CASH + krw)
    again = bank.imported("2025-12-03,7,앞날,은행", line, "2025-12-05,11,이자,은행", name="longer.csv")
    assert (again["fresh"], again["already"], again["states"]) == (1, 2, {"unmatched": 1})
    assert bank.balance("cash:bank") == CASH + krw
    (row,) = bank.rows("--state", "booked")
    assert (row["at"], row["raw"][3], row["parts"][0]["account"]) == (
        "2025-12-04T00:00:00+09:00", "㈜나래", "receivable:company:P2",
    )  # fmt: skip


def test_import__part_of_an_invoice_is_booked_and_listed_more_or_again_is_a_proposal(bank):
    krw = bank.open(INVOICE)
    answer = bank.imported(f"2025-12-04,{krw - 100},{INVOICE},나래", f"2025-12-05,101,{INVOICE},나래")
    assert answer["states"] == {"partial": 1, "over": 1}
    assert (bank.open(INVOICE), bank.balance("cash:bank")) == (100, CASH + krw - 100)
    (over,) = bank.rows("--state", "over")
    assert (over["amount_krw"], over["candidates"][0]["label"], over["parts"]) == (101, INVOICE, [])
    answer = bank.imported(f"2025-12-06,100,{INVOICE},나래", f"2025-12-07,100,{INVOICE},나래", name="later.csv")
    assert (answer["states"], answer["changed"]) == ({"booked": 1, "double": 1}, {"double": 1})
    assert (bank.open(INVOICE), bank.balance("cash:bank")) == (0, CASH + krw)


def test_import__a_deposit_that_was_paid_is_not_paid_again(bank):
    assert bank.imported("2025-12-04,5,DEP-P1,가온")["states"] == {"double": 1}


def test_match__a_waiting_row_is_matched_once_its_invoice_is_there(bank):
    bank.world.ingest(*work("w3", "L21", 10, day="2025-12-10", project="P2"), now="2026-01-05T00:00:00Z")
    later = "INV-OP-2026-000001"
    assert bank.imported(f"2025-12-10,10,{later},나래")["states"] == {"unmatched": 1}
    assert bank("match") == {"changed": {}}
    bank.world.run("2025-12")
    assert bank("match") == {"changed": {"partial": 1}}
    assert bank("match") == {"changed": {}}


# ---------------------------------------------------------------- a person's decision


def test_confirm__a_proposal_by_name_and_amount_waits_for_a_person(bank):
    krw = bank.open(INVOICE)
    assert bank.imported(f"2025-12-04,{krw},인터넷이체,나 래(주)")["states"] == {"proposed": 1}
    assert bank.balance("cash:bank") == CASH
    (row,) = bank.rows()
    assert bank("confirm", row["id"], *BY) == {"id": row["id"], "state": "booked"}
    assert (bank.open(INVOICE), bank.balance("cash:bank")) == (0, CASH + krw)
    assert "not in this state" in bank("confirm", row["id"], *BY, exit_code=3)["messages"][0]
    assert bank.rows()[0]["decided_by"] == "finance-1"


def test_confirm__a_row_is_split_over_invoices_and_accounts(bank):
    krw, first = bank.open(INVOICE), bank.open("INV-OP-2025-000001")
    bank.imported(f"2025-12-04,{krw + first + 50},합산,모름")
    row = bank.rows()[0]["id"]
    split = (f"--invoice={INVOICE}={krw}", f"--invoice=INV-OP-2025-000001={first - 1}", "--as=deposit:P1=50")
    assert "must sum to the row" in bank("confirm", row, *split, *BY, exit_code=3)["messages"][0]
    answer = bank("confirm", row, *split, "--as=receivable:company:P1=1", *BY)
    assert answer["state"] == "partial"
    assert (bank.open(INVOICE), bank.open("INV-OP-2025-000001")) == (0, 0)
    assert (bank.balance("receivable:company:P1"), bank.balance("cash:bank")) == (0, CASH + krw + first + 50)


def test_confirm__money_that_went_out_is_what_a_payable_was_paid(bank):
    bank.imported("2025-12-04,-4000,,첫째병원", "2025-12-05,1000,,첫째병원")
    out, back = (row["id"] for row in bank.rows())
    bank("confirm", out, "--as", "payable:hospital:H1:P1", *BY)
    bank("confirm", back, "--as", "payable:hospital:H1:P1", *BY)
    assert (bank.balance("payable:hospital:H1:P1"), bank.balance("cash:bank")) == (-1_357_950 + 3_000, CASH - 3_000)
    assert bank.call("verify")["ok"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("confirm", 1, "--as", "receivable:company:P2", "--by", "nobody"), 3, "no such user"),
        (("confirm", 1, "--as", "receivable:company:P2", "--by", "h01"), 3, "may not do this"),
        (("confirm", 1, "--as", "receivable:company:P2", "--by", "audit-1"), 3, "may not do this"),
        (("confirm", 99, "--as", "receivable:company:P2", *BY), 2, "no such bank row"),
        (("confirm", 1, *BY), 2, "not exactly one candidate"),
        (("confirm", 1, "--as", "receivable:company:P9", *BY), 3, "not an account of a registered project"),
        (("confirm", 1, "--as", "payable:hospital:H1:P2", *BY), 3, "no supplier of the project"),
        (("confirm", 1, "--as", "income:platform_fee", *BY), 3, "no account that this channel settles"),
        (("confirm", 1, "--as", "deposit:P2", *BY), 3, "no deposit is agreed"),
        (("confirm", 1, "--as", "suspense:bank", "--programme", "V25", *BY), 3, "use `bank suspend`"),
        (("confirm", 1, "--invoice", "INV-OP-2025-000099", *BY), 2, "no such invoice"),
        (("confirm", 1, "--invoice", "99", *BY), 2, "청구서 번호는"),
        (("confirm", 1, "--as", "receivable:company:P2=4", *BY), 3, "must sum to the row"),
        (("confirm", 1, "--as", "receivable:company:P2=4", "--as", "deposit:P1=2", *BY), 3, "must sum to the row"),
        (("confirm", 1, "--as", "receivable:company:P2", "--as", "deposit:P1=2", *BY), 3, "must sum to the row"),
        (("confirm", 1, "--as", "receivable:company:P2=-5", *BY), 2, "write NAME or NAME=KRW"),
        (("confirm", 1, "--as", "deposit:P1", "--programme", "V99", *BY), 2, "no such programme"),
        (("confirm", 1, "--payment", "R-99", *BY), 3, "no booked payment of that day"),
        (("confirm", 1, "--payment", "R1", "--as", "deposit:P1", *BY), 2, "stands alone"),
        (("confirm", 1, "--payment", "R2", *BY), 3, "no booked payment of that day"),
        (("suspend", 1, "--programme", "V25", "--reason", " ", *BY), 2, "a reason is needed"),
        (("suspend", 1, "--programme", "V25", "--reason", "x", "--by", "h01"), 3, "may not do this"),
        (("suspend", 1, "--programme", "V99", "--reason", "x", *BY), 2, "no such programme"),
        (("release", 1, "--as", "deposit:P1", "--reason", "x", *BY), 3, "not in this state"),
        (("release", 1, "--reason", "x", *BY), 2, "say where it goes"),
    ],
    ids=lambda one: " ".join(map(str, one[:4])) if isinstance(one, tuple) else None,
)
def test_decision__what_may_not_be_is_refused_and_books_nothing(bank, arguments, exit_code, said):
    bank.imported("2025-12-04,5,?,모름")
    bank_id = bank.rows()[0]["id"]
    named = [bank_id if one == 1 else one for one in arguments]
    assert said in "\n".join(bank(*named, exit_code=exit_code)["messages"])
    assert (bank.balance("cash:bank"), bank.rows()[0]["state"]) == (CASH, "unmatched")


# ---------------------------------------------------------------- suspense


def test_suspense__a_row_waits_there_with_a_reason_and_leaves_it_without_moving_cash(bank):
    krw = bank.open(INVOICE)
    bank.imported(f"2025-12-04,{krw},?,모름")
    row = bank.rows()[0]["id"]
    bank("suspend", row, "--programme", "V25", "--reason", "입금자 확인 중", *BY)
    assert (bank.balance("suspense:bank"), bank.balance("cash:bank")) == (-krw, CASH + krw)
    listed = bank("list", "--state", "suspense")
    assert (listed["rows"][0]["reason"], listed["totals"]) == ("입금자 확인 중", {"suspense": {"rows": 1, "krw": krw}})
    assert listed["suspense"] == [{"programme": "V25", "rows_krw": krw, "balance_krw": krw}]
    bank("release", row, "--invoice", INVOICE, "--reason", "나래의 입금으로 확인", *BY)
    assert (bank.balance("suspense:bank"), bank.balance("cash:bank"), bank.open(INVOICE)) == (0, CASH + krw, 0)
    with bank.engine.connect() as connection:
        entries = connection.execute(
            text(
                "SELECT memo, jsonb_object_agg(code, amount_krw) AS postings FROM entry"
                " JOIN posting ON entry_id = entry.id JOIN account ON account.id = account_id"
                " WHERE kind = 'payment' AND entry.recorded_at = :now GROUP BY entry.id ORDER BY number"
            ),
            {"now": AT},
        ).all()
    assert [one.postings for one in entries] == [
        {"cash:bank": krw, "suspense:bank": -krw}, {"suspense:bank": krw, "receivable:company:P2": -krw},
    ]  # fmt: skip
    bank.world.run("2025-12")  # its reconciliation ties payments and cash, receivables and invoices
    assert bank.call("verify")["ok"]


def test_suspense__released_to_a_hospital_its_claim_is_paid(bank, engine):
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO user_account (name, role, party, created_at) VALUES ('h1-1', 'hospital', 'H1', now())")
        )
        number = approved(connection, now=AT)
    owed_krw = -bank.balance("payable:hospital:H1:P1")
    bank.imported(f"2025-12-04,-{owed_krw},?,모름")
    row = bank.rows()[0]["id"]
    bank("suspend", row, "--programme", "V25", "--reason", "용도 확인 중", *BY)
    bank("release", row, "--as", "payable:hospital:H1:P1", "--reason", "첫째병원에 지급", *BY)
    with engine.connect() as connection:
        assert state_of(connection, number) == "paid"


def test_suspense__is_paid_back_by_a_row_of_the_same_sum(bank):
    bank.imported("2025-12-04,700,?,모름", "2025-12-05,-699,반환,모름", "2025-12-06,-700,반환,모름")
    row, other, back = (one["id"] for one in bank.rows())
    bank("suspend", row, "--programme", "V25", "--reason", "모르는 돈", *BY)
    refused = bank("release", row, "--returned-by", other, "--reason", "반환", *BY, exit_code=3)
    assert "another sum" in refused["messages"][0]
    bank("release", row, "--returned-by", back, "--reason", "반환", *BY)
    assert (bank.balance("suspense:bank"), bank.balance("cash:bank")) == (0, CASH)
    assert [one["state"] for one in bank.rows()] == ["returned", "unmatched", "booked"]
    assert bank("list")["suspense"] == []


def test_list__a_suspense_balance_without_its_rows_is_a_difference(bank):
    bank.call("payments", "import", bank.file("bank,suspense:bank,9"), "--programme", "V25", now=NOW)
    assert bank("list", exit_code=1)["suspense"] == [{"programme": "V25", "rows_krw": 0, "balance_krw": 9}]


# ---------------------------------------------------------------- the payments file beside the bank's export


def test_payments_file__a_row_of_it_is_a_possible_double_of_the_banks_and_is_linked_by_a_person(bank):
    krw = bank.open(INVOICE)
    bank.call("payments", "import", bank.file(f"bank,receivable:company:P2,{krw}"), now=NOW)
    assert bank.imported(f"2025-12-04,{krw},{INVOICE},나래", f"2025-12-04,{krw},?,모름")["states"] == {"double": 2}
    first, second = bank.rows()
    assert [one["label"] for one in first["candidates"]] == ["F1", INVOICE]
    bank("confirm", first["id"], "--payment", "F1", *BY)
    assert bank.balance("cash:bank") == CASH + krw
    taken = bank("confirm", second["id"], "--payment", "F1", *BY, exit_code=3)
    assert "no other row stands behind" in taken["messages"][0]
    assert bank("match") == {"changed": {"unmatched": 1}}


def test_payments_file__what_a_bank_row_booked_is_listed_and_not_booked_again(bank):
    krw = bank.open(INVOICE)
    bank.imported(f"2025-12-04,{krw},{INVOICE},나래")
    path = bank.file(f"bank,receivable:company:P2,{krw}", f"bank,receivable:company:P2,{krw + 1}")
    answer = bank.call("payments", "import", path, now=NOW)
    assert (answer["booked"], [one["reference"] for one in answer["unmatched"]]) == (1, ["F1"])
    assert "booked from a bank statement already" in answer["unmatched"][0]["reason"]
    assert bank.balance("cash:bank") == CASH + 2 * krw + 1


def test_payments_file__what_is_in_suspense_or_was_split_is_not_booked_again(bank):
    krw = bank.open(INVOICE)
    bank.imported(f"2025-12-04,{krw},?,모름", f"2025-12-04,{krw + 50},?,모름")
    unknown, whole = (one["id"] for one in bank.rows())
    bank("suspend", unknown, "--programme", "V25", "--reason", "입금자 확인 중", *BY)
    bank("confirm", whole, f"--invoice={INVOICE}={krw}", "--as=receivable:company:P2=50", *BY)
    path = bank.file(f"bank,deposit:P1,{krw}", f"bank,receivable:company:P2,{krw + 50}")
    answer = bank.call("payments", "import", path, now=NOW)
    assert [one["reference"] for one in answer["unmatched"]] == ["F1", "F2"]
    assert "in suspense" in answer["unmatched"][0]["reason"]
    assert bank.balance("cash:bank") == CASH + 2 * krw + 50
    bank("release", unknown, "--as", "deposit:P1", "--reason", "선납금으로 확인", *BY)
    assert bank.call("payments", "import", path, now=NOW)["booked"] == 0
    assert bank.balance("cash:bank") == CASH + 2 * krw + 50


def test_import__a_bad_export_counts_in_nothing(bank):
    answer = bank.imported(f"2025-12-04,5,{INVOICE},나래", "2025-12-05,x,?,?", exit_code=2)
    assert answer["messages"][0].startswith("export.csv:3: amount 'x': 원 단위 정수가 아닙니다.")
    assert bank("list") == {"rows": [], "totals": {}, "suspense": []}


# ---------------------------------------------------------------- what goes out, and what Stripe pays out

# Charges of 600 won for V25 and of 400 won, less a fee of 30, for another programme; one payout of 970 won.
SHARED_PAYOUT = (
    "SET LOCAL session_replication_role = replica",
    'INSERT INTO programme SELECT (jsonb_populate_record(programme, \'{"code": "V26"}\')).* FROM programme',
    "INSERT INTO stripe_part (programme, project, reference, account, part, amount_krw, idempotency_key, request_hash,"
    " requested_at, status, intent_id, charge_id, closed_at) SELECT programme, 'P1', programme, 'deposit:P1', 1, krw,"
    " programme, '', now(), 'succeeded', 'pi_' || programme, 'ch_' || programme, now()"
    " FROM (VALUES ('V25', 600), ('V26', 400)) AS one (programme, krw)",
    "INSERT INTO stripe_movement (id, type, source, amount_krw, fee_krw, moved_at) VALUES"
    " ('txn_1', 'charge', 'ch_V25', 600, 0, now()), ('txn_2', 'charge', 'ch_V26', 400, 30, now())",
    "INSERT INTO stripe_payout (id, amount_krw, status, arrives_on, created_at, automatic)"
    " VALUES ('po_2', 970, 'paid', '2025-12-08', '2025-12-06', true)",
    "INSERT INTO stripe_payout_item (movement_id, payout_id) VALUES ('txn_1', 'po_2'), ('txn_2', 'po_2')",
)


def test_order__a_transfer_that_names_its_row_is_booked_and_one_that_only_fits_waits(bank):
    order = bank.call("payouts", "order", "2025-11", "--programme", "V25", "--by", "finance-1", now=NOW)
    rows = {row["account"]: row for row in order["rows"] if row["payer"] == "settlement"}
    hospital, incentive = rows["payable:hospital:H1:P1"], rows["payable:incentive:H2"]
    answer = bank.imported(
        f"2025-12-08,-{hospital['amount_krw']},PO-V25-202511-{hospital['number']},첫째병원",
        f"2025-12-08,-{incentive['amount_krw']},참여유인,둘째병원", "2025-12-09,-5,이체,둘째병원",
        f"2025-12-09,-{hospital['amount_krw']},PO-V25-202511-{hospital['number']},첫째병원",
    )  # fmt: skip
    assert answer["states"] == {"booked": 1, "proposed": 1, "unmatched": 1, "double": 1}
    (proposed,) = bank.rows("--state", "proposed")
    bank("confirm", proposed["id"], *BY)
    paid = {
        row["account"]: row["paid_krw"] for row in bank.call("payouts", "list", "--programme", "V25", now=NOW)["rows"]
    }
    assert (paid["payable:hospital:H1:P1"], paid["payable:incentive:H2"]) == (
        hospital["amount_krw"], incentive["amount_krw"],
    )  # fmt: skip


def test_stripe__a_payout_is_proposed_by_its_sum_and_booked_from_the_banks_side_once(bank, owner):
    bank.call("payments", "import", bank.file("stripe,receivable:company:P1,1000"), now=NOW)
    with owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO stripe_payout (id, amount_krw, status, arrives_on, created_at, automatic)"
                " VALUES ('po_1', 970, 'paid', '2025-12-08', '2025-12-06', true)"
            )
        )
    line = "2025-12-08,970,정산,STRIPE PAYMENTS"
    assert bank.imported(line, "2025-12-09,970,정산,STRIPE PAYMENTS")["states"] == {"proposed": 2}
    first = bank.rows()[0]
    assert [one["label"] for one in first["candidates"]] == ["po_1"]
    bank("confirm", first["id"], *BY)
    assert (bank.balance("cash:stripe"), bank.balance("cash:bank")) == (30, CASH + 970)
    assert bank("match") == {"changed": {"unmatched": 1}}


def test_list__reads_in_korean_and_in_english(bank):
    bank.imported(f"2025-12-04,100,{INVOICE},나래", "2025-12-05,7,?,모름")
    bank("suspend", bank.rows()[1]["id"], "--programme", "V25", "--reason", "확인 중", *BY)
    korean = CliRunner().invoke(main, ["bank", "list"]).stdout
    english = CliRunner().invoke(main, ["bank", "list", "--state", "suspense", "--lang", "en"]).stdout
    assert "2025-12-05 00:00  모름" in korean
    assert "일부 납부 1건 100원" in korean
    assert "V25 가수금: 거래의 합 7원, 장부 7원" in korean
    assert "suspense:bank, 확인 중" in english
    assert "V25 suspense: rows KRW 7, books KRW 7" in english


def test_stripe__a_payout_that_two_programmes_share_is_booked_in_the_books_of_each(bank, owner):
    bank.call("payments", "import", bank.file("stripe,receivable:company:P1,600"), now=NOW)
    with owner.begin() as connection:
        for statement in SHARED_PAYOUT:
            connection.execute(text(statement))
    post(bank.engine, "V26", cash__stripe=400, payable__operator=-400)
    bank.imported("2025-12-08,970,STRIPE PAYMENTS,이체")
    (row,) = bank.rows()
    assert [(part["programme"], part["amount_krw"]) for part in row["candidates"][0]["parts"]] == [
        ("V25", 600), ("V26", 370),
    ]  # fmt: skip
    bank("confirm", row["id"], *BY)
    left = {code: bank.call("balances", "--programme", code).get("cash:stripe", 0) for code in ("V25", "V26")}
    assert left == {"V25": 0, "V26": 30}
    differences = bank.call("stripe", "reconcile", "--day", "2025-12-09", now=NOW, exit_code=1)["differences"]
    assert "payout differs from the bank" not in [one["check"] for one in differences]

"""Company invoices: what a month's run bills each project, what is open of it, and that the books say the same."""

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.company_balance import company_balances
from billing.invoice import open_invoices
from billing.payment import book_payments
from billing.payment_file import PaymentRow
from tests import worked
from tests.driven import CLOSE, event, work
from tests.integration.test_examples import settled

PAID_AT = datetime(2026, 1, 5, tzinfo=UTC)
OWN = ("self_pay", "deposit")


def by_kind(document: dict) -> dict[str, int]:
    """What the company pays by kind of item; VAT of the agreement lines' supply apart."""
    found: dict[str, int] = {}
    for one in document["items"]:
        kind = "VAT" if one["line"] and one["kind"] not in OWN else one["kind"]
        found[kind] = found.get(kind, 0) + one["own_krw"]
    return found


def void(name, ref):
    return event("usage.voided", name, ref=ref, reason="twice", author="H2")


# ---------------------------------------------------------------- the worked case


@worked.needs_case
def test_invoice__of_the_worked_month_is_what_the_company_pays(jeongsan):
    worked.prepare(jeongsan)
    november = worked.run(jeongsan, "2025-11")
    listed = jeongsan("invoices", "list")["invoices"]
    assert [(one["number"], one["project"], one["total_krw"], one["open_krw"], one["due_on"]) for one in listed] == [
        ("INV-OP-2025-000001", "P1", 5_814_785, 5_814_785, "2025-12-26"),
        ("INV-OP-2025-000002", "P2", 9_935_100, 9_935_100, "2025-12-26"),
        ("INV-OP-2025-000003", "P3", 1_524_984, 1_524_984, "2025-12-26"),
    ]
    assert {one["company"]: one["total_krw"] for one in listed} == {
        code: one["due_krw"] for code, one in november["company"].items()
    }
    shown = jeongsan("invoices", "show", "INV-OP-2025-000001")
    assert by_kind(shown) == {
        "VAT": 2_894_902 + 582_045, "self_pay": 4_342_354 + 873_069, "gpu": 340_938, "storage": 84_579,
        "fee": 1_912_321, "deposit": -5_215_423,
    }  # fmt: skip
    assert (shown["supply_krw"], shown["vat_krw"]) == (36_894_790, 3_689_477)
    study = shown["items"][0]
    assert (study["quantity"], study["unit"], study["unit_price_krw"]) == ("2345", "건", 12_345)
    (tie,) = [one for one in november["ties"] if one["name"] == "청구서 ↔ 기업 채권"]
    assert (tie["left"], tie["difference"]) == (17_274_869, 0)


@worked.needs_case
def test_invoice__corrections_stand_apart_with_the_month_that_they_belong_to(jeongsan):
    worked.prepare(jeongsan, "2025-12")
    worked.run(jeongsan, "2025-12")
    shown = jeongsan("invoices", "show", "INV-OP-2026-000001")
    corrections = [one for one in shown["items"] if one["correction"]]
    assert [(one["service_month"], one["kind"], one["supply_krw"], one["own_krw"], one["remark"])
            for one in corrections] == [
        ("2025-11", "preparation", -5_820_457, -582_045, "취소: same hours reported twice"),
        ("2025-11", "gpu", 2_528, 2_781, "사용량 정정"),
        ("2025-11", "fee", -291_023, -320_125, "공급가액 정정"),
    ]  # fmt: skip
    assert shown["total_krw"] == 1_499_609
    for reference in ("INV-OP-2026-000001", "invoice:INV-OP-2026-000001"):
        traced = jeongsan("trace", reference)
        assert (traced["amount_krw"], len(traced["charges"]), len(traced["events"]) > 5) == (1_499_609, 8, True)
    for one in shown["items"]:
        if one["kind"] != "deposit":
            assert jeongsan("trace", one["ref"])["charges"], one["ref"]


@worked.needs_case
def test_dry_run__answers_with_the_invoices_tie_and_issues_nothing(jeongsan):
    worked.prepare(jeongsan)
    dry = worked.run(jeongsan, "2025-11", "--dry-run")
    assert jeongsan("invoices", "list")["invoices"] == []
    assert dry["ties"] == worked.run(jeongsan, "2025-11")["ties"]


@worked.needs_case
def test_balance__of_every_project_is_the_books(jeongsan):
    worked.prepare(jeongsan, "2025-12")
    worked.run(jeongsan, "2025-12")
    first = jeongsan("invoices", "balance", "--company", "C1")["balances"]
    assert first == [{
        "programme": "MAIDV-2025", "project": "P1", "company": "C1", "billed_krw": 7_314_394, "credited_krw": 0,
        "paid_krw": 5_814_785, "open_krw": 1_499_609, "unapplied_krw": 0, "balance_krw": 1_499_609,
        "books_krw": 1_499_609, "difference_krw": 0,
    }]  # fmt: skip
    jeongsan("payments", "import", worked.CASE / "payments-after-2025-12.csv", now=worked.CLOSE["2025-12"])
    assert {one["balance_krw"] for one in jeongsan("invoices", "balance")["balances"]} == {0}
    assert jeongsan("invoices", "list", "--open")["invoices"] == []


@worked.needs_case
def test_balance__is_the_books_after_any_payments_named_or_not(jeongsan, engine):
    worked.prepare(jeongsan, "2025-12")
    worked.run(jeongsan, "2025-12")
    chance = random.Random(6)
    with engine.connect() as connection:
        documents = [(one.document_id, one.project) for one in open_invoices(connection)]
        for number in range(60):
            document, project = chance.choice(documents)
            row = PaymentRow(
                line=number, paid_at=PAID_AT, channel="bank", account=f"receivable:company:{project}",
                amount_krw=chance.choice((1, 1_000, 166_538, 1_499_609, 5_000_000, -1, -500_000)),
                reference=f"T{number}",
                counterparty="C", document_id=chance.choice((None, document)),
            )  # fmt: skip
            assert book_payments(connection, [row], PAID_AT, source="test").booked == 1
            assert [one.difference_krw for one in company_balances(connection)] == [0, 0, 0]
        assert any(one.receivable.unapplied_krw for one in company_balances(connection))


# ---------------------------------------------------------------- credit notes


@pytest.fixture
def billed(world):
    """November: P2 is billed 3,393 self-pay, 1,357 VAT, 678 fee and its VAT of 67 for ten studies."""
    world.ingest(*work("w2", "L21", 10, project="P2"), now=CLOSE["2025-11"])
    world.run("2025-11")
    return world


def test_credit_note__a_void_in_a_later_month_gives_back_what_was_billed(billed, jeongsan):
    billed.ingest(void("v", "w2"), now=CLOSE["2025-12"])
    billed.run("2025-12")
    invoice, credit = jeongsan("invoices", "list", "--company", "C2")["invoices"]
    assert (invoice["number"], invoice["total_krw"], invoice["open_krw"]) == ("INV-OP-2025-000001", 5_495, 0)
    assert (credit["number"], credit["kind"], credit["total_krw"]) == ("CRN-OP-2026-000001", "credit_note", -5_495)
    shown = jeongsan("invoices", "show", "CRN-OP-2026-000001")
    assert by_kind(shown) == {"VAT": -1_357, "self_pay": -3_393, "fee": -745}
    assert [one["service_month"] for one in shown["items"] if one["correction"]] == ["2025-11", "2025-11"]


def test_credit_note__after_the_payment_is_credit_until_it_is_paid_back(billed, jeongsan):
    billed.pay("bank,receivable:company:P2,5495", now="2025-12-10T09:00:00+09:00")
    billed.ingest(void("v", "w2"), now=CLOSE["2025-12"])
    billed.run("2025-12")
    (balance,) = jeongsan("invoices", "balance", "--company", "C2")["balances"]
    assert (balance["open_krw"], balance["unapplied_krw"], balance["books_krw"]) == (0, 5_495, -5_495)
    billed.pay("bank,receivable:company:P2,-5495", now="2026-01-10T09:00:00+09:00")
    (balance,) = jeongsan("invoices", "balance", "--company", "C2")["balances"]
    assert (balance["unapplied_krw"], balance["books_krw"], balance["difference_krw"]) == (0, 0, 0)


def test_invoice__of_zero_shows_that_what_it_lists_cancels_out(billed, jeongsan):
    billed.ingest(void("v", "w2"), *work("w3", "L21", 10, "2025-12-10", project="P2"), now=CLOSE["2025-12"])
    billed.run("2025-12")
    shown = jeongsan("invoices", "show", "INV-OP-2026-000001")
    assert (shown["kind"], shown["total_krw"], len(shown["items"])) == ("invoice", 0, 4)


def test_invoice__a_project_without_figures_gets_none(billed, jeongsan):
    assert [one["project"] for one in jeongsan("invoices", "list")["invoices"]] == ["P2"]
    billed.run("2025-12")
    assert jeongsan("invoices", "list", "--month", "2025-12")["invoices"] == []


# ---------------------------------------------------------------- other programmes


def test_invoice__of_a_company_that_pays_its_suppliers_itself_has_no_supply(jeongsan):
    settled(jeongsan, "coresearch-2025")
    found = jeongsan("invoices", "list", "--programme", "SEOUL-CORESEARCH-2025")["invoices"]
    kinds = {item["kind"] for one in found for item in jeongsan("invoices", "show", one["number"])["items"]}
    assert kinds <= {"gpu", "storage", "fee"}
    assert all(one["difference_krw"] == 0 for one in jeongsan("invoices", "balance")["balances"])


# ---------------------------------------------------------------- as issued, for ever


def test_export__is_the_same_bytes_after_the_company_was_renamed(billed, jeongsan, registry_file, tmp_path):
    before = jeongsan("invoices", "export", "INV-OP-2025-000001", "--out", tmp_path / "a.xlsx")
    changed = registry_file(('name = "나래"', 'name = "나래바이오"'), ('name = "둘째병원"', 'name = "둘째의료원"'))
    jeongsan("load", changed, now="2025-12-20T09:00:00+09:00")
    after = jeongsan("invoices", "export", "INV-OP-2025-000001", "--out", tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert before["sha256"] == after["sha256"]
    shown = jeongsan("invoices", "show", "INV-OP-2025-000001")
    assert shown["recipient"]["name"] == "나래"
    assert "둘째병원" in shown["items"][0]["description"]


COPY = (
    "INSERT INTO document (programme, month, kind, issuer, year, number, recipient, project, correction, issued_on,"
    " supply_krw, vat_krw, parties, total_krw, due_on) SELECT programme, :month, :kind, issuer, year, :number,"
    " recipient, project, correction, issued_on, supply_krw, vat_krw, parties, :total, due_on FROM document"
    " WHERE kind = 'invoice'"
)
ITEMS = (
    "INSERT INTO document_item (document_id, position, kind, service_month, key, description, unit, supply_krw,"
    " vat_krw, own_krw, remark) SELECT id, 1, 'fee', month, '', '', '', supply_krw, vat_krw, supply_krw + vat_krw, ''"
    " FROM document WHERE number = 2 AND kind = 'invoice'"
)


# month, kind, number and total of a second document beside November's, and why it is refused.
REFUSED = [
    ("2025-12-01", "invoice", 2, 5_495, COPY, "the items sum to"),
    ("2025-12-01", "invoice", 2, 15_672, f"{COPY}; {ITEMS}", "the month booked 0"),
    ("2025-12-01", "invoice", 3, 5_495, COPY, "number 3 leaves a gap"),
    ("2025-12-01", "credit_note", 2, -1, COPY, "number 2 leaves a gap"),
    ("2025-11-01", "invoice", 2, 5_495, COPY, "uq_document_invoice_of_month"),
    ("2025-12-01", "invoice", 2, -1, COPY, "invoice_has_total_and_due_day"),
    ("2025-12-01", "credit_note", 1, 1, COPY, "invoice_has_total_and_due_day"),
    ("2025-12-01", "statement", 1, 1, COPY, "invoice_has_total_and_due_day"),
]


def test_database__refuses_an_invoice_that_is_not_what_was_booked(billed, engine):
    for month, kind, number, total, statements, said in REFUSED:
        with pytest.raises(DBAPIError, match=said):
            run(engine, statements, month=month, kind=kind, number=number, total=total)


def run(engine, statements, **values):
    with engine.begin() as connection:
        for statement in statements.split("; "):
            connection.execute(text(statement), values)


def test_database__refuses_a_payment_that_names_another_projects_invoice(billed, engine):
    with engine.connect() as connection:
        (invoice,) = open_invoices(connection)
        row = PaymentRow(
            line=1, paid_at=PAID_AT, channel="bank", account="receivable:company:P1", amount_krw=1, reference="T",
            counterparty="C", document_id=invoice.document_id,
        )  # fmt: skip
        with pytest.raises(DBAPIError, match="is not the receivable of the invoice that it names"):
            book_payments(connection, [row], PAID_AT, source="test")


def test_database__lets_nothing_be_added_to_an_issued_invoice_or_changed(billed, engine, owner):
    more = (
        "INSERT INTO document_item SELECT (jsonb_populate_record(document_item, jsonb_build_object('position',"
        " position + 90, 'own_krw', -own_krw, 'supply_krw', -supply_krw, 'vat_krw', -vat_krw))).* FROM document_item"
    )
    with pytest.raises(DBAPIError, match="complete when it is issued"), engine.begin() as connection:
        connection.execute(text(more))
    for change in ("UPDATE document_item SET own_krw = 0", "DELETE FROM document_item"):
        with pytest.raises(DBAPIError, match="permission denied"), engine.begin() as connection:
            connection.execute(text(change))
        with pytest.raises(DBAPIError, match="rows are never changed or deleted"), owner.begin() as connection:
            connection.execute(text(change))


# ---------------------------------------------------------------- lists


def test_dunning__lists_what_is_open_after_its_day_with_the_level_that_it_reached(billed, jeongsan):
    def levels(day):
        found = jeongsan("invoices", "dunning", "--at", day)["companies"]
        return [(one["company"], one["open_krw"], item["overdue_days"], item["level"])
                for one in found for item in one["invoices"]]  # fmt: skip

    assert levels("2025-12-26") == []  # the due day itself: 25 December is a holiday
    assert levels("2025-12-27") == [("C2", 5_495, 1, 1)]
    assert levels("2026-01-10") == [("C2", 5_495, 15, 2)]
    assert levels("2026-01-25") == [("C2", 5_495, 30, 3)]
    billed.pay("bank,receivable:company:P2,5000", now="2026-01-02T09:00:00+09:00")
    assert levels("2026-01-01") == [("C2", 5_495, 6, 1)]
    assert levels("2026-01-02") == [("C2", 495, 7, 1)]
    billed.pay("bank,receivable:company:P2,495", now="2026-01-03T09:00:00+09:00")
    assert levels("2026-01-25") == []


def test_list__shows_what_was_known_at_the_end_of_a_day(billed, jeongsan):
    billed.pay("bank,receivable:company:P2,495", now="2025-12-10T23:59:59+09:00")

    def open_at(day):
        return [one["open_krw"] for one in jeongsan("invoices", "list", "--open", "--at", day)["invoices"]]

    assert [open_at(day) for day in ("2025-12-02", "2025-12-03", "2025-12-09", "2025-12-10")] == [
        [], [5_495], [5_495], [5_000],
    ]  # fmt: skip


BAD = [
    (("show", "INV-OP-2025-000009"), "no such invoice"),
    (("show", "정산 제2025-0001호"), "an invoice number is written"),
    (("list", "--month", "2025-13"), "a month is written"),
    (("list", "--programme", "V99"), "V99"),
    (("dunning", "--at", "yesterday"), "yesterday"),
    (("export", "INV-OP-2025-000001", "--out", "/nowhere/x.xlsx"), "cannot be written"),
]


def test_invoices__bad_input_is_answered_with_what_to_do(billed, jeongsan):
    for arguments, said in BAD:
        assert said in jeongsan("invoices", *arguments, exit_code=2)["messages"][0]

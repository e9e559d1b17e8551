"""What a bank row settles: a reference books what is open and no more; all else is a person's to confirm."""

from datetime import UTC, date, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bank_match import Earlier, Movement, Part, Target, called, decide, is_called, reference_key

NUMBERS = count(1)
INVOICE = "INV-OP-2025-000012"


def row(amount_krw, memo="", counterparty="", day=4):
    number = next(NUMBERS)
    return Movement(
        id=number, line=number, digest=f"{number:08d}", at=datetime(2025, 12, day, tzinfo=UTC), amount_krw=amount_krw,
        memo=memo, counterparty=counterparty,
    )  # fmt: skip


def invoice(open_krw=1_000, number=INVOICE, document_id=12, names=("C2", "주식회사 나래")):
    return Target(
        programme="V25", account="receivable:company:P2", label=number, open_krw=open_krw, incoming=True,
        keys=(number,), names=frozenset(names), document_id=document_id,
    )  # fmt: skip


def deposit(project, open_krw=1_000):
    return Target(
        programme="V25", account=f"deposit:{project}", label=f"DEP-{project}", open_krw=open_krw, incoming=True,
        keys=(f"DEP-{project}",), names=frozenset({"㈜가온데이터"}),
    )  # fmt: skip


def only(movement, *targets, earlier=()):
    (decision,) = decide([movement], targets, earlier)
    return decision


@pytest.mark.parametrize(
    "memo",
    [
        INVOICE, INVOICE.lower(), "INV OP 2025 000012", "ＩＮＶ－ＯＰ－２０２５－０００012",
        "11월분 INV-OP-2025-000012 납부",
        "INVOP2025000012", "INV_OP.2025/000012", "납부INV-OP-2025-000012번", "INV-OP-2025-\t0000 12",
    ],
)  # fmt: skip
def test_reference__stands_anywhere_however_it_is_written(memo):
    for movement in (row(1_000, memo), row(1_000, "", memo)):
        decision = only(movement, invoice(), invoice(open_krw=1_000, number="INV-OP-2025-000013", document_id=13))
        part = Part(programme="V25", account="receivable:company:P2", amount_krw=1_000, document_id=12)
        assert (decision.state, decision.parts) == ("booked", (part,))


@pytest.mark.parametrize(
    "memo",
    ["INV-OP-2025-0000123", "XINV-OP-2025-000012", "INV-OP-2025-00012", "INV-OP-2026-000012", "OP-2025-000012", "12"],
)
def test_reference__another_number_is_none(memo):
    assert only(row(999, memo), invoice()).state == "unmatched"


@pytest.mark.parametrize(
    ("amount_krw", "open_krw", "state"),
    [(1_000, 1_000, "booked"), (999, 1_000, "partial"), (1_001, 1_000, "over"), (1_000, 0, "double"), (1, 0, "double")],
)
def test_reference__books_what_is_open_and_no_more(amount_krw, open_krw, state):
    decision = only(row(amount_krw, INVOICE), invoice(open_krw))
    booked = state in ("booked", "partial")
    assert (decision.state, sum(part.amount_krw for part in decision.parts)) == (state, amount_krw if booked else 0)
    assert [one.why for one in decision.candidates] == [] if booked else ["reference"]


def test_reference__the_second_payment_of_an_invoice_in_one_export_is_double():
    states = [one.state for one in decide([row(600, INVOICE), row(400, INVOICE), row(5, INVOICE)], [invoice()], [])]
    assert states == ["partial", "booked", "double"]


def test_reference__money_going_out_pays_no_invoice():
    assert only(row(-1_000, INVOICE), invoice()).state == "unmatched"


def test_reference__several_that_sum_to_the_row_are_one_proposal_with_its_parts():
    second = invoice(open_krw=250, number="INV-OP-2025-000013", document_id=13)
    decision = only(row(1_250, f"{INVOICE}, INV-OP-2025-000013"), invoice(), second)
    (candidate,) = decision.candidates
    assert (decision.state, [part.amount_krw for part in candidate.parts]) == ("proposed", [1_000, 250])
    other = only(row(1_300, f"{INVOICE}, INV-OP-2025-000013"), invoice(), second)
    assert (other.state, len(other.candidates)) == ("proposed", 2)


def test_reference__one_of_two_issuers_that_read_alike_is_a_persons_choice():
    twins = invoice(number="INV-O-P-2025-000012", document_id=1), invoice(number="INV-OP-2025-000012", document_id=2)
    assert only(row(1_000, INVOICE), *twins).state == "proposed"


def test_cut_off__an_invoice_number_is_proposed_where_the_amount_is_exact_and_never_booked():
    others = [invoice(number=f"INV-OP-2025-0000{number}", document_id=number, open_krw=7) for number in range(10, 20)]
    exact = invoice(number="INV-OP-2025-000019", document_id=99, open_krw=1_000)
    decision = only(row(1_000, "납부 INV-OP-2025-0000"), *others, exact)
    assert (decision.state, [one.label for one in decision.candidates]) == ("proposed", [exact.label])
    assert only(row(1_001, "납부 INV-OP-2025-0000"), *others, exact).state == "unmatched"


def test_cut_off__a_code_that_a_longer_one_begins_with_books_only_the_exact_amount():
    targets = deposit("P1", 1_000), deposit("P11", 2_000)
    assert only(row(1_000, "DEP-P1"), *targets).parts[0].account == "deposit:P1"
    assert [one.label for one in only(row(500, "DEP-P1"), *targets).candidates] == ["DEP-P1", "DEP-P11"]
    assert only(row(500, "DEP-P1 선납"), *targets).parts[0].account == "deposit:P1"
    assert only(row(500, "DEP-P11"), *targets).parts[0].account == "deposit:P11"


@pytest.mark.parametrize(
    ("text", "name"),
    [("㈜나래", "주식회사 나래"), ("나 래", "나래(주)"), ("（주）나래", "나래"), ("c2", "C2"),
     ("123-45-67890", "1234567890"),
     ("의료법인한빛의료", "의료법인 한빛의료재단"), ("STRIPE PAYMENTS", "Stripe")],
)  # fmt: skip
def test_name__is_known_in_its_other_writings(text, name):
    assert is_called(text, frozenset({name}))


@pytest.mark.parametrize(("text", "name"), [("나래", "나래데이터"), ("", "나래"), ("(주)", "㈜"), ("가온", "나래")])
def test_name__another_one_is_not(text, name):
    assert not is_called(text, frozenset({name}))


def test_name__with_the_exact_amount_is_proposed_never_booked():
    decision = only(row(1_000, "이체", "(주)나래"), invoice())
    assert (decision.state, decision.parts, [one.why for one in decision.candidates]) == ("proposed", (), ["name"])
    assert only(row(999, "이체", "(주)나래"), invoice()).state == "unmatched"


def test_name__several_candidates_are_all_listed():
    second = invoice(number="INV-OP-2025-000013", document_id=13)
    assert [one.label for one in only(row(1_000, "", "나래"), invoice(), second).candidates] == [
        INVOICE, "INV-OP-2025-000013",
    ]  # fmt: skip


def test_earlier__a_payment_of_that_day_and_amount_makes_a_row_a_possible_double():
    paid = Earlier(
        payment_id=7, account="receivable:company:P2", reference="R-7", day=date(2025, 12, 4), amount_krw=1_000
    )
    for movement in (row(1_000, INVOICE), row(1_000, "", "모름")):
        decision = only(movement, invoice(), earlier=[paid])
        assert (decision.state, decision.candidates[0].payment_id, decision.parts) == ("double", 7, ())
    assert only(row(1_000, INVOICE, day=5), invoice(), earlier=[paid]).state == "booked"
    assert only(row(1_000, "DEP-P1"), deposit("P1"), earlier=[paid]).state == "booked"


@given(st.text(max_size=60), st.integers(-5_000, 5_000).filter(bool))
def test_any_text__books_nothing_but_what_it_names(text, amount_krw):
    decision = only(row(amount_krw, text, text[::-1]), invoice(), deposit("P1"))
    for part in decision.parts:
        key = {"receivable:company:P2": INVOICE, "deposit:P1": "DEP-P1"}[part.account]
        assert reference_key(key) in reference_key(text) or reference_key(key) in reference_key(text[::-1])


@given(st.lists(st.tuples(st.integers(1, 1_500), st.sampled_from([INVOICE, "DEP-P1", "x"])), max_size=8))
def test_any_rows__never_book_more_than_is_open(rows):
    decisions = decide([row(krw, memo) for krw, memo in rows], [invoice(), deposit("P1", 700)], [])
    booked = {"receivable:company:P2": 0, "deposit:P1": 0}
    for part in (part for one in decisions for part in one.parts):
        booked[part.account] += part.amount_krw
    assert booked["receivable:company:P2"] <= 1_000
    assert booked["deposit:P1"] <= 700
    assert len(decisions) == len(rows)


def test_called__legal_forms_alone_are_no_name():
    assert called("주식회사 (주) ㈜") == ""

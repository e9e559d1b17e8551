"""Payees' accounts and payment orders of the audit's clean books, and the faults that are planted in them."""

from tests.audited import CLOSE, Books
from tests.paying import PDF

BEFORE = "2025-10-02T09:00:00+09:00"
HOLDERS = {
    "H1": ("첫째병원", "110-222-333441"),
    "H2": ("둘째재단", "110-222-333442"),
    "OP": ("운영기관", "110-222-333443"),
}


def with_accounts(books: Books) -> None:
    """An approved account of everybody who is paid."""
    for name in ("finance-1", "finance-2"):
        books.call("user", "add", name, "--role", "finance", now=BEFORE)
    evidence = books.folder / "bankbook.pdf"
    evidence.write_bytes(PDF)
    for party, (holder, number) in HOLDERS.items():
        books.call("payees", "add", party, "--bank-code", "088", "--bank", "하나둘은행", "--number", number, "--holder",
                   holder, "--evidence", evidence, "--by", "finance-1", now=BEFORE)  # fmt: skip
        books.call("payees", "approve", f"{party}/1", "--by", "finance-2", now=BEFORE)


def order(books: Books, month: str) -> None:
    """The month's payment order, made at its close."""
    books.call("payouts", "order", month, "--programme", "AUD", "--by", "finance-1", now=CLOSE[month])


LATE = (
    "INSERT INTO payee_account SELECT party, 2, bank_code, bank, '110-999-888777', holder, effective_from, reason,"
    " evidence_name, evidence, evidence_sha256, requested_by, requested_at FROM payee_account WHERE party = 'H1'",
    "INSERT INTO payee_account_decision VALUES ('H1', 2, 'approved', '', 'finance-2', '2026-01-20T00:00:00Z')",
    "UPDATE payment_order_row SET account_version = 2, account_number = '110-999-888777' WHERE month = '2025-12-01'"
    " AND account = 'payable:hospital:H1:P1'",
)

# (level, check), what is planted, a reference that must be among those of the finding.
PLANTED = [
    ("ERROR", "payment order differs from the books", ["UPDATE payment_order_row SET amount_krw = amount_krw + 1"
     " WHERE month = '2025-11-01' AND payer = 'agency' AND account = 'payable:hospital:H1:P1'"],
     "balance:payable:hospital:H1:P1@2025-11"),
    ("ERROR", "payment order differs from the books", ["DELETE FROM payment_order_row WHERE month = '2025-12-01'"
     " AND account = 'payable:operator'"], "balance:payable:operator@2025-12"),
    ("ERROR", "payment ordered to an account not approved", ["UPDATE payment_order_row SET"
     " account_number = '999-999-999999' WHERE month = '2025-11-01' AND account = 'payable:hospital:H1:P1'"],
     "balance:payable:hospital:H1:P1@2025-11"),
    ("ERROR", "payment ordered to an account not approved", ["DELETE FROM payee_account_decision WHERE party = 'H1'"],
     "balance:payable:hospital:H1:P1@2025-12"),
    ("ERROR", "account approved by the one who asked for it", ["UPDATE payee_account_decision SET"
     " decided_by = 'finance-1' WHERE party = 'H1'"], "registry:party/H1"),
    ("WARN", "account changed shortly before the payout", LATE, "balance:payable:hospital:H1:P1@2025-12"),
    ("WARN", "account holder is not the payee", ["UPDATE payment_order_row SET holder = '모르는 신탁' WHERE"
     " month = '2025-11-01' AND account = 'payable:hospital:H1:P1'"], "balance:payable:hospital:H1:P1@2025-11"),
    ("ERROR", "payment beyond what was ordered", ["DELETE FROM payment_order_row WHERE payer = 'agency' AND"
     " month = '2025-11-01' AND party = 'H1'"], "balance:payable:hospital:H1:P1"),
    ("ERROR", "payment beyond what was ordered", ["DELETE FROM payment_order_row WHERE account ="
     " 'payable:incentive:H2'"], "balance:payable:incentive:H2"),
    ("ERROR", "payment to another than ordered", ["UPDATE payment SET counterparty = '둘째병원' WHERE"
     " account = 'payable:hospital:H2:P2' AND channel = 'bank'"], "entry:AUD/"),
    ("ERROR", "payment to another than ordered", ["UPDATE payment SET counterparty = '108-89-33528' WHERE"
     " account = 'payable:operator'"], "entry:AUD/"),
]  # fmt: skip

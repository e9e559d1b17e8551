"""A hospital's claim of the audit's clean books, and the faults that are planted in it."""

from tests.audited import CLOSE, Books
from tests.paying import PDF

BEFORE = "2025-10-02T09:00:00+09:00"
NUMBER = "CLM-H1-2025-000001"


def claim(books: Books, month: str) -> None:
    """The first hospital's claim of a month, with its evidence, approved at its close; finance-1 is there already."""
    books.call("user", "add", "h1-1", "--role", "hospital", "--party", "H1", now=BEFORE)
    evidence = books.folder / "acceptance.pdf"
    evidence.write_bytes(PDF)
    books.call("claims", "draft", month, "--programme", "AUD", "--hospital", "H1", "--by", "h1-1", now=CLOSE[month])
    books.call("claims", "evidence", "add", NUMBER, evidence, "--by", "h1-1", now=CLOSE[month])
    books.call("claims", "submit", NUMBER, "--by", "h1-1", now=CLOSE[month])
    answer = books.call("claims", "approve", NUMBER, "--by", "finance-1", now=CLOSE[month])
    assert answer == {"number": NUMBER, "state": "approved", "refused": {}}


# A price book that was loaded after the approval and would have priced the work otherwise.
DEARER = (
    "INSERT INTO price_book VALUES ('H1-2', 'H1', '2025-10-05')",
    "INSERT INTO loaded_object VALUES ('price_book', 'H1-2', '{}', '2026-01-09T00:00:00Z')",
    "UPDATE rate SET valid = daterange('2025-09-01', '2025-10-05') WHERE price_book = 'H1-1'",
    'INSERT INTO rate SELECT (jsonb_populate_record(rate, \'{"id": 999, "price_book": "H1-2",'
    ' "valid": "[2025-10-05,)", "unit_price_krw": 20000}\')).* FROM rate WHERE price_book = \'H1-1\'',
)
TWICE = (
    'INSERT INTO claim SELECT (jsonb_populate_record(claim, \'{"id": 99, "number": 99}\')).* FROM claim',
    'INSERT INTO claim_line SELECT (jsonb_populate_record(claim_line, \'{"id": 99, "claim_id": 99,'
    ' "live": false}\')).* FROM claim_line',
)

# (level, check), what is planted, a reference that must be among those of the finding.
PLANTED = [
    ("ERROR", "claim differs from the acceptance", ["UPDATE claim_line SET quantity_milli = quantity_milli + 1000"],
     f"claim:{NUMBER}"),
    ("ERROR", "claim differs from the acceptance", ["UPDATE claim_line SET supply_krw = supply_krw + 1"],
     f"claim:{NUMBER}"),
    ("WARN", "claim differs from the acceptance", DEARER, f"claim:{NUMBER}"),
    ("ERROR", "claim differs from its charges", ["UPDATE charge SET unit_price_krw = unit_price_krw + 1"
     " WHERE key = 'L11/w11-2025-10'"], "charge:2025-10/P1/2025-10/preparation/L11/w11-2025-10"),
    ("ERROR", "claim differs from its charges", ["UPDATE charge SET vat_krw = vat_krw - 1"
     " WHERE key = 'L11/w11-2025-10'"], "charge:2025-10/P1/2025-10/preparation/L11/w11-2025-10"),
    ("WARN", "refused claim settled", ["UPDATE claim_line_decision SET decision = 'refused', reason = 'x'",
     "UPDATE claim_line SET live = false"], f"claim:{NUMBER}"),
    ("ERROR", "same work in two claims", TWICE, "claim:CLM-H1-2025-000099"),
    ("ERROR", "claim paid without its payment", ["UPDATE posting SET amount_krw = amount_krw - 1 FROM entry, account"
     " WHERE entry.id = entry_id AND account.id = account_id AND memo = 'agency pays H1 P1'"
     " AND code = 'payable:hospital:H1:P1'"], f"claim:{NUMBER}"),
    ("ERROR", "claim evidence rewritten", ["ALTER TABLE claim_evidence DROP CONSTRAINT ck_claim_evidence_hash",
     "UPDATE claim_evidence SET content = content || '\\x00'"], f"claim:{NUMBER}"),
]  # fmt: skip

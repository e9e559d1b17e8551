"""The auditors' checks on clean books: silent as they are, and each finds the fault that is planted in it.

What the commands refuse is planted as the tables' owner with the guards switched off, and rolled back.
"""

import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import owner_engine
from core.month import Month
from reports.audit import CHECKS, audit
from reports.audit_names import CHECK_NAMES
from tests import planted_claims, planted_payouts
from tests.audited import CLEAN, CLOSE, MONTHS, NOW, Books, filled, own_database, work
from tests.events import deleted, event, gpu, snapshot
from tests.integration.test_audit_made import MADE
from tests.integration.test_evidence import EXPORTED, KEPT, REVIVED

DOCUMENTED = Path(__file__).parents[2] / "docs" / "audit.md"
SUPPLIERS = {"L11": ("H1", "P1"), "L12": ("H2", "P1"), "L21": ("H2", "P2")}


def fill(books: Books) -> None:
    """Every hospital works every month, everything is paid, results leave and data is deleted."""
    books.load(CLEAN)
    planted_payouts.with_accounts(books)
    books.pay(("bank", "deposit:P1", 3_060_000, "C1"), day="2025-10-02")
    for month in MONTHS:
        books.ingest(
            *work(f"w11-{month}", "L11", 340, f"{month}-10"), *work(f"w12-{month}", "L12", 340, f"{month}-11"),
            *work(f"w21-{month}", "L21", 360, f"{month}-12", "P2"),
            gpu(f"g-{month}", f"{month}-13T00:00:00Z", f"{month}-13T01:00:00Z", project="P2"), now=CLOSE[month],
        )  # fmt: skip
        if month == "2025-12":
            books.ingest(
                snapshot("s", "2025-12-05T00:00:00Z", 10, zone="analysis"), deleted("d", "2025-12-15T00:00:00Z"),
                event("result.exported", "m", project="P1", at="2025-12-16T00:00:00Z", kind="model", digest="sha256:m"),
                now=CLOSE[month],
            )  # fmt: skip
        if month == "2025-10":
            planted_claims.claim(books, month)
        shown = books.settle(month)
        planted_payouts.order(books, month)
        books.pay_dues(month, shown, SUPPLIERS)


@pytest.fixture(scope="module")
def clean(server, admin, template, tmp_path_factory):
    """Settings of the clean books."""
    with own_database(server, admin, template, f"audit_{os.getpid()}") as settings:
        filled(settings, tmp_path_factory.mktemp("clean"), fill)
        yield settings


@pytest.fixture
def planted(clean):
    """Plants faults past the guards: planted(sql, …, month=…) → {(level, check): references}, all rolled back."""
    with owner_engine(clean).connect() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))

        def plant(*statements, month=None) -> dict:
            for statement in statements:
                assert connection.exec_driver_sql(statement).rowcount, statement
            found: dict[tuple[str, str], list[str]] = {}
            for one in audit(connection, "AUD", month, datetime.fromisoformat(NOW)):
                found.setdefault((one.level, one.check), []).extend(one.refs)
            return found

        yield plant
        connection.rollback()


def test_audit__clean_books_have_no_finding(clean, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", clean.database_url)
    assert Books(tmp_path).call("audit", now=NOW) == {"ok": True, "findings": []}
    assert Books(tmp_path).call("audit", "--month", "2025-11", "--programme", "AUD", now=NOW)["ok"]


FOREIGN = (
    'INSERT INTO programme SELECT (jsonb_populate_record(programme, \'{"code": "OTHER"}\')).* FROM programme',
    'INSERT INTO project SELECT (jsonb_populate_record(project, \'{"code": "Q1", "programme": "OTHER"}\')).*'
    " FROM project WHERE code = 'P1'",
    'INSERT INTO charge SELECT (jsonb_populate_record(charge, \'{"id": 99, "programme": "OTHER",'
    ' "project": "Q1", "key": "L91/x", "line": "L91", "line_key": "work/9/L91", "work_seq": 9, "accept_seq": 9}\')).*'
    " FROM charge WHERE key = 'L11/w11-2025-10'",
)
W11 = "charge:2025-10/P1/2025-10/preparation/L11/w11-2025-10"
W12 = "charge:2025-10/P1/2025-10/preparation/L12/w12-2025-10"
W21 = "charge:2025-10/P2/2025-10/preparation/L21/w21-2025-10"

# C2's first payment as it would stand in suspense: in the books, then as a bank row that was put there.
IN_SUSPENSE = [
    "INSERT INTO account (programme, code) VALUES ('AUD', 'suspense:bank')",
    "UPDATE posting SET account_id = (SELECT id FROM account WHERE code = 'suspense:bank') WHERE (entry_id, account_id)"
    " = (SELECT min(entry_id), account_id FROM posting JOIN entry ON entry.id = entry_id JOIN account ON account.id ="
    " account_id WHERE code = 'receivable:company:P2' AND kind = 'payment' GROUP BY account_id)",
    "INSERT INTO bank_row (id, statement_id, line, digest, account, at, amount_krw, memo, counterparty, number, raw)"
    " SELECT 1, 1, 1, '', '', paid_at, amount_krw, '', counterparty, '', '[]' FROM payment"
    " WHERE account = 'receivable:company:P2' ORDER BY paid_at LIMIT 1",
    "INSERT INTO bank_match (id, row_id, number, state, candidates, reason, decided_by, decided_at)"
    " VALUES (1, 1, 1, 'suspense', '[]', 'x', 'x', now())",
    "INSERT INTO bank_part SELECT 1, id FROM payment WHERE account = 'receivable:company:P2' ORDER BY paid_at LIMIT 1",
]

# (level, check), what is planted, a reference that must be among those of the finding.
PLANTED = [
    ("ERROR", "VAT inside the grant", ["UPDATE line_settlement SET total_voucher_krw = total_voucher_krw + 340000"
     " WHERE line = 'L11' AND month = '2025-12-01'"], "line:2025-12/L11"),
    ("ERROR", "VAT inside the grant", ["UPDATE posting SET amount_krw = amount_krw + 340000 FROM entry, account"
     " WHERE entry.id = entry_id AND account.id = account_id AND reference = 'run:2025-11:settle:L11'"
     " AND code = 'budget:executed:P1'"], "line:2025-11/L11"),
    ("ERROR", "spending before the deposit", ["UPDATE agreement SET deposit_krw = deposit_krw + 1 WHERE code = 'A1'"],
     "line:2025-10/L11"),
    ("ERROR", "line limit exceeded", ["UPDATE line_limit SET grant_limit_krw = 8000000 FROM agreement_line"
     " WHERE agreement_line.id = line AND code = 'L11'"], "line:2025-12/L11"),
    ("ERROR", "project grant exceeded", ["UPDATE project SET grant_krw = 19999999 WHERE code = 'P1'"],
     "registry:project/P1"),
    ("ERROR", "tier grant cap exceeded", ["UPDATE tier SET grant_cap_krw = 19999999 WHERE code = 'large'"],
     "registry:project/P1"),
    ("ERROR", "price cap exceeded", ["UPDATE tier SET price_cap_krw = 10799999 WHERE code = 'capped'"],
     "line:2025-12/L21"),
    ("ERROR", "appropriation exceeded", ["UPDATE programme SET appropriation_krw = 29999999"],
     "budget:2025-10/current"),
    ("ERROR", "category overrun", ["UPDATE category SET voucher = false WHERE code = 'analysis'"], "line:2025-10/L12"),
    ("ERROR", "work outside the agreement", ["UPDATE charge SET performed_on = '2025-09-30'"
     " WHERE key = 'L11/w11-2025-10'"], W11),
    ("ERROR", "work outside the agreement", ["UPDATE agreement SET starts = '2025-11-01' WHERE code = 'A2'"],
     "charge:2025-10/P2/2025-10/gpu/*"),
    ("ERROR", "work outside its permit", ["UPDATE permit SET approved_on = '2025-10-11' WHERE code = 'DRB-1'"], W11),
    ("ERROR", "work outside its permit", ["UPDATE permit SET hospital = 'H1' WHERE code = 'IRB-2'"], W21),
    ("ERROR", "same work claimed twice", ["UPDATE charge SET accept_seq = (SELECT accept_seq FROM charge WHERE"
     " key = 'L11/w11-2025-10') WHERE key = 'L12/w12-2025-10'"], W12),
    ("WARN", "same work claimed twice", FOREIGN, "charge:2025-10/Q1/2025-10/preparation/L91/x"),
    ("ERROR", "charge differs from the acceptance", ["UPDATE charge SET quantity_base = quantity_base + 1000"
     " WHERE key = 'L11/w11-2025-10'"], W11),
    ("ERROR", "document differs from its charges", ["UPDATE document SET vat_krw = vat_krw + 1"
     " WHERE kind = 'tax_invoice' AND issuer = 'H1' AND month = '2025-10-01'"], W11),
    ("ERROR", "document differs from its charges", ["DELETE FROM document_charge USING charge"
     " WHERE charge.id = charge_id AND key = 'L11/w11-2025-10'"], W11),
    ("ERROR", "invoice differs from the receivable", ["UPDATE document_item SET own_krw = own_krw + 1"
     " WHERE kind = 'self_pay' AND line = 'L21'"], "balance:receivable:company:P2@2025-10"),
    ("ERROR", "invoice differs from the receivable", ["UPDATE document SET total_krw = total_krw - 1"
     " WHERE kind = 'invoice' AND project = 'P1'"], "balance:receivable:company:P1@2025-10"),
    ("ERROR", "invoice differs from the receivable", ["DELETE FROM document WHERE kind = 'invoice' AND project = 'P1'"],
     "balance:receivable:company:P1@2025-10"),
    ("ERROR", "modified tax document without its original", ["UPDATE tax_document SET role = 'change', reason = '02',"
     " original_id = 0 FROM document WHERE document.id = document_id AND issuer = 'H1' AND month = '2025-10-01'"], W11),
    ("ERROR", "modified tax document without its original", ["DELETE FROM tax_document USING document"
     " WHERE document.id = document_id AND issuer = 'H1' AND month = '2025-10-01'"], W11),
    ("WARN", "tax document not numbered in time", ["INSERT INTO tax_file (programme, month, name, sha256, content,"
     " exported_at) VALUES ('AUD', '2025-10-01', 'x.xlsx', '', '', '2025-11-04')"], W11),
    ("ERROR", "payment differs from the settlement", ["UPDATE posting SET amount_krw = amount_krw + 340000 FROM entry,"
     " account WHERE entry.id = entry_id AND account.id = account_id AND memo = 'agency pays H1 P1'"
     " AND code = 'payable:hospital:H1:P1'", "UPDATE posting SET amount_krw = amount_krw - 340000 FROM entry, account"
     " WHERE entry.id = entry_id AND account.id = account_id AND memo = 'agency pays H1 P1'"
     " AND code = 'receivable:agency'"], "balance:payable:hospital:H1:P1@2025-12"),
    ("ERROR", "payee is no party to the agreement", ["UPDATE line_settlement SET supplier = 'H2'"
     " WHERE line = 'L11' AND month = '2025-12-01'"], "line:2025-12/L11"),
    ("ERROR", "suspense differs from its rows", IN_SUSPENSE[:2], "balance:suspense:bank@2025-11"),
    ("WARN", "suspense older than 30 days", IN_SUSPENSE, "entry:AUD/"),
    ("ERROR", "G below its target", ["UPDATE line_settlement SET total_voucher_krw = total_voucher_krw - 1"
     " WHERE line = 'L11' AND month = '2025-12-01'"], "line:2025-12/L11"),
    ("WARN", "project below its tier's rule", ["UPDATE line_limit SET grant_limit_krw = 0 FROM agreement_line"
     " WHERE agreement_line.id = line AND code = 'L12'"], "registry:project/P1"),
    ("WARN", "more projects than slots", ["UPDATE tier SET slots = 0 WHERE code = 'large'"], "registry:project/P1"),
    ("ERROR", "missing evidence", ["DELETE FROM event WHERE event_id = 'a-w11-2025-10'"], W11),
    ("WARN", "missing evidence", ["UPDATE agreement_version SET evidence_reference = NULL WHERE kind = 'amended'"],
     "registry:agreement/A2/2025-11-03"),
    ("ERROR", "closed month rewritten", ["UPDATE entry SET memo = memo || '!' WHERE reference = 'run:2025-11:pool'"],
     "entry:AUD/"),
    ("ERROR", "closed month rewritten", ["UPDATE posting SET amount_krw = amount_krw + 1 FROM entry WHERE"
     " entry.id = entry_id AND reference = 'run:2025-11:pool'"], "entry:AUD/"),
    ("ERROR", "closed month rewritten", ["DELETE FROM entry WHERE reference = 'run:2025-11:settle:L12'"], "entry:AUD/"),
    ("ERROR", "closed month rewritten", ["UPDATE month_lock SET last_number = last_number - 1"
     " WHERE month = '2025-11-01'"], "entry:AUD/"),
    ("ERROR", "closed month rewritten", ["UPDATE charge SET amount_krw = amount_krw + 1, vat_krw = vat_krw + 1"
     " WHERE key = 'L11/w11-2025-10'"], "line:2025-10/L11"),
    ("ERROR", "closed month rewritten", ["UPDATE line_settlement SET held_krw = 1 WHERE line = 'L11'"], "tie:2025-10"),
    ("ERROR", "closed month rewritten", ["UPDATE published_file SET content = content || '\\x00'"], "tie:2025-12"),
    *planted_claims.PLANTED,
    *planted_payouts.PLANTED,
]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "check", "statements", "reference"),
    [pytest.param(*one, id=f"{number}-{one[1]}") for number, one in enumerate(PLANTED)],
)
def test_audit__finds_what_is_planted(planted, level, check, statements, reference):
    refs = planted(*statements)[level, check]
    assert any(one.startswith(reference) for one in refs), refs


def test_audit__of_a_month_finds_what_was_there_then_only(planted):
    late = "UPDATE published_file SET content = content || '\\x00' WHERE month = '2025-12-01'"
    assert planted(late, month=Month(2025, 11)) == {}
    assert [check for _, check in planted(late, month=Month(2025, 12))] == ["closed month rewritten"]


def test_audit__every_check_has_a_fault_that_it_is_shown_to_find():
    shown = {(level, check) for level, check, *_ in [*PLANTED, *MADE]}
    shown |= {("ERROR", check) for check in (EXPORTED, REVIVED, KEPT)}
    assert shown == {(check.level, check.name) for check in CHECKS}


def test_audit__every_check_is_documented():
    rows = re.findall(r"^\| `([^`]+)` (.+) \| (ERROR|WARN) \|", DOCUMENTED.read_text(), re.M)
    assert [(level, name) for name, _, level in rows] == [(check.level, check.name) for check in CHECKS]
    assert {name: korean for name, korean, _ in rows} == CHECK_NAMES

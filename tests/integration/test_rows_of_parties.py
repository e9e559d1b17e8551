"""A party's request sees its own rows only: of statements, payment orders, tax documents and what Stripe said."""

import pytest
from sqlalchemy import text

from tests.driven import work
from tests.integration.test_payouts import order
from tests.paying import approved, with_people

STAFFS = (
    "published_file",
    "statement_version",
    "stripe_movement",
    "stripe_payout",
    "stripe_payout_item",
    "stripe_poll",
)
TAXES = ("tax_document", "tax_file_document", "tax_approval", "tax_reason")
TABLES = (*STAFFS, *TAXES, "payment_order", "payment_order_row")
STRIPE = """
INSERT INTO stripe_movement VALUES ('txn_1', 'charge', 'ch_1', 1000, 30, now());
INSERT INTO stripe_payout VALUES ('po_1', 970, 'paid', true, current_date, now());
INSERT INTO stripe_payout_item VALUES ('txn_1', 'po_1');
INSERT INTO stripe_poll (polled_at) VALUES (now());
"""
TAX = """
INSERT INTO tax_file (programme, month, name, sha256, content, exported_at)
  VALUES ('V25', '2025-11-01', 'x.xlsx', 'x', 'x', now());
INSERT INTO tax_file_document (document_id, file_id, row)
  SELECT document_id, (SELECT max(id) FROM tax_file), document_id FROM tax_document;
INSERT INTO tax_approval
  SELECT document_id, lpad(document_id::text, 24, '0'), current_date, now() FROM tax_document;
"""

OWN = "SELECT count(*) FROM document JOIN tax_document ON document_id = id WHERE :party IN (issuer, recipient)"


@pytest.fixture
def ordered(world, loaded, jeongsan, tmp_path, engine):
    """November of the small programme with work of H1 and H2 for P1, its payments ordered, its documents numbered."""
    with_people(jeongsan)
    approved(jeongsan, tmp_path, "H1", "첫째병원")
    world.pay("bank,deposit:P1,10000000", now="2025-11-03T09:00:00+09:00")
    world.ingest(*work("w1", "L11", 100), *work("w2", "L12", 200), now="2025-12-01T00:00:00Z")
    world.run("2025-11")
    order(jeongsan, "2025-11", programme="V25", now="2025-12-10T09:00:00+09:00")
    with engine.begin() as connection:
        for sql in (STRIPE + TAX).strip().split(";")[:-1]:
            connection.execute(text(sql))
    return engine


def counts(engine, party=""):
    """Rows by table, as a request of the party sees them; of nobody: as the staff do."""
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('jeongsan.party', :party, true)"), {"party": party})
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}  # noqa: S608


def test_rows__of_statements_orders_tax_and_stripe_are_no_other_partys(ordered):
    every = counts(ordered)
    assert all(every[name] for name in TABLES if name != "tax_reason")
    with ordered.connect() as connection:
        documents = {party: connection.scalar(text(OWN), {"party": party}) for party in ("H1", "C2")}
        rows = connection.scalar(text("SELECT count(*) FROM payment_order_row WHERE party = 'H1'"))
    assert 0 < documents["H1"] < every["tax_document"]
    for party, own, orders in (("H1", rows, 1), ("C2", 0, 0)):
        taxes = dict.fromkeys(TAXES, documents[party]) | {"tax_reason": 0}
        expected = {**dict.fromkeys(STAFFS, 0), **taxes, "payment_order": orders, "payment_order_row": own}
        assert counts(ordered, party) == expected

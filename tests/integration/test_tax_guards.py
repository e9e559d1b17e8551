"""What must never happen to tax documents, refused by the database itself."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.filing import november, tax_world


@pytest.fixture
def world(jeongsan, registry_file, engine, tmp_path):
    """P2 of the small programme with taxable, exempt and zero-rated supply."""
    return tax_world(jeongsan, registry_file, engine, tmp_path)


FACE = (
    "INSERT INTO tax_document (document_id, tax, role, original_id, reason, items)"
    " SELECT max(document.id), {tax}, {role}, {original}, {reason}, '[{item}]' FROM document"
)
DOCUMENT = (
    "INSERT INTO document (programme, month, kind, issuer, year, number, recipient, project, correction, issued_on,"
    " supply_krw, vat_krw, parties) VALUES ('V25', '2025-12-01', '{kind}', 'H2', 2025, 99, 'C2', 'P2', true,"
    " '2025-12-31', {krw}, {vat}, '{{}}')"
)
CHARGES = "INSERT INTO document_charge SELECT (SELECT max(id) FROM document), id FROM charge WHERE key IN ({keys})"
W1 = {"kind": "tax_invoice", "krw": 5_428, "vat": 542, "keys": "'L21/w1'", "tax": "'taxable'", "role": "'ordinary'",
      "original": "NULL", "reason": "NULL"}  # fmt: skip
W1_CANCELLED = {"role": "'cancel'", "reason": "'01'", "krw": -5_428, "vat": -542}
CHANGE = {"role": "'change'", "reason": "'02'"}
SAME = "(SELECT document_id FROM tax_document JOIN document ON document.id = document_id WHERE issuer = 'H2')"

WRONG = [
    ({}, "another tax document"),
    (CHANGE | {"original": SAME}, "another tax document"),
    ({"krw": 5_429}, "not those of its items and of its charges"),
    ({"item": '{"supply_krw": 1, "vat_krw": 0}'}, "not those of its items"),
    ({"keys": "''"}, "not those of its items and of its charges"),
    ({"tax": "'exempt'"}, "a document of its own"),
    ({"tax": "'zero'"}, "bears no VAT"),
    ({"kind": "invoice_exempt"}, "a document of its own"),
    (W1_CANCELLED | {"original": SAME, "person": True}, "names an earlier one"),
    ({"role": "'corrected'", "reason": "'01'", "original": SAME, "person": True}, "names an earlier one"),
    (CHANGE, "original_named"),
    ({"original": SAME}, "original_named"),
    (CHANGE | {"original": SAME, "reason": "'07'"}, "ck_tax_document_reason"),
    (W1_CANCELLED | {"original": SAME}, "person_named"),
    ({"item": ""}, "one_to_four_items"),
]


def test_guard__what_does_not_belong_together_is_no_tax_document(world, engine):
    november(world)
    for wrong, said in WRONG:
        values = W1 | wrong
        values["item"] = wrong.get("item", f'{{"supply_krw": {values["krw"]}, "vat_krw": {values["vat"]}}}')
        face = FACE.format(**values)
        if wrong.get("person"):
            face = face.replace("items)", "items, issued_by, issued_at)").replace("]' FROM", "]', 'x', now() FROM")
        with engine.connect() as connection:
            connection.exec_driver_sql(DOCUMENT.format(**values))
            connection.exec_driver_sql(CHARGES.format(**values))
            with pytest.raises(DBAPIError, match=said):
                connection.exec_driver_sql(face)


def test_guard__tax_tables_are_append_only(owner, engine):
    keys = {"tax_document": "document_id", "tax_reason": "id", "tax_file": "id", "tax_file_document": "document_id",
            "tax_approval": "document_id"}  # fmt: skip
    for table, key in keys.items():
        for statement in (f"UPDATE {table} SET {key} = {key}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):  # noqa: S608
            for who, said in ((engine, "permission denied"), (owner, "never changed or deleted")):
                with pytest.raises((DBAPIError, psycopg.Error), match=said), who.begin() as connection:
                    connection.execute(text(statement))


def test_guard__no_charge_is_added_and_no_reason_stated_where_it_may_not(world, engine):
    november(world)
    for statement, said in (
        (
            f"INSERT INTO document_charge SELECT {SAME}, id FROM charge WHERE key = 'H100@2025-09-01'",  # noqa: S608
            "no charge is added",
        ),
        (
            f"INSERT INTO tax_reason (document_id, reason, said_by, said_at) SELECT {SAME}, '03', 'x', now()",
            "stated for",
        ),
        (f"INSERT INTO tax_approval SELECT {SAME}, '123', NULL, now()", "approval_number"),
    ):
        with pytest.raises(DBAPIError, match=said), engine.begin() as connection:
            connection.exec_driver_sql(statement)

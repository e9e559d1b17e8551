"""What must never happen to a claim is refused by the database itself, to the role that the service runs as."""

import threading
from hashlib import sha256

import pytest
from sqlalchemy import text

from billing import claim_action, claim_decision
from billing.claim import claimable, draft_claim
from billing.claim_evidence import LIMIT_BYTES, add_evidence, read_evidence
from core.errors import BadInput, RuleRefused
from tests.claiming import NOVEMBER, NOW, add_users, approved, drafted, submitted
from tests.driven import work
from tests.integration.test_guards import execute, refused

LARGE = b"%PDF-" + bytes(LIMIT_BYTES)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@pytest.fixture
def claims(world, loaded):
    """Three works of H1, accepted in November."""
    add_users(loaded)
    world.ingest(*work("w1", "L11", 10), *work("w2", "L11", 5), *work("w3", "L11", 2), now="2025-12-01T09:00:00+09:00")
    return world


COPY_LINE = """
INSERT INTO claim_line (claim_id, accept_seq, line, work, project, kind, performed_on, accepted_on, quantity_milli,
  unit, unit_price_krw, supply_krw, vat_krw, tax, note)
SELECT :claim, accept_seq, :line, :work, project, kind, performed_on, accepted_on, quantity_milli, unit, unit_price_krw,
  supply_krw, vat_krw, tax, '' FROM claim_line ORDER BY id LIMIT 1
"""
DECIDE = """
INSERT INTO claim_line_decision (line_id, decision, reason, intake_mark, decided_at, decided_by)
SELECT id, CASE WHEN work = ANY(:accepted) THEN 'accepted' ELSE 'refused' END, 'x', 1, now(), 'finance-1'
FROM claim_line
"""


def test_claim_line__an_acceptance_stands_in_one_live_claim(claims, engine):
    with engine.begin() as connection:
        drafted(connection, "w1")
        drafted(connection, "w2")
    with refused("23505", "uq_claim_line_live"):
        execute(engine, COPY_LINE, claim=2, line="L11", work="w1")
    with engine.begin() as connection:
        claim_action.withdraw(connection, "CLM-H1-2025-000001", "", "h1-1", NOW)
    execute(engine, COPY_LINE, claim=2, line="L11", work="w1")


def test_claim_line__only_a_draft_takes_lines_of_its_hospital(claims, engine):
    with engine.begin() as connection:
        submitted(connection, "w1")
        drafted(connection, "w2")
    with refused("JS001", "takes no more lines"):
        execute(engine, COPY_LINE, claim=1, line="L11", work="w9")
    with refused("JS001", "L12 of P1 is no line of H1"):
        execute(engine, COPY_LINE, claim=2, line="L12", work="w9")


CHANGES = [
    "UPDATE claim SET state = 'paid'",
    "UPDATE claim SET number = 2",
    "UPDATE claim_line SET supply_krw = 0",
    "UPDATE claim_line SET live = true",
    "UPDATE claim_transition SET moved_by = 'h1-2'",
    "UPDATE claim_evidence SET content = '%PDF-2'",
    "DELETE FROM claim",
    "DELETE FROM claim_line",
    "DELETE FROM claim_transition",
    "DELETE FROM claim_dispute",
    "DELETE FROM claim_line_decision",
]


def test_claim__what_was_claimed_decided_and_proved_is_never_changed(claims, engine, owner):
    with engine.begin() as connection:
        number = approved(connection, "w1", "w2", refusals=["w1"])
        claim_action.dispute(connection, number, ["w1"], "x", "h1-1", NOW)
        add_evidence(connection, number, "a.pdf", b"%PDF-1.7", "h1-1", NOW)
    for sql in CHANGES:
        with refused("42501"):
            execute(engine, sql)
        if "state" not in sql and "live" not in sql:
            with refused("JS001", "never changed or deleted"):
                execute(owner, sql)


def test_claim__begins_as_the_next_draft_of_a_hospital(claims, engine):
    sql = """
        INSERT INTO claim (programme, month, year, parties, drafted_at, number, drafted_by, hospital)
        VALUES ('V25', '2025-11-01', 2025, '{}', now(), :number, :by, :hospital)
    """
    for number, by, hospital, said in (
        (3, "h1-1", "H1", "the number before is missing"),
        (1, "h2-1", "H1", "h2-1 may not do this"),
        (1, "admin-1", "C1", "begins as a draft of a hospital"),
    ):
        with refused("JS001", said):
            execute(engine, sql, number=number, by=by, hospital=hospital)
    execute(engine, sql, number=1, by="h1-1", hospital="H1")


def test_decision__without_the_move_that_it_makes_is_refused_at_the_commit(claims, engine):
    with engine.begin() as connection:
        submitted(connection, "w1")
    with refused("JS001", "does not stay so with these decisions"):
        execute(engine, DECIDE, accepted=["w1"])
    with engine.begin() as connection:
        number = approved(connection, "w2", "w3", refusals=["w2", "w3"])
        claim_action.dispute(connection, number, [], "x", "h1-1", NOW)
    resolve = """
        INSERT INTO claim_line_decision (line_id, dispute_id, decision, reason, intake_mark, decided_at, decided_by)
        SELECT line_id, id, 'accepted', 'x', 1, now(), 'finance-1' FROM claim_dispute LIMIT 1
    """
    with refused("JS001", "does not stay so with these decisions"):
        execute(engine, resolve)


def test_decision__one_that_does_not_make_the_state_is_refused(claims, engine):
    approve = """
        INSERT INTO claim_transition (claim_id, from_state, to_state, moved_at, moved_by, reason)
        SELECT id, 'submitted', 'approved', now(), 'finance-1', '' FROM claim
    """
    with engine.begin() as connection:
        submitted(connection, "w1", "w2")
    with refused("JS001", "do not make the claim approved"), engine.begin() as connection:
        connection.execute(text(DECIDE), {"accepted": ["w1"]})
        connection.execute(text(approve))
    with engine.begin() as connection:
        connection.execute(text(DECIDE), {"accepted": ["w1", "w2"]})
        connection.execute(text(approve))


def test_paid__a_claim_with_an_open_dispute_is_not(claims, engine):
    with engine.begin() as connection:
        number = approved(connection, "w1", "w2", refusals=["w1"])
        claim_action.dispute(connection, number, ["w1"], "x", "h1-1", NOW)
    with refused("JS001", "open dispute"):
        execute(engine, "INSERT INTO claim_transition (claim_id, from_state, to_state, moved_at, reason)"
                        " SELECT id, state, 'paid', now(), '' FROM claim")  # fmt: skip


def test_dispute__only_of_a_refused_line(claims, engine):
    with engine.begin() as connection:
        approved(connection, "w1")
    with refused("JS001", "only a refused line is disputed"):
        execute(engine, "INSERT INTO claim_dispute (line_id, opened_at, opened_by, reason)"
                        " SELECT id, now(), 'h1-1', 'x' FROM claim_line")  # fmt: skip


def test_evidence__other_bytes_than_its_hash_and_type_say_are_refused(claims, engine):
    sql = """
        INSERT INTO claim_evidence (claim_id, file_name, media_type, sha256, content, added_at, added_by)
        VALUES (1, 'x', :media_type, :digest, :content, now(), 'h1-1')
    """
    with engine.begin() as connection:
        drafted(connection, "w1")
    for media_type, hashed, content, name in (
        ("application/pdf", b"%PDF-1.7", b"%PDF-1.8", "hash"),
        ("image/png", b"%PDF-1.7", b"%PDF-1.7", "media_type"),
        ("text/html", b"<html>", b"<html>", "media_type"),
        ("application/pdf", LARGE, LARGE, "size"),
    ):
        with refused("23514", f"ck_claim_evidence_{name}"):
            execute(engine, sql, media_type=media_type, digest=sha256(hashed).digest(), content=content)


def test_evidence__keeps_the_name_alone_and_is_read_as_it_came(claims, engine):
    with engine.begin() as connection:
        number = drafted(connection, "w1")
        kept, added = add_evidence(connection, number, "..\\..\\검수\x00확인서.pdf", PNG, "h1-1", NOW)
        assert (kept.file_name, kept.media_type, added) == ("검수확인서.pdf", "image/png", True)
        jpeg, _ = add_evidence(connection, number, "/", b"\xff\xd8\xff\xe0" + bytes(8), "h1-1", NOW)
        assert (jpeg.file_name, jpeg.media_type) == ("evidence", "image/jpeg")
        assert read_evidence(connection, number, kept.id).content == PNG
        other = drafted(connection, "w2")
        with pytest.raises(BadInput, match="이 청구의 증빙이 아닙니다"):
            read_evidence(connection, other, kept.id)


def test_evidence__other_bytes_in_the_table_are_found_on_reading(claims, engine, owner):
    with engine.begin() as connection:
        number = drafted(connection, "w1")
        kept, _ = add_evidence(connection, number, "a.png", PNG, "h1-1", NOW)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE claim_evidence DROP CONSTRAINT ck_claim_evidence_hash"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE claim_evidence SET content = content || '\\x00'"))
    with engine.connect() as connection, pytest.raises(RuleRefused, match="hash differs"):
        read_evidence(connection, number, kept.id)


def test_dispute__is_not_resolved_by_the_one_who_opened_it_nor_before_its_refusal(claims, engine):
    with engine.begin() as connection:
        number = approved(connection, "w1", "w2", refusals=["w1"])
        claim_action.dispute(connection, number, ["w1"], "x", "admin-1", NOW)
        with pytest.raises(RuleRefused, match="a dispute that he opened"):
            claim_decision.resolve(connection, number, [], True, "y", "admin-1", NOW)
    resolve = """
        INSERT INTO claim_line_decision ({id}line_id, dispute_id, decision, reason, intake_mark, decided_at, decided_by)
        SELECT {value}line_id, id, 'accepted', 'x', 1, now(), '{by}' FROM claim_dispute
    """
    with refused("JS001", "opened this dispute"):
        execute(engine, resolve.format(id="", value="", by="admin-1"))
    with refused("42501"):
        execute(engine, resolve.format(id="id, ", value="-1, ", by="admin-2"))
    with engine.begin() as connection:
        assert claim_decision.resolve(connection, number, [], True, "y", "admin-2", NOW).state == "approved"


def test_rows__a_hospitals_request_sees_and_writes_its_own_claims_only(claims, engine):
    with engine.begin() as connection:
        number = approved(connection, "w1", "w2", refusals=["w1"])
        claim_action.dispute(connection, number, ["w1"], "x", "h1-1", NOW)
        add_evidence(connection, number, "a.png", PNG, "h1-1", NOW)
    counted = """
        SELECT (SELECT count(*) FROM claim), (SELECT count(*) FROM claim_line), (SELECT count(*) FROM claim_transition),
          (SELECT count(*) FROM claim_line_decision), (SELECT count(*) FROM claim_dispute),
          (SELECT count(*) FROM claim_evidence)
    """
    none, every = (0,) * 6, (1, 2, 2, 2, 1, 1)
    for party, rows in (("H2", none), ("C1", none), ("H1", every), ("OP", every)):
        with engine.begin() as connection:
            connection.execute(text("SELECT set_config('jeongsan.party', :party, true)"), {"party": party})
            assert tuple(connection.execute(text(counted)).one()) == rows
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('jeongsan.party', 'H1', true)"))
        lines = claimable(connection, "V25", "H1", NOVEMBER)
        assert draft_claim(connection, "V25", "H1", NOVEMBER, lines, "h1-1", NOW) == "CLM-H1-2025-000002"


def test_decide__of_two_at_once_one_finds_it_decided(claims, engine):
    with engine.begin() as connection:
        number = submitted(connection)
    problems = []

    def approve(name):
        try:
            with engine.begin() as connection:
                claim_decision.approve(connection, number, {}, name, NOW)
        except RuleRefused as error:
            problems.append(str(error))

    threads = [threading.Thread(target=approve, args=(name,)) for name in ("finance-1", "finance-2")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    (problem,) = problems
    assert "승인 상태에서는 심사할 수 없습니다" in problem


def test_draft__twenty_at_once_leave_no_gap_and_no_work_twice(claims, engine):
    claims.ingest(*(event for number in range(20) for event in work(f"m{number}", "L11", 1)),
                  now="2025-12-01T10:00:00+09:00")  # fmt: skip
    numbers, problems = [], []

    def draft(name):
        try:
            with engine.begin() as connection:
                numbers.append(drafted(connection, name))
        except RuleRefused as error:
            problems.append(str(error))

    threads = [threading.Thread(target=draft, args=(f"m{number % 19}",)) for number in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(numbers) == [f"CLM-H1-2025-{number:06d}" for number in range(1, 20)]
    assert len(problems) == 1

"""What must never happen is refused by the database itself, to the role that the service runs as.

Each guard is shown to let the legal variant pass and to speak when it is broken.
"""

import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.month import Month
from ledger import books
from ledger.journal import NewEntry, entry_hash

AT = datetime(2025, 11, 5, tzinfo=UTC)
MONTH = Month(2025, 11)


@contextmanager
def refused(sqlstate, said=""):
    with pytest.raises((DBAPIError, psycopg.Error)) as caught:
        yield
    cause = getattr(caught.value, "orig", caught.value)
    assert (cause.sqlstate, said in str(cause)) == (sqlstate, True), cause


def entry(reference, **postings):
    named = {account.replace("__", ":"): krw for account, krw in postings.items()}
    return NewEntry(kind="test", memo=reference, reference=reference, postings=named)


def post(engine, *entries, month=MONTH):
    with engine.begin() as connection:
        return books.post(connection, "V25", month, entries, AT)


def execute(engine, sql, **values):
    with engine.begin() as connection:
        return connection.execute(text(sql), values)


def lock(engine, month=MONTH):
    with engine.begin() as connection:
        books.lock_month(connection, "V25", month, AT, "test")


# ---------------------------------------------------------------- the journal


def test_journal__a_balanced_entry_is_booked_and_kept_in_the_balance(loaded):
    post(loaded, entry("a", cash__bank=5, deposit__P1=-5), entry("b", budget__available=-1, budget__committed__P1=1))
    balance = execute(loaded, "SELECT balance_krw FROM account WHERE code = 'cash:bank'").scalar()
    assert balance == 5


@pytest.mark.parametrize(
    "postings",
    [
        {"cash__bank": 5, "deposit__P1": -4},
        {"budget__available": -2, "budget__committed__P1": 1},
        {"cash__bank": 5, "budget__available": -5},
        {"cash__bank": 5, "deposit__P1": -4, "budget__available": -1},
    ],
    ids=["money", "budget", "across", "sum zero only over both"],
)
def test_journal__an_entry_that_does_not_sum_to_zero_is_refused(loaded, postings):
    with refused("JS001", "does not sum to zero"):
        post(loaded, entry("x", **postings))
    assert execute(loaded, "SELECT count(*) FROM entry WHERE reference = 'x'").scalar() == 0


def test_journal__an_entry_of_one_posting_is_refused(loaded):
    with refused("23514", "two_postings_or_more"):
        post(loaded, entry("x", cash__bank=0))


def test_journal__nothing_is_added_to_an_entry_that_is_there(loaded):
    (old,) = post(loaded, entry("a", cash__bank=5, deposit__P1=-5))
    post(loaded, entry("open", vat__operator=-1, receivable__company__P1=1))
    add = (
        "INSERT INTO posting SELECT :entry, id, CASE code WHEN 'vat:operator' THEN -3 ELSE 3 END FROM account"
        " WHERE code IN ('vat:operator', 'receivable:company:P1')"
    )
    with refused("JS001", "complete when it is booked"):
        execute(loaded, add, entry=old)


def test_journal__a_posting_without_an_entry_does_not_survive_the_commit(loaded):
    post(loaded, entry("a", cash__bank=5, deposit__P1=-5))
    with refused("23503", "fk_posting_entry_id_entry"):
        execute(loaded, "INSERT INTO posting SELECT nextval('entry_id'), id, 1 FROM account WHERE code = 'cash:bank'")
    assert execute(loaded, "SELECT balance_krw FROM account WHERE code = 'cash:bank'").scalar() == 5


def test_journal__a_posting_to_no_account_is_refused(loaded):
    with refused("JS001", "does not exist"):
        execute(loaded, "INSERT INTO posting VALUES (nextval('entry_id'), 999999, 1)")


def test_journal__another_programmes_account_is_refused(loaded):
    execute(
        loaded,
        "INSERT INTO programme SELECT 'V26', name, ministry, type, agency, operator, fiscal_year, 0, 0, funding,"
        " self_pay_bp, fee_rate_bp, fee_monthly_krw, incentive_share_bp, incentive_monthly_krw,"
        " settlement_closes_on FROM programme",
    )
    with loaded.begin() as connection:
        books.post(connection, "V26", MONTH, [entry("a", cash__bank=1, vat__operator=-1)], AT)
    with refused("JS001", "of its programme"), loaded.begin() as connection:
        insert_entry(connection, "V26", ["V25", "V26"])


def insert_entry(connection, programme, owners, *, number=2, previous=None):
    """An entry by hand: one won of `budget:available` between the owners' accounts, or as the arguments break it."""
    last = connection.execute(
        text("SELECT hash FROM entry WHERE programme = :programme ORDER BY number DESC LIMIT 1"),
        {"programme": programme},
    ).scalar()
    connection.execute(
        text("INSERT INTO account (programme, code) SELECT unnest(CAST(:owners AS text[])), 'expense:payment_fee'"
             " ON CONFLICT DO NOTHING"),
        {"owners": owners},
    )  # fmt: skip
    entry_id = connection.scalar(text("SELECT nextval('entry_id')"))
    connection.execute(
        text("INSERT INTO posting SELECT :entry, account.id, CASE WHEN code = 'expense:payment_fee'"
             " AND programme = :first THEN 1 ELSE -1 END FROM account"
             " WHERE (programme = :first AND code = 'expense:payment_fee')"
             " OR (programme = :second AND code = 'cash:bank')"),
        {"entry": entry_id, "first": owners[0], "second": owners[1]},
    )  # fmt: skip
    connection.execute(
        text("INSERT INTO entry (id, programme, number, month, kind, memo, reference, posting_count, recorded_at,"
             " previous_hash, hash) VALUES (:id, :programme, :number, '2025-11-01', 'test', 'x', 'by hand', 2, now(),"
             " :previous, sha256('x'))"),
        {"id": entry_id, "programme": programme, "number": number, "previous": previous or bytes(last)},
    )  # fmt: skip


def test_journal__an_entry_that_does_not_follow_the_chain_is_refused(loaded):
    post(loaded, entry("a", cash__bank=5, deposit__P1=-5))
    with refused("JS001", "does not follow the chain"), loaded.begin() as connection:
        insert_entry(connection, "V25", ["V25", "V25"], number=5, previous=b"\0" * 32)
    with refused("JS001", "does not follow the chain"), loaded.begin() as connection:
        insert_entry(connection, "V25", ["V25", "V25"], number=6)
    with loaded.begin() as connection:
        insert_entry(connection, "V25", ["V25", "V25"], number=5)


def test_journal__the_chain_in_the_database_is_the_one_that_the_arithmetic_says(loaded):
    post(loaded, entry("a", cash__bank=5, deposit__P1=-5), month=Month(2025, 10))
    rows = execute(loaded, "SELECT * FROM entry ORDER BY number").all()
    previous = bytes(32)
    for row in rows:
        postings = execute(
            loaded,
            "SELECT code, amount_krw FROM posting JOIN account ON account.id = account_id WHERE entry_id = :id",
            id=row.id,
        )
        again = NewEntry(kind=row.kind, memo=row.memo, reference=row.reference, postings=dict(map(tuple, postings)))
        assert bytes(row.previous_hash) == previous
        previous = entry_hash(previous, "V25", row.number, row.month, again)
        assert bytes(row.hash) == previous
    assert len(rows) == 4


# ---------------------------------------------------------------- sources of funds


def test_sources__that_do_not_share_the_whole_grant_are_refused(loaded):
    with refused("JS001", "share 9999 of 10000"):
        execute(loaded, "INSERT INTO funding_source VALUES ('V25', 'A', '국비', 5000), ('V25', 'B', '시비', 4999)")
    execute(loaded, "INSERT INTO funding_source VALUES ('V25', 'A', '국비', 5000), ('V25', 'B', '시비', 5000)")


# ---------------------------------------------------------------- append-only

APPEND_ONLY = [
    "event", "seen", "intake_batch", "usage_delta", "dead_letter", "dropped_field", "entry", "posting", "month_lock",
    "charge", "document", "document_charge", "line_settlement", "incentive_pool", "incentive_share", "published_file",
    "month_run", "budget_record", "programme", "agreement", "agreement_line", "agreement_version",
    "price_book", "payment",
    "funding_source",
]  # fmt: skip


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_append_only__rows_are_neither_changed_nor_deleted_by_anyone(engine, owner, table):
    column = execute(
        owner,
        "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum = 1",
        name=table,
    ).scalar()
    statements = (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE")  # noqa: S608
    for statement in statements:
        with refused("42501", "permission denied"):
            execute(engine, statement)
        with refused("JS001", "never changed or deleted"):
            execute(owner, statement)
    assert execute(engine, f"SELECT count(*) FROM {table}").scalar() == 0  # noqa: S608


def test_append_only__reference_data_can_be_changed_only_where_it_may(loaded):
    execute(loaded, "UPDATE party SET name = '새 이름' WHERE code = 'H1'")
    execute(loaded, "UPDATE project SET closes = '2026-01-01' WHERE code = 'P1'")
    for forbidden in (
        "UPDATE party SET kind = ''", "DELETE FROM party", "UPDATE project SET tier = 'medium'", "DELETE FROM project",
        "UPDATE tier SET grant_cap_krw = NULL", "UPDATE rate SET unit_price_krw = 1", "DELETE FROM rate",
        "UPDATE line_limit SET grant_limit_krw = 1", "DELETE FROM line_limit", "UPDATE account SET balance_krw = 0",
        "INSERT INTO account (programme, code, balance_krw) VALUES ('V25', 'x', 1)",
        "UPDATE category SET voucher = true", "UPDATE permit SET expires_on = NULL", "DELETE FROM loaded_object",
    ):  # fmt: skip
        with refused("42501", "permission denied"):
            execute(loaded, forbidden)


def test_registration_number__is_added_once_and_never_changed(loaded):
    execute(loaded, "UPDATE party SET brn = '101-82-79198' WHERE code = 'H2'")
    for other in ("NULL", "'109-81-12710'"):
        with refused("JS001", "never changed or deleted"):
            execute(loaded, f"UPDATE party SET brn = {other} WHERE code = 'H2'")  # noqa: S608


# ---------------------------------------------------------------- closed months

CHARGE = (
    "INSERT INTO charge (programme, month, project, service_month, kind, key, line_key, supplier, description, tax,"
    " quantity_base, unit, unit_price_krw, rated_krw, held_krw, amount_krw, vat_krw, reason) VALUES ('V25', :month,"
    " 'P1', '2025-10-01', 'gpu', 'k', 'k', 'OP', '', 'taxable', 1, 'gpu_s', 1, 1, 0, 1, 0, '')"
)
POOL = "INSERT INTO incentive_pool VALUES ('V25', :month, 0, 0, 0)"
DOCUMENT = (
    "INSERT INTO document (programme, month, kind, issuer, year, number, recipient, correction, issued_on, supply_krw,"
    " vat_krw, parties) VALUES ('V25', :month, 'tax_invoice', 'OP', 2025, 1, 'C1', false, '2025-11-30', 1, 0, '{}')"
)


@pytest.mark.parametrize("insert", [CHARGE, POOL, DOCUMENT], ids=["charge", "incentive pool", "document"])
def test_closed_month__nothing_is_recorded_into_it(loaded, insert):
    lock(loaded)
    with refused("JS001", "2025-11 is closed"):
        execute(loaded, insert, month=date(2025, 11, 1))
    execute(loaded, insert, month=date(2025, 12, 1))


def test_closed_month__no_entry_is_booked_into_it(loaded):
    lock(loaded)
    with refused("JS001", "2025-11 is closed"):
        post(loaded, entry("late", cash__bank=5, deposit__P1=-5))
    post(loaded, entry("late", cash__bank=5, deposit__P1=-5), month=MONTH + 1)


def test_closed_month__a_temporary_table_of_the_same_name_does_not_hide_the_locks(loaded):
    lock(loaded)
    with refused("JS001", "2025-11 is closed"), loaded.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE month_lock (LIKE public.month_lock) ON COMMIT DROP"))
        books.post(connection, "V25", MONTH, [entry("late", cash__bank=5, deposit__P1=-5)], AT)


def test_closed_month__no_settlement_of_a_line_comes_later(loaded, executed):
    executed(loaded, "L21", 1)
    lock(loaded)
    with refused("JS001", "2025-11 is closed"):
        executed(loaded, "L11", 1)


def test_closed_month__months_are_locked_in_order_and_once(loaded):
    lock(loaded)
    for month in (Month(2026, 1), Month(2025, 10), MONTH):
        with refused("JS001", "the next month is locked"):
            lock(loaded, month)
    lock(loaded, MONTH + 1)


# ---------------------------------------------------------------- versions


def test_versions__two_prices_of_one_rate_never_overlap(loaded):
    add = (
        "INSERT INTO rate (price_book, supplier, dimensions, valid, meter, unit_price_krw, tiers, minimum_krw)"
        " SELECT price_book, supplier, dimensions, CAST(:valid AS daterange), meter, 1, '[]', 0 FROM rate"
        " WHERE model = 'H100' LIMIT 1"
    )
    with refused("23P01", "ex_rate_no_overlap"):
        execute(loaded, add, valid="[2026-01-01,)")
    execute(loaded, "UPDATE rate SET valid = '[2025-09-01,2026-01-01)' WHERE model = 'H100'")
    execute(loaded, add, valid="[2026-01-01,)")


def test_versions__two_limits_of_one_line_never_overlap(loaded):
    add = (
        "INSERT INTO line_limit (line, valid, grant_limit_krw, effective, reason)"
        " SELECT id, CAST(:valid AS daterange), 1, '2025-08-01', '' FROM agreement_line WHERE code = 'L11'"
    )
    with refused("23P01", "ex_line_limit_no_overlap"):
        execute(loaded, add, valid="[2025-12-01,2026-01-01)")
    execute(loaded, add, valid="[2025-08-01,2025-09-01)")


VERSION = (
    "INSERT INTO agreement_version VALUES (:agreement, :kind, :effective, :ends, '{}', '', NULL, NULL, NULL, now())"
)


@pytest.mark.parametrize(
    ("kind", "effective", "ends", "said"),
    [
        ("amended", "2025-09-14", None, "lies outside it"),
        ("amended", "2026-04-01", None, "lies outside it"),
        ("amended", "2025-12-01", "2026-03-31", "ends earlier by termination only"),
        ("terminated", "2026-04-01", "2026-04-01", "lies outside it"),
    ],
)
def test_versions__of_an_agreement_lie_in_its_life(loaded, kind, effective, ends, said):
    with refused("JS001", said):
        execute(loaded, VERSION, agreement="A1", kind=kind, effective=effective, ends=ends)
    execute(loaded, VERSION, agreement="A1", kind="amended", effective="2025-12-01", ends="2026-04-30")
    execute(loaded, VERSION, agreement="A1", kind="terminated", effective="2026-04-01", ends="2026-04-01")


def test_versions__nothing_follows_a_termination(loaded):
    execute(loaded, VERSION, agreement="A1", kind="terminated", effective="2025-12-10", ends="2025-12-10")
    for kind, ends in (("amended", None), ("terminated", "2025-12-11")):
        with refused("JS001", "it has no later version"):
            execute(loaded, VERSION, agreement="A1", kind=kind, effective="2025-12-11", ends=ends)


# ---------------------------------------------------------------- commitments


def limit(engine, line, krw, since="2026-01-01"):
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE line_limit SET valid = daterange(lower(valid), :since) FROM agreement_line WHERE code = :line"
                 " AND agreement_line.id = line_limit.line AND upper_inf(valid)"),
            {"since": date.fromisoformat(since), "line": line},
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO line_limit (line, valid, grant_limit_krw, effective, reason)"
                 " SELECT id, daterange(:since, NULL), :krw, :since, '' FROM agreement_line WHERE code = :line"),
            {"since": date.fromisoformat(since), "line": line, "krw": krw},
        )  # fmt: skip


def test_commitment__line_limits_never_exceed_the_projects_grant(loaded):
    with refused("JS001", "over the project's grant"):
        limit(loaded, "L11", 250_000_001)
    limit(loaded, "L11", 250_000_000)


def test_commitment__a_limit_is_never_below_what_was_executed(loaded, executed):
    executed(loaded, "L21", 175_000_000)
    with refused("JS001", "below what was executed"):
        limit(loaded, "L21", 174_999_999)
    limit(loaded, "L21", 175_000_000)


PROJECT = (
    "INSERT INTO project (code, programme, company, tier, title, modalities, channel, grant_krw)"
    " VALUES (:code, 'V25', 'C1', :tier, '', '{}', 'bank', :krw)"
)


def test_commitment__a_grant_never_exceeds_its_tiers_cap(loaded):
    with refused("JS001", "exceeds its tier's grant cap"):
        execute(loaded, PROJECT, code="P3", tier="medium", krw=200_000_001)
    with refused("JS001", "exceeds its tier's grant cap"):
        execute(loaded, "UPDATE project SET grant_krw = 200000001 WHERE code = 'P2'")
    execute(loaded, PROJECT, code="P3", tier="medium", krw=200_000_000)


def test_commitment__grants_never_exceed_the_current_budget(loaded):
    execute(loaded, PROJECT, code="P3", tier="large", krw=400_000_000)
    with refused("JS001", "exceed the current budget"):
        execute(loaded, PROJECT, code="P4", tier="large", krw=20_000_001)
    execute(loaded, PROJECT, code="P4", tier="large", krw=20_000_000)


def test_commitment__a_transfer_never_takes_what_is_granted(loaded):
    transfer = (
        "INSERT INTO budget_record (programme, kind, dated, amount_krw, reason)"
        " VALUES ('V25', 'transfer', '2025-10-01', :krw, '')"
    )
    with refused("JS001", "exceed the current budget"):
        execute(loaded, transfer, krw=-420_000_001)
    execute(loaded, transfer, krw=-420_000_000)


RECORD = "INSERT INTO budget_record (programme, kind, dated, amount_krw, reason) VALUES ('V25', :kind, :day, :krw, '')"


def test_received__never_exceeds_the_current_budget_of_its_day(loaded):
    with refused("JS001", "up to 2025-10-01 exceed the current budget"):
        execute(loaded, RECORD, kind="grant_received", day="2025-10-01", krw=500_000_001)
    execute(loaded, RECORD, kind="grant_received", day="2025-10-01", krw=500_000_000)
    with refused("JS001", "up to 2025-10-01 exceed the current budget"):
        execute(loaded, RECORD, kind="transfer", day="2025-10-01", krw=-1)
    execute(loaded, RECORD, kind="transfer", day="2025-10-02", krw=-1)
    with refused("JS001", "up to 2025-11-01 exceed the current budget"):
        execute(loaded, RECORD, kind="grant_received", day="2025-11-01", krw=1)
    execute(loaded, RECORD, kind="interest", day="2025-11-01", krw=1)


def race(*actions):
    """Runs actions at once on connections of their own; returns what each raised, or None."""
    barrier = threading.Barrier(len(actions))
    outcomes = [None] * len(actions)

    def work(number, action):
        try:
            action(barrier)
        except (DBAPIError, psycopg.Error) as error:
            outcomes[number] = getattr(error, "orig", error).sqlstate

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return outcomes


def test_commitment__of_two_at_once_for_the_last_won_of_the_budget_exactly_one_wins(loaded):
    def grant(code):
        def action(barrier):
            with loaded.begin() as connection:
                connection.execute(text(PROJECT), {"code": code, "tier": "large", "krw": 300_000_000})
                barrier.wait(timeout=10)

        return action

    outcomes = race(grant("P3"), grant("P4"))
    assert sorted(outcomes, key=str) == ["JS001", None]
    assert execute(loaded, "SELECT sum(grant_krw) FROM project").scalar() == 880_000_000


def test_commitment__of_two_bookings_at_once_for_the_last_available_won_exactly_one_wins(loaded):
    def commit(project):
        def action(barrier):
            with loaded.begin() as connection:
                barrier.wait(timeout=10)
                postings = {f"budget:committed:{project}": 300_000_000, "budget:available": -300_000_000}
                new = NewEntry(kind="test", memo=project, reference=project, postings=postings)
                books.post(connection, "V25", MONTH, [new], AT)

        return action

    outcomes = race(commit("P1"), commit("P2"))
    assert sorted(outcomes, key=str) == ["23514", None]
    available = execute(loaded, "SELECT balance_krw FROM account WHERE code = 'budget:available'").scalar()
    assert available == 150_000_000


@pytest.mark.parametrize(
    ("allowed", "one_more", "constraint"),
    [
        ({"budget__available": -450_000_000, "budget__committed__P1": 450_000_000},
         {"budget__available": -1, "budget__committed__P1": 1}, "available_not_overspent"),
        ({"budget__committed__P2": -150_000_000, "budget__executed__P2": 150_000_000},
         {"budget__committed__P2": -1, "budget__executed__P2": 1}, "commitment_not_overspent"),
        ({"deposit__P1": -7, "cash__bank": 7}, {"deposit__P1": 8, "cash__bank": -8}, "deposit_not_overdrawn"),
        ({"advance__hospital__H1__P1": 7, "agency__advance": -7},
         {"advance__hospital__H1__P1": -8, "agency__advance": 8}, "advance_not_overdrawn"),
    ],
    ids=["available", "commitment", "deposit", "advance"],
)  # fmt: skip
def test_books__no_budget_account_no_deposit_and_no_advance_is_overdrawn(loaded, allowed, one_more, constraint):
    post(loaded, entry("allowed", **allowed))
    with refused("23514", constraint):
        post(loaded, entry("one more", **one_more))


def test_books__what_the_budget_refuses_reaches_a_person_as_a_rule(loaded, jeongsan, tmp_path):
    file = tmp_path / "refund.csv"
    file.write_text(
        "paid_at,channel,account,amount_krw,reference,counterparty\n"
        "2025-11-03T09:00:00+09:00,bank,deposit:P1,-1,R-1,C1\n"
    )
    answer = jeongsan("payments", "import", file, exit_code=3)
    assert "선납금 잔액을 넘습니다" in answer["messages"][0]


# ---------------------------------------------------------------- the run and the role


def test_run__a_step_that_is_booked_is_not_taken_back(loaded):
    execute(loaded, "INSERT INTO month_run VALUES ('V25', '2025-11-01', 0, 0, now())")
    for step in ("freeze", "rate", "split"):
        execute(loaded, "INSERT INTO run_step VALUES ('V25', '2025-11-01', :step, now(), '{}')", step=step)
    with refused("JS001", "is booked and stays"):
        execute(loaded, "DELETE FROM run_step WHERE step = 'freeze'")
    execute(loaded, "DELETE FROM run_step WHERE step = 'split'")
    execute(loaded, "INSERT INTO run_step VALUES ('V25', '2025-11-01', 'post', now(), '{}')")
    with refused("JS001", "is booked and stays"):
        execute(loaded, "DELETE FROM run_step WHERE step = 'rate'")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE shadow (id int)",
        "CREATE TABLE public.shadow (id int)",
        "ALTER TABLE entry DISABLE TRIGGER ALL",
        "ALTER TABLE account DROP CONSTRAINT ck_account_available_not_overspent",
        "DROP TABLE entry",
        "DROP TRIGGER append_only ON entry",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
        "SET session_replication_role = replica",
        "SELECT check_commitments('V25', 'P1')",
    ],
)
def test_role__the_service_cannot_change_the_schema_or_switch_guards_off(engine, statement):
    with refused("42501"):
        execute(engine, statement)


def test_role__the_service_owns_nothing_and_is_no_superuser(engine):
    owned = execute(engine, "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user").scalar()
    rights = execute(
        engine,
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles"
        " WHERE rolname = current_user",
    ).one()
    assert owned == 0
    assert not any(rights)

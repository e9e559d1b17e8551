"""Commands that move money × states in which they may not: exit code 3, and nothing is booked."""

from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text

from core.month import Month
from ledger import books
from ledger.journal import NewEntry
from tests.driven import CLOSE, H2_PRICES, work

NOW = CLOSE["2025-11"]
AMENDED = "L21 = 180_000_000 } } ]"
GPU_2 = '[[price_book]]\ncode = "OP-2"\nsupplier = "OP"\neffective_from = 2025-12-01\nrate = []\n'


class State:
    """The small programme brought into a state, and the commands that are tried in it."""

    def __init__(self, world, engine, registry_file):
        self.world, self.engine, self.registry_file, self.call = world, engine, registry_file, world.call

    def booked(self) -> tuple:
        """Balances, and how many entries, payments, versions and closed months there are."""
        with self.engine.connect() as connection:
            counts = [
                connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
                for table in ("entry", "posting", "payment", "line_limit", "agreement_version", "month_lock", "charge",
                              "project", "budget_record", "rate")
            ]  # fmt: skip
        return self.world.balances(), counts

    def load(self, *changes, more="", now=NOW):
        """Loads the registry with changes."""
        return self.call("load", self.registry_file(*changes, more=H2_PRICES + more), now=now, exit_code=3)

    def amend(self, amendment):
        """Loads one more amendment of A2."""
        return self.load((AMENDED, AMENDED.removesuffix(" ]") + f", {amendment} ]"))

    def pay(self, row, reference="R-new"):
        """Imports one payment."""
        path = self.world.folder / "illegal.csv"
        head = "paid_at,channel,account,amount_krw,reference,counterparty\n"
        path.write_text(f"{head}2025-12-01T00:00:00Z,{row},{reference},C1\n")
        return self.call("payments", "import", path, now=NOW, exit_code=3)

    def run(self, month, *options, now=None):
        """Runs a month."""
        now = now or f"{Month.parse(month) + 1}-05T00:00:00Z"
        return self.call("month", "run", month, "--programme", "V25", *options, now=now, exit_code=3)

    def until(self, step, month="2025-11"):
        """Brings a month's run up to a step."""
        self.call("month", "run", month, "--programme", "V25", "--until", step, now=CLOSE[month])


@pytest.fixture
def state(world, loaded, registry_file):
    """The small programme with a deposit, an advance, and work of November."""
    state = State(world, loaded, registry_file)
    world.pay("bank,deposit:P1,10000000", "agency,advance:hospital:H1:P1,60000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 10), *work("w2", "L21", 80, project="P2"), now=NOW)
    return state


def open_books(_state):
    """Nothing is closed yet."""


def closed_month(state):
    """November is closed."""
    state.world.run("2025-11")


def ended_project(state):
    """P1 has ended: its commitment is released."""
    state.world.run("2025-11")
    state.world.run("2025-12")


def terminated(state):
    """A2 is terminated, and the run of that month has released its rest."""
    state.world.run("2025-11")
    state.call("load", state.registry_file(*TERMINATED, more=H2_PRICES), now=NOW)
    state.world.run("2025-12")


def frozen(state):
    """A run of November has begun and waits before its posting."""
    state.until("split")


def posted(state):
    """A run of November has posted and is not locked."""
    state.until("post")


TERMINATED = [(AMENDED, f'{AMENDED}\nterminated = {{ on = 2025-12-10, reason = "휴업" }}')]


def new_agreement(project, krw):
    """Another agreement of a project, of one line."""
    return (
        f'[[agreement]]\ncode = "A-{project}"\nproject = "{project}"\nstarts = 2025-10-01\nends = 2026-01-31\n'
        'self_pay_mode = "arrears"\nover_limit = "hold"\n'
        f'line = [ {{ code = "L-{project}", supplier = "H1", category = "processing", grant_limit_krw = {krw} }} ]\n'
    )


def new_project(code, krw):
    """Another project with an agreement."""
    return (
        f'[[project]]\ncode = "{code}"\nprogramme = "V25"\ncompany = "C1"\ntier = "large"\ntitle = "{code}"\n'
        'modalities = ["text"]\nchannel = "bank"\n'
    ) + new_agreement(code, krw)


CUT = '{ on = 2025-12-01, krw = -420_000_001, reason = "감액" }'
LATE = '{ effective = 2025-12-05, reason = "x", limits = { L21 = 170_000_000 } }'
LINE = '{{ code = "L22", supplier = "H1", category = "processing", grant_limit_krw = {krw} }}'

MATRIX = {
    "run · month not ended": (open_books, lambda on: on.run("2025-11", now="2025-11-30T14:59:59Z"), "not ended"),
    "run · before the first agreement": (open_books, lambda on: on.run("2025-08"), "first agreement"),
    "run · month passed over": (closed_month, lambda on: on.run("2025-10"), "next month"),
    "run · month before not locked": (posted, lambda on: on.run("2025-12"), "finish 2025-11 first"),
    "run · month before not run": (closed_month, lambda on: on.run("2026-01"), "next month"),
    "dry run · month passed over": (closed_month, lambda on: on.run("2025-10", "--dry-run"), "closed up to"),
    "load · closing month that is closed": (
        ended_project, lambda on: on.load(('closes = "2025-12"', 'closes = "2026-02"')), "month is closed"),
    "load · agreement of an ended project": (
        ended_project, lambda on: on.load(more=new_agreement("P1", 1)), "has ended"),
    "load · between post and lock": (posted, lambda on: on.load(more=GPU_2.replace("OP-2", "OP-3")), "finish the run"),
    "load · amendment between post and lock": (
        posted, lambda on: on.amend(LATE), "finish the run"),
    "load · other limit under a used code": (
        open_books, lambda on: on.load(("= 250_000_000", "= 240_000_000")), "used code"),
    "load · other price under a used code": (
        open_books, lambda on: on.load(("unit_price_krw = 7000", "unit_price_krw = 1")), "used code"),
    "load · an amendment changed": (
        open_books, lambda on: on.load((AMENDED, "L21 = 181_000_000 } } ]")), "loaded item stays"),
    "load · limit below executed": (
        closed_month, lambda on: on.amend('{ effective = 2025-12-05, reason = "x", limits = { L21 = 81_419 } }'),
        "below what was executed"),
    "load · over the tier's cap": (
        open_books, lambda on: on.amend('{ effective = 2025-12-05, reason = "x", limits = { L21 = 200_000_001 } }'),
        "tier's cap"),
    "load · an added line over the tier's cap": (
        open_books,
        lambda on: on.amend(f'{{ effective = 2025-12-05, reason = "x", line = [ {LINE.format(krw=20_000_001)} ] }}'),
        "tier's cap"),
    "load · over the budget": (
        open_books, lambda on: on.load(more=new_project("P8", 400_000_000) + new_project("P9", 20_000_001)),
        "current budget"),
    "load · a transfer of what is granted": (
        open_books,
        lambda on: on.load(("funding", f"transfer = [ {CUT} ]\nfunding")),
        "current budget"),
    "load · a terminated agreement amended": (
        terminated, lambda on: on.load((AMENDED, TERMINATED[0][1].replace(AMENDED, f"{AMENDED[:-2]}, {LATE} ]"))),
        "the agreement is terminated"),
    "load · terminated twice": (
        terminated, lambda on: on.load((AMENDED, TERMINATED[0][1].replace("12-10", "12-11"))), "used code"),
    "load · terminated before its work": (
        open_books, lambda on: on.load((AMENDED, TERMINATED[0][1].replace("12-10", "11-09"))), "void it first"),
    "payment · deposit overdrawn": (open_books, lambda on: on.pay("bank,deposit:P1,-10000001"), "deposit's balance"),
    "payment · deposit drawn and then overdrawn": (
        closed_month, lambda on: on.pay("bank,deposit:P1,-9981483"), "deposit's balance"),
    "payment · advance overdrawn": (
        open_books, lambda on: on.pay("agency,advance:hospital:H1:P1,-60001"), "advance's balance"),
    "payment · advance taken back after its offset": (
        closed_month, lambda on: on.pay("agency,advance:hospital:H1:P1,-1"), "advance's balance"),
    "payment · deposit refunded between freeze and lock": (
        frozen, lambda on: on.pay("bank,deposit:P1,-1"), "between freeze and lock"),
    "payment · advance taken back between freeze and lock": (
        frozen, lambda on: on.pay("agency,advance:hospital:H1:P1,-1"), "between freeze and lock"),
    "payment · other content under a used reference": (
        open_books, lambda on: on.pay("bank,deposit:P1,5", reference=used_reference(on)), "used reference"),
}  # fmt: skip


def used_reference(state) -> str:
    """The reference under which the deposit came in."""
    with state.engine.connect() as connection:
        return connection.scalar(text("SELECT reference FROM payment WHERE account = 'deposit:P1'"))


@pytest.mark.parametrize("name", MATRIX)
def test_matrix__is_refused_and_nothing_is_booked(state, name):
    bring, command, said = MATRIX[name]
    bring(state)
    before = state.booked()
    messages = "\n".join(command(state)["messages"])
    assert said in messages, messages
    assert state.booked() == before


@pytest.mark.parametrize(
    "command",
    [
        lambda on: on.run("2025-11"),
        lambda on: on.load(('closes = "2025-12"', 'closes = "2026-01"')),
        lambda on: on.amend('{ effective = 2025-12-05, reason = "x", limits = { L21 = 190_000_000 } }'),
    ],
    ids=["run", "load", "amendment"],
)
def test_run_working__whatever_would_move_its_figures_is_refused(state, owner, command):
    before = state.booked()
    with owner.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtext('run:V25'))"))
        assert "working" in str(command(state)["messages"])
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
    assert state.booked() == before


def test_run_again__of_a_month_that_released_releases_nothing_more(state):
    ended_project(state)
    before = state.booked()
    shown = state.call("month", "run", "2025-12", "--programme", "V25", now=CLOSE["2025-12"])
    assert shown["state"] == "locked"
    assert state.booked() == before


def test_release__is_booked_once_by_the_database_too(state):
    ended_project(state)
    with state.engine.connect() as connection:
        found = connection.execute(text("SELECT reference FROM entry WHERE kind = 'release'")).scalars().all()
    assert found == ["run:2025-12:release:P1"]
    again = NewEntry(kind="release", memo="again", reference=found[0],
                     postings={"budget:available": 1, "budget:committed:P2": -1})  # fmt: skip
    at = datetime(2026, 1, 5, tzinfo=UTC)
    with state.engine.begin() as connection, pytest.raises(psycopg.Error, match="uq_entry_programme_reference"):
        books.post(connection, "V25", Month(2026, 1), [again], at)

"""The small programme with November closed, copied for each test, and an account at a bank whose exports come in."""

import os
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from core import database
from tests.audited import Books, filled, own_database
from tests.driven import H2_PRICES, World, work
from tests.integration.conftest import REGISTRY

AT = datetime(2025, 12, 10, tzinfo=UTC)
NOW = "2025-12-10T09:00:00+09:00"
BY = ("--by", "finance-1")
MAP = """
account = "MAIN"
[columns]
date = "일시"
amount = "금액"
memo = "적요"
counterparty = "상대"
"""
INVOICE = "INV-OP-2025-000002"
CASH = 10_000_000


def fill(books: Books) -> None:
    """The small programme with November closed, so that P1 and P2 have an invoice each, and three users."""
    world = World(books.call, books.folder)
    books.load(REGISTRY + H2_PRICES, now="2025-09-15T09:00:00+09:00")
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    world.ingest(*work("w1", "L11", 100), *work("w2", "L21", 100, project="P2"), now="2025-12-03T00:00:00Z")
    world.run("2025-11")


@pytest.fixture(scope="session")
def template(server, admin, template, tmp_path_factory):
    """A database with November closed, that every test's own is copied from."""
    name = f"bank_{os.getpid()}"
    with own_database(server, admin, template, name) as settings:
        filled(settings, tmp_path_factory.mktemp("bank"), fill)
        with database.owner_engine(settings).begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO user_account (name, role, party, created_at) VALUES ('finance-1', 'finance', NULL,"
                    " now()), ('audit-1', 'auditor', NULL, now()), ('h01', 'hospital', 'H1', now())"
                )
            )
        database.dispose_engines()
        yield name


@pytest.fixture
def bank(jeongsan, engine, tmp_path):
    """The small programme with November closed, and its bank account."""
    return Bank(World(jeongsan, tmp_path), tmp_path, engine)


class Bank:
    """Imports exports of our account and decides about their rows."""

    def __init__(self, world, folder, engine):
        self.world, self.call, self.folder, self.engine = world, world.call, folder, engine
        (folder / "map.toml").write_text(MAP)

    def imported(self, *rows, exit_code=0, name="export.csv"):
        """Imports rows `day,amount,memo,counterparty`."""
        path = self.folder / name
        path.write_text("일시,금액,적요,상대\n" + "\n".join(rows) + "\n")
        return self.call("bank", "import", path, "--map", self.folder / "map.toml", now=NOW, exit_code=exit_code)

    def file(self, *rows):
        """A payments file of rows `channel,account,amount` of 2025-12-04, references F1, F2, …"""
        path = self.folder / "file.csv"
        lines = [f"2025-12-04T11:00:00+09:00,{row},F{number},x\n" for number, row in enumerate(rows, start=1)]
        path.write_text("paid_at,channel,account,amount_krw,reference,counterparty\n" + "".join(lines))
        return path

    def __call__(self, *arguments, exit_code=0):
        return self.call("bank", *arguments, now=NOW, exit_code=exit_code)

    def rows(self, *options):
        return self("list", *options)["rows"]

    def balance(self, account):
        return self.world.balances().get(account, 0)

    def open(self, number):
        found = {one["number"]: one for one in self.call("invoices", "list")["invoices"]}
        return found[number]["open_krw"]

"""Small programmes for the tests of the audit: three months of clean books, and one where everything goes wrong."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from core import database
from core.settings import Settings
from portal.cli import main
from tests.conftest import database_settings
from tests.events import accepted, performed

MONTHS = ("2025-10", "2025-11", "2025-12")
CLOSE = {"2025-10": "2025-11-03T09:00:00+09:00", "2025-11": "2025-12-03T09:00:00+09:00",
         "2025-12": "2026-01-05T09:00:00+09:00"}  # fmt: skip
PAID = {"2025-10": "2025-11-10", "2025-11": "2025-12-10", "2025-12": "2026-01-08"}
NOW = "2026-01-10T09:00:00+09:00"

PROGRAMME = """
[[programme]]
code = "AUD"
name = "감사 시험 사업"
ministry = "M"
type = "활용"
agency = "AG"
operator = "OP"
fiscal_year = 2025
appropriation_krw = 100_000_000
funding = "hospital"
self_pay_bp = { small = 1500, medium = 2500 }
platform_fee = { rate_bp = 500 }
incentive = { share_bp = 4000 }
settlement_closes_on = 2026-03-31
tier = [
  { code = "large", grant_cap_krw = 40_000_000, slots = 1, min_modalities = 3, min_suppliers = 2 },
  { code = "capped", price_cap_krw = 20_000_000, slots = 2 },
]
category = [ { code = "processing", name = "가공" }, { code = "analysis", name = "분석" } ]
weight = [ { modality = "imaging", unit = "study", weight = "3" } ]

""" + "".join(
    f'[[party]]\ncode = "{code}"\nkind = "{kind}"\nname = "{name}"\nbrn = "{brn}"\n{more}\n'
    for code, kind, name, brn, more in (
        ("M", "ministry", "부처", "101-82-79198", ""),
        ("AG", "agency", "전담기관", "102-83-58382", ""),
        ("OP", "operator", "운영기관", "103-84-37577", ""),
        ("C1", "company", "가온", "104-85-16761", 'size = "small"'),
        ("C2", "company", "나래", "105-86-95956", 'size = "medium"'),
        ("H1", "hospital", "첫째병원", "107-88-54334", ""),
        ("H2", "hospital", "둘째병원", "108-89-33528", 'payee = { name = "둘째재단", brn = "109-81-12710" }'),
    )
)
PRICES = """
[[price_book]]
code = "OP-1"
supplier = "OP"
effective_from = 2025-09-01
rate = [ { meter = "gpu", model = "H100", unit_price_krw = 7000 },
         { meter = "storage", class = "standard", unit_price_krw = 150 } ]
""" + "".join(
    f'[[price_book]]\ncode = "{hospital}-1"\nsupplier = "{hospital}"\neffective_from = 2025-09-01\n'
    'rate = [ { meter = "preparation", work = "study", unit = "study", unit_price_krw = 10_000 } ]\n'
    for hospital in ("H1", "H2")
)
CLEAN = (
    PROGRAMME
    + """
[[project]]
code = "P1"
programme = "AUD"
company = "C1"
tier = "large"
title = "과제 하나"
modalities = ["imaging"]
channel = "bank"
[[project]]
code = "P2"
programme = "AUD"
company = "C2"
tier = "capped"
title = "과제 둘"
modalities = ["imaging"]
channel = "bank"

[[permit]]
code = "DRB-1"
project = "P1"
kind = "drb"
approved_on = 2025-10-01
[[permit]]
code = "IRB-2"
project = "P2"
hospital = "H2"
kind = "irb"
approved_on = 2025-10-01
expires_on = 2026-03-31

[[agreement]]
code = "A1"
project = "P1"
starts = 2025-10-01
ends = 2026-03-31
self_pay_mode = "deposit"
deposit_krw = 3_060_000
over_limit = "hold"
evidence = { reference = "협약서 2025-1" }
line = [
  { code = "L11", supplier = "H1", category = "processing", grant_limit_krw = 10_000_000 },
  { code = "L12", supplier = "H2", category = "analysis", grant_limit_krw = 10_000_000 },
]
[[agreement]]
code = "A2"
project = "P2"
starts = 2025-10-01
ends = 2026-03-31
self_pay_mode = "arrears"
over_limit = "hold"
evidence = { reference = "협약서 2025-2" }
line = [ { code = "L21", supplier = "H2", category = "processing", grant_limit_krw = 9_000_000 } ]
[[agreement.amendment]]
effective = 2025-11-03
reason = "증액"
limits = { L21 = 10_000_000 }
evidence = { reference = "변경협약서 2025-2-1" }
"""
    + PRICES
)


class Books:
    """Drives the commands of one database: files in, months settled, dues paid."""

    def __init__(self, folder: Path):
        self.folder, self.numbers = folder, count(1)

    def call(self, *arguments, now: str, exit_code: int = 0) -> dict:
        """A command's JSON document."""
        done = CliRunner().invoke(main, [*map(str, arguments), "--json", "--now", now])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def load(self, toml: str, now: str = "2025-10-01T09:00:00+09:00") -> None:
        """Reference data."""
        self.call("load", self._file("registry.toml", toml), now=now)

    def ingest(self, *events: dict, now: str) -> None:
        """Events, all of them stored."""
        answer = self.call("ingest", self._file("events.jsonl", "\n".join(map(json.dumps, events))), now=now)
        assert answer["stored"] == answer["received"], answer

    def pay(self, *rows: tuple[str, str, int, str], day: str) -> None:
        """(channel, account, won, counterparty) of one day."""
        lines = [f"{day}T11:00:00+09:00,{channel},{account},{krw},R{next(self.numbers)},{name}"
                 for channel, account, krw, name in rows if krw]  # fmt: skip
        head = "paid_at,channel,account,amount_krw,reference,counterparty"
        text = "\n".join([head, *lines])
        answer = self.call("payments", "import", self._file("payments.csv", text), now=f"{day}T12:00:00+09:00")
        assert not answer["unmatched"], answer

    def settle(self, month: str) -> dict:
        """The month's run, with no difference."""
        shown = self.call("month", "run", month, "--programme", "AUD", now=CLOSE[month])
        assert (shown["state"], shown["differences"]) == ("locked", 0)
        return shown

    def pay_dues(self, month: str, shown: Mapping, suppliers: Mapping[str, tuple[str, str]]) -> None:
        """All that the books owe after a month. `suppliers`: line → hospital and project."""
        owed = self.call("balances", "--programme", "AUD", now=CLOSE[month])
        rows = []
        for line, (hospital, project) in suppliers.items():
            figures = shown["lines"][line]
            own = sum(figures[name] for name in ("self_pay_krw", "excess_krw", "vat_krw"))
            account = f"payable:hospital:{hospital}:{project}"
            rows += [("agency", account, figures["voucher_krw"], "AG"), ("bank", account, own, project)]
        for account, krw in owed.items():
            if account.startswith(("receivable:company:", "payable:operator", "payable:incentive:")):
                rows.append(("bank", account, abs(krw), account.rpartition(":")[2]))
        self.pay(*rows, day=PAID[month])

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / f"{next(self.numbers)}-{name}"
        path.write_text(text)
        return path


def work(name: str, line: str, quantity: int, day: str, project: str = "P1") -> Iterator[dict]:
    """A study performed at noon of a local day and accepted an hour later."""
    yield performed(name, str(quantity), f"{day}T12:00:00+09:00", line=line, project=project)
    yield accepted(f"a-{name}", name, f"{day}T13:00:00+09:00")


@contextmanager
def own_database(server, admin, template, name: str) -> Iterator[Settings]:
    """A database that the tests of a module share; the environment names it only while it is filled."""
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG")
    settings = database_settings(server, name)
    yield settings
    database.dispose_engines()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def filled(settings: Settings, folder: Path, fill: Callable[[Books], None]) -> None:
    """Fills a database through the commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", settings.database_url)
        patch.setenv("DATABASE_OWNER_URL", settings.database_owner_url)
        fill(Books(folder))

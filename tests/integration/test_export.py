"""The journal and the charges for other programs, and what those make of them."""

import csv
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas
import pytest

from core.month import Month
from ledger import books
from ledger.journal import NewEntry
from tests.conftest import ROOT
from tests.events import NOW, gpu, take
from tests.integration.conftest import REGISTRY
from tests.worked import PROGRAMME, needs_case, prepare, run

AT = datetime(2025, 11, 5, tzinfo=UTC)
NASTY = 'q"b\\ \n\r\t;|,[2025-13-01] date:x %3B =1+1 <&> \u2028 정산 😀  (!)'
FORMS = ("beancount", "hledger", "csv")
requires_hledger = pytest.mark.skipif(
    not shutil.which("hledger"), reason="hledger is not installed: sudo apt-get install -y hledger"
)


def tool(*arguments) -> str:
    """What another program says of a file; it must find nothing wrong."""
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def bean_check(path: Path) -> None:
    tool(Path(sys.executable).with_name("bean-check"), path)


def hledger_balances(path: Path) -> dict[str, int]:
    """{ACCOUNT: krw} as hledger sums it up, after its own checks."""
    tool("hledger", "-f", path, "check", "--strict")
    rows = csv.reader(tool("hledger", "-f", path, "balance", "--flat", "--no-total", "-O", "csv").splitlines())
    return {account: int(amount.removesuffix(" KRW")) for account, amount in list(rows)[1:]}


def beancount_balances(path: Path) -> dict[str, int]:
    """{CODE: krw} as beancount's loader sums it up, by the code that each account carries."""
    script = (
        "import json, sys\nfrom beancount import loader\nfrom beancount.core import data, realization\n"
        "entries, errors, _ = loader.load_file(sys.argv[1])\nassert not errors, errors\n"
        "codes = {e.account: e.meta['code'] for e in entries if isinstance(e, data.Open)}\n"
        "sums = dict.fromkeys(codes.values(), 0)\n"
        "for e in entries:\n    if isinstance(e, data.Transaction):\n"
        "        for p in e.postings: sums[codes[p.account]] += int(p.units.number)\n"
        "print(json.dumps({code: krw for code, krw in sums.items() if krw}))\n"
    )
    return json.loads(tool(sys.executable, "-W", "ignore", "-c", script, path))


@pytest.fixture
def exported(jeongsan, tmp_path):
    """Exports the journal: exported(form) → its file."""

    def export(form: str, *options) -> Path:
        path = tmp_path / f"journal.{form}"
        jeongsan("export", "journal", "--format", form, "--out", path, *options)
        return path

    return export


@pytest.fixture
def nasty(loaded, jeongsan):
    """Books with an entry whose texts mean something everywhere, and codes that need every escape."""
    made = NewEntry(kind="test", memo=NASTY, reference=NASTY,
                    postings={"cash:bank": 7, "payable:hospital:a_b.C-1:x": -7})  # fmt: skip
    late = NewEntry(kind="test", memo="", reference="'x", postings={"cash:bank": 1, "vat:operator": -1})
    with loaded.begin() as connection:
        books.post(connection, "V25", Month(2025, 11), [made], AT)
        books.post(connection, "V25", Month(2025, 10), [late], AT)
    return jeongsan("balances")


@requires_hledger
@needs_case
def test_journal__of_the_worked_case_is_read_by_hledger_and_beancount_with_our_balances(jeongsan, exported):
    prepare(jeongsan, "2025-12")
    run(jeongsan, "2025-12")
    balances = jeongsan("balances", "--programme", PROGRAMME)
    bean_check(exported("beancount"))
    assert beancount_balances(exported("beancount")) == balances
    assert hledger_balances(exported("hledger")) == balances


@requires_hledger
def test_journal__text_from_outside_means_nothing_to_hledger_and_beancount(nasty, exported):
    bean_check(exported("beancount"))
    assert beancount_balances(exported("beancount")) == nasty
    assert hledger_balances(exported("hledger")) == nasty
    shown = tool("hledger", "-f", exported("hledger"), "print", "tag:reference=date:x", "-O", "json")
    (entry,) = json.loads(shown)
    assert entry["tdate"] == "2025-11-30"
    assert len(entry["tpostings"]) == 2


@requires_hledger
def test_journal__one_changed_amount_is_refused_by_both_checkers(nasty, exported):
    for form, command in (("hledger", ["hledger", "check", "-f"]),
                          ("beancount", [Path(sys.executable).with_name("bean-check")])):  # fmt: skip
        path = exported(form)
        path.write_text(re.sub(r" 7 KRW", " 8 KRW", re.sub(r" -7 KRW", " -8 KRW", path.read_text(), count=1), count=1))
        assert subprocess.run([*command, path], capture_output=True, check=False).returncode == 1


def documented() -> str:
    """The few lines of docs/books.md that recompute the chain."""
    return re.search(r"^```python\n(.*?)^```", (ROOT / "docs" / "books.md").read_text(), re.M | re.S)[1]


def recomputed(path: Path) -> subprocess.CompletedProcess:
    """Runs the page's own program beside the exported file, with nothing of ours to import."""
    return subprocess.run([sys.executable, "-I", "-c", documented()], cwd=path.parent, capture_output=True, text=True,
                          check=False)  # fmt: skip


def test_csv__the_chain_is_recomputed_by_the_lines_of_the_books_page(nasty, exported, loaded):
    done = recomputed(exported("csv"))
    with loaded.connect() as connection:
        head = connection.exec_driver_sql("SELECT number, encode(hash, 'hex') FROM entry ORDER BY number DESC").first()
    assert (done.returncode, done.stdout.split()) == (0, ["V25", *map(str, head)]), done.stderr


@pytest.mark.parametrize(("old", "new"), [("commit P1", "commit P9"), (",7,", ",8,"), ("2025-11", "2025-12")])
def test_csv__the_lines_of_the_books_page_find_a_changed_entry(nasty, exported, old, new):
    path = exported("csv")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = recomputed(path)
    assert done.returncode == 1
    assert "is not what was booked" in done.stderr


def test_export__the_same_books_give_the_same_bytes(nasty, exported):
    for form in FORMS:
        first = exported(form).read_bytes()
        assert exported(form, "--programme", "V25").read_bytes() == first


def test_export__of_a_programme_or_to_a_place_that_is_not_there_is_bad_input(loaded, jeongsan, tmp_path):
    for form in FORMS:
        arguments = ("export", "journal", "--format", form, "--out")
        jeongsan(*arguments, tmp_path / "no" / "such" / "folder", exit_code=2)
        refused = jeongsan(*arguments, tmp_path / "x", "--programme", "NONE", exit_code=2)
        assert "NONE" in refused["messages"][0]


@requires_hledger
def test_journal__of_two_programmes_keeps_their_accounts_apart(jeongsan, registry_file, exported, tmp_path):
    jeongsan("load", registry_file(), now="2025-09-15T09:00:00+09:00")
    second = tmp_path / "second.toml"
    second.write_text(REGISTRY.split("[[party]]")[0].replace("V25", "V26"))
    jeongsan("load", second, now="2025-09-15T09:00:00+09:00")
    both = {f"{code}:{account}": krw for code, of in jeongsan("balances").items() for account, krw in of.items()}
    bean_check(exported("beancount"))
    assert hledger_balances(exported("hledger")) == both
    assert recomputed(exported("csv")).stdout.split()[::3] == ["V25", "V26"]


@needs_case
def test_focus__holds_every_charge_of_the_month_once_with_its_vat(jeongsan, tmp_path):
    prepare(jeongsan, "2025-12")
    charges = run(jeongsan, "2025-12")["charges"]
    path = tmp_path / "focus.csv"
    assert jeongsan("export", "focus", "--month", "2025-12", "--out", path)["rows"] == len(read(path))
    rows = read(path)
    taxes = {row["x_ChargeId"]: row for row in rows if row["ChargeCategory"] == "Tax"}
    lines = {row["x_ChargeId"]: row for row in rows if row["ChargeCategory"] != "Tax"}
    assert list(lines) == [charge["id"] for charge in charges]
    for charge in charges:
        row = lines[charge["id"]]
        assert int(row["BilledCost"]) == charge["amount_krw"]
        assert int(taxes.get(charge["id"], {"BilledCost": 0})["BilledCost"]) == charge["vat_krw"]
        assert (row["ChargeClass"] == "Correction") == charge["correction"]
        assert (row["SubAccountId"], row["BillingCurrency"]) == (charge["project"], "KRW")
        assert row["BillingPeriodStart"] == "2025-11-30T15:00:00Z"


@needs_case
def test_focus__pandas_reads_whole_won_by_project(jeongsan, tmp_path):
    prepare(jeongsan)
    charges = run(jeongsan, "2025-11")["charges"]
    jeongsan("export", "focus", "--month", "2025-11", "--out", tmp_path / "focus.csv")
    frame = pandas.read_csv(tmp_path / "focus.csv")
    assert frame["BilledCost"].dtype == "int64"
    billed: dict[str, int] = {}
    for one in charges:
        billed[one["project"]] = billed.get(one["project"], 0) + one["amount_krw"] + one["vat_krw"]
    assert frame.groupby("SubAccountId")["BilledCost"].sum().to_dict() == billed


@needs_case
def test_focus__quantities_are_the_metered_ones(jeongsan, tmp_path):
    prepare(jeongsan)
    run(jeongsan, "2025-11")
    path = tmp_path / "focus.csv"
    jeongsan("export", "focus", "--month", "2025-11", "--out", path)
    metered = {
        (row["project"], row["key"]): row["quantity"]
        for row in jeongsan("usage", "--month", "2025-11")["rows"]
        if row["meter"] == "gpu"
    }
    shown = {
        (row["SubAccountId"], row["SkuId"].removeprefix("gpu/")): row
        for row in read(path)
        if row["ServiceName"] == "GPU" and row["ChargeCategory"] == "Usage"
    }
    assert {key: row["ConsumedQuantity"] for key, row in shown.items()} == metered
    for row in shown.values():
        assert abs(float(row["PricingQuantity"]) * 3600 - float(row["ConsumedQuantity"])) < 1e-5


def test_focus__no_name_becomes_a_formula(jeongsan, registry_file, engine, tmp_path):
    names = (('"가온"', '"=1+1"'), ('"과제 하나"', '"@SUM(A1)"'), ('"운영기관"', '"-5 운영"'))
    jeongsan("load", registry_file(*names), now="2025-09-15T09:00:00+09:00")
    take(engine, [gpu("g1")], datetime.fromisoformat(NOW))
    run_on = "2025-12-03T09:00:00+09:00"
    assert jeongsan("month", "run", "2025-11", "--programme", "V25", now=run_on)["state"] == "locked"
    jeongsan("export", "focus", "--month", "2025-11", "--out", tmp_path / "focus.csv")
    usage, tax = read(tmp_path / "focus.csv")
    named = [usage[column] for column in ("BillingAccountName", "SubAccountName", "InvoiceIssuerName")]
    assert named == ["'=1+1", "'@SUM(A1)", "'-5 운영"]
    assert (usage["BilledCost"], usage["ConsumedQuantity"], usage["PricingQuantity"]) == ("7000", "3600", "1")
    assert (tax["ChargeCategory"], tax["BilledCost"], tax["ConsumedQuantity"]) == ("Tax", "700", "")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

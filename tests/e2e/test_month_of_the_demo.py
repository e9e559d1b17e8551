"""One month of the demo through the whole chain: from accepted work to books in which nothing is owed any more.

Accepted work → a claim from Excel with two bad cells, corrected, approved → the run → invoices → paid through Stripe's
server (webhooks out of order and doubled) and by a bank's export → payment orders paid → the tax workbook and its
numbers → nothing left that should be zero.
"""

import csv
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random

from openpyxl import load_workbook

from core.month import KST
from demo import events, payments
from demo.programme import REGISTRY, projects
from demo.sent import MONTHS
from tests.conftest import ROOT

PROGRAMME, MONTH, HOSPITAL = "MAIDV-2025", MONTHS[0], "H04"
LOADED, CLAIMED = "2025-09-01T09:00:00+09:00", "2025-10-01T10:00:00+09:00"
CLOSED, PAID = "2025-10-03T09:00:00+09:00", "2025-10-24T10:00:00+09:00"
PDF = b"%PDF-1.4 a copy of the bank book"
BANK_MAP = ROOT / "examples" / "banks" / "daon.toml"


def test_month__from_accepted_work_to_books_in_which_nothing_is_owed(jeongsan, tmp_path, stripe):
    _take_in(jeongsan, tmp_path)
    claim = _claim(jeongsan, tmp_path)
    shown = jeongsan("month", "run", MONTH, "--programme", PROGRAMME, now=CLOSED)
    assert (shown["state"], shown["differences"]) == ("locked", 0)
    invoices = _invoices(jeongsan, shown)
    _order(jeongsan, tmp_path)
    collected_krw = _collect(jeongsan, stripe, invoices)
    _bank(jeongsan, tmp_path, invoices, collected_krw)
    _tax(jeongsan, tmp_path)
    _nothing_is_owed(jeongsan, claim)


def _take_in(jeongsan, folder: Path) -> None:
    """Reference data, the month's events, deposits, and the people who act."""
    jeongsan("load", REGISTRY, now=LOADED)
    jeongsan("ingest", events.write(folder / "events")[MONTH], now=CLAIMED)
    deposits = folder / "deposits.csv"
    assert payments.write_deposits(deposits, MONTH, projects())
    jeongsan("payments", "import", deposits, now=CLAIMED)
    for name in ("finance-1", "finance-2"):
        jeongsan("user", "add", name, "--role", "finance", now=LOADED)
    jeongsan("user", "add", "h04", "--role", "hospital", "--party", HOSPITAL, now=LOADED)


# ------------------------------------------------------------------ the hospital's claim


def _claim(jeongsan, folder: Path) -> str:
    """The claim's number: its sheet came back marked for two cells, was corrected and approved."""
    of_month = ("--programme", PROGRAMME, "--hospital", HOSPITAL, "--month", MONTH)
    blank, bad, marked = (folder / name for name in ("template.xlsx", "bad.xlsx", "marked.xlsx"))
    jeongsan("claims", "template", *of_month, "--out", blank, now=CLAIMED)
    right = _edited(blank, bad, {"F9": lambda quantity: quantity + 1, "H10": lambda price: price - 1})
    answer = jeongsan("claims", "upload", bad, *of_month, "--by", "h04", "--marked", marked, now=CLAIMED, exit_code=2)
    said = "\n".join(answer["messages"])
    assert "F9" in said
    assert "H10" in said
    assert jeongsan("claims", "list")["claims"] == []
    assert _in_error_style(marked) >= {"F9", "H10"}
    corrected = folder / "corrected.xlsx"
    _edited(marked, corrected, {cell: lambda _wrong, value=value: value for cell, value in right.items()})
    drafted = jeongsan("claims", "upload", corrected, *of_month, "--by", "h04", now=CLAIMED)
    number = drafted["number"]
    jeongsan("claims", "submit", number, "--by", "h04", now=CLAIMED)
    approved = jeongsan("claims", "approve", number, "--by", "finance-1", now=CLAIMED)
    assert approved["state"] == "approved"
    return number


def _edited(path: Path, target: Path, changes: Mapping) -> dict[str, int]:
    """Changes cells of the claim's sheet as a person does; returns what stood there."""
    book = load_workbook(path)
    sheet, before = book["청구내역"], {}
    for cell, change in changes.items():
        before[cell] = sheet[cell].value
        sheet[cell].value = change(before[cell])
    book.save(target)
    return before


def _in_error_style(path: Path) -> set[str]:
    sheet = load_workbook(path)["청구내역"]
    return {cell.coordinate for row in sheet.iter_rows(min_row=9) for cell in row
            if cell.fill.fgColor.rgb.endswith("F9D7D3")}  # fmt: skip


# ------------------------------------------------------------------ invoices and payment orders


def _invoices(jeongsan, shown: dict) -> dict[str, dict]:
    """By project; each company is billed what the month shows to be due."""
    listed = jeongsan("invoices", "list", "--programme", PROGRAMME, "--month", MONTH, "--open")["invoices"]
    due: dict[str, int] = {}
    for one in listed:
        due[one["company"]] = due.get(one["company"], 0) + one["open_krw"]
    assert due == {code: one["due_krw"] for code, one in shown["company"].items()}
    numbers = [int(one["number"].rsplit("-", 1)[1]) for one in listed]
    assert sorted(numbers) == list(range(1, len(listed) + 1))
    return {one["project"]: one for one in listed}


def _order(jeongsan, folder: Path) -> None:
    """Payees' accounts by two persons, then the month's payment order with its files."""
    evidence = folder / "bankbook.pdf"
    evidence.write_bytes(PDF)
    payees = jeongsan("balances", "--programme", PROGRAMME)
    parties = sorted(
        {code.split(":")[2] for code in payees if re.match("payable:(hospital|incentive):", code)} | {"OP"}
    )
    named = {one["code"]: one["name"] for one in _parties()}
    for number, party in enumerate(parties):
        asked = jeongsan(
            "payees", "add", party, "--bank-code", "088", "--bank", "다온은행", "--number", f"110-222-{number:06d}",
            "--holder", named[party], "--evidence", evidence, "--by", "finance-1", now=LOADED,
        )  # fmt: skip
        jeongsan("payees", "approve", asked["id"], "--by", "finance-1", now=LOADED, exit_code=3)
        jeongsan("payees", "approve", asked["id"], "--by", "finance-2", now=LOADED)
    order = folder / "order"
    jeongsan("payouts", "order", MONTH, "--programme", PROGRAMME, "--by", "finance-1", "--out", order, now=PAID)
    assert len(list(order.iterdir())) == 2


def _parties() -> Iterable[dict]:
    return tomllib.loads(REGISTRY.read_text())["party"]


# ------------------------------------------------------------------ money in and out


def _collect(jeongsan, stripe, invoices: Mapping[str, dict]) -> int:
    """Companies with the channel stripe pay by card; every webhook comes twice, in another order. The won collected."""
    parts = jeongsan("stripe", "collect", "--programme", PROGRAMME)["parts"]
    due = {one["number"]: one["open_krw"] for one in invoices.values()}
    assert {one["invoice"]: one["amount_krw"] for one in parts}.items() <= due.items()
    assert len(parts) == 3
    for one in parts:
        stripe.pays_by_card(one["intent"])
    hooks = stripe.webhooks(len(parts))
    Random(7).shuffle(hooks)
    answers = [stripe.deliver(one) for one in (*hooks, *reversed(hooks))]
    assert {status for status, _ in answers} == {200}
    assert sum(answer["outcome"] == "booked" for _, answer in answers) == len(parts)
    assert sum(answer["outcome"] == "already" for _, answer in answers) == len(hooks)
    assert jeongsan("stripe", "poll")["booked"] == 0
    collected_krw = sum(one["amount_krw"] for one in parts)
    assert stripe.pays_out(collected_krw) == (200, {"outcome": "recorded", "reason": ""})
    return collected_krw


def _bank(jeongsan, folder: Path, invoices: Mapping[str, dict], collected_krw: int) -> None:
    """What the agency paid past our account comes by file; all else is in the bank's export, in its own encoding."""
    orders = jeongsan("payouts", "list", "--programme", PROGRAMME, "--month", MONTH)["rows"]
    by_agency = [("agency", one["account"], one["ordered_krw"], one["payee"]) for one in orders
                 if one["payer"] == "agency"]  # fmt: skip
    _write_payments(folder / "agency.csv", by_agency)
    jeongsan("payments", "import", folder / "agency.csv", now=PAID)
    open_invoices = jeongsan("invoices", "list", "--programme", PROGRAMME, "--open")["invoices"]
    received = [(one["open_krw"], one["number"], one["company"]) for one in open_invoices]
    received.append((collected_krw, "STRIPE PAYOUT", "Stripe"))
    paid = [(-one["ordered_krw"], f"PO-{PROGRAMME}-{str(MONTH).replace('-', '')}-{one['number']}", one["payee"])
            for one in orders if one["payer"] == "settlement"]  # fmt: skip
    export = folder / "export.csv"
    export.write_bytes(_export([*received, *paid]).encode("cp949"))
    done = jeongsan("bank", "import", export, "--map", BANK_MAP, now=PAID)
    assert done["rows"] == len(received) + len(paid)
    for one in jeongsan("bank", "list", "--state", "proposed")["rows"]:
        jeongsan("bank", "confirm", one["id"], "--by", "finance-1", now=PAID)
    again = jeongsan("bank", "import", export, "--map", BANK_MAP, now=PAID)
    assert again["already"] == len(received) + len(paid)


def _write_payments(path: Path, rows: Iterable[tuple[str, str, int, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(payments.COLUMNS)
        for number, (channel, account, krw, counterparty) in enumerate(rows):
            writer.writerow((PAID, channel, account, krw, f"AGENCY-{number}", counterparty))


def _export(rows: Iterable[tuple[int, str, str]]) -> str:
    """A bank's export of movements: signed won, memo, counterparty; newest first, with the running balance."""
    lines, balance = [], 500_000_000
    for minute, (krw, memo, name) in enumerate(rows):
        balance += krw
        at = datetime(2025, 10, 22, 9, tzinfo=KST) + timedelta(minutes=minute)
        out, into = (f"{-krw:,}", "") if krw < 0 else ("", f"{krw:,}")
        lines.append([f"{at:%Y.%m.%d}", f"{at:%H:%M:%S}", out, into, f"{balance:,}", memo, name, "본점"])
    target = StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL)
    writer.writerow(
        ["거래일자", "거래시간", "찾으신금액", "맡기신금액", "거래후잔액", "적요", "의뢰인/수취인", "거래점"]
    )
    writer.writerows(reversed(lines))
    return target.getvalue()


# ------------------------------------------------------------------ tax documents


def _tax(jeongsan, folder: Path) -> None:
    """Complete, exported, and back with the tax office's numbers."""
    now = "2025-10-10T09:00:00+09:00"
    checked = jeongsan("tax", "check", MONTH, "--programme", PROGRAMME, now=now)
    assert (checked["ok"], checked["problems"]) == (True, [])
    exported = jeongsan("tax", "export", MONTH, "--programme", PROGRAMME, "--out", folder / "tax", now=now)
    rows = [row for path in exported["files"] for row in _sheet_rows(Path(path))]
    listed = jeongsan("tax", "list", MONTH, "--programme", PROGRAMME)["documents"]
    assert len(rows) == len(listed) == exported["documents"]
    assert sum(row[19] for row in rows) == sum(one["supply_krw"] for one in listed)
    assert sum(row[20] for row in rows) == sum(one["vat_krw"] for one in listed)
    numbers = folder / "approved.csv"
    with numbers.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["승인번호", "비고", "발급일자"])
        writer.writerows((f"2025101041000012{count:08d}", row[21], "20251010") for count, row in enumerate(rows))
    assert jeongsan("tax", "import", numbers, now=now)["new"] == len(rows)
    listed = jeongsan("tax", "list", MONTH, "--programme", PROGRAMME)["documents"]
    assert {one["state"] for one in listed} == {"approved"}


def _sheet_rows(path: Path) -> list[tuple]:
    """The documents of a bulk-issue file: rows from the seventh on, by position."""
    return list(load_workbook(path).worksheets[0].iter_rows(min_row=7, values_only=True))


# ------------------------------------------------------------------ at zero


def _nothing_is_owed(jeongsan, claim: str) -> None:
    """No company, no hospital, no operator and no agency owes or is owed a won; nothing waits anywhere."""
    balances = jeongsan("balances", "--programme", PROGRAMME)
    owed = ("receivable:", "payable:", "cash:stripe", "suspense:", "incentive:", "advance:", "agency:")
    assert {code: krw for code, krw in balances.items() if code.startswith(owed)} == {}
    assert jeongsan("invoices", "list", "--programme", PROGRAMME, "--open")["invoices"] == []
    assert jeongsan("payouts", "differences", "--programme", PROGRAMME)["rows"] == []
    assert {one["state"] for one in jeongsan("bank", "list")["rows"]} == {"booked"}
    assert jeongsan("stripe", "events")["events"] == []
    assert jeongsan("claims", "show", claim)["state"] == "paid"
    assert jeongsan("verify", "--deep")["ok"]
    assert jeongsan("audit", "--programme", PROGRAMME, now=PAID)["ok"]
    following = jeongsan("month", "run", MONTH + 1, "--programme", PROGRAMME, "--dry-run")
    assert following["differences"] == 0

"""The demo's payments: deposits before a month's freeze, and after its run what the balances show to be due."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from core.month import Month
from demo.programme import Project
from demo.sent import local

COLUMNS = ("paid_at", "channel", "account", "amount_krw", "reference", "counterparty")
STRIPE_MAX_KRW = 99_999_999
DEPOSITED_ON = {"P8": date(2025, 10, 20)}  # this one came late: what P8 bought in September is held until it is there
LATE_PAYERS = {(Month(2025, 11), "P4")}  # this one pays its November bill together with December's

Row = tuple[str, str, int, str]  # channel, account, amount in won, counterparty


def write_deposits(path: Path, month: Month, projects: Iterable[Project]) -> bool:
    """Writes the deposits paid in a month; False when there are none."""
    rows = [
        ("bank", f"deposit:{project.code}", project.deposit_krw, project.company)
        for project in projects
        if project.self_pay_mode == "deposit" and Month.of(DEPOSITED_ON.get(project.code, date(2025, 9, 12))) == month
    ]
    _write(path, local(month.first + timedelta(days=19), 11), f"DEP-{month}", rows)
    return bool(rows)


def write_dues(
    path: Path, month: Month, shown: Mapping, balances: Mapping[str, int], projects: Iterable[Project]
) -> None:
    """Writes what agency, companies and operator pay once a month is locked, from `month show` and `balances`."""
    rows = [*_received(month, balances, projects), *_paid_out(month, shown, balances, projects)]
    _write(path, paid_at(month), f"PAY-{month}", rows)


def paid_at(month: Month) -> datetime:
    """When a month's dues are paid: the tenth of the next."""
    return local((month + 1).first + timedelta(days=9), 11)


def _received(month: Month, balances: Mapping[str, int], projects: Iterable[Project]) -> Iterator[Row]:
    collected_krw = 0
    for project in projects:
        account = f"receivable:company:{project.code}"
        due_krw = balances.get(account, 0)
        if (month, project.code) in LATE_PAYERS:
            continue
        if project.channel != "stripe":
            yield "bank", account, due_krw, project.company
            continue
        collected_krw += due_krw
        while due_krw:
            part_krw = min(due_krw, STRIPE_MAX_KRW)
            yield "stripe", account, part_krw, project.company
            due_krw -= part_krw
    yield "bank", "cash:stripe", collected_krw, "Stripe"


def _paid_out(month: Month, shown: Mapping, balances: Mapping[str, int], projects: Iterable[Project]) -> Iterator[Row]:
    for project in projects:
        voucher_krw: dict[str, int] = {}
        for line in project.lines:
            settled = shown["lines"].get(line.code, {})
            voucher_krw[line.supplier] = voucher_krw.get(line.supplier, 0) + settled.get("voucher_krw", 0)
        for hospital, agency_krw in voucher_krw.items():
            account = f"payable:hospital:{hospital}:{project.code}"
            yield "agency", account, agency_krw, "KHIS"
            if (month, project.code) not in LATE_PAYERS:
                yield "bank", account, -balances.get(account, 0) - agency_krw, project.company
        if project.closes == month:
            yield "bank", f"deposit:{project.code}", balances.get(f"deposit:{project.code}", 0), project.company
    for account, balance_krw in balances.items():
        if account.startswith(("payable:operator", "payable:incentive:")):
            yield "bank", account, -balance_krw, account.rpartition(":")[2]


def _write(path: Path, at: datetime, reference: str, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        paid = [row for row in rows if row[2]]
        for number, (channel, account, amount_krw, counterparty) in enumerate(paid, start=1):
            writer.writerow((at.isoformat(), channel, account, amount_krw, f"{reference}-{number:03d}", counterparty))

"""The demo's payments follow from what the balances show."""

import csv

from core.month import Month
from demo import payments
from demo.programme import projects

OCTOBER, DECEMBER = Month(2025, 10), Month(2025, 12)


def rows(path):
    with path.open(encoding="utf-8") as file:
        return [(row["channel"], row["account"], int(row["amount_krw"])) for row in csv.DictReader(file)]


def dues(tmp_path, month, balances, lines=None):
    payments.write_dues(tmp_path / "dues.csv", month, {"lines": lines or {}}, balances, projects())
    return rows(tmp_path / "dues.csv")


def test_deposits__one_of_them_comes_a_month_late(tmp_path):
    among = projects()
    path = tmp_path / "deposits.csv"
    assert payments.write_deposits(path, Month(2025, 9), among)
    assert {account for _, account, _ in rows(path)} == {"deposit:P1", "deposit:P3", "deposit:P5", "deposit:P6"}
    assert payments.write_deposits(path, OCTOBER, among)
    assert rows(path) == [("bank", "deposit:P8", 66_666_668)]
    assert not payments.write_deposits(path, DECEMBER, among)


def test_dues__the_agency_pays_the_voucher_and_the_company_the_rest(tmp_path):
    balances = {"payable:hospital:H03:P2": -1_100, "receivable:company:P2": 400}
    lines = {"L21": {"voucher_krw": 500}, "L22": {"voucher_krw": 250}}
    assert dues(tmp_path, OCTOBER, balances, lines) == [
        ("bank", "receivable:company:P2", 400),
        ("agency", "payable:hospital:H03:P2", 750),
        ("bank", "payable:hospital:H03:P2", 350),
    ]


def test_dues__stripe_collects_at_most_99999999_a_charge_and_pays_it_all_out(tmp_path):
    assert dues(tmp_path, OCTOBER, {"receivable:company:P1": 250_000_000}) == [
        ("stripe", "receivable:company:P1", 99_999_999),
        ("stripe", "receivable:company:P1", 99_999_999),
        ("stripe", "receivable:company:P1", 50_000_002),
        ("bank", "cash:stripe", 250_000_000),
    ]


def test_dues__the_rest_of_a_deposit_is_refunded_when_its_project_closes(tmp_path):
    balances = {"deposit:P5": -1_000, "deposit:P1": -9_000}
    assert dues(tmp_path, OCTOBER, balances) == []
    assert dues(tmp_path, DECEMBER, balances) == [("bank", "deposit:P5", -1_000)]


def test_dues__a_late_payer_pays_nothing_in_its_month(tmp_path):
    balances = {"receivable:company:P4": 10, "payable:hospital:H06:P4": -30}
    lines = {"L41": {"voucher_krw": 20}}
    assert dues(tmp_path, Month(2025, 11), balances, lines) == [("agency", "payable:hospital:H06:P4", 20)]

"""The auditors' checks find what can go wrong through the commands alone."""

import os

import pytest
from click.testing import CliRunner

from portal.cli import main
from tests.audited import CLOSE, NOW, PRICES, PROGRAMME, Books, filled, own_database, work
from tests.events import event, gpu, voided

FAULTY = (
    PROGRAMME
    + """
[[project]]
code = "P1"
programme = "AUD"
company = "C1"
tier = "large"
title = "선납금이 오지 않은 과제"
modalities = ["imaging", "text", "omics"]
channel = "bank"
[[project]]
code = "P2"
programme = "AUD"
company = "C2"
tier = "large"
title = "한도를 넘은 과제"
modalities = ["imaging"]
channel = "bank"
[[project]]
code = "P3"
programme = "AUD"
company = "C2"
tier = "capped"
title = "금액 상한에 닿은 과제"
modalities = ["imaging"]
channel = "bank"

[[agreement]]
code = "A1"
project = "P1"
starts = 2025-10-01
ends = 2026-03-31
self_pay_mode = "deposit"
deposit_krw = 1_000_000
over_limit = "hold"
line = [ { code = "L11", supplier = "H1", category = "processing", grant_limit_krw = 10_000_000 } ]
[[agreement]]
code = "A2"
project = "P2"
starts = 2025-10-01
ends = 2026-03-31
self_pay_mode = "arrears"
over_limit = "hold"
line = [ { code = "L21", supplier = "H2", category = "processing", grant_limit_krw = 750_000 } ]
amendment = [ { effective = 2025-12-03, reason = "증액", limits = { L21 = 10_000_000 } } ]
[[agreement]]
code = "A3"
project = "P3"
starts = 2025-10-01
ends = 2026-03-31
self_pay_mode = "arrears"
over_limit = "hold"
line = [
  { code = "L31", supplier = "H1", category = "processing", grant_limit_krw = 20_000_000 },
  { code = "L32", supplier = "H2", category = "analysis", grant_limit_krw = 10_000_000 },
]
"""
    + PRICES
)


def fill(books: Books) -> None:
    """Two months in which P1 pays no deposit, P2 delivers beyond its limit, P3 beyond its cap and takes work back."""
    books.load(FAULTY)
    books.ingest(
        *work("w11", "L11", 100, "2025-11-10"), *work("w21", "L21", 150, "2025-11-11", "P2"),
        *work("w32", "L32", 50, "2025-11-12", "P3"), *work("w31", "L31", 2000, "2025-11-13", "P3"),
        *work("twin", "L32", 150, "2025-11-11", "P3"),
        gpu("g", "2025-11-13T00:00:00Z", "2025-11-13T01:00:00Z", project="P2"), now=CLOSE["2025-11"],
    )  # fmt: skip
    books.settle("2025-11")
    books.pay(
        ("agency", "payable:hospital:H2:P2", 825_000, "AG"), ("bank", "payable:hospital:H2:P2", 100_000, "첫째병원"),
        ("bank", "payable:hospital:H2:P3", 1_000, "둘째재단"), ("bank", "payable:hospital:H1:P3", 1_000, "모르는 곳"),
        day="2025-12-10",
    )  # fmt: skip
    books.ingest(
        voided("v", "w32"), *work("w22", "L21", 300, "2025-12-11", "P2"),
        event("usage.voided", "vt", ref={"source": "/t", "id": "twin"}, reason="twice", author="ops"),
        now=CLOSE["2025-12"],
    )  # fmt: skip
    books.settle("2025-12")


# level, check, the month that shows it, and the references of its finding as far as they are told.
MADE = [
    ("WARN", "spending before the deposit", "2025-11",
     {"line:2025-11/L11", "charge:2025-11/P1/2025-11/preparation/L11/w11"}),
    ("WARN", "held beyond grant_limit", "2025-11",
     {"line:2025-11/L21", "charge:2025-11/P2/2025-11/preparation/L21/w21"}),
    ("WARN", "held beyond price_cap", "2025-11",
     {"line:2025-11/L31", "charge:2025-11/P3/2025-11/preparation/L31/w31"}),
    ("WARN", "amendment dated after the spend", "2025-12",
     {"charge:2025-12/P2/2025-11/preparation/L21/w21", "line:2025-12/L21"}),
    ("WARN", "recovery due from hospital", "2025-12", {"balance:payable:hospital:H2:P3@2025-12"}),
    ("WARN", "same work claimed twice", "2025-11",
     {"charge:2025-11/P2/2025-11/preparation/L21/w21", "charge:2025-11/P3/2025-11/preparation/L32/twin"}),
    ("ERROR", "payment differs from the settlement", "2025-12", {"balance:payable:hospital:H2:P2@2025-12"}),
    ("WARN", "payment differs from the settlement", "2025-12",
     {"balance:receivable:company:P2@2025-12", "balance:payable:operator@2025-12"}),
    ("ERROR", "payee is no party to the agreement", "2025-12", {"entry"}),
    ("WARN", "payee is no party to the agreement", "2025-12", {"entry"}),
    ("WARN", "year-end bulk spending", "2025-12", {"line:2025-12/L21", "registry:project/P2"}),
    ("WARN", "G below its target", "2025-12", {"line:2025-12/L11", "registry:project/P1"}),
    ("WARN", "project without a permit", "2025-11", {"registry:project/P1", "registry:project/P3"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def faulty(server, admin, template, tmp_path_factory):
    """Settings of the faulty books."""
    with own_database(server, admin, template, f"faulty_{os.getpid()}") as settings:
        filled(settings, tmp_path_factory.mktemp("faulty"), fill)
        yield settings


@pytest.fixture
def audited(faulty, monkeypatch, tmp_path):
    """`jeongsan audit` of the faulty books: audited(options …, exit_code=…) → its document."""
    monkeypatch.setenv("DATABASE_URL", faulty.database_url)
    return lambda *options, exit_code=0: Books(tmp_path).call("audit", *options, now=NOW, exit_code=exit_code)


@pytest.mark.parametrize(
    ("level", "check", "month", "wanted"), [pytest.param(*one, id=f"{one[1]}-{one[0]}") for one in MADE]
)
def test_audit__finds_what_went_wrong(audited, level, check, month, wanted):
    answer = audited("--month", month, exit_code=0 if month == "2025-11" else 1)
    refs = {ref for one in answer["findings"] if (one["level"], one["check"]) == (level, check) for ref in one["refs"]}
    told = {ref.partition(":")[0] if ref.startswith("entry:") else ref for ref in refs}
    assert wanted <= told


def test_audit__of_all_months_tells_each_finding_once_and_errors_decide_the_exit_code(audited):
    answer = audited(exit_code=1)
    told = [(one["level"], one["check"], one["message"]) for one in answer["findings"]]
    assert len(told) == len(set(told))
    assert [one[0] for one in told] == sorted(one[0] for one in told)
    assert not answer["ok"]
    assert audited("--month", "2025-11")["ok"]


def test_audit__every_reference_can_be_followed(audited, tmp_path):
    for one in audited(exit_code=1)["findings"]:
        for reference in one["refs"]:
            assert Books(tmp_path).call("trace", reference, now=NOW)["ref"] == reference


def test_audit__reads_in_korean_and_in_english(audited):
    def text(*options):
        return CliRunner().invoke(main, ["audit", "--month", "2025-11", "--now", NOW, *options]).stdout

    korean, english = text(), text("--lang", "en")
    assert "주의  심의 승인이 없는 과제: P1: 등록된 IRB·DRB 승인이 없습니다." in korean
    assert "오류 0건" in korean
    assert "P1: no IRB or DRB permit is registered." in english
    assert "0 errors" in english
    assert not any("가" <= letter <= "힣" for letter in english)


def test_audit__of_a_programme_that_is_not_there_is_bad_input(audited):
    answer = audited("--programme", "X", exit_code=2)
    assert "no such programme" in answer["messages"][0]

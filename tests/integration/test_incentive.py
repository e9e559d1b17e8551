"""Incentives through the commands (domain.md §10): frozen coefficients, what carries over, fixed-sum pools."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.driven import CLOSE, H2_PRICES, World, event, work

FIXED = ("incentive = { share_bp = 4000 }", 'incentive = { monthly_krw = 1_000_000, source = "operator" }')
HOURS = """
[[price_book]]
code = "H1-2"
supplier = "H1"
effective_from = 2025-09-01
rate = [ { meter = "preparation", work = "review", unit = "hour", unit_price_krw = 47_034 } ]
"""
FEE_FREE = ("platform_fee = { rate_bp = 500 }", "platform_fee = { rate_bp = 0 }")


@pytest.fixture
def fixed(jeongsan, registry_file, tmp_path):
    """The small programme with a pool of a million won a month that the operator pays, and no fee."""
    jeongsan("load", registry_file(FIXED, FEE_FREE, more=H2_PRICES + HOURS), now="2025-09-15T09:00:00+09:00")
    world = World(jeongsan, tmp_path)
    world.pay("bank,deposit:P1,10000000", now="2025-11-20T00:00:00Z")
    return world


def studies(name, hospital, quantity):
    """Accepted studies of H1 (quality 0.95) or H2 (quality 1): 3 a study."""
    line, project = {"H1": ("L11", "P1"), "H2": ("L21", "P2")}[hospital]
    return work(name, line, quantity, project=project)


def test_coefficients__other_weights_or_qualities_than_loaded_are_refused(loaded, jeongsan, registry_file):
    for other in (('weight = "3"', 'weight = "4"'), ('quality = "0.95"', 'quality = "0.96"')):
        refused = jeongsan("load", registry_file(other), now="2025-10-01T09:00:00+09:00", exit_code=3)
        assert "other content under a used code" in refused["messages"][0]


@pytest.mark.parametrize("change", ["UPDATE weight SET weight = 4", "UPDATE party SET quality = 1"])
def test_coefficients__the_database_lets_nobody_change_them(loaded, change):
    with pytest.raises(ProgrammingError, match="permission denied"), loaded.begin() as connection:
        connection.execute(text(change))


def test_fixed_pool__is_paid_by_the_operator_and_shared_by_contribution(fixed):
    fixed.ingest(*studies("w1", "H1", 10), *studies("w2", "H2", 7), now=CLOSE["2025-11"])
    november = fixed.run("2025-11")
    assert november["incentive"] == {
        "pool_krw": 1_000_000, "distributed_krw": 1_000_000, "carried_krw": 0,
        "shares": {"H1": 575_758, "H2": 424_242},
    }  # fmt: skip
    balances = fixed.balances()
    assert balances["payable:operator"] == 1_000_000
    assert (balances["payable:incentive:H1"], balances["payable:incentive:H2"]) == (-575_758, -424_242)
    assert "incentive:pool" not in balances
    assert november["matrix"]["company_direct"]["incentive_pool"] == 1_000_000
    assert november["matrix"]["company_direct"]["operator_usage"] == -1_000_000
    assert november["differences"] == 0


def test_pool_without_contribution__waits_for_the_month_that_has_one(fixed):
    november = fixed.run("2025-11")
    assert (november["incentive"]["distributed_krw"], november["incentive"]["carried_krw"]) == (0, 1_000_000)
    assert fixed.balances()["incentive:pool"] == -1_000_000
    fixed.ingest(*studies("w1", "H2", 1), now=CLOSE["2025-12"])
    december = fixed.run("2025-12")["incentive"]
    assert (december["pool_krw"], december["distributed_krw"]) == (1_000_000, 2_000_000)
    assert december["shares"]["H2"] == 2_000_000


def test_negative_contribution__is_made_good_before_the_hospital_shares_again(fixed, jeongsan):
    fixed.ingest(*studies("w1", "H1", 10), *studies("w2", "H2", 7), now=CLOSE["2025-11"])
    fixed.run("2025-11")
    void = event("usage.voided", "v1", ref="w1", reason="twice", author="H1")
    fixed.ingest(void, *studies("w3", "H2", 1), now=CLOSE["2025-12"])
    assert fixed.run("2025-12")["incentive"]["shares"] == {"H1": 0, "H2": 1_000_000}
    fixed.ingest(*studies("w4", "H1", 12), *studies("w5", "H2", 1), now=CLOSE["2026-01"])
    january = fixed.run("2026-01")["incentive"]["shares"]
    assert january == {"H1": 655_172, "H2": 344_828}  # 12 − 10 studies of quality 0.95 against one
    assert jeongsan("verify", "--deep")["ok"]


def test_hours__earn_no_incentive(fixed):
    at = "2025-11-10T05:00:00+09:00"
    hours = (
        event("preparation.performed", "h1", project="P1", line="L11", work="review", unit="hour", quantity="8",
              performed=at),
        event("preparation.accepted", "a-h1", ref="h1", at=at, by="company"),
    )  # fmt: skip
    fixed.ingest(*hours, *studies("w1", "H2", 1), now=CLOSE["2025-11"])
    november = fixed.run("2025-11")
    assert november["hospital"]["H1"]["supply_krw"] == 8 * 47_034
    assert november["incentive"]["shares"] == {"H2": 1_000_000}

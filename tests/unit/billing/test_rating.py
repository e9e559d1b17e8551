"""Rating (domain.md §4): one rounding, price versions, graduated tiers, specificity."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.charge import BookedLine, ChargeLine, month_rows
from billing.rate_card import RateCard
from billing.rating import GIB_US, GPU_HOUR, MeteredLine, RateBook, _work_keys, priced_krw, rate_usage
from core.month import Month
from metering.values import Acceptance, Usage, WorkItem

NOVEMBER, DECEMBER = Month.parse("2025-11"), Month.parse("2025-12")
H100 = RateCard(supplier="OP", meter="gpu", model="H100", valid_from=date(2025, 9, 1), unit_price_krw=7000)


def gpu_s(seconds) -> int:
    return int(Decimal(seconds) * 10**9)


@pytest.mark.parametrize(
    ("seconds", "price", "krw"),
    [("159400", 7000, 309_944), ("160700", 7000, 312_472), ("1300", 7000, 2_527), ("41683.935", 5600, 64_841),
     ("24000", 6500, 43_333), ("165848", 7000, 322_482)],
)  # fmt: skip
def test_gpu__is_floored_once(seconds, price, krw):
    assert priced_krw(gpu_s(seconds), GPU_HOUR, replace(H100, unit_price_krw=price)) == krw


def test_storage__is_priced_for_the_whole_calendar_month():
    card = RateCard(supplier="OP", meter="storage", storage_class="standard", valid_from=date(2025, 9, 1),
                    unit_price_krw=150)  # fmt: skip
    assert priced_krw(1_426_642_397_770_464_000 * 10**6, GIB_US * NOVEMBER.seconds, card) == 76_890
    assert priced_krw(675_546_666_574_071_600 * 10**6, GIB_US * DECEMBER.seconds, card) == 35_234


def test_tiers__count_from_the_usage_before():
    card = replace(H100, tiers=((Decimal(10), 100), (Decimal(20), 50), (None, 10)))
    hours = GPU_HOUR
    assert priced_krw(25 * hours, hours, card) == 10 * 100 + 10 * 50 + 5 * 10
    assert priced_krw(5 * hours, hours, card, before=18 * hours) == 2 * 50 + 3 * 10


def test_minimum__applies_to_any_usage_but_not_to_none():
    card = replace(H100, minimum_krw=5_000)
    assert priced_krw(1, GPU_HOUR, card) == 5_000
    assert priced_krw(0, GPU_HOUR, card) == 0


def test_price_change__makes_two_lines_of_one_month():
    later = replace(H100, valid_from=date(2025, 11, 15), unit_price_krw=8000)
    book = RateBook([replace(H100, valid_until=date(2025, 11, 15)), later])
    usages = [Usage(project="P1", meter="gpu", key="H100", starts=day, quantity=gpu_s(3600))
              for day in (date(2025, 11, 1), date(2025, 11, 15))]  # fmt: skip
    lines, missing = rate_usage(usages, "OP", book, {})
    assert [(line.key, line.amount_krw) for line in lines] == [("H100@2025-09-01", 7000), ("H100@2025-11-15", 8000)]
    assert missing == []


def test_metered_line__takes_the_usage_of_its_days():
    line = MeteredLine(code="L9", supplier="H1", tax="exempt", starts=date(2025, 11, 10), ends=date(2025, 11, 19))
    own = replace(H100, supplier="H1", unit_price_krw=6000)
    usages = [Usage(project="P1", meter="gpu", key="H100", starts=date(2025, 11, day), quantity=gpu_s(3600))
              for day in (9, 10, 19, 20)]  # fmt: skip
    lines, missing = rate_usage(usages, "OP", RateBook([H100, own]), {("P1", "gpu"): [line]})
    assert [(one.line, one.supplier, one.key, one.amount_krw, one.vat_krw) for one in lines] == [
        (None, "OP", "H100@2025-09-01", 14_000, 1_400), ("L9", "H1", "H100@2025-09-01", 12_000, 0),
    ]  # fmt: skip
    assert missing == []
    without_operator, missing = rate_usage(usages, "", RateBook([own]), {("P1", "gpu"): [line]})
    assert ([one.line for one in without_operator], missing) == (["L9"], [])


def test_pass_through__is_floored_once_for_the_whole_quantity():
    card = replace(H100, payee="I1", cost_price_krw=5599)
    usages = [Usage(project="P1", meter="gpu", key="H100", starts=date(2025, 11, day), quantity=gpu_s("650.5"))
              for day in (1, 2)]  # fmt: skip
    ((line,), _missing) = rate_usage(usages, "OP", RateBook([card]), {})
    assert (line.payee, line.cost_krw) == ("I1", 1301 * 5599 // 3600)
    less = replace(line, quantity_base=gpu_s(650), cost_krw=650 * 5599 // 3600)
    booked = {line.identity: BookedLine(line=line, first_month=NOVEMBER)}
    (row,) = month_rows(DECEMBER, [less], booked)
    assert row.cost_krw == less.cost_krw - line.cost_krw
    (gone,) = month_rows(DECEMBER, [], booked)
    assert gone.cost_krw == -line.cost_krw


def test_usage_without_a_rate__is_listed():
    usage = Usage(project="P1", meter="gpu", key="H200", starts=date(2025, 11, 1), quantity=1)
    lines, missing = rate_usage([usage], "OP", RateBook([H100]), {})
    assert lines == []
    assert (missing[0].project, missing[0].key, missing[0].day) == ("P1", "H200", date(2025, 11, 1))


def test_rate__negotiated_wins_then_the_most_specific():
    general = RateCard(supplier="H1", meter="preparation", work="study", unit="study", valid_from=date(2025, 9, 1),
                       unit_price_krw=1)  # fmt: skip
    book = RateBook([general, replace(general, modality="imaging", unit_price_krw=2),
                     replace(general, project="P1", unit_price_krw=3)])  # fmt: skip
    find = {"work": "study", "unit": "study", "grade": None}
    day = date(2025, 11, 1)
    assert book.find("H1", "preparation", day, **find, modality="text", project="P2").unit_price_krw == 1
    assert book.find("H1", "preparation", day, **find, modality="imaging", project="P2").unit_price_krw == 2
    assert book.find("H1", "preparation", day, **find, modality="imaging", project="P1").unit_price_krw == 3


def acceptance(seq, name):
    return Acceptance(seq=seq, source="/s", id=name, at=datetime(2025, 11, seq, tzinfo=UTC), quantity_milli=1)


def test_key__first_acceptance_is_bare_and_a_booked_key_stays_with_its_acceptance():
    one, two = acceptance(1, "a1"), acceptance(2, "a2")
    work = WorkItem(seq=9, source="/s", id="w1", project="P1", line="L1", work="study", unit="study",
                    quantity_milli=2, performed=one.at, modality=None, grade=None, acceptances=(one, two),
                    rejected_milli=0)  # fmt: skip
    assert _work_keys(work, [one, two], {}) == {1: "L1/w1", 2: "L1/w1/a2"}
    assert _work_keys(work, [one, two], {2: "L1/w1"}) == {1: "L1/w1/a1", 2: "L1/w1"}
    assert _work_keys(work, [two], {2: "L1/w1/a2"}) == {2: "L1/w1/a2"}


def charge(amount, **other) -> ChargeLine:
    line = ChargeLine(
        project="P1", service_month=NOVEMBER, kind="preparation", key="L1/w1", line_key="work/1", line="L1",
        supplier="H1", description="study", tax="taxable", quantity_base=1000, unit="study", unit_price_krw=1,
        price_version=None, rated_krw=amount, amount_krw=0, vat_krw=0,
    )  # fmt: skip
    return replace(line.charged(amount, 0), **other)


def test_void__negates_what_was_booked():
    booked = charge(1_234_567)
    rows = month_rows(DECEMBER, [], {booked.identity: BookedLine(line=booked, first_month=NOVEMBER)})
    assert [(row.amount_krw, row.vat_krw, row.quantity_base) for row in rows] == [(-1_234_567, -123_456, -1000)]


def test_exempt__has_no_vat():
    assert replace(charge(1_000), tax="exempt").charged(1_000, 0).vat_krw == 0


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_month_rows__booked_over_any_months_sum_to_the_last_derivation(amounts):
    booked = {}
    for index, amount in enumerate(amounts):
        derived = charge(amount)
        rows = month_rows(NOVEMBER + index, [derived], booked)
        total = sum(row.amount_krw for row in rows)
        before = booked[derived.identity].line.amount_krw if booked else 0
        assert total == amount - before
        booked = {derived.identity: BookedLine(line=derived, first_month=NOVEMBER)}

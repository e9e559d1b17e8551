"""Rules of commitment over frozen values: the grant follows the largest sum of limits at any time."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from registry.checking import View
from registry.limits import limits_at, most_committed_krw
from registry.reference import Agreement, Amendment, Line


def agreement(code, first, amendments, starts=date(2025, 9, 15)):
    return Agreement(
        code=code, project="P", starts=starts, ends=date(2026, 3, 31), self_pay_mode="arrears", over_limit="hold",
        line=tuple(Line(code=line, supplier="H", category="c", grant_limit_krw=krw) for line, krw in first.items()),
        amendment=tuple(Amendment(effective=day, reason="r", limits=limits) for day, limits in amendments),
    )  # fmt: skip


def view(*agreements):
    return View(objects={("agreement", one.code): one for one in agreements})


def test_limits__an_amendment_holds_from_the_first_day_of_its_month():
    one = agreement("A", {"L": 10, "K": 5}, [(date(2025, 12, 3), {"L": 7})])
    assert limits_at(one, date(2025, 8, 31)) == {}
    assert limits_at(one, date(2025, 9, 1)) == {"L": 10, "K": 5}
    assert limits_at(one, date(2025, 11, 30)) == {"L": 10, "K": 5}
    assert limits_at(one, date(2025, 12, 1)) == {"L": 7, "K": 5}


def test_most_committed__agreements_of_a_project_add_up_when_both_are_in_force():
    first = agreement("A", {"L": 10}, [(date(2025, 11, 1), {"L": 4})])
    later = agreement("B", {"M": 5}, [], starts=date(2025, 11, 20))
    assert most_committed_krw(view(first, later), "P") == 10
    assert most_committed_krw(view(first, agreement("B", {"M": 7}, [], starts=date(2025, 11, 20))), "P") == 11


@given(
    st.dictionaries(st.sampled_from("KLM"), st.integers(0, 10**9), min_size=1),
    st.lists(st.tuples(st.integers(10, 15), st.integers(0, 10**9)), max_size=5, unique_by=lambda one: one[0]),
)
def test_most_committed__no_month_ever_holds_more(first, changes):
    days = [date(2025 + (month - 1) // 12, (month - 1) % 12 + 1, 5) for month, _ in changes]
    line = min(first)
    one = agreement("A", first, [(day, {line: krw}) for day, (_, krw) in zip(days, changes, strict=True)])
    months = [date(2025 + (month - 1) // 12, (month - 1) % 12 + 1, 1) for month in range(9, 16)]
    assert most_committed_krw(view(one), "P") == max(sum(limits_at(one, day).values()) for day in months)

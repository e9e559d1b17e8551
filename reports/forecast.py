"""The forecast of a programme's execution (집행률 전망), read from its locked months."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from sqlalchemy import Connection

from core.errors import RuleRefused
from core.month import Month
from ledger.books import closed_programmes, locked_months
from registry.terms import programme_terms
from registry.values import ProgrammeTerms
from reports.month import budget_figures
from reports.wording import places
from settlement.forecast import LineForecast, back_test, floor, forecast_line, mean_error
from settlement.history import executed_by_month

METHOD = (
    "line run rate = mean voucher of the last 3 locked months (fewer where there are fewer), not below 0; "
    "each line goes on at its rate until its limit or its end; won floored, rates half-even to 4 places"
)


def forecast(connection: Connection, programme: str) -> dict:
    """Executed so far, run rates, when limits are reached, what will be left, and the method with its error.

    Raises RuleRefused for a programme without a locked month.
    """
    terms = programme_terms(connection, programme)
    locked = locked_months(connection, programme)
    if not locked:
        raise RuleRefused(
            f"{programme}: 마감된 달이 없어 전망할 수 없습니다. 한 달을 먼저 정산하세요 (no month is locked yet)."
        )
    executed = executed_by_month(connection, programme)
    ends = _ends(terms, locked[-1], settled=programme in closed_programmes(connection))
    of_line = {line.code: code for code, project in terms.projects.items() for line in project.lines}
    lines = [
        forecast_line(line, of_line[line], months, _between(max(months), ends[of_line[line]]))
        for line, months in executed.items()
    ]
    tests = back_test(executed)
    return {
        "programme": programme,
        "month": str(locked[-1]),
        "until": str(max(ends.values(), default=locked[-1])),
        "method": METHOD,
        "lines": {one.line: _line(one) for one in lines},
        "projects": {
            code: {"until": str(ends[code]), **_sum(one for one in lines if one.project == code)}
            for code in sorted(terms.projects)
        },
        "total": _total(lines, budget_figures(connection, terms, locked[-1])["current_krw"]),
        "back_test": {
            "months": [
                {"month": str(one.month), "forecast_krw": one.forecast_krw, "actual_krw": one.actual_krw,
                 "error": _rate(one.error)}
                for one in tests
            ],
            "mean_error": _rate(mean_error(tests)),
        },
    }  # fmt: skip


def _ends(terms: ProgrammeTerms, at: Month, *, settled: bool) -> dict[str, Month]:
    """The last month of each project: its agreements' end, its closing, or the settlement's close; `at` at least."""
    ends = {}
    for code, project in terms.projects.items():
        last = [Month.of(terms.settlement_closes_on)]
        last += [max(Month.of(one.ends) for one in project.agreements)] if project.agreements else []
        last += [project.closes] if project.closes else []
        ends[code] = at if settled else max(at, min(last))
    return ends


def _between(first: Month, last: Month) -> int:
    return (last.year - first.year) * 12 + last.number - first.number


def _line(one: LineForecast) -> dict:
    return {
        "project": one.project,
        "limit_krw": one.limit_krw,
        "executed_krw": one.executed_krw,
        "run_rate_krw": floor(one.run_rate_krw),
        "reached": str(one.reached) if one.reached else None,
        "forecast_krw": one.forecast_krw,
        "left_krw": one.left_krw,
    }


def _sum(lines: Iterable[LineForecast]) -> dict:
    found = list(lines)
    sums = {
        name: sum(getattr(one, name) for one in found)
        for name in ("limit_krw", "executed_krw", "forecast_krw", "left_krw")
    }
    rate = sum((one.run_rate_krw for one in found), Fraction(0))
    return {**sums, "run_rate_krw": floor(rate), "rate": _share(sums["executed_krw"], sums["limit_krw"]),
            "forecast_rate": _share(sums["forecast_krw"], sums["limit_krw"])}  # fmt: skip


def _total(lines: Sequence[LineForecast], current_krw: int) -> dict:
    """Against the current budget A: what is left is all that will not be executed, agreed or not."""
    sums: Mapping[str, int] = _sum(lines)
    executed, forecast_krw = sums["executed_krw"], sums["forecast_krw"]
    return {"current_krw": current_krw, "executed_krw": executed, "run_rate_krw": sums["run_rate_krw"],
            "forecast_krw": forecast_krw, "left_krw": current_krw - forecast_krw,
            "rate": _share(executed, current_krw), "forecast_rate": _share(forecast_krw, current_krw)}  # fmt: skip


def _share(part: int, whole: int) -> str | None:
    return _rate(Fraction(part, whole)) if whole else None


def _rate(value: Fraction | None) -> str | None:
    """Four places, half-even, as text: a rate is never a float."""
    return None if value is None else f"{places(value, 4):f}"

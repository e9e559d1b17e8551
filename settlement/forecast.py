"""집행률 전망: when limits are reached and what will be left, from the run rate of the last months. Pure functions.

Method: a line's run rate is the mean of the voucher executed in its last three locked months, or in as many as there
are; below zero it counts as zero. A line goes on at that rate, month by month, until its limit. The same method
forecasts each locked month from the ones before it: that is its error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from core.month import Month

WINDOW = 3


@dataclass(frozen=True, kw_only=True)
class Executed:
    """What a locked month executed of a line, and the line's limit in it; in won."""

    voucher_krw: int
    limit_krw: int


@dataclass(frozen=True, kw_only=True)
class LineForecast:
    """A line of a programme, in won: executed so far, its run rate a month, when its limit is reached, and its end.

    A line without a limit to reach, one of zero won, has no month in which it is reached.
    """

    line: str
    project: str
    limit_krw: int
    executed_krw: int
    run_rate_krw: Fraction
    reached: Month | None
    forecast_krw: int

    @property
    def left_krw(self) -> int:
        """What of the limit will not be executed."""
        return self.limit_krw - self.forecast_krw


@dataclass(frozen=True, kw_only=True)
class BackTest:
    """A locked month as forecast from the ones before it, and as it was; in won."""

    month: Month
    forecast_krw: int
    actual_krw: int

    @property
    def error(self) -> Fraction | None:
        """The absolute percentage error as a fraction of the actual; a month without execution has none."""
        return Fraction(abs(self.forecast_krw - self.actual_krw), abs(self.actual_krw)) if self.actual_krw else None


def run_rate(executed_krw: Sequence[int]) -> Fraction:
    """The mean of the last months' execution in won a month, exact; never below zero, zero without a month."""
    last = executed_krw[-WINDOW:]
    return max(Fraction(sum(last), len(last)), Fraction(0)) if last else Fraction(0)


def forecast_line(line: str, project: str, executed: Mapping[Month, Executed], months: int) -> LineForecast:
    """A line at the last of its locked months, `months` before its end; it keeps that month's limit.

    The forecast is floored to the won. Raises ValueError without a locked month.
    """
    if not executed:
        raise ValueError("a locked month is needed")
    at = max(executed)
    done = sum(one.voucher_krw for one in executed.values())
    rate = run_rate([executed[month].voucher_krw for month in sorted(executed)])
    left = max(executed[at].limit_krw - done, 0)
    needed = -(-left * rate.denominator // rate.numerator) if rate else None if left else 0
    within = bool(executed[at].limit_krw) and needed is not None and needed <= months
    return LineForecast(
        line=line, project=project, limit_krw=executed[at].limit_krw, executed_krw=done, run_rate_krw=rate,
        reached=at + needed if within else None, forecast_krw=done + min(left, floor(rate * months)),
    )  # fmt: skip


def back_test(executed: Mapping[str, Mapping[Month, Executed]]) -> list[BackTest]:
    """Every locked month but the first, forecast line by line from the ones before it, with the same method."""
    months = sorted({month for of_line in executed.values() for month in of_line})
    tests = []
    for month in months[1:]:
        guessed = 0
        for line, of_line in executed.items():
            before = {one: figures for one, figures in of_line.items() if one < month}
            if before:
                guess = forecast_line(line, "", before, 1)
                guessed += guess.forecast_krw - guess.executed_krw
        actual = sum(of_line[month].voucher_krw for of_line in executed.values() if month in of_line)
        tests.append(BackTest(month=month, forecast_krw=guessed, actual_krw=actual))
    return tests


def mean_error(tests: Sequence[BackTest]) -> Fraction | None:
    """The mean absolute percentage error over months that executed anything, as a fraction; None without one."""
    errors = [one.error for one in tests if one.error is not None]
    return sum(errors, Fraction(0)) / len(errors) if errors else None


def floor(value: Fraction) -> int:
    """The whole won of an exact amount."""
    return value.numerator // value.denominator

"""Sources of funds that share a programme's grant (domain.md §1, §9): parts by largest remainder. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from core.money import largest_remainder
from registry.values import SourceTerms
from settlement.line import LineResult


@dataclass(frozen=True, kw_only=True)
class SourceShare:
    """What a source of funds has executed at a close, in won, and what of it the month executed."""

    executed_krw: int
    executed_month_krw: int


def source_parts(total_krw: int, sources: Sequence[SourceTerms]) -> dict[str, int]:
    """A sum of zero or more in won by source of funds, in its share; the parts sum to it, ties by code."""
    return largest_remainder(total_krw, {one.code: Fraction(one.share_bp) for one in sources})


def source_shares(lines: Iterable[LineResult], sources: Sequence[SourceTerms]) -> dict[str, SourceShare]:
    """What each source executed of some lines: each line's cumulative voucher is shared, a month is T(n) − T(n−1).

    Shared by line, so that a project's, category's or supplier's part is the sum of its lines' parts.
    """
    if not sources:
        return {}
    executed, before = dict.fromkeys((one.code for one in sources), 0), dict.fromkeys((one.code for one in sources), 0)
    for line in lines:
        for sums, krw in ((executed, line.total_voucher_krw), (before, line.total_voucher_krw - line.voucher_krw)):
            for code, part in source_parts(krw, sources).items():
                sums[code] += part
    return {
        code: SourceShare(executed_krw=krw, executed_month_krw=krw - before[code])
        for code, krw in sorted(executed.items())
    }

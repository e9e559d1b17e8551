"""Won: integers only. One rounding per charge line (domain.md §2), largest remainder for shares (domain.md §10)."""

from collections.abc import Mapping
from fractions import Fraction

BASIS_POINTS = 10_000


def floor_amount(quantity: int, price_krw: int, numerator: int, denominator: int) -> int:
    """`floor(quantity × price × numerator / denominator)`, the one rounding of a charge line, in won."""
    return quantity * price_krw * numerator // denominator


def vat_of(amount_krw: int) -> int:
    """VAT of a charge line: a tenth, floored, of the line itself; a correction is new minus booked (domain.md §2)."""
    return amount_krw // 10


def largest_remainder(total_krw: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Parts of a total in proportion to positive weights: floors, then one won each by remainder, ties by code.

    The parts sum to the total. Raises ValueError for a negative total or when no weight is positive.
    """
    positive = {code: weight for code, weight in weights.items() if weight > 0}
    whole = sum(positive.values())
    if total_krw < 0 or not positive:
        raise ValueError("a total of zero or more and a positive weight are needed")
    exact = {code: Fraction(total_krw) * weight / whole for code, weight in positive.items()}
    parts = {code: share.numerator // share.denominator for code, share in exact.items()}
    left = total_krw - sum(parts.values())
    for code in sorted(exact, key=lambda code: (parts[code] - exact[code], code))[:left]:
        parts[code] += 1
    return parts

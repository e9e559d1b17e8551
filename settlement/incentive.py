"""Incentives for the hospitals that supply data (domain.md §10). Pure functions over exact fractions."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from core.money import BASIS_POINTS, largest_remainder


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A month's pool and shares: `pool_krw` the month's own; `carried_krw` what is left after it.

    `counted`: contribution that entered the distribution; `carried`: contribution that goes on to the next month.
    """

    pool_krw: int
    distributed_krw: int
    carried_krw: int
    shares: dict[str, int]
    counted: dict[str, Fraction]
    carried: dict[str, Fraction]


def contribution(quantity_milli: int, weight: Decimal, quality: Decimal) -> Fraction:
    """Accepted quantity, in thousandths of its unit, × weight(modality, unit) × the hospital's quality; exact."""
    return Fraction(quantity_milli, 1000) * Fraction(weight) * Fraction(quality)


def share_revenue(revenue_krw: int, contributions: Mapping[str, Fraction]) -> dict[str, int]:
    """What a result earned, in won, by hospital: by contribution, largest remainder, ties by hospital code; nobody's
    without a contribution above zero.
    """
    earned = any(weight > 0 for weight in contributions.values())
    return largest_remainder(revenue_krw, contributions) if earned else {}


def pool_of_fee(cumulative_fee_krw: int, share_bp: int, earlier_pools_krw: int) -> int:
    """The month's own pool: cumulative platform fee (ex VAT) × share, floored, less the earlier pools. In won."""
    return cumulative_fee_krw * share_bp // BASIS_POINTS - earlier_pools_krw


def distribute(
    pool_krw: int, carried_in_krw: int, contributions: Mapping[str, Fraction], carried_in: Mapping[str, Fraction]
) -> Distribution:
    """Allocates the month's pool and what was carried in, by contribution, largest remainder, ties by hospital code.

    A pool without contribution, a negative pool and contribution that met no pool carry over; a negative contribution
    carries forward by itself.
    """
    counted = {
        hospital: contributions.get(hospital, Fraction(0)) + carried_in.get(hospital, Fraction(0))
        for hospital in sorted({*contributions, *carried_in})
    }
    available_krw = pool_krw + carried_in_krw
    if available_krw <= 0 or not any(weight > 0 for weight in counted.values()):
        carried = {hospital: weight for hospital, weight in counted.items() if weight}
        return Distribution(
            pool_krw=pool_krw, distributed_krw=0, carried_krw=available_krw, shares={}, counted={}, carried=carried
        )
    positive = {hospital: weight for hospital, weight in counted.items() if weight > 0}
    return Distribution(
        pool_krw=pool_krw,
        distributed_krw=available_krw,
        carried_krw=0,
        shares=largest_remainder(available_krw, positive),
        counted=positive,
        carried={hospital: weight for hospital, weight in counted.items() if weight < 0},
    )

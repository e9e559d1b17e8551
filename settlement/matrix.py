"""The matrix of a settled month: sources × uses, with VAT, to the won (domain.md §5). Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass

SOURCES = ("voucher", "self_pay", "company_direct")
OPERATOR_USAGE, PLATFORM_FEE, INCENTIVE_POOL = "operator_usage", "platform_fee", "incentive_pool"

Matrix = dict[str, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class LineFlow:
    """What a month settles of one agreement line, in won; `use`: its column, a supplier or the operator's usage."""

    use: str
    voucher_krw: int
    self_pay_krw: int
    excess_krw: int
    vat_krw: int


def matrix(
    lines: Iterable[LineFlow], direct_usage_krw: int, fee_with_vat_krw: int, pool_krw: int, *, fixed_pool: bool
) -> Matrix:
    """Sources × uses of a month: suppliers' columns hold supply + VAT; the pool is taken out of the platform fee.

    `direct_usage_krw`: the operator's usage of no agreement line, with VAT, which the companies bear as a whole.
    `fixed_pool`: the pool is a fixed sum that the operator gives, taken out of its usage instead.
    """
    result: Matrix = {source: {} for source in SOURCES}
    for line in lines:
        _add(result, "voucher", line.use, line.voucher_krw)
        _add(result, "self_pay", line.use, line.self_pay_krw)
        _add(result, "company_direct", line.use, line.excess_krw + line.vat_krw)
    from_usage, from_fee = (pool_krw, 0) if fixed_pool else (0, pool_krw)
    for source in SOURCES:
        direct = source == "company_direct"
        _add(result, source, OPERATOR_USAGE, direct_usage_krw - from_usage if direct else 0)
        _add(result, source, PLATFORM_FEE, fee_with_vat_krw - from_fee if direct else 0)
        _add(result, source, INCENTIVE_POOL, pool_krw if direct else 0)
    return result


def _add(result: Matrix, source: str, use: str, krw: int) -> None:
    result[source][use] = result[source].get(use, 0) + krw


def total_krw(of: Matrix) -> int:
    """The matrix's one total."""
    return sum(krw for row in of.values() for krw in row.values())

"""What a fiscal year leaves, carries over and returns (domain.md §7 Year-end, §9). Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

VERIFIED_FROM_KRW = 100_000_000
AUDITED_FROM_KRW = 1_000_000_000
SMALLEST_RETURN_KRW = 10


@dataclass(frozen=True, kw_only=True)
class ProjectClose:
    """A project at the year-end, in won: its grant, current budget A, executed C, carried into the next year D."""

    project: str
    grant_krw: int
    current_krw: int
    executed_krw: int
    carry_over_krw: int

    @property
    def balance_krw(self) -> int:
        """집행잔액 E = A − C − D, which lapses (불용)."""
        return self.current_krw - self.executed_krw - self.carry_over_krw

    @property
    def verified(self) -> bool:
        """Whether its settlement report must be verified (검증): a grant of 100,000,000 won or more."""
        return self.grant_krw >= VERIFIED_FROM_KRW


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Who was paid vouchers in the fiscal year, over all its programmes, in won."""

    party: str
    name: str
    voucher_krw: int


@dataclass(frozen=True, kw_only=True)
class Return:
    """What goes back to the ministry, in won: received B, executed C, carried over D, interest; `dropped` of it."""

    received_krw: int
    executed_krw: int
    carry_over_krw: int
    interest_krw: int
    dropped_krw: int

    @property
    def unspent_krw(self) -> int:
        """B − C − D."""
        return self.received_krw - self.executed_krw - self.carry_over_krw

    @property
    def return_krw(self) -> int:
        """반납액 = B − C − D + interest, less what is dropped; below zero, what was executed but not received yet."""
        return self.unspent_krw + self.interest_krw - self.dropped_krw


def return_of(
    received_krw: int, executed_krw: int, carry_over_krw: int, interest_krw: int, *, drop_under_10: bool
) -> Return:
    """The return in won; `drop_under_10`: what is under ten won of it is dropped (the programme's setting)."""
    whole = received_krw - executed_krw - carry_over_krw + interest_krw
    return Return(
        received_krw=received_krw, executed_krw=executed_krw, carry_over_krw=carry_over_krw, interest_krw=interest_krw,
        dropped_krw=whole % SMALLEST_RETURN_KRW if drop_under_10 and whole > 0 else 0,
    )  # fmt: skip


def audited(recipients: Sequence[Recipient]) -> list[Recipient]:
    """The recipients whose accounts must be audited (회계감사): 1,000,000,000 won or more in the fiscal year."""
    return [one for one in recipients if one.voucher_krw >= AUDITED_FROM_KRW]

"""What became of payment orders: what was paid of each row, and in which state it is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core.month import Month


@dataclass(frozen=True, kw_only=True)
class PayoutRow:
    """A row of an order with what was paid of it by a local day, in won; recoveries are negative.

    `month`, `due_on` None: a payment on an account and by a payer that no order names. `collected_krw`: of a hospital's
    part from the company, what that has paid; None where nothing is to be collected first.
    """

    month: Month | None
    number: int | None
    account: str
    payer: str
    party: str | None
    payee_name: str
    blocked: bool
    ordered_krw: int
    paid_krw: int
    collected_krw: int | None
    due_on: date | None
    at: date

    @property
    def difference_krw(self) -> int:
        """What is still to be paid, negative where too much was; of a recovery the other way round."""
        return self.ordered_krw - self.paid_krw

    @property
    def waiting_krw(self) -> int:
        """What is not to be paid yet, since the company has not paid it."""
        return 0 if self.collected_krw is None else self.ordered_krw - self.collected_krw

    @property
    def state(self) -> str:
        """unordered, paid, overpaid, overdue (what may be paid is not, after the due day), partly, open."""
        if self.due_on is None:
            return "unordered"
        if not self.difference_krw:
            return "paid"
        sign = 1 if self.ordered_krw > 0 else -1
        if self.difference_krw * sign < 0:
            return "overpaid"
        if self.at > self.due_on and (self.difference_krw * sign - self.waiting_krw) > 0:
            return "overdue"
        return "partly" if self.paid_krw else "open"

    @property
    def differs(self) -> bool:
        """Whether it is other than ordered; not paid yet before its day is no difference."""
        return self.state not in ("paid", "open")


def allocated(ordered: Sequence[int], paid_krw: int, back_krw: int) -> list[int]:
    """What was paid of each order of one account and payer, the oldest first; both sums are zero or more.

    Payments go to payments ordered and what came back to recoveries ordered, first in, first out; what came back beyond
    these takes back payments. What exceeds all orders stands in the last one of its kind, so that the parts sum to
    `paid_krw − back_krw`. Where all in all exactly the sum is paid, each order is. Raises ValueError without an order.
    """
    if not ordered:
        raise ValueError("nothing is ordered")
    if paid_krw - back_krw == sum(ordered):
        return list(ordered)
    pay = [place for place, krw in enumerate(ordered) if krw > 0]
    recover = [place for place, krw in enumerate(ordered) if krw < 0]
    asked_back = -sum(ordered[place] for place in recover)
    taken_back = max(0, back_krw - asked_back) if recover else back_krw
    out, back = (paid_krw - taken_back, back_krw - taken_back) if pay else (0, back_krw - paid_krw)
    found = [0] * len(ordered)
    for places, left in ((pay, out), (recover, -back)):
        for place in places:
            part = min(ordered[place], left) if ordered[place] > 0 else max(ordered[place], left)
            found[place] = left if place == places[-1] else part if part * ordered[place] > 0 else 0
            left -= found[place]
    return found

"""What each invoice still has open (domain.md §6, §8): payments and credits matched to invoices. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Billed:
    """A document in won: an invoice, or a credit note (below zero), by its id."""

    id: int
    total_krw: int


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a company paid, in won, negative for a refund; `invoice`: the id of the document that it names."""

    amount_krw: int
    invoice: int | None = None


@dataclass(frozen=True, kw_only=True)
class OpenItems:
    """What is open of each document by id, in won, and what was paid or credited beyond it all.

    `unapplied_krw` is below zero only when more was refunded than was ever paid and credited.
    """

    open_krw: Mapping[int, int]
    unapplied_krw: int


def open_items(billed: Sequence[Billed], received: Iterable[Received]) -> OpenItems:
    """Matches what one project's company was billed, oldest first, with what was received, in any order.

    A payment that names an invoice goes to it first. All else, credit notes and what a named payment was too much,
    goes to the oldest invoice that is open; a refund takes back what is not matched, then from the newest.
    Σ open − unapplied is Σ billed − Σ received: the balance of the company's receivable.
    """
    named = {one.id: 0 for one in billed}
    free_krw = -sum(one.total_krw for one in billed if one.total_krw < 0)
    for one in received:
        if one.invoice in named:
            named[one.invoice] += one.amount_krw
        else:
            free_krw += one.amount_krw
    paid: dict[int, int] = {}
    for one in billed:
        paid[one.id] = max(0, min(named[one.id], one.total_krw))
        free_krw += named[one.id] - paid[one.id]
    for one in billed:
        more = max(0, min(free_krw, one.total_krw - paid[one.id]))
        paid[one.id] += more
        free_krw -= more
    for one in reversed(billed):
        back = max(0, min(-free_krw, paid[one.id]))
        paid[one.id] -= back
        free_krw += back
    return OpenItems(open_krw={one.id: max(one.total_krw, 0) - paid[one.id] for one in billed}, unapplied_krw=free_krw)

"""Lists of twenty rows a page: `?page=2`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

ROWS = 20


@dataclass(frozen=True, kw_only=True)
class Page:
    """The rows of one page, its number from 1, how many pages and rows there are, and the addresses of its neighbours'
    queries."""

    rows: Sequence[Any]
    number: int
    last: int
    count: int
    before: dict[str, str] | None
    after: dict[str, str] | None


def paged(rows: Sequence[Any]) -> Page:
    """The page of the rows that the request asks for; the nearest where it asks for one that is not there."""
    last = max(1, -(-len(rows) // ROWS))
    asked = request.args.get("page", "1")
    number = min(max(1, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1), last)
    query = request.args.to_dict()
    return Page(
        rows=rows[(number - 1) * ROWS : number * ROWS], number=number, last=last, count=len(rows),
        before=query | {"page": str(number - 1)} if number > 1 else None,
        after=query | {"page": str(number + 1)} if number < last else None,
    )  # fmt: skip

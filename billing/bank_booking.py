"""Bank rows into the books: payments of their own, once a row, and the record of what became of each (domain.md §6)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from billing.bank_match import Candidate, Movement, Part
from billing.payment import OF_ROW, book_payments
from billing.payment_file import PaymentRow
from core.errors import RuleRefused


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a bank row, its `number`th record. `parts` are to be booked; `payments`: ids of those that are
    booked already; `by`: who decided, None for the rule of a reference.
    """

    movement: Movement
    number: int
    state: str
    parts: Sequence[Part] = ()
    payments: Sequence[int] = ()
    candidates: Sequence[Candidate] = ()
    reason: str = ""
    by: str | None = None
    returned_by: int | None = None


def payment_rows(movement: Movement, parts: Sequence[Part], step: str = "") -> list[PaymentRow]:
    """The payments that a bank row is booked as: won in each account's normal direction, a payable's is out."""
    return [
        PaymentRow(
            line=movement.line, paid_at=movement.at, channel="bank", account=part.account,
            amount_krw=-part.amount_krw if part.account.startswith("payable:") else part.amount_krw,
            reference=f"{OF_ROW}{movement.digest}:{step}{number}",
            counterparty=movement.counterparty or movement.memo, document_id=part.document_id,
        )
        for number, part in enumerate(parts, start=1)
    ]  # fmt: skip


def record(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Books the parts and records what became of the rows.

    Raises RuleRefused where an account cannot take its part. The database refuses parts that do not sum to their row,
    and a second decision on money that is booked.
    """
    if not outcomes:
        return
    booked = _book(connection, [one for one in outcomes if one.parts], now)
    ids = connection.scalars(
        text("SELECT nextval('bank_match_id') FROM generate_series(1, :n)"), {"n": len(outcomes)}
    ).all()
    links = [(match_id, payment) for match_id, one in zip(ids, outcomes, strict=True)
             for payment in (*one.payments, *booked.get(one.movement.id, ()))]  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO bank_part (match_id, payment_id)"
            " SELECT * FROM unnest(CAST(:matches AS bigint[]), CAST(:payments AS bigint[]))"
        ),
        {"matches": [match for match, _ in links], "payments": [payment for _, payment in links]},
    )
    _insert(connection, ids, outcomes, now)


def payment_ids(connection: Connection, references: Iterable[str]) -> dict[str, int]:
    """Ids of the booked payments by bank with these references."""
    rows = connection.execute(
        text(
            "SELECT id, reference FROM payment WHERE channel = 'bank' AND entry_id IS NOT NULL"
            " AND reference = ANY(:references)"
        ),
        {"references": list(references)},
    )
    return {row.reference: row.id for row in rows}


def _book(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> Mapping[int, list[int]]:
    """Books the outcomes' parts, each in its programme's books; by row, the payments' ids."""
    by_programme: dict[str | None, list[PaymentRow]] = {}
    of_row: dict[int, list[str]] = {}
    for one in outcomes:
        for part, row in zip(one.parts, payment_rows(one.movement, one.parts), strict=True):
            by_programme.setdefault(part.programme, []).append(row)
            of_row.setdefault(one.movement.id, []).append(row.reference)
    for programme, rows in by_programme.items():
        result = book_payments(connection, rows, now, source="bank", programme=programme)
        if result.unmatched:
            raise RuleRefused("\n".join(f"{row.account}: {reason}" for row, reason in result.unmatched))
    found = payment_ids(connection, [reference for references in of_row.values() for reference in references])
    return {row_id: [found[one] for one in references] for row_id, references in of_row.items()}


def _insert(connection: Connection, ids: Sequence[int], outcomes: Sequence[Outcome], now: datetime) -> None:
    """The decisions after their parts: complete when they appear."""
    connection.execute(
        text(
            "INSERT INTO bank_match (id, row_id, number, state, candidates, reason, decided_by, returned_by,"
            "  decided_at) SELECT *, :now FROM unnest(CAST(:ids AS bigint[]), CAST(:row_id AS bigint[]),"
            "  CAST(:number AS int[]), CAST(:state AS text[]), CAST(:candidates AS jsonb[]),"
            "  CAST(:reason AS text[]), CAST(:by AS text[]),"
            "  CAST(:returned_by AS bigint[]))"
        ),
        {
            **{name: [getattr(one, name) for one in outcomes]
               for name in ("number", "state", "reason", "by", "returned_by")},
            "ids": ids,
            "row_id": [one.movement.id for one in outcomes],
            "candidates": [json.dumps(shown(one.candidates), ensure_ascii=False) for one in outcomes],
            "now": now,
        },
    )  # fmt: skip


def shown(candidates: Sequence[Candidate]) -> list[dict]:
    """Candidates as they are stored and answered."""
    return json.loads(json.dumps([asdict(one) for one in candidates]))

"""What a person decides about a bank row: what it is, that it waits in suspense, where it goes from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, text

from billing.bank import WAITING, movement
from billing.bank_booking import Outcome, payment_ids, payment_rows, record
from billing.bank_match import Part
from billing.bank_targets import read_earlier
from billing.invoice import invoice_id, open_invoices
from billing.payment import lock_payments, move_payments
from core.errors import BadInput, RuleRefused
from core.month import kst_day
from registry.users import acting

SUSPENSE = "suspense:bank"


@dataclass(frozen=True, kw_only=True)
class Share:
    """What of a row goes where, as a person says it: an account, or the invoice that it pays; won, None for all."""

    account: str | None = None
    invoice: str | None = None
    amount_krw: int | None = None


def confirm(
    connection: Connection, row_id: int, shares: Sequence[Share], by: str, now: datetime,
    *, programme: str | None = None, payment: str | None = None,
) -> str:  # fmt: skip
    """Books a row as the shares say, or as its one candidate where there are none; with `payment`, the row is that
    payment of the payments file and nothing is booked. `programme`: of accounts that several have. Returns the state.

    Raises BadInput for a row, invoice or payment that is not there; RuleRefused where it may not be booked so.
    """
    row = _row(connection, row_id, by, WAITING)
    if payment is not None:
        parts, payments = [], [_payment(connection, row, payment)]
    elif shares:
        parts, payments = _parts(connection, row, shares, programme), []
    else:
        parts, payments = _only_candidate(row, programme)
    if any(part.account == SUSPENSE for part in parts):
        raise RuleRefused("가수금은 `bank suspend` 로 사유와 함께 기장합니다 (use `bank suspend`, with a reason).")
    state = "partial" if _leaves_open(connection, parts) else "booked"
    _decide(connection, row, state, by, now, parts=parts, payments=payments)
    return state


def suspend(connection: Connection, row_id: int, programme: str, reason: str, by: str, now: datetime) -> None:
    """Books a row to the suspense account of a programme, with a reason. Raises as `confirm` does."""
    row = _row(connection, row_id, by, WAITING)
    _need_reason(reason)
    part = Part(programme=programme, account=SUSPENSE, amount_krw=row.amount_krw)
    _decide(connection, row, "suspense", by, now, parts=[part], reason=reason)


def release(connection: Connection, row_id: int, shares: Sequence[Share], reason: str, by: str, now: datetime) -> None:
    """Moves a row out of suspense to where the shares say, in the same programme, by an entry that moves no cash.

    Raises as `confirm` does.
    """
    row = _row(connection, row_id, by, ("suspense",))
    _need_reason(reason)
    programme = _suspended_in(connection, row)
    one, parts = movement(row), _parts(connection, row, shares, programme)
    back = Part(programme=programme, account=SUSPENSE, amount_krw=-row.amount_krw)
    (taken,), given = payment_rows(one, [back], "out"), payment_rows(one, parts, "moved")
    move_payments(connection, taken, given, programme, now)
    ids = payment_ids(connection, [one.reference for one in given])
    _decide(connection, row, "booked", by, now, payments=list(ids.values()), reason=reason)


def return_to_sender(
    connection: Connection, row_id: int, paid_back_by: int, reason: str, by: str, now: datetime
) -> None:
    """A row in suspense was paid back by another row of the same sum the other way: that one is booked to suspense.

    Raises as `confirm` does.
    """
    row = _row(connection, row_id, by, ("suspense",))
    back = _row(connection, paid_back_by, by, WAITING)
    _need_reason(reason)
    if back.amount_krw != -row.amount_krw:
        raise RuleRefused(
            f"{paid_back_by}: {back.amount_krw:,}원은 가수금 {row.amount_krw:,}원과 다릅니다 (another sum)."
        )
    part = Part(programme=_suspended_in(connection, row), account=SUSPENSE, amount_krw=back.amount_krw)
    _decide(connection, back, "booked", by, now, parts=[part], reason=reason)
    _decide(connection, row, "returned", by, now, reason=reason, returned_by=back.id)


def _row(connection: Connection, row_id: int, by: str, states: Sequence[str]) -> Row:
    """The bank row in one of the states, for a person who may decide; nobody else decides at the same time."""
    acting(connection, by, "finance")
    lock_payments(connection)
    row = connection.execute(
        text(
            "SELECT bank_row.*, state, candidates, bank_state.number AS records FROM bank_row"
            " JOIN bank_state ON row_id = bank_row.id WHERE bank_row.id = :id"
        ),
        {"id": row_id},
    ).one_or_none()
    if row is None:
        raise BadInput(f"{row_id}: 은행 거래가 없습니다. `bank list` 의 번호를 적으세요 (no such bank row).")
    if row.state not in states:
        raise RuleRefused(
            f"{row_id}: {row.state} 상태입니다. {', '.join(states)} 상태에서만 할 수 있습니다 (not in this state)."
        )
    return row


def _decide(connection: Connection, row: Row, state: str, by: str, now: datetime, **what: object) -> None:
    """Records what a person decided about a row, and books it."""
    record(connection, [Outcome(movement=movement(row), number=row.records + 1, state=state, by=by, **what)], now)


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("--reason: 사유를 적으세요 (a reason is needed).")


def _parts(connection: Connection, row: Row, shares: Sequence[Share], programme: str | None) -> list[Part]:
    """The shares as parts that sum to the row, in its direction."""
    sign = 1 if row.amount_krw > 0 else -1
    asked = [one.amount_krw for one in shares]
    if asked == [None]:
        asked = [abs(row.amount_krw)]
    if None in asked or sum(asked) != abs(row.amount_krw):
        raise RuleRefused(
            f"{row.id}: 나눈 금액의 합이 {abs(row.amount_krw):,}원이어야 합니다 (the parts must sum to the row)."
        )
    parts = []
    for share, krw in zip(shares, asked, strict=True):
        account, document_id = share.account, None
        if share.invoice is not None:
            document_id = invoice_id(connection, share.invoice)
            account = connection.scalar(
                text("SELECT 'receivable:company:' || project FROM document WHERE id = :id"), {"id": document_id}
            )
        parts.append(Part(programme=programme, account=account, amount_krw=sign * krw, document_id=document_id))
    return parts


def _only_candidate(row: Row, programme: str | None) -> tuple[list[Part], list[int]]:
    if len(row.candidates) != 1:
        raise BadInput(
            f"{row.id}: 후보가 {len(row.candidates)}개입니다. --as, --invoice 또는 --payment 로 정하세요 "
            "(say what it is: not exactly one candidate)."
        )
    (only,) = row.candidates
    parts = [Part(**part | {"programme": part["programme"] or programme}) for part in only["parts"]]
    return parts, [only["payment_id"]] if only["payment_id"] else []


def _payment(connection: Connection, row: Row, reference: str) -> int:
    """A booked payment of the payments file, of the row's sum, that no bank row stands behind yet."""
    day = kst_day(row.at)
    found = {
        one.reference: one.payment_id for one in read_earlier(connection, day, day) if one.amount_krw == row.amount_krw
    }
    if reference not in found:
        raise RuleRefused(
            f"'{reference}': 그날 같은 금액으로 기장되어 아직 은행 거래와 이어지지 않은 입출금이 아닙니다 "
            "(no booked payment of that day and sum that no other row stands behind)."
        )
    return found[reference]


def _leaves_open(connection: Connection, parts: Sequence[Part]) -> bool:
    """Whether an invoice that is paid stays open in part."""
    if not any(part.document_id for part in parts):
        return False
    open_krw = {one.document_id: one.open_krw for one in open_invoices(connection)}
    return any(part.document_id and open_krw.get(part.document_id, 0) > part.amount_krw > 0 for part in parts)


def _suspended_in(connection: Connection, row: Row) -> str:
    """The programme in whose books a suspended row is."""
    return connection.scalar(
        text(
            "SELECT programme FROM payment JOIN bank_part ON payment_id = payment.id"
            " JOIN bank_state ON bank_state.id = match_id WHERE row_id = :id"
        ),
        {"id": row.id},
    )

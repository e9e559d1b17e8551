"""What Stripe is to collect, and the parts that it is collected in (domain.md §8)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from billing.invoice import receivables
from core.errors import BadInput

LARGEST_CHARGE_KRW = 99_999_999
SMALLEST_CHARGE_KRW = 1_000  # Stripe refuses what is worth less than half a dollar


@dataclass(frozen=True, kw_only=True)
class Due:
    """What a company owes of an invoice, or of a project's deposit, in won; `reference`: the invoice's number, or the
    deposit's account; `live_krw`: what payment intents ask for already."""

    reference: str
    programme: str
    project: str
    account: str
    document_id: int | None
    open_krw: int
    live_krw: int

    @property
    def rest_krw(self) -> int:
        """What no intent asks for yet; below zero: intents ask for more than is due."""
        return self.open_krw - self.live_krw


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of what is due with its payment intent; `status`: requested, open, succeeded or canceled."""

    id: int
    reference: str
    programme: str
    project: str
    part: int
    amount_krw: int
    status: str
    idempotency_key: str
    request_hash: str
    requested_at: datetime
    intent_id: str | None

    @property
    def metadata(self) -> dict[str, str]:
        """What Stripe keeps with the intent, so that it can be found there."""
        return {"invoice": self.reference, "part": str(self.part), "programme": self.programme, "project": self.project}


def split_charge(amount_krw: int) -> list[int]:
    """Parts that Stripe takes, each from 1,000 to 99,999,999 won, together the amount; none of less than 1,000 won.

    117,647,059 → 99,999,999 + 17,647,060.
    """
    if amount_krw < SMALLEST_CHARGE_KRW:
        return []
    full, rest = divmod(amount_krw, LARGEST_CHARGE_KRW)
    parts = [LARGEST_CHARGE_KRW] * full
    if 0 < rest < SMALLEST_CHARGE_KRW:
        parts[-1] -= SMALLEST_CHARGE_KRW - rest
        rest = SMALLEST_CHARGE_KRW
    return [*parts, rest] if rest else parts


def what_is_due(connection: Connection, programme: str | None, invoice: str | None) -> list[Due]:
    """What is open, or asked for and no longer open, of projects whose channel is stripe: invoices, oldest first, and
    deposits. Raises BadInput for an invoice that is not among them."""
    live_krw = _live_krw(connection)
    rows = connection.execute(text("SELECT code FROM project WHERE channel = 'stripe'"))
    projects = {row.code for row in rows}
    found = [
        Due(
            reference=one.number, programme=one.programme, project=one.project, document_id=one.document_id,
            account=f"receivable:company:{one.project}", open_krw=one.open_krw, live_krw=live_krw.get(one.number, 0),
        )
        for each in receivables(connection, programme) if each.project in projects
        for one in each.invoices if one.open_krw or one.number in live_krw
    ]  # fmt: skip
    found += _deposits(connection, live_krw, programme)
    if invoice is None:
        return found
    named = [one for one in found if one.reference == invoice]
    if not named:
        raise BadInput(
            f"'{invoice}': Stripe로 받을 것이 없는 번호입니다 (nothing to collect by Stripe under this number)."
        )
    return named


def _live_krw(connection: Connection) -> dict[str, int]:
    """By reference, what intents ask for that is neither canceled nor booked."""
    rows = connection.execute(
        text(
            "SELECT reference, sum(amount_krw)::bigint AS krw FROM stripe_part WHERE status <> 'canceled'"
            " AND NOT EXISTS (SELECT FROM payment WHERE channel = 'stripe' AND payment.reference = intent_id"
            "  AND entry_id IS NOT NULL) GROUP BY reference"
        )
    )
    return {row.reference: row.krw for row in rows}


def _deposits(connection: Connection, live_krw: dict[str, int], programme: str | None) -> Iterable[Due]:
    """Deposits agreed and not paid in yet; one that was, and is drawn down or given back, is not asked for again."""
    rows = connection.execute(
        text(
            "SELECT project.code, project.programme, sum(deposit_krw)::bigint AS agreed_krw,"
            " (SELECT coalesce(sum(amount_krw), 0)::bigint FROM payment WHERE account = 'deposit:' || project.code"
            "   AND amount_krw > 0 AND entry_id IS NOT NULL) AS paid_krw"
            " FROM agreement JOIN project ON project.code = agreement.project"
            " WHERE self_pay_mode = 'deposit' AND channel = 'stripe'"
            " AND (CAST(:programme AS text) IS NULL OR project.programme = :programme)"
            " GROUP BY project.code, project.programme ORDER BY project.code"
        ),
        {"programme": programme},
    )
    for row in rows:
        account, open_krw = f"deposit:{row.code}", max(0, row.agreed_krw - row.paid_krw)
        if open_krw or account in live_krw:
            yield Due(
                reference=account, programme=row.programme, project=row.code, account=account, document_id=None,
                open_krw=open_krw, live_krw=live_krw.get(account, 0),
            )  # fmt: skip


def parts_of(connection: Connection, references: Sequence[str]) -> list[Part]:
    """The parts of some invoices or deposits, in their order, canceled ones too."""
    rows = connection.execute(
        text(
            "SELECT id, reference, programme, project, part, amount_krw, status, idempotency_key, request_hash,"
            " requested_at, intent_id FROM stripe_part WHERE reference = ANY(:references) ORDER BY reference, part"
        ),
        {"references": list(references)},
    )
    return [Part(**row._mapping) for row in rows]

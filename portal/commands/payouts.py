"""payouts: payment orders of locked months, their files for the payers, and what became of them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from billing.bank_targets import order_reference
from billing.payout import Order, OrderRow, order_payouts, payout_rows
from billing.payout_status import PayoutRow
from core.database import service_engine
from core.month import Month, kst_day
from portal.command import Answer, Call, Day, command
from portal.month_text import table, won
from portal.programmes import asked
from reports.payment_order import write_order

commands = click.Group()
payouts = click.Group("payouts", help="Payment orders and what was paid of them.")
commands.add_command(payouts)
programme_option = click.option("--programme", required=True, help="Programme code.")
at_option = click.option("--at", type=Day(), help="As of the end of this local day; today when left out.")
STATES = {
    "open": "지급 전", "partly": "일부 지급", "paid": "지급 완료", "overpaid": "초과 지급", "overdue": "기한 지남",
    "unordered": "요청 없는 지급",
}  # fmt: skip
PAYERS = {"agency": "전담기관", "settlement": "정산 계정"}


@command(payouts, "order", help="Makes a locked month's payment order; with --out writes its files for the payers.")
@click.argument("month")
@programme_option
@click.option("--by", required=True, help="Name of the user who orders (finance).")
@click.option("--reason", default="", help="Why the order is made anew; the old one is kept.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files, numbers whole.")
def order(call: Call, month: str, programme: str, by: str, reason: str, out: Path | None) -> Answer:
    """A second call says so and changes nothing. In the answer numbers are masked."""
    wanted = Month.parse(month)
    with service_engine(call.settings).begin() as connection:
        asked(connection, programme)
        made = order_payouts(connection, programme, wanted, by, call.now, reason)
        files = write_order(connection, made, out) if out else []
    return Answer(document=_order_document(made, files), text=_order_text(call, made, files))


def _order_document(made: Order, files: Sequence[Path]) -> dict:
    return {
        "programme": made.programme, "month": str(made.month), "version": made.version, "new": made.new,
        "reason": made.reason, "due_on": made.due_on.isoformat(), "made_by": made.made_by,
        "made_at": made.made_at.isoformat(), "files": [str(one) for one in files],
        "rows": [
            {"number": one.number, "reference": order_reference(made.programme, made.month, one.number),
             "payer": one.payer, "account": one.account, "party": one.party,
             "payee": one.payee_name, "brn": one.payee_brn, "project": one.project, "amount_krw": one.amount_krw,
             "collected_krw": one.collected_krw, "waiting_krw": one.waiting_krw, "bank": one.bank,
             "number_masked": one.masked_number, "holder": one.holder, "blocked": one.blocked}
            for one in made.rows
        ],
    }  # fmt: skip


def _order_text(call: Call, made: Order, files: Sequence[Path]) -> str:
    say = call.say
    head = [say(korean, english) for korean, english in (
        ("연번", "no."), ("지급처", "payer"), ("수취인", "payee"), ("과제", "project"), ("계좌", "account"),
        ("비고", "remark"), ("지급(원)", "pay (KRW)"), ("회수(원)", "recover (KRW)"),
    )]  # fmt: skip
    rows = [
        [str(one.number), say(PAYERS[one.payer], one.payer), one.payee_name, one.project or "-",
         one.masked_number or say("계좌 미등록", "no account"), _remark(call, one), won(max(one.amount_krw, 0)),
         won(max(-one.amount_krw, 0))]
        for one in made.rows
    ]  # fmt: skip
    title = say(
        f"{made.programme} {made.month} 지급요청 제{made.version}판 · 지급일 {made.due_on}",
        f"{made.programme} {made.month} payment order, version {made.version}, to be paid on {made.due_on}",
    )
    there = [] if made.new else [say("이미 요청되어 있습니다. 바뀐 것이 없습니다.", "ordered before; nothing changed.")]
    lines = table([head, *rows], 6) if rows else [say("지급·회수할 것이 없습니다.", "Nothing to pay or to recover.")]
    return "\n".join([title, *there, *lines, *(f"  {one}" for one in files)])


def _remark(call: Call, one: OrderRow) -> str:
    if one.waiting_krw:
        waits = won(one.waiting_krw)
        return call.say(f"기업 수납 대기 {waits}", f"waits for the company: {waits}")
    return ""


@command(payouts, "list", help="What was ordered, and what was paid of it.")
@programme_option
@click.option("--month", help="Only this month's order.")
@at_option
def listing(call: Call, programme: str, month: str | None, at: datetime | None) -> Answer:
    """State: open, partly, paid, overpaid, overdue; unordered for a payment that no order names."""
    wanted = Month.parse(month) if month else None
    rows = [one for one in _rows(call, programme, at) if wanted in (None, one.month)]
    return Answer(document=_status_document(rows), text=_status_text(call, rows))


@command(payouts, "differences", help="What was paid other than ordered; exit code 1 when there is any.")
@programme_option
@at_option
def differences(call: Call, programme: str, at: datetime | None) -> Answer:
    """Partly paid, paid too much, not paid in time, paid without an order."""
    rows = [one for one in _rows(call, programme, at) if one.differs]
    return Answer(document=_status_document(rows), text=_status_text(call, rows), exit_code=1 if rows else 0)


def _rows(call: Call, programme: str, at: datetime | None) -> list[PayoutRow]:
    with service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        return payout_rows(connection, programme, at.date() if at else kst_day(call.now))


def _status_document(rows: Sequence[PayoutRow]) -> dict:
    return {
        "rows": [
            {"month": one.month and str(one.month), "number": one.number, "account": one.account, "payer": one.payer,
             "party": one.party, "payee": one.payee_name, "ordered_krw": one.ordered_krw, "paid_krw": one.paid_krw,
             "difference_krw": one.difference_krw, "collected_krw": one.collected_krw, "waiting_krw": one.waiting_krw,
             "due_on": one.due_on and one.due_on.isoformat(), "state": one.state, "blocked": one.blocked}
            for one in rows
        ],
        "states": dict(sorted(Counter(one.state for one in rows).items())),
    }  # fmt: skip


def _status_text(call: Call, rows: Sequence[PayoutRow]) -> str:
    say = call.say
    head = [say(korean, english) for korean, english in (
        ("월", "month"), ("지급처", "payer"), ("계정", "account"), ("수취인", "payee"), ("지급일", "due"),
        ("상태", "state"), ("요청(원)", "ordered (KRW)"), ("지급(원)", "paid (KRW)"), ("차이(원)", "difference (KRW)"),
        ("수납 대기(원)", "waits (KRW)"),
    )]  # fmt: skip
    lines = [
        [str(one.month or "-"), say(PAYERS[one.payer], one.payer), one.account, one.payee_name or "-",
         str(one.due_on or "-"), say(STATES[one.state], one.state), won(one.ordered_krw), won(one.paid_krw),
         won(one.difference_krw), won(one.waiting_krw)]
        for one in rows
    ]  # fmt: skip
    return "\n".join(table([head, *lines], 6)) if lines else say("해당하는 것이 없습니다.", "Nothing.")

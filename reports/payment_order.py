"""지급요청서 for the payer: each payee of a payment order with bank, account number whole, amount, and due day.

The statement of the same name shows what the run settled and is published with accounts masked; this file is for who
pays, so it is written readable by its owner only and kept nowhere.
"""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from billing.bank_targets import order_reference
from billing.payout import Order, OrderRow
from core.errors import BadInput
from reports.layout import As, Column, Document, Form, Row
from reports.trace import write_trace
from reports.words import amount_text, date_text, period_text

TITLE = "지급요청서"
PAYERS = {"agency": "전담기관", "settlement": "정산계정"}
WIDTHS = (6, 18, 14, 20, 16, 9, 25, 15, 15)
COLUMNS = (
    Column(title="연번", kind="code"),
    Column(title="수취인", kind="text"),
    Column(title="사업자등록번호", kind="code"),
    Column(title="은행 · 계좌번호", kind="code"),
    Column(title="예금주", kind="text"),
    Column(title="과제", kind="code"),
    Column(title="내용 · 이체 적요", kind="text"),
    Column(title="지급액", kind="won"),
    Column(title="회수액", kind="won"),
)
COLLECTED = Column(title="기업 수납액", kind="won")
PAID, RECOVERED, FROM_COMPANY = 7, 8, 9


@dataclass(frozen=True, kw_only=True)
class Heading:
    """Who asks whom: names as the month's statements have them."""

    programme: str
    fiscal_year: int
    agency: str
    agency_code: str
    sender: str


def write_order(connection: Connection, order: Order, out_dir: Path) -> list[Path]:
    """Writes the order's files, one for each payer that has rows, readable by their owner only; returns their paths.
    The same order gives the same bytes. Raises BadInput when the folder cannot be written to.
    """
    heading = _heading(connection, order)
    totals = _booked(connection, order)
    return [
        _write(out_dir / _name(order, heading, payer), payment_order(order, heading, payer, totals[payer]))
        for payer in sorted({one.payer for one in order.rows})
    ]


def payment_order(order: Order, heading: Heading, payer: str, booked_krw: tuple[int, int]) -> bytes:
    """The workbook for a payer; `booked_krw`: what the books ask to pay and to recover, apart from the rows."""
    number = f"지급요청 {order.programme} {order.month} 제{order.version}판 ({PAYERS[payer]})"
    document = Document(title=f"{TITLE} ({PAYERS[payer]})", number=number, closed_at=order.made_at)
    rows = [one for one in order.rows if one.payer == payer]
    settlement = payer == "settlement"
    form = Form(document, TITLE, (*WIDTHS, 15) if settlement else WIDTHS, landscape=False)
    _head(form, order, heading, payer)
    paid, recovered = booked_krw
    form.amount("지급", amount_text(paid))
    form.amount("회수", amount_text(recovered))
    columns = (*COLUMNS, COLLECTED) if settlement else COLUMNS
    collected = [sum(one.collected_krw or 0 for one in rows)] if settlement else []
    total = Row(values=["합계", "", "", "", "", "", f"{len(rows):,}건", paid, recovered, *collected])
    place = form.table("수취인별 지급 · 회수", columns, [_row(order, one, settlement) for one in rows], total)
    form.check_cells(form.sums(place, PAID, RECOVERED, *([FROM_COMPANY] if settlement else [])))
    _foot(form, order, heading, rows)
    form.finish(first_figure_row=9)
    write_trace(document)
    return document.book.content()


def _head(form: Form, order: Order, heading: Heading, payer: str) -> None:
    month, wide = order.month, form.printed - 7
    title = f"{month.year}년 {month.number}월분"
    form.header(TITLE, f"{title} · {heading.programme} ({order.programme})")
    receiver = f"{heading.agency}장 (전담기관)" if payer == "agency" else f"{heading.sender} (정산 계정)"
    form.labels(("수신", receiver, 4), ("지급일", date_text(order.due_on), wide + 1))
    form.labels(("발신", f"{heading.sender} (정산 수행)", 4), ("요청일", date_text(order.made_on), wide + 1))
    form.labels(
        ("사업", f"{order.programme} · 회계연도 {heading.fiscal_year}", 4),
        ("기간", period_text(month.first, month.last), wide + 1),
    )
    form.spacer(8)
    form.place(
        ("sentence", f"위 사업의 {title} 정산이 마감되어 아래 계좌로 지급하고, 회수할 금액을 회수하기를 요청합니다."
         + (f" (제{order.version}판: {order.reason})" if order.reason else ""), form.printed), height=22,
    )  # fmt: skip
    form.spacer(4)


def _row(order: Order, one: OrderRow, settlement: bool) -> Row:
    account = f"{one.bank} ({one.bank_code})\n{one.account_number}" if one.account_number else "-"
    shown = As("error", "계좌 미등록") if one.blocked else account
    waits = f"\n수납 대기 {one.waiting_krw:,}원" if one.waiting_krw else ""
    remark = f"{content(one)}{waits}\n{order_reference(order.programme, order.month, one.number)}"
    return Row(
        values=[str(one.number), one.payee_name, one.payee_brn or "", shown,
                one.holder or "", one.project or "-", remark, max(one.amount_krw, 0),
                max(-one.amount_krw, 0), *([one.collected_krw or 0] if settlement else [])],
        ref=f"balance:{one.account}@{order.month}", item=f"{one.payee_name} {one.account}", amber=one.amount_krw < 0,
    )  # fmt: skip


def content(one: OrderRow) -> str:
    """What a row is paid for, in words."""
    kind = one.account.split(":")[1] if one.account.startswith("payable:") else one.account.split(":")[0]
    names = {"company": "지원금", "operator": "운영기관 사용료", "infra": "인프라 원가", "incentive": "참여유인",
             "deposit": "선납금 환급"}  # fmt: skip
    hospital = "바우처" if one.payer == "agency" else "기업 부담분"
    return names.get(kind, hospital) + (" 회수" if one.amount_krw < 0 else "")


def _foot(form: Form, order: Order, heading: Heading, rows: list[OrderRow]) -> None:
    notes = [
        "지급과 회수는 과제마다 따로 하며 서로 상계하지 않습니다. 계좌번호 전체는 이 파일에만 있습니다.",
        "이체 적요(PO-…)를 그대로 적어 보내면 은행 거래내역에서 어느 지급인지 알 수 있습니다.",
    ]
    if any(one.blocked for one in rows):
        notes.append("계좌 미등록: 승인된 계좌가 없습니다. 계좌를 등록·승인한 뒤 새 판을 만들어 지급합니다.")
    if any(one.waiting_krw for one in rows):
        notes.append("기업 부담분은 수요기업이 낸 만큼 지급합니다. 수납 대기 금액은 수납된 뒤 지급합니다.")
    form.note(*notes)
    form.spacer(12)
    form.place(("closing", date_text(order.made_on), form.printed), height=20)
    form.spacer(10)
    form.place(("signature", f"{heading.sender}의 장  (직인)", form.printed), height=34)


def _heading(connection: Connection, order: Order) -> Heading:
    row = connection.execute(
        text(
            "SELECT programme.name AS programme, fiscal_year, agency AS agency_code, named.names ->> agency AS agency,"
            " named.names ->> coalesce(operator, agency) AS sender FROM programme CROSS JOIN LATERAL ("
            "  SELECT jsonb_object_agg(one ->> 'code', one ->> 'name') AS names FROM statement_version,"
            "   jsonb_array_elements(parties) AS one WHERE statement_version.programme = programme.code"
            "   AND month = :month AND version = 1) AS named WHERE programme.code = :programme"
        ),
        {"programme": order.programme, "month": order.month.first},
    ).one()
    return Heading(**row._mapping)


def _booked(connection: Connection, order: Order) -> dict[str, tuple[int, int]]:
    """By payer, what the run booked to be paid and to be recovered, in won."""
    rows = connection.execute(
        text(
            "SELECT payer, coalesce(sum(amount_krw) FILTER (WHERE amount_krw > 0), 0)::bigint AS paid_krw,"
            " coalesce(-sum(amount_krw) FILTER (WHERE amount_krw < 0), 0)::bigint AS recovered_krw"
            " FROM payable_of(:programme, :month) GROUP BY payer"
        ),
        {"programme": order.programme, "month": order.month.first},
    )
    return {row.payer: (row.paid_krw, row.recovered_krw) for row in rows}


def _name(order: Order, heading: Heading, payer: str) -> str:
    to = heading.agency_code if payer == "agency" else PAYERS[payer]
    return unicodedata.normalize(
        "NFC", f"{order.programme}_{order.month}_{TITLE}_{to}_지급용-{order.version}.xlsx"
    )  # fmt: skip


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content)
    except OSError as error:
        raise BadInput(
            f"{path}: 쓸 수 없습니다. --out 에 다른 폴더를 적으세요 (cannot be written: {error.strerror})."
        ) from None
    return path

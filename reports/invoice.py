"""청구서: an issued company invoice or credit note as an Excel workbook; what it shows is what was stored at issue."""

from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from billing.charge import USAGE_NAMES
from billing.invoice_item import InvoiceItem
from billing.invoice_reading import Invoice, InvoiceParty
from core.errors import BadInput
from core.month import kst_midnight
from reports.layout import Column, Document, Form, Row
from reports.trace import write_trace
from reports.wording import CORRECTED, joined, quantity, unit
from reports.words import amount_text, date_text, period_text

TITLES = {"invoice": "청구서", "credit_note": "차감 청구서"}
WIDTHS = (13, 45, 13, 12, 9, 12, 15, 14, 16, 29)
ITEMS = (
    Column(title="구분", kind="code"),
    Column(title="내용", kind="text"),
    Column(title="귀속월", kind="code"),
    Column(title="수량", kind="quantity"),
    Column(title="단위", kind="code"),
    Column(title="단가", kind="won"),
    Column(title="공급가액", kind="won"),
    Column(title="부가가치세", kind="won"),
    Column(title="기업 부담", kind="won"),
    Column(title="비고", kind="text"),
)
KINDS = {
    "preparation": "데이터 공급", "permit": "심의", **dict.fromkeys(USAGE_NAMES, "운영기관"),
    "self_pay": "자부담", "excess": "기업 직접", "deposit": "차감",
}  # fmt: skip
CARD = "카드 결제 (Stripe). 한 번에 99,999,999원까지이며, 넘는 금액은 나누어 결제하거나 계좌로 이체합니다."


def invoice_workbook(invoice: Invoice) -> bytes:
    """The workbook: the same bytes whenever it is made. Raises NotZero where the items do not sum to the invoice."""
    document = Document(title=TITLES[invoice.kind], number=invoice.number, closed_at=kst_midnight(invoice.issued_on))
    form = Form(document, "청구서", WIDTHS)
    month = invoice.month
    form.header(TITLES[invoice.kind], f"{month.year}년 {month.number}월분 · {invoice.programme_name} "
                f"({invoice.programme})", approval=False)  # fmt: skip
    _head(form, invoice)
    _items(form, invoice)
    _payment(form, invoice)
    form.spacer()
    form.note(
        "데이터 공급의 공급가액은 바우처(전담기관이 공급기관에 지급)와 자부담으로 나뉩니다. "
        "기업은 부가가치세 전액과 자부담, 이용료를 부담합니다.",
        "노란 바탕은 앞선 달의 정정이며 귀속월은 원래의 달입니다. △는 음수입니다. 이 문서는 세금계산서가 아닙니다.",
    )
    form.spacer(8)
    form.place(("signature", f"{invoice.issuer.name}  (직인)", form.printed), height=30)
    form.finish(first_figure_row=9)
    write_trace(document)
    return document.book.content()


def _head(form: Form, invoice: Invoice) -> None:
    month = invoice.month
    issuer, recipient = invoice.issuer, invoice.recipient
    form.labels(("발행", issuer.titled, 2), ("수신", recipient.titled, 6))
    form.labels(("대표자·주소", _whereabouts(issuer), 2), ("대표자·주소", _whereabouts(recipient), 6))
    form.labels(("업태·종목", _business(issuer), 2), ("업태·종목", _business(recipient), 6))
    form.labels(
        ("과제", f"{invoice.project} {invoice.title}", 2), ("청구 기간", period_text(month.first, month.last), 6)
    )
    form.labels(("청구서 번호", invoice.number, 2), ("발행일", date_text(invoice.issued_on), 6))
    label = "돌려드릴 금액" if invoice.total_krw < 0 else "납부할 금액"
    form.amount(label, amount_text(abs(invoice.total_krw)))


def _whereabouts(party: InvoiceParty) -> str:
    return " · ".join(filter(None, (party.representative, party.address, party.email))) or "-"


def _business(party: InvoiceParty) -> str:
    return " · ".join(filter(None, (party.business_type, party.business_item))) or "-"


def _items(form: Form, invoice: Invoice) -> None:
    month, project = invoice.month, invoice.project
    lines = sorted({one.line for one in invoice.items if one.line is not None and one.service_month < month})
    billed = [one for one in invoice.items if one.kind != "deposit"]
    rows = [_row(invoice, one, touched=one.line in lines) for one in billed]
    whole = Row(values=["합계", "", "", None, "", None, invoice.supply_krw, invoice.vat_krw,
                        invoice.total_krw + invoice.drawn_krw, ""])  # fmt: skip
    total_row = form.sheet.last_row + 3 + max(len(rows), 1)
    nothing = Row(values=["-", "당월 청구 없음", "", None, "", None, 0, 0, 0, ""],
                  ref=f"charge:{month}/{project}/*/*/*")  # fmt: skip
    drawn, due = invoice.drawn_krw, invoice.total_krw
    after = [
        Row(values=["차감", _deposit_text(drawn), "", None, "", None, None, None, -drawn, ""],
            ref=f"balance:deposit:{project}@{month}" if drawn else f"sum:I{total_row}", item="선납금 충당"),
        Row(values=["납부" if due >= 0 else "환급", "납부할 금액" if due >= 0 else "돌려드릴 금액", "", None, "", None,
                    None, None, due, ""],
            ref=f"sum:I{total_row}:I{total_row + 1}", item="납부할 금액", total=True),
    ]  # fmt: skip
    place = form.table("1. 청구 내역", ITEMS, rows or [nothing], whole, after)
    checks = form.sums(place, 6, 7, 8)
    form.check_cells(checks)
    form.check_cells({9: form.cells((1, place.total, 9), (1, place.total + 1, 9), (-1, place.total + 2, 9))},
                     "검산: 합계 + 차감 = 납부")  # fmt: skip


def _deposit_text(drawn_krw: int) -> str:
    return "자부담 선납금에서 충당" if drawn_krw >= 0 else "자부담 선납금으로 되돌림"


def _row(invoice: Invoice, item: InvoiceItem, *, touched: bool) -> Row:
    """An item; that of a whole line is marked when the line has corrections in it."""
    summed = item.quantity_base is None
    corrected = item.service_month < invoice.month
    remark = joined([one for one in (CORRECTED if summed and touched else "", item.remark) if one])
    return Row(
        values=[KINDS[item.kind], item.description, str(item.service_month), None if summed else quantity(item),
                "" if summed else unit(item), item.unit_price_krw, *_supply(item), item.own_krw, remark],
        ref=_reference(invoice, item), item=item.description, amber=corrected or (summed and touched),
    )  # fmt: skip


def _supply(item: InvoiceItem) -> tuple[int | None, int | None]:
    return (None, None) if item.quantity_base is None else (item.supply_krw, item.vat_krw)


def _reference(invoice: Invoice, item: InvoiceItem) -> str:
    if item.kind == "deposit":
        return f"balance:deposit:{invoice.project}@{invoice.month}"
    if item.quantity_base is None:
        return f"line:{invoice.month}/{item.line}"
    return f"charge:{invoice.month}/{invoice.project}/{item.service_month}/{item.kind}/{item.key}"


def _payment(form: Form, invoice: Invoice) -> None:
    form.spacer()
    form.section("2. 환급 안내" if invoice.total_krw < 0 else "2. 납부 안내", "")
    receiver = f"{invoice.payee[0]} (사업자등록번호 {invoice.payee[1]})" if invoice.payee else invoice.issuer.titled
    account = f"{receiver} 명의의 정산 계좌 (협약서에 적힌 계좌). 보내는 분이나 적요에 {invoice.number} 를 적어 주세요."
    if invoice.total_krw < 0:
        form.labels(("처리", "아직 내지 않은 청구서가 있으면 가장 오래된 것부터 차감하고, 없으면 돌려드립니다.", 9))
        return
    if not invoice.total_krw:
        form.labels(("납부", "정정과 선납금 충당으로 납부할 금액이 없습니다.", 9))
        return
    form.labels(("납부 기한", date_text(invoice.due_on), 9))
    if invoice.channel == "stripe":
        form.labels(("카드", CARD, 9))
    form.labels(("계좌 이체", account, 9))


def write_invoice(invoice: Invoice, path: Path) -> str:
    """Writes the workbook; returns its SHA-256. Raises BadInput when the file cannot be written."""
    content = invoice_workbook(invoice)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(
            f"{path}: 쓸 수 없습니다. --out 에 다른 파일을 적으세요 (cannot be written: {error.strerror})."
        ) from None
    return sha256(content).hexdigest()


def invoice_view(invoice: Invoice) -> dict:
    """The invoice as commands and pages show it: won, days as text, quantities as the workbook shows them."""
    shown = {name: getattr(invoice, name) for name in VIEWED}
    return {
        **shown,
        "month": str(invoice.month),
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "issuer": asdict(invoice.issuer),
        "payee": {"name": invoice.payee[0], "brn": invoice.payee[1]} if invoice.payee else None,
        "recipient": asdict(invoice.recipient),
        "items": [_item_view(invoice, one) for one in invoice.items],
    }


VIEWED = (
    "number", "kind", "programme", "programme_name", "project", "title", "channel", "supply_krw", "vat_krw",
    "total_krw",
)  # fmt: skip


def _item_view(invoice: Invoice, item: InvoiceItem) -> dict:
    summed = item.quantity_base is None
    return {
        "kind": item.kind, "line": item.line, "supplier": item.supplier, "service_month": str(item.service_month),
        "description": item.description, "quantity": None if summed else str(quantity(item).value),
        "unit": "" if summed else unit(item), "unit_price_krw": item.unit_price_krw, "supply_krw": item.supply_krw,
        "vat_krw": item.vat_krw, "own_krw": item.own_krw, "correction": item.service_month < invoice.month,
        "remark": item.remark, "ref": _reference(invoice, item),
    }  # fmt: skip

"""지급요청서: what the agency is asked to pay to, and recover from, each payee of a month, project by project."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.data_table import DataTable
from reports.figures import Figures, Party, Settled
from reports.layout import Column, Document, Form, Row
from reports.trace import write_trace
from reports.wording import category_name, issuer, month_title, new_document
from reports.words import amount_text, date_text, short_date_text

TITLE = "지급요청서"
WIDTHS = (8, 19, 16, 25, 9, 16, 16, 16)
PAYEES = (
    Column(title="연번", kind="code"),
    Column(title="수취기관", kind="text"),
    Column(title="사업자등록번호", kind="code"),
    Column(title="지급 계좌 (가림)", kind="code"),
    Column(title="과제", kind="code"),
    Column(title="지급액", kind="won"),
    Column(title="회수액", kind="won"),
    Column(title="비고", kind="text"),
)
PROJECTS = (
    Column(title="과제", kind="code", span=2),
    Column(title="수요기업", kind="text"),
    Column(title="지원 한도", kind="won"),
    Column(title="구분", kind="code"),
    Column(title="지급액", kind="won"),
    Column(title="회수액", kind="won"),
    Column(title="집행 누계", kind="won"),
)
LINES = (
    Column(title="연번", kind="code", width=6),
    Column(title="코드", kind="code", width=8),
    Column(title="수취기관", kind="text", width=18),
    Column(title="사업자등록번호", kind="code", width=16),
    Column(title="과제", kind="code", width=8),
    Column(title="협약 line", kind="code", width=10),
    Column(title="비목", kind="text", width=19),
    Column(title="공급가액", kind="won", width=14),
    Column(title="기업 부담", kind="won", width=13),
    Column(title="바우처 당월 집행", kind="won", width=15),
    Column(title="선금 충당", kind="won", width=12),
    Column(title="지급액", kind="won", width=14),
    Column(title="회수액", kind="won", width=13),
    Column(title="구분", kind="code", width=7),
    Column(title="비고", kind="text", width=15),
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for one payee and project, in won: voucher less offset advance, paid or recovered."""

    payee: str
    project: str
    voucher_krw: int
    offset_krw: int

    @property
    def paid_krw(self) -> int:
        """What is to be paid; 0 when it is to be recovered."""
        return max(self.voucher_krw - self.offset_krw, 0)

    @property
    def recovered_krw(self) -> int:
        """What is to be recovered; 0 when it is to be paid."""
        return max(self.offset_krw - self.voucher_krw, 0)


def requests(figures: Figures) -> list[Request]:
    """By payee and project, from the books: vouchers settled and advances offset by this month's run."""
    vouchers: dict[tuple[str, str], int] = {}
    offsets: dict[tuple[str, str], int] = {}
    for entry in figures.own:
        if entry.kind == "settle":
            line = figures.lines[entry.subject]
            key = _payee(figures, line), line.project
            vouchers[key] = vouchers.get(key, 0) + entry.sum_of("receivable:agency")
        elif entry.kind == "advance_offset":
            payable = next(code for code in entry.postings if code.startswith("payable:hospital:"))
            key = tuple(payable.split(":")[2:])
            offsets[key] = offsets.get(key, 0) - entry.sum_of("receivable:agency")
    return [
        Request(payee=key[0], project=key[1], voucher_krw=vouchers.get(key, 0), offset_krw=offsets.get(key, 0))
        for key in sorted({*vouchers, *offsets})
        if vouchers.get(key) or offsets.get(key)
    ]


def _payee(figures: Figures, line: Settled) -> str:
    """Who is paid for a line: its supplier, or the company where the programme funds the company."""
    return figures.terms.projects[line.project].company if line.paid_to == "company" else line.supplier


def agency_statement(figures: Figures) -> Document:
    """The payment request to the agency."""
    document = new_document(figures, "전담기관 지급요청서", "statement", figures.terms.agency)
    asked = requests(figures)
    _form(document, figures, asked)
    _lines_sheet(document, figures, asked)
    write_trace(document)
    return document


def _form(document: Document, figures: Figures, asked: Sequence[Request]) -> None:
    form = Form(document, "지급요청서", WIDTHS, landscape=False)
    terms, month = figures.terms, figures.month
    form.header("지급요청서", f"{month_title(figures)} 바우처 · {terms.name}")
    agency, sender = figures.parties[terms.agency], figures.parties[issuer(figures)]
    form.labels(("수신", f"{agency.name}장 (전담기관)", 3), ("요청일", date_text(figures.closed_on), 3))
    form.labels(
        ("발신", f"{sender.name} (정산 수행)", 3),
        ("정산 기간", f"{short_date_text(month.first)} ~ {short_date_text(month.last)}", 3),
    )
    form.labels(("사업", f"{terms.code} · 회계연도 {terms.fiscal_year}", 3), ("요청 번호", document.number, 3))
    form.spacer(8)
    granted = terms.funding == "company"
    receivers = "수요기업에 대한 지원금" if granted else "공급기관에 대한 바우처"
    sentence = f"위 사업의 {month_title(figures)} 정산이 확정되어 아래와 같이 {receivers} 지급과 회수를 요청합니다."
    form.place(("sentence", sentence, form.printed), height=22)
    form.spacer(4)
    paid, recovered = sum(one.paid_krw for one in asked), sum(one.recovered_krw for one in asked)
    form.amount("지급", amount_text(paid))
    form.amount("회수", amount_text(recovered))
    _payees_table(document, form, figures, asked)
    _projects_table(form, figures, asked)
    form.note(
        "부가가치세와 자부담은 이 요청에 들어 있지 않습니다. 지급과 회수는 과제마다 따로 하며 서로 상계하지 않습니다.",
        "계좌는 가려 두며 전체 번호는 전담기관의 등록 계좌로 확인합니다. 선금 충당액은 「지급명세」에 있습니다.",
    )
    form.spacer(10)
    form.place(
        (
            "sentence",
            f"붙임  1. 지급명세 1부.  2. {'기업' if granted else '병원'} 정산서 각 1부.  3. 세금계산서 목록 1부.  끝.",
            form.printed,
        ),
        height=20,
    )
    form.spacer(12)
    form.place(("closing", date_text(figures.closed_on), form.printed), height=20)
    form.spacer(10)
    form.place(("signature", f"{sender.name}의 장  (직인)", form.printed), height=34)
    form.finish(first_figure_row=10)


def _payees_table(document: Document, form: Form, figures: Figures, asked: Sequence[Request]) -> None:
    rows = [_payee_row(figures, position, one) for position, one in enumerate(asked, 1)]
    rows = rows or [Row(values=["-", "지급·회수 없음", "", "", "", 0, 0, ""], ref=f"charge:{figures.month}/*/*/*/*")]
    net = figures.posted("receivable:agency", "settle", "advance_offset")
    recovered = sum(one.recovered_krw for one in asked)
    total = Row(values=["합계", "", "", "", "", net + recovered, recovered, ""])
    place = form.table("1. 수취기관별 지급 · 회수", PAYEES, rows, total)
    form.check_cells(form.sums(place, 5, 6))
    document.totals["agency_net_krw"] = form.value(place.total, 6) - form.value(place.total, 7)


def _payee_row(figures: Figures, position: int, one: Request) -> Row:
    party = figures.parties[one.payee]
    name, brn = party.payee
    back = one.recovered_krw > 0
    lines = [
        f"line:{figures.month}/{line.line}"
        for line in figures.lines_of.get(one.project, ())
        if _payee(figures, line) == one.payee and line.moved
    ]
    return Row(
        values=[str(position), name, brn or "", party.paid_to, one.project, one.paid_krw, one.recovered_krw,
                "정정분 회수" if back else f"선금 {one.offset_krw:,}원 충당" if one.offset_krw else ""],
        ref=", ".join(lines) or f"balance:payable:hospital:{one.payee}:{one.project}@{figures.month}",
        item=f"{name} {one.project}", amber=back,
    )  # fmt: skip


def _projects_table(form: Form, figures: Figures, asked: Sequence[Request]) -> None:
    of_project: dict[str, list[Request]] = {}
    for one in asked:
        of_project.setdefault(one.project, []).append(one)
    shown = sorted(of_project or figures.terms.projects)
    rows = [_project_row(figures, code, of_project.get(code, ())) for code in shown]
    lines = [one for code in shown for one in figures.lines_of.get(code, ())]
    limits = sum(line.limit_krw(figures.month) for code in shown for line in figures.line_terms(code))
    executed = sum(one.total_voucher_krw for one in lines)
    paid, recovered = sum(one.paid_krw for one in asked), sum(one.recovered_krw for one in asked)
    total = Row(values=["합계", "", limits, "", paid, recovered, executed])
    place = form.table("2. 과제별 집계", PROJECTS, rows, total)
    form.check_cells(form.sums(place, 2, 4, 5, 6))


def _project_row(figures: Figures, code: str, own: Sequence[Request]) -> Row:
    settled = figures.lines_of.get(code, ())
    limit = sum(one.limit_krw for one in settled)
    lines = ", ".join(f"line:{figures.month}/{one.line}" for one in settled)
    limits = ", ".join(f"registry:line/{one.code}/grant_limit_krw" for one in figures.line_terms(code))
    return Row(
        values=[code, figures.parties[figures.terms.projects[code].company].name, limit, figures.tiers[code],
                sum(one.paid_krw for one in own), sum(one.recovered_krw for one in own),
                figures.balance(f"budget:executed:{code}")],
        ref={2: limits, 4: lines, 5: lines, 6: f"balance:budget:executed:{code}@{figures.month}"},
        item=f"{code} 집계",
    )  # fmt: skip


def _lines_sheet(document: Document, figures: Figures, asked: Sequence[Request]) -> None:
    """Per line: hospital → project → line. The offset of a payee's advance stands with its lines in their order."""
    table = DataTable(document, "지급명세", LINES, key_columns=3)
    left = {(one.payee, one.project): one.offset_krw for one in asked}
    settled = [one for one in figures.lines.values() if one.moved]
    settled = sorted(settled, key=lambda one: (_payee(figures, one), one.project, one.line))
    keys = [(_payee(figures, one), one.project) for one in settled]
    corrected = {one.line for one in figures.charges if one.correction}
    recovered = sum(one.recovered_krw for one in asked)
    rows = []
    for position, (key, line) in enumerate(zip(keys, settled, strict=True), 1):
        last = keys[position : position + 1] != [key]
        offset = left.get(key, 0) if last else max(0, min(left.get(key, 0), line.voucher_krw))
        left[key] = left.get(key, 0) - offset
        rows.append(_line_row(figures, figures.parties[key[0]], position, line, offset, line.line in corrected))
    charged = [one for one in figures.charges if one.line is not None]
    supply, voucher = sum(one.amount_krw for one in charged), figures.posted("receivable:agency", "settle")
    offset = -figures.posted("receivable:agency", "advance_offset")
    paid = sum(row.values[11] for row in rows)
    table.fill(
        "지급명세",
        f"{month_title(figures)} · 협약 line별 · 정렬: 수취기관 → 과제 → 협약 line",
        "지급 · 회수 명세",
        rows,
        count=len(rows),
        totals={7: supply, 8: supply - voucher, 9: voucher, 10: offset, 11: paid, 12: paid - (voucher - offset)},
        foots={9: ((1, 7), (-1, 8), (-1, 9)), 12: ((1, 9), (-1, 10), (-1, 11), (1, 12))},
        notes=(
            "바우처 당월 집행 - 선금 충당 = 지급액 - 회수액. "
            "기업 부담은 자부담과 한도 초과분이며 부가가치세는 들어 있지 않습니다.",
            f"과제 안에서 line 사이의 지급과 회수는 합쳐 요청합니다 (요청서의 회수액 합계 {recovered:,}원).",
        ),
    )


def _line_row(figures: Figures, payee: Party, position: int, line: Settled, offset: int, corrected: bool) -> Row:
    name, brn = payee.payee
    net = line.voucher_krw - offset
    kind = "회수" if net < 0 else "지급" if net else "-"
    return Row(
        values=(position, payee.code, name, brn or "", line.project, line.line, category_name(figures, line.category),
                line.supply_krw, line.self_pay_krw + line.excess_krw, line.voucher_krw, offset, max(net, 0),
                max(-net, 0), kind, "정정분 포함" if corrected else ""),
        ref=f"line:{figures.month}/{line.line}", amber=corrected,
    )  # fmt: skip

"""대사: the ties of a month with both sides, the matrix, every charge, the journal, the balances, the differences."""

from collections.abc import Sequence

from reports.company import CHARGES, charge_row
from reports.data_table import DataTable
from reports.figures import OPERATOR_KINDS, Figures
from reports.layout import As, Check, Column, Document, Form, Row, combined
from reports.ties import Tie
from reports.trace import write_trace
from reports.wording import charge_order, issuer, month_title, new_document, subtitle
from reports.words import date_text
from reports.workbook import ranged
from settlement.matrix import SOURCES, LineFlow, Matrix, matrix

TITLE = "대사"
WIDTHS = (8, 36, 36, 24, 36, 24, 14, 14, 16)
TIES = (
    Column(title="번호", kind="code"),
    Column(title="대사 항목", kind="text"),
    Column(title="앞쪽", kind="text"),
    Column(title="앞쪽 금액", kind="won"),
    Column(title="뒤쪽", kind="text"),
    Column(title="뒤쪽 금액", kind="won"),
    Column(title="차이", kind="difference"),
    Column(title="판정", kind="verdict"),
    Column(title="비고", kind="text"),
)
INTAKE = (
    Column(title="번호", kind="code"),
    Column(title="구분", kind="text"),
    Column(title="내용", kind="text"),
    Column(title="건수", kind="count"),
    Column(title="구분", kind="text"),
    Column(title="건수", kind="count"),
    Column(title="차이", kind="difference"),
    Column(title="판정", kind="verdict"),
    Column(title="비고", kind="text"),
)
JOURNAL = (
    Column(title="번호", kind="code", width=8),
    Column(title="분개번호", kind="code", width=11),
    Column(title="종류", kind="code", width=16),
    Column(title="적요", kind="text", width=30),
    Column(title="계정", kind="reference", width=36),
    Column(title="차변", kind="won", width=18),
    Column(title="대변", kind="won", width=18),
    Column(title="금액 (차변 - 대변)", kind="difference", width=20),
)
BALANCES = (
    Column(title="번호", kind="code", width=8),
    Column(title="구분", kind="code", width=12),
    Column(title="계정", kind="reference", width=44),
    Column(title="차변 잔액", kind="won", width=22),
    Column(title="대변 잔액", kind="won", width=22),
    Column(title="금액 계정", kind="difference", width=22),
    Column(title="예산 계정", kind="difference", width=22),
)
DIFFERENCES = (
    Column(title="번호", kind="code"),
    Column(title="대사 항목", kind="text"),
    Column(title="대상", kind="text"),
    Column(title="앞쪽 금액", kind="won"),
    Column(title="뒤쪽 금액", kind="won"),
    Column(title="차이", kind="difference"),
    Column(title="참조번호", kind="text"),
)
SOURCE_NAMES = {"voucher": "바우처", "self_pay": "자부담", "company_direct": "기업 직접"}
USE_NAMES = {"operator_usage": "운영기관 사용료", "platform_fee": "플랫폼 이용료", "incentive_pool": "참여유인 재원"}
ENTRY_NAMES = {
    "amendment": "협약변경", "settle": "정산", "draw": "선납금 충당", "gpu": "GPU 사용료", "cpu": "CPU 사용료",
    "storage": "저장공간", "infra": "인프라 원가", "fee": "플랫폼 이용료", "pool": "참여유인 재원",
    "incentive": "참여유인 배분", "advance_offset": "선금 충당", "release": "잔액 해제",
}  # fmt: skip
INTAKE_NAMES = (
    ("stored", "저장", "정산에 반영된 이벤트"),
    ("duplicate", "중복", "같은 식별자 · 같은 내용"),
    ("quarantined", "격리", "귀속할 수 없음 (원인 해소 시 재처리)"),
    ("dead_lettered", "판독 불가", "읽을 수 없음"),
)
WIDE = 9


def reconciliation(figures: Figures, ties: Sequence[Tie]) -> Document:
    """The reconciliation workbook."""
    document = new_document(figures, "대사 통합문서", "reconciliation", issuer(figures))
    _overview(document, figures, ties)
    _matrix_sheet(document, figures)
    _charges_sheet(document, figures)
    _journal_sheet(document, figures)
    _balance_sheet(document, figures)
    _differences_sheet(document, figures, ties)
    write_trace(document)
    return document


# ---------------------------------------------------------------------- 대사총괄
def _overview(document: Document, figures: Figures, ties: Sequence[Tie]) -> None:
    form = Form(document, "대사총괄", WIDTHS)
    form.header("대사 통합문서", f"{subtitle(figures)} · 마감 {date_text(figures.closed_on)}")
    different = [one for one in ties if one.difference not in (0, "0")]
    total = Row(
        values=["", "차이 합계 (절댓값)", "", None, "", None, _absolute(ties), _verdict(not different),
                f"차이 {len(different)}건"],
        ref=f"tie:{figures.month}/*",
    )  # fmt: skip
    rows = [_tie_row(figures, position, one) for position, one in enumerate(ties, 1)]
    place = form.table("1. 대사 결과", TIES, rows, total, unit="(단위: 원, 표시된 곳은 해당 단위)")
    terms = [
        form.cells((1, place.first + position, 4), (-1, place.first + position, 6), (-1, place.first + position, 7))
        for position, one in enumerate(ties)
        if all(type(side) is int for side in (one.left, one.right, one.difference))
    ]
    if terms:
        form.check_cells({7: combined(*terms)})
    _intake_table(form, figures)
    form.note(
        "차이는 원 단위로 0이어야 하며 허용 오차는 없습니다. 차이가 있으면 「차이내역」에 해당 행이 모두 나옵니다.",
        "글자로 적은 수량은 15자리를 넘을 수 있는 정확한 값입니다.",
    )
    form.finish(first_figure_row=7)


def _absolute(ties: Sequence[Tie]) -> int:
    return sum(abs(one.difference) for one in ties if type(one.difference) is int)


def _verdict(agrees: bool) -> As:
    return As("verdict", "일치") if agrees else As("error", "불일치")


def _side(value: int | str) -> As:
    if type(value) is int and abs(value) < 10**15:
        return As("won", value)
    whole, _, rest = str(value).partition(".")
    return As("exact", f"{int(whole):,}" + (f".{rest}" if rest else ""))


def _tie_row(figures: Figures, position: int, tie: Tie) -> Row:
    agrees = tie.difference in (0, "0")
    difference = As("difference", tie.difference) if type(tie.difference) is int else As("exact", tie.difference)
    return Row(
        values=[str(position), tie.name, tie.left_name, _side(tie.left), tie.right_name, _side(tie.right), difference,
                _verdict(agrees), tie.note if agrees or len(tie.note) < 40 else "차이내역 참조"],
        ref=f"tie:{figures.month}/{position}", item=tie.name,
    )  # fmt: skip


def _intake_table(form: Form, figures: Figures) -> None:
    counts = figures.intake
    parts = sum(counts[name] for name, _title, _meaning in INTAKE_NAMES)
    difference = counts["received"] - parts
    rows = [
        Row(values=["1", "수신 = 저장 + 중복 + 격리 + 판독 불가", "수신", counts["received"],
                    "저장 + 중복 + 격리 + 판독 불가", parts, difference, _verdict(not difference), ""],
            ref={3: "intake:received", 5: "intake:stored, intake:duplicate, intake:quarantined, intake:dead_lettered",
                 6: "intake:received"}, item="수신 항등식"),
        *(
            Row(values=[str(position), title, meaning, counts[name], "", None, None, None, ""], ref=f"intake:{name}",
                item=title)
            for position, (name, title, meaning) in enumerate(INTAKE_NAMES, 2)
        ),
    ]  # fmt: skip
    place = form.table("2. 수신 항등식 (누계)", INTAKE, rows, unit="(단위: 건)")
    if not difference:
        body = f"D{place.first + 1}:D{place.last}"
        residual = counts["received"] - sum(form.value(row, 4) for row in range(place.first + 1, place.last + 1))
        form.check_cells({4: Check(formula=f"D{place.first}-SUM({body})", residual=residual)})


# ---------------------------------------------------------------------- 재원 × 용도
def month_matrix(figures: Figures) -> Matrix:
    """The month's sources × uses from the line settlements and the operator's charges."""
    flows = [
        LineFlow(use=one.use, voucher_krw=one.voucher_krw, self_pay_krw=one.self_pay_krw,
                 excess_krw=one.excess_krw, vat_krw=one.vat_krw)
        for one in figures.lines.values()
    ]  # fmt: skip
    direct = [one for one in figures.charges if one.line is None]
    fee = sum(one.amount_krw + one.vat_krw for one in direct if one.kind == "fee")
    usage = sum(one.amount_krw + one.vat_krw for one in direct if one.kind != "fee")
    fixed = bool(figures.terms.incentive_monthly_krw)
    return matrix(flows, usage, fee, figures.pool.pool_krw, fixed_pool=fixed)


def _booked_uses(figures: Figures, uses: Sequence[str]) -> dict[str, int]:
    """The uses from the books: what the run credited to each."""
    posted = figures.posted
    kinds = (*OPERATOR_KINDS, "pool")
    special = {
        "operator_usage": -posted("payable:operator", *kinds, "settle"),
        "platform_fee": -posted("income:platform_fee", *kinds) - posted("vat:operator", *kinds),
        "incentive_pool": -posted("incentive:pool", "pool"),
    }
    return {
        use: special[use] if use in special
        else -posted(f"payable:hospital:{use}:", "settle") + _paid_by_companies(figures, use)
        for use in uses
    }  # fmt: skip


def _paid_by_companies(figures: Figures, supplier: str) -> int:
    """What companies that are paid the grant pay this supplier themselves: from the grant, as booked, and of their own
    as charged.
    """
    lines = {one.line for one in figures.lines.values() if one.paid_to == "company" and one.supplier == supplier}
    charged = sum(one.amount_krw + one.vat_krw for one in figures.charges if one.line in lines)
    grant = sum(figures.lines[code].voucher_krw for code in lines)
    booked = -sum(
        one.sum_of("payable:company:") for one in figures.own if one.kind == "settle" and one.subject in lines
    )
    return booked + charged - grant


def _booked_sources(figures: Figures) -> dict[str, int]:
    """The sources from the books and the charge rows."""
    voucher = figures.posted("receivable:agency", "settle")
    whole = figures.posted("receivable:", "settle", *OPERATOR_KINDS)
    whole += sum(one.own_krw - one.owed_krw for one in figures.lines.values())
    direct = sum(one.vat_krw + (one.amount_krw if one.line is None else 0) for one in figures.charges)
    direct += sum(one.excess_krw for one in figures.lines.values())
    return {"voucher": voucher, "self_pay": whole - voucher - direct, "company_direct": direct}


def _matrix_sheet(document: Document, figures: Figures) -> None:
    """Hospitals across while they fit, down when there are many."""
    cells = month_matrix(figures)
    uses = sorted({use for row in cells.values() for use in row if use not in USE_NAMES}) + list(USE_NAMES)
    names = {use: USE_NAMES.get(use) or figures.parties[use].name for use in uses}
    by_use, by_source = _booked_uses(figures, uses), _booked_sources(figures)
    if len(uses) <= WIDE:
        grid = [(SOURCE_NAMES[one], [cells[one].get(use, 0) for use in uses], by_source[one], one) for one in SOURCES]
        heads, bottom, first = [names[use] for use in uses], [by_use[use] for use in uses], "재원"
        refs = {one: {index + 1: f"matrix:{figures.month}/{one}/{use}" for index, use in enumerate(uses)}
                for one in SOURCES}  # fmt: skip
    else:
        grid = [(names[use], [cells[one].get(use, 0) for one in SOURCES], by_use[use], use) for use in uses]
        heads, bottom, first = [SOURCE_NAMES[one] for one in SOURCES], [by_source[one] for one in SOURCES], "용도"
        refs = {use: {index + 1: f"matrix:{figures.month}/{one}/{use}" for index, one in enumerate(SOURCES)}
                for use in uses}  # fmt: skip
    _write_matrix(document, figures, grid, heads, bottom, first, refs)


def _write_matrix(document, figures, grid, heads, bottom, first, refs) -> None:
    count = len(heads)
    form = Form(document, "재원×용도", (24, *[18] * count, 20))
    form.header(
        "재원 × 용도 행렬",
        f"{month_title(figures)} · 병원 열 = 공급가액 + 부가가치세, 이용료 열 = 이용료 + 부가가치세 - 참여유인 재원",
        approval=False,
    )
    columns = [Column(title=first, kind="code"), *(Column(title=head, kind="won") for head in heads),
               Column(title="합계", kind="won")]  # fmt: skip
    start = form.sheet.last_row + 3
    rows = [
        Row(values=[name, *values, whole],
            ref={**refs[code], count + 1: f"sum:{ranged(start + position, 2, start + position, count + 1)}"}, item=name)
        for position, (name, values, whole, code) in enumerate(grid)
    ]  # fmt: skip
    total = Row(values=["합계", *bottom, sum(bottom)])
    place = form.table("재원 × 용도", columns, rows, total)
    checks = form.sums(place, *range(1, count + 2))
    across = form.foots(place, *[(1, index) for index in range(1, count + 1)], (-1, count + 1))
    checks[count + 2] = combined(checks[count + 2], across)
    form.check_cells(checks)
    form.finish(first_figure_row=7)


# ---------------------------------------------------------------------- 청구행, 분개장, 잔액
def _charges_sheet(document: Document, figures: Figures) -> None:
    charges = sorted(figures.charges, key=charge_order)
    cells = month_matrix(figures)
    whole = sum(krw for row in cells.values() for krw in row.values())
    vat = sum(one.vat_krw for one in figures.lines.values())
    vat += sum(one.vat_krw for one in charges if one.line is None)
    table = DataTable(document, "청구행", CHARGES, key_columns=4)
    table.fill(
        "청구행",
        f"{month_title(figures)} · 이 달에 기록한 모든 청구행 {len(charges):,}건",
        "청구행",
        (charge_row(figures, position, one) for position, one in enumerate(charges, 1)),
        count=len(charges),
        totals={8: whole - vat, 9: vat, 10: whole},
        foots={10: ((1, 8), (1, 9), (-1, 10))},
    )


def _journal_sheet(document: Document, figures: Figures) -> None:
    own, code = figures.own, figures.terms.code
    table = DataTable(document, "분개장", JOURNAL, key_columns=2)
    postings = [(entry, account, krw) for entry in own for account, krw in entry.postings.items()]
    debit = sum(krw for _entry, _account, krw in postings if krw > 0)
    table.fill(
        "분개장",
        f"{month_title(figures)} · 정산 실행이 기록한 분개 {len(own):,}건 · {len(postings):,}행 (차변 +, 대변 -)",
        "분개",
        (
            Row(
                values=(position, str(entry.number), ENTRY_NAMES[entry.kind], entry.memo, account, max(krw, 0),
                        max(-krw, 0), krw),
                ref=f"entry:{code}/{entry.number}",
            )
            for position, (entry, account, krw) in enumerate(postings, 1)
        ),
        count=len(postings),
        totals={5: debit, 6: debit, 7: 0},
        foots={7: ((1, 5), (-1, 6), (-1, 7))},
        notes=("차변 합계와 대변 합계는 같아야 하며, 금액 계정과 예산 계정은 저마다 0이 됩니다 (「잔액」).",),
    )  # fmt: skip


def _balance_sheet(document: Document, figures: Figures) -> None:
    balances = figures.balances()
    table = DataTable(document, "잔액", BALANCES, key_columns=3)
    debit = sum(krw for krw in balances.values() if krw > 0)
    rows = sorted(balances.items(), key=lambda one: (one[0].startswith("budget:"), one[0]))
    table.fill(
        "계정 잔액",
        f"{month_title(figures)} 마감 · 마감 시점의 분개와 이 달 정산의 분개까지",
        "잔액",
        (
            Row(
                values=(position, "예산" if code.startswith("budget:") else "금액", code, max(krw, 0), max(-krw, 0),
                        0 if code.startswith("budget:") else krw, krw if code.startswith("budget:") else 0),
                ref=f"balance:{code}@{figures.month}",
            )
            for position, (code, krw) in enumerate(rows, 1)
        ),
        count=len(rows),
        totals={3: debit, 4: debit, 5: 0, 6: 0},
        foots={6: ((1, 3), (-1, 4), (-1, 5), (-1, 6))},
        notes=("금액 계정의 합계와 예산 계정의 합계는 각각 0입니다.",),
    )  # fmt: skip


# ---------------------------------------------------------------------- 차이내역
def _differences_sheet(document: Document, figures: Figures, ties: Sequence[Tie]) -> None:
    form = Form(document, "차이내역", (8, 36, 56, 22, 22, 18, 38))
    form.header("차이 내역", month_title(figures), approval=False)
    rows = [
        Row(
            values=[str(position), one.name, one.note or f"{one.left_name} ↔ {one.right_name}", _side(one.left),
                    _side(one.right), As("error", f"{one.difference}"), f"tie:{figures.month}/{position}"],
            ref=f"tie:{figures.month}/{position}", item=one.name,
        )
        for position, one in enumerate(ties, 1)
        if one.difference not in (0, "0")
    ]  # fmt: skip
    agreed = f"대사 {len(ties)}항목과 수신 항등식이 모두 일치합니다."
    form.table("차이", DIFFERENCES, rows or [Row(values=["", "차이가 없습니다.", agreed, None, None, None, ""])])
    form.finish(first_figure_row=7)

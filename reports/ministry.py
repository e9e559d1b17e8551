"""예산집행현황: budget execution by project, category, supplier and source; paid; by month; the auditors' findings."""

from collections.abc import Sequence

from reports.audit_names import CHECK_NAMES
from reports.chart import execution_chart
from reports.data_table import DataTable
from reports.execution import (
    Execution,
    available_execution,
    category_executions,
    current_krw,
    project_executions,
    supplier_executions,
)
from reports.figures import Figures
from reports.layout import Column, Document, Form, Placed, Row, combined
from reports.sources import source_executions
from reports.ties import Finding
from reports.trace import write_trace
from reports.wording import new_document, project_label, rate
from reports.words import date_text
from reports.workbook import ranged

TITLE = "예산집행현황"
WIDTHS = (16, 14.2, 8.5, 13.8, 14.2, 14.2, 13, 9, 14.2, 7.5, 12.5, 12.5, 21)
NAMES = ("과제", "예산액", "전년도\n이월액", "증감(△)", "예산현액\nA", "교부액\nB", "집행액\nC", "다음연도\n이월 D",
         "집행잔액\nE", "집행률\nC / A", "발생이자", "반납액", "비고")  # fmt: skip
KINDS = ("text", *["won"] * 8, "rate", "won", "won", "text")
IDENTITIES = (
    Column(title="구분", kind="code"),
    Column(title="식", kind="text", span=3),
    Column(title="좌변", kind="won"),
    Column(title="우변", kind="won"),
    Column(title="차이", kind="difference"),
    Column(title="판정", kind="verdict"),
    Column(title="비고", kind="text", span=5),
)
PAID_WIDTHS = (19, 15.5, 15, 15.5, 15.5, 15, 10, 16, 15, 14, 16, 18)
PAID = (
    Column(title="과제", kind="text"),
    Column(title="예산현액\nA", kind="won"),
    Column(title="당월 집행", kind="won"),
    Column(title="집행 누계\nC", kind="won"),
    Column(title="지급 누계\nP", kind="won"),
    Column(title="미지급\nC - P", kind="won"),
    Column(title="지급률\nP / C", kind="rate"),
    Column(title="공급가액 누계", kind="won"),
    Column(title="자부담 누계", kind="won"),
    Column(title="초과분 누계\n(기업 부담)", kind="won"),
    Column(title="부가가치세 누계\n(기업 부담)", kind="won"),
    Column(title="비고", kind="text"),
)
MONTHS_WIDTHS = (14, 19, 19, 19, 19, 20, 13, 19, 19)
MONTHS = (
    Column(title="월", kind="code"),
    Column(title="당월 집행", kind="won"),
    Column(title="집행 누계", kind="won"),
    Column(title="당월 지급", kind="won"),
    Column(title="지급 누계", kind="won"),
    Column(title="예산현액", kind="won"),
    Column(title="집행률", kind="rate"),
    Column(title="자부담", kind="won"),
    Column(title="기업 직접 부담", kind="won"),
)
FINDINGS = (
    Column(title="번호", kind="code", width=7),
    Column(title="등급", kind="code", width=9),
    Column(title="점검 항목", kind="text", width=44),
    Column(title="내용", kind="text", width=84),
    Column(title="근거", kind="text", width=40),
)
PROGRAMME, OPERATOR = "사업 단위", "운영기관 지급"


def ministry_statement(figures: Figures, findings: Sequence[Finding]) -> Document:
    """The ministry's workbook."""
    document = new_document(figures, "부처 예산집행현황", "statement", figures.terms.ministry)
    _by_project(document, figures)
    _by_category(document, figures)
    _by_supplier(document, figures)
    if figures.terms.sources:
        _by_source(document, figures)
    _paid_sheet(document, figures)
    _months_sheet(document, figures)
    _findings_sheet(document, figures, findings)
    write_trace(document)
    return document


# ---------------------------------------------------------------------- the budget tables
def _budget_rows(figures: Figures, rows: Sequence[Execution]) -> list[Row]:
    month, budget = figures.month, figures.budget_krw
    return [
        *(
            Row(
                values=[one.label, one.original_krw, one.carry_in_krw, one.change_krw, one.current_krw, 0,
                        one.executed_krw, 0, one.left_krw, rate(one.executed_krw, one.current_krw), 0, 0, one.note],
                ref=one.refs, item=one.label,
            )
            for one in rows
        ),
        Row(
            values=[PROGRAMME, 0, 0, 0, 0, budget.get("grant_received", 0), 0, 0, 0, None, budget.get("interest", 0), 0,
                    "교부·이자는 사업 단위"],
            ref={**dict.fromkeys(range(1, 5), f"budget:{month}/appropriation"), 5: f"budget:{month}/grant_received",
                 **dict.fromkeys(range(6, 10), f"budget:{month}/executed"), 10: f"budget:{month}/interest",
                 11: f"budget:{month}/returned"},
            item=PROGRAMME,
        ),
    ]  # fmt: skip


def _with_available(figures: Figures, rows: Sequence[Execution]) -> list[Execution]:
    return [*rows, available_execution(figures, sum(row.original_krw for row in rows))]


def _budget_table(form: Form, title: str, first: str, figures: Figures, rows: Sequence[Execution]) -> Placed:
    """The table with 합계 below, the totals from the programme's own records and the line settlements."""
    columns = [Column(title=first if not index else name, kind=kind)
               for index, (name, kind) in enumerate(zip(NAMES, KINDS, strict=True))]  # fmt: skip
    terms, budget = figures.terms, figures.budget_krw
    current = current_krw(figures)
    executed = sum(one.voucher_krw for one in figures.settled)
    total = Row(values=["합계", terms.appropriation_krw, terms.carry_in_krw, budget.get("transfer", 0), current,
                        budget.get("grant_received", 0), executed, 0, current - executed, rate(executed, current),
                        budget.get("interest", 0), 0, ""])  # fmt: skip
    place = form.table(title, columns, _budget_rows(figures, rows), total)
    checks = form.sums(place, *range(1, 9), 10, 11)
    checks[5] = combined(checks[5], form.foots(place, (1, 1), (1, 2), (1, 3), (-1, 4)))
    checks[9] = combined(checks[9], form.foots(place, (1, 4), (-1, 6), (-1, 7), (-1, 8)))
    form.check_cells(checks)
    return place


def _by_project(document: Document, figures: Figures) -> None:
    form = Form(document, "과제별", WIDTHS)
    terms = figures.terms
    ministry = figures.parties[terms.ministry].name
    form.header(
        "예산집행현황 (과제별)",
        f"{date_text(figures.month.last)} 기준 · {terms.name} ({terms.code}) · {ministry}"
        f" · 회계연도 {terms.fiscal_year}",
    )
    rows = _with_available(figures, project_executions(figures))
    place = _budget_table(form, "1. 과제별 예산집행", "과제", figures, rows)
    _identities(form, figures, place)
    form.note(
        "집행은 월 정산으로 확정된 바우처 금액이며 지급과 다릅니다(「집행·지급」). "
        "부가가치세와 자부담은 예산집행에 들어 있지 않습니다.",
        "교부액과 발생이자는 증빙이 있는 사업 단위 기록이며 과제에 나누지 않습니다. 반납액은 최종 정산에서 확정됩니다.",
    )
    form.finish(first_figure_row=7)
    document.totals["ministry_executed_krw"] = form.value(place.total, 7)


def _identities(form: Form, figures: Figures, table: Placed) -> None:
    """A = budget ± changes; A = C + D + E; executed + committed + available = A: each side from another place."""
    current, month = current_krw(figures), figures.month
    balances = figures.balances()
    executed, committed = (sum(krw for code, krw in balances.items() if code.startswith(prefix))
                           for prefix in ("budget:executed:", "budget:committed:"))  # fmt: skip
    available, booked = balances.get("budget:available", 0), -balances.get("budget:appropriation", 0)
    settled = sum(one.voucher_krw for one in figures.settled)
    rest, total = committed + available, f"sum:E{table.total}"
    sides = (
        ("예산현액", "예산액 + 전년도이월액 ± 증감 = A", current, booked, f"예산액 {figures.terms.appropriation_krw:,}",
         f"budget:{month}/current", f"balance:budget:appropriation@{month}"),
        ("집행", "A = C + D + E", current, settled + rest, f"{settled:,} + 0 + {rest:,}", total,
         f"sum:G{table.total}:I{table.total}"),
        ("재원 상태", "집행 + 약정 + 가용 = A", executed + rest, current,
         f"{executed:,} + {committed:,} + {available:,}", f"budget:{month}/executed, budget:{month}/committed, "
         f"budget:{month}/available", total),
    )  # fmt: skip
    first = form.sheet.last_row + 3
    rows = [
        Row(values=[name, formula, left, right, left - right, "일치" if left == right else "불일치", note],
            ref={2: left_ref, 3: right_ref, 4: f"sum:{ranged(first + position, 5, first + position, 6)}"}, item=name)
        for position, (name, formula, left, right, note, left_ref, right_ref) in enumerate(sides)
    ]  # fmt: skip
    place = form.table("2. 항등식 검산", IDENTITIES, rows)
    form.check_cells({7: combined(form.foots(place, (1, 2), (-1, 3)), form.foots(place, (1, 4)))})


def _form(document: Document, figures: Figures, name: str) -> Form:
    """A sheet of the budget's execution by something."""
    form = Form(document, name, WIDTHS)
    subtitle = f"{date_text(figures.month.last)} 기준 · {figures.terms.name} ({figures.terms.code})"
    form.header(f"예산집행현황 ({name})", subtitle, approval=False)
    return form


def _by_category(document: Document, figures: Figures) -> None:
    form = _form(document, figures, "비목별")
    _budget_table(form, "비목별 예산집행", "비목", figures, _with_available(figures, category_executions(figures)))
    form.note("종료된 과제의 남은 한도는 그 비목의 증감(△)으로 빠져 미협약(가용)으로 돌아갑니다.")
    form.finish(first_figure_row=7)


def _by_supplier(document: Document, figures: Figures) -> None:
    form = _form(document, figures, "공급기관별")
    rows = _with_available(figures, supplier_executions(figures))
    _budget_table(form, "공급기관별 예산집행", "공급기관", figures, rows)
    form.note("협약 line의 공급기관을 따릅니다. 종료된 과제의 남은 한도는 미협약(가용)으로 돌아갑니다.")
    form.finish(first_figure_row=7)


def _by_source(document: Document, figures: Figures) -> None:
    form = _form(document, figures, "재원별")
    _budget_table(form, "재원별 예산집행", "재원", figures, source_executions(figures))
    form.note("집행액은 협약 line마다 집행 누계를 분담률로 나눈 것의 합입니다 (최대잔여법, 단수는 재원 코드 순).")
    form.finish(first_figure_row=7)


# ---------------------------------------------------------------------- 집행·지급
def _paid_sheet(document: Document, figures: Figures) -> None:
    form = Form(document, "집행·지급", PAID_WIDTHS)
    form.header(
        "집행 · 지급 · 자부담",
        f"{date_text(figures.month.last)} 기준 · 집행 = 정산 확정, "
        "지급 = 전담기관이 공급기관에 보낸 금액 (마감까지 확인된 것)",
        approval=False,
    )
    codes = sorted(figures.terms.projects)
    rows = [*(_paid_row(figures, code) for code in codes), *_operator_paid(figures)]
    balances = figures.balances()
    executed = sum(krw for code, krw in balances.items() if code.startswith("budget:executed:"))
    committed = sum(krw for code, krw in balances.items() if code.startswith("budget:committed:"))
    unpaid = balances.get("receivable:agency", 0)
    now = figures.posted("budget:executed:", "settle")
    supply, self_pay, excess, vat = (sum(getattr(one, name) for one in figures.settled)
                                     for name in ("supply_krw", "self_pay_krw", "excess_krw", "vat_krw"))  # fmt: skip
    total = Row(values=["합계", executed + committed, now, executed, executed - unpaid, unpaid,
                        rate(executed - unpaid, executed), supply, self_pay, excess, vat, ""])  # fmt: skip
    place = form.table("1. 바우처: 집행과 지급", PAID, rows, total)
    checks = form.sums(place, 1, 2, 3, 4, 5, 7, 8, 9, 10)
    checks[6] = combined(checks[6], form.foots(place, (1, 3), (-1, 4), (-1, 5)))
    checks[8] = combined(checks[8], form.foots(place, (1, 7), (-1, 3), (-1, 8), (-1, 9)))
    form.check_cells(checks)
    form.note(
        "자부담과 부가가치세는 예산이 아니라 기업이 부담하는 금액으로 따로 보입니다. "
        "공급가액 누계 = 집행 누계(바우처) + 자부담 누계 + 초과분 누계."
    )
    form.finish(first_figure_row=7)


def _operator_paid(figures: Figures) -> list[Row]:
    """What the agency paid the operator for metered usage: its account names no project."""
    paid = figures.agency_paid(None)
    if not paid:
        return []
    row = [OPERATOR, 0, 0, 0, paid, -paid, None, 0, 0, 0, 0, "집행은 과제별 행에 있음"]
    return [Row(values=row, ref=f"balance:payable:operator@{figures.month}", item=OPERATOR)]


def _paid_row(figures: Figures, code: str) -> Row:
    settled = figures.settled_of.get(code, ())
    now = sum(one.voucher_krw for one in settled if one.month == figures.month)
    executed, paid = sum(one.voucher_krw for one in settled), figures.agency_paid(code)
    current = sum(figures.balance(f"budget:{state}:{code}") for state in ("executed", "committed"))
    supply, self_pay, excess, vat = (sum(getattr(one, name) for one in settled)
                                     for name in ("supply_krw", "self_pay_krw", "excess_krw", "vat_krw"))  # fmt: skip
    lines = (
        ", ".join(f"line:{figures.month}/{line.code}" for line in figures.line_terms(code))
        or f"budget:{figures.month}/executed"
    )
    spent = f"balance:budget:executed:{code}@{figures.month}"
    unpaid = f"balance:receivable:agency@{figures.month}"
    return Row(
        values=[project_label(figures, code), current, now, executed, paid, executed - paid, rate(paid, executed),
                supply, self_pay, excess, vat, ""],
        ref={1: f"{spent}, balance:budget:committed:{code}@{figures.month}", 2: lines, 3: spent, 4: unpaid, 5: unpaid,
             6: unpaid, **dict.fromkeys(range(7, 11), lines)},
        item=project_label(figures, code),
    )  # fmt: skip


# ---------------------------------------------------------------------- 월별추이
def _months_sheet(document: Document, figures: Figures) -> None:
    form = Form(document, "월별추이", MONTHS_WIDTHS)
    form.header(
        "월별 집행 추이",
        f"회계연도 {figures.terms.fiscal_year} · {date_text(figures.month.last)} 기준",
        approval=False,
    )
    rows = _month_rows(figures)
    balances = figures.balances()
    executed = sum(krw for code, krw in balances.items() if code.startswith("budget:executed:"))
    direct = sum(figures.direct_krw.values()) + sum(one.excess_krw for one in figures.settled)
    total = Row(values=["합계", executed, None, executed - balances.get("receivable:agency", 0), None, None, None,
                        sum(one.self_pay_krw for one in figures.settled), direct])  # fmt: skip
    place = form.table("1. 월별", MONTHS, rows, total)
    checks = form.sums(place, 1, 3, 7, 8)
    checks[3] = form.cells((1, place.total, 2), (-1, place.last, 3))
    checks[5] = form.cells((1, place.total, 4), (-1, place.last, 5))
    form.check_cells(checks)
    form.section("2. 월별 집행·지급(원, 왼쪽 축)과 누계 집행률(%, 오른쪽 축)", "")
    top = form.sheet.last_row + 1
    for _ in range(16):
        form.spacer(18)
    form.sheet.chart(execution_chart(form.sheet, place, rows), top, form.sheet.last_row, len(MONTHS_WIDTHS))
    form.finish(first_figure_row=7)


def _month_rows(figures: Figures) -> list[Row]:
    rows, executed, paid, current = [], 0, 0, figures.terms.appropriation_krw + figures.terms.carry_in_krw
    current += sum(krw for month, krw in figures.transfers_krw.items() if month < figures.months[0])
    for month in figures.months:
        settled = [one for one in figures.settled if one.month == month]
        now = sum(one.voucher_krw for one in settled)
        out = sum(figures.agency_paid(code, [month]) for code in (*figures.terms.projects, None))
        executed, paid = executed + now, paid + out
        current += figures.transfers_krw.get(month, 0)
        direct = figures.direct_krw.get(month, 0) + sum(one.excess_krw for one in settled)
        direct_ref = f"matrix:{month}/company_direct/*"
        rows.append(Row(
            values=[str(month), now, executed, out, paid, current, rate(executed, current),
                    sum(one.self_pay_krw for one in settled), direct],
            ref={1: f"budget:{month}/executed_month", 2: f"budget:{month}/executed",
                 **dict.fromkeys((3, 4), f"balance:receivable:agency@{month}"), 5: f"budget:{month}/current",
                 6: f"budget:{month}/executed", 7: f"matrix:{month}/self_pay/*", 8: direct_ref},
            item=str(month),
        ))  # fmt: skip
    return rows


# ---------------------------------------------------------------------- 점검결과
def _findings_sheet(document: Document, figures: Figures, findings: Sequence[Finding]) -> None:
    table = DataTable(document, "점검결과", FINDINGS, key_columns=2)
    ordered = sorted(findings, key=lambda one: (one.level != "ERROR", one.check, one.message))
    errors = sum(one.level == "ERROR" for one in findings)
    table.fill(
        "점검 결과",
        f"{date_text(figures.month.last)} 기준 · 오류 {errors:,}건 · 주의 {len(findings) - errors:,}건",
        "감사 점검",
        (
            Row(
                values=(position, "오류" if one.level == "ERROR" else "주의", CHECK_NAMES[one.check], one.message,
                        ", ".join(one.refs[:6]) + (" …" if len(one.refs) > 6 else "")),
                ref=", ".join(one.refs) or "-", amber=one.level == "ERROR",
            )
            for position, one in enumerate(ordered, 1)
        ),
        count=len(ordered),
        unit="",
    )  # fmt: skip

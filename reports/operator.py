"""운영기관 이용료 내역서: what the operator charged for GPU, storage and platform, and how its income divides."""

from collections.abc import Sequence
from fractions import Fraction

from reports.data_table import DataTable
from reports.figures import OPERATOR_KINDS, Charge, Figures
from reports.hospital import share_rows
from reports.layout import As, Check, Column, Document, Form, Row, combined
from reports.trace import write_trace
from reports.wording import (
    CORRECTED,
    KIND_NAMES,
    basis_points,
    charge_order,
    content,
    exact_text,
    joined,
    month_title,
    new_document,
    percent,
    quantity,
    remark,
    signed_amount_text,
    subtitle,
    unit,
)
from reports.words import date_text, period_text
from settlement.matrix import SOURCES

TITLE = "운영기관이용료내역서"
WIDTHS = (13, 40, 15, 15.5, 15, 15.5, 15, 16, 16, 20)
FEES = (
    Column(title="과제", kind="code"),
    Column(title="수요기업", kind="text"),
    Column(title="GPU 사용료", kind="won"),
    Column(title="저장공간 사용료", kind="won"),
    Column(title="플랫폼 이용료", kind="won"),
    Column(title="공급가액 계", kind="won"),
    Column(title="부가가치세", kind="won"),
    Column(title="합계", kind="won"),
    Column(title="정정 포함분\n(공급가액)", kind="won"),
    Column(title="비고", kind="text"),
)
INCOME = (
    Column(title="구분", kind="code"),
    Column(title="내용", kind="text"),
    Column(title="공급가액", kind="won"),
    Column(title="부가가치세", kind="won"),
    Column(title="합계", kind="won"),
    Column(title="비고", kind="text", span=4),
    Column(title="계정", kind="reference"),
)
SHARES = (
    Column(title="병원", kind="code"),
    Column(title="병원명", kind="text"),
    Column(title="기여도", kind="quantity"),
    Column(title="배분율", kind="rate"),
    Column(title="배분액", kind="won"),
    Column(title="이월 기여도", kind="quantity"),
    Column(title="비고", kind="text", span=4),
)
INFRA = (
    Column(title="인프라기업", kind="code"),
    Column(title="기업명", kind="text"),
    Column(title="원가", kind="won"),
    Column(title="정정 포함분", kind="won"),
    Column(title="청구행\n(건)", kind="count"),
    Column(title="비고", kind="text", span=4),
    Column(title="계정", kind="reference"),
)
USAGE = (
    Column(title="번호", kind="code", width=6),
    Column(title="과제", kind="code", width=8),
    Column(title="구분", kind="code", width=10),
    Column(title="내용", kind="text", width=37),
    Column(title="귀속월", kind="code", width=9),
    Column(title="계량값 (정확)", kind="exact", width=30),
    Column(title="청구 수량", kind="quantity", width=12),
    Column(title="단위", kind="code", width=10),
    Column(title="단가", kind="won", width=9),
    Column(title="공급가액", kind="won", width=13),
    Column(title="부가가치세", kind="won", width=12),
    Column(title="합계", kind="won", width=13),
    Column(title="정정", kind="code", width=6),
    Column(title="비고", kind="text", width=22),
)
FEE_ROWS = (
    Column(title="번호", kind="code", width=6),
    Column(title="과제", kind="code", width=9),
    Column(title="수요기업", kind="text", width=30),
    Column(title="귀속월", kind="code", width=10),
    Column(title="과금 공급가액", kind="won", width=18),
    Column(title="요율", kind="rate", width=9),
    Column(title="이용료", kind="won", width=16),
    Column(title="부가가치세", kind="won", width=14),
    Column(title="합계", kind="won", width=16),
    Column(title="정정", kind="code", width=7),
    Column(title="비고", kind="text", width=28),
)


def operator_statement(figures: Figures) -> Document:
    """The operator's workbook."""
    document = new_document(figures, "운영기관 이용료 내역서", "statement", str(figures.terms.operator))
    charges = sorted((one for one in figures.charges if _is_operators(figures, one)), key=charge_order)
    _form(document, figures, charges)
    _usage_sheet(document, figures, [one for one in charges if one.kind != "fee"])
    _fee_sheet(document, figures, [one for one in charges if one.kind == "fee"])
    write_trace(document)
    return document


def _is_operators(figures: Figures, charge: Charge) -> bool:
    """Whether it is the operator that is paid for it: all usage and fees of no agreement line, and its own lines."""
    return charge.line is None or figures.lines[charge.line].paid_to == "operator"


def _form(document: Document, figures: Figures, charges: Sequence[Charge]) -> None:
    form = Form(document, "이용료내역서", WIDTHS)
    form.header("운영기관 이용료 내역서", subtitle(figures))
    operator = figures.parties[str(figures.terms.operator)]
    form.labels(
        ("운영기관", operator.titled, 3), ("정산 기간", period_text(figures.month.first, figures.month.last), 2),
        ("발행일", date_text(figures.closed_on), 2),
    )  # fmt: skip
    total = income_krw(figures)
    form.amount("이용료 합계", f"{signed_amount_text(total)}  ※ 부가가치세 포함")
    _fees_table(document, form, figures, charges)
    _income_table(form, figures, charges)
    _shares_table(form, figures)
    _infra_table(document, form, figures)
    share = figures.terms.incentive_share_bp
    source = (
        f"참여유인 재원 = 이용료 누계(부가가치세 제외) × {percent(share)} (원 미만 버림) - 앞선 재원"
        if not figures.terms.incentive_monthly_krw
        else f"참여유인 재원 = 매월 {figures.terms.incentive_monthly_krw:,}원 (운영기관 부담)"
    )
    form.note(f"{source}. 배분은 최대잔여법, 단수는 병원 코드 순.")
    form.finish(first_figure_row=8)


def income_krw(figures: Figures) -> int:
    """What the books credited to the operator for usage and fee, VAT included, before the pool is taken out."""
    accounts = ("payable:operator", "income:platform_fee", "vat:operator")
    return -sum(figures.posted(account, *OPERATOR_KINDS, "settle") for account in accounts)


def _fees_table(document: Document, form: Form, figures: Figures, charges: Sequence[Charge]) -> None:
    of_project: dict[str, list[Charge]] = {}
    for one in charges:
        of_project.setdefault(one.project, []).append(one)
    rows = [_project_row(figures, project, own) for project, own in sorted(of_project.items())]
    reference = f"charge:{figures.month}/*/*/*/*"
    rows = rows or [Row(values=["-", "당월 이용료 없음", *[0] * 7, ""], ref=reference)]
    posted = figures.posted
    fee, vat = -posted("income:platform_fee", "fee"), sum(one.vat_krw for one in charges)
    whole = income_krw(figures)
    storage = sum(one.amount_krw for one in charges if one.kind == "storage")
    total = Row(values=["합계", "", whole - vat - fee - storage, storage, fee, whole - vat, vat, whole,
                        sum(one.amount_krw for one in charges if one.correction), ""])  # fmt: skip
    place = form.table("1. 과제별 이용료", FEES, rows, total)
    checks = form.sums(place, *range(2, 9))
    checks[6] = combined(checks[6], form.foots(place, (1, 2), (1, 3), (1, 4), (-1, 5)))
    checks[8] = combined(checks[8], form.foots(place, (1, 5), (1, 6), (-1, 7)))
    form.check_cells(checks)
    document.totals["operator_total_krw"] = form.value(place.total, 8)


def _project_row(figures: Figures, project: str, charges: Sequence[Charge]) -> Row:
    month = figures.month
    gpu = sum(one.amount_krw for one in charges if one.kind in ("gpu", "cpu"))
    storage = sum(one.amount_krw for one in charges if one.kind == "storage")
    fee = sum(one.amount_krw for one in charges if one.kind == "fee")
    vat, corrected = sum(one.vat_krw for one in charges), [one.amount_krw for one in charges if one.correction]
    supply, every = gpu + storage + fee, f"charge:{month}/{project}/*/*/*"
    company = figures.parties[figures.terms.projects[project].company].name
    return Row(
        values=[project, company, gpu, storage, fee, supply, vat, supply + vat, sum(corrected),
                CORRECTED if corrected else ""],
        ref={2: f"charge:{month}/{project}/*/gpu/*", 3: f"charge:{month}/{project}/*/storage/*",
             4: f"charge:{month}/{project}/*/fee/*", **dict.fromkeys(range(5, 9), every)},
        item=f"{project} 이용료", amber=bool(corrected),
    )  # fmt: skip


def _income_table(form: Form, figures: Figures, charges: Sequence[Charge]) -> None:
    """Usage, fee and pool by account; the pool is taken out of what pays for it."""
    month, pool = figures.month, figures.pool.pool_krw
    fixed = bool(figures.terms.incentive_monthly_krw)
    usage = [one for one in charges if one.kind != "fee"]
    fees = [one for one in charges if one.kind == "fee"]
    usage_krw = sum(one.amount_krw for one in usage) - (pool if fixed else 0)
    fee_krw = sum(one.amount_krw for one in fees) - (0 if fixed else pool)
    usage_vat, fee_vat = sum(one.vat_krw for one in usage), sum(one.vat_krw for one in fees)
    share = figures.terms.incentive_share_bp
    sources = SOURCES if any(one.line for one in usage) else ["company_direct"]
    rows = [
        Row(values=["사용료", "GPU · 저장공간 사용료", usage_krw, usage_vat, usage_krw + usage_vat,
                    "정산 계정에서 운영기관으로 지급", "payable:operator"],
            ref=joined([f"matrix:{month}/{source}/operator_usage" for source in sources]),
            item="GPU · 저장공간 사용료"),
        Row(values=["이용료", "플랫폼 이용료 수입 (참여유인 재원 제외)", fee_krw, fee_vat, fee_krw + fee_vat,
                    "이용료 - 참여유인 재원", "income:platform_fee"],
            ref=f"matrix:{month}/company_direct/platform_fee", item="플랫폼 이용료 수입"),
        Row(values=["참여유인", "참여유인 재원" + ("" if fixed else f" (이용료 누계의 {percent(share)})"), pool, 0,
                    pool, "병원별 배분은 표 3", "incentive:pool"],
            ref=f"matrix:{month}/company_direct/incentive_pool", item="참여유인 재원"),
    ]  # fmt: skip
    whole, vat = income_krw(figures), -figures.posted("vat:operator", "fee") + usage_vat
    total = Row(values=["합계", "", whole - vat, vat, whole, "", ""])
    place = form.table("2. 수입 구분", INCOME, rows, total)
    checks = form.sums(place, 2, 3, 4)
    checks[5] = combined(checks[5], form.foots(place, (1, 2), (1, 3), (-1, 4)))
    form.check_cells(checks)


def _shares_table(form: Form, figures: Figures) -> None:
    whole = sum((Fraction(*one.counted) for one in figures.shares if one.counted[0] > 0), Fraction(0))
    rows = share_rows(figures, figures.shares, whole)
    if not rows:
        form.section("3. 참여유인 배분", "")
        form.place(("text", "이 달에 배분된 참여유인이 없습니다.", form.printed), height=18)
        return
    posted = -figures.posted("payable:incentive:", "incentive")
    shown = [sum(row.values[index] for row in rows) for index in (2, 5)]
    part = sum((row.values[3] or 0) for row in rows)
    total = Row(values=["합계", "", shown[0], part, posted, shown[1], ""])
    place = form.table("3. 참여유인 배분", SHARES, rows, total)
    checks = form.sums(place, 4)
    pool, check = figures.pool, checks[5]
    rest = form.cells((1, place.total, 5))
    distributed = Check(formula=f"{rest.formula}-{pool.distributed_krw}", residual=rest.residual - pool.distributed_krw)
    form.check_cells({5: combined(check, distributed)})


def _infra_table(document: Document, form: Form, figures: Figures) -> None:
    """What the operator owes infrastructure firms at cost price: usage of rates that name a payee."""
    charges = [one for one in figures.charges if one.payee is not None]
    if not charges:
        return
    rows = []
    for firm in sorted({str(one.payee) for one in charges}):
        own = [one for one in charges if one.payee == firm]
        corrected = [one.cost_krw for one in own if one.correction]
        name = figures.parties[firm].name
        rows.append(Row(
            values=[firm, name, sum(one.cost_krw for one in own), sum(corrected), len(own),
                    CORRECTED if corrected else "", f"payable:infra:{firm}"],
            ref={2: f"balance:payable:infra:{firm}@{figures.month}", 3: joined([one.reference for one in own]),
                 4: joined([one.reference for one in own])},
            item=f"인프라 원가 {firm}", amber=bool(corrected),
        ))  # fmt: skip
    posted = -figures.posted("payable:infra:", "infra")
    total = Row(values=["합계", "", posted, sum(row.values[3] for row in rows), len(charges), "", ""])
    place = form.table("4. 인프라기업에 줄 원가 (부가가치세 제외)", INFRA, rows, total)
    form.check_cells(form.sums(place, 2, 3, 4))
    document.totals["operator_infra_krw"] = form.value(place.total, 3)


def _usage_sheet(document: Document, figures: Figures, charges: Sequence[Charge]) -> None:
    table = DataTable(document, "사용량", USAGE, key_columns=4)
    posted = -figures.posted("payable:operator", "gpu", "cpu", "storage", "settle")
    vat = sum(one.vat_krw for one in charges)
    table.fill(
        "GPU · 저장공간 사용량",
        f"{month_title(figures)} · 과제·귀속월·모델(등급)·단가판마다 한 행 · {len(charges):,}건",
        "사용량",
        (
            Row(
                values=(position, one.project, KIND_NAMES[one.kind], content(figures, one), str(one.service_month),
                        exact_text(one), quantity(one), unit(one), one.unit_price_krw, one.amount_krw, one.vat_krw,
                        one.amount_krw + one.vat_krw, "정정" if one.correction else "", remark(one)),
                ref=one.reference, amber=one.correction,
            )
            for position, one in enumerate(charges, 1)
        ),
        count=len(charges),
        totals={9: posted - vat, 10: vat, 11: posted},
        foots={11: ((1, 9), (1, 10), (-1, 11))},
        notes=("계량값은 15자리를 넘을 수 있어 글자로 적었습니다. "
               "청구 수량은 보기용 반올림이며 금액은 계량값에서 한 번만 버림하여 계산합니다.",),
    )  # fmt: skip


def _fee_sheet(document: Document, figures: Figures, charges: Sequence[Charge]) -> None:
    table = DataTable(document, "이용료", FEE_ROWS, key_columns=3)
    fee, vat = -figures.posted("income:platform_fee", "fee"), -figures.posted("vat:operator", "fee")
    bp = As("rate", basis_points(figures.terms.fee_rate_bp))
    base = sum(one.supply_krw for one in figures.lines.values()) if charges else 0
    table.fill(
        "플랫폼 이용료",
        f"{month_title(figures)} · 과제·귀속월마다 한 행 · 이용료 = 과금 공급가액 × 요율 (원 미만 버림)",
        "이용료",
        (
            Row(
                values=(position, one.project, figures.parties[figures.terms.projects[one.project].company].name,
                        str(one.service_month), one.quantity_base, bp, one.amount_krw, one.vat_krw,
                        one.amount_krw + one.vat_krw, "정정" if one.correction else "", remark(one)),
                ref=one.reference, amber=one.correction,
            )
            for position, one in enumerate(charges, 1)
        ),
        count=len(charges),
        totals={4: base, 6: fee, 7: vat, 8: fee + vat},
        foots={8: ((1, 6), (1, 7), (-1, 8))},
        notes=("정정 행의 과금 공급가액은 앞선 달 공급가액의 변동분입니다.",),
    )  # fmt: skip

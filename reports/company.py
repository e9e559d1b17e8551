"""기업 정산서: what a company owes for a month, its agreement lines' limits, its deposit, its charge lines."""

from collections.abc import Sequence
from datetime import date

from billing.charge import USAGE_NAMES
from reports.data_table import DataTable
from reports.figures import OPERATOR_KINDS, Charge, Entry, Figures, Settled
from reports.grant import grant_table
from reports.layout import Column, Document, Form, Row, combined
from reports.trace import write_trace
from reports.wording import (
    CORRECTED,
    HELD,
    KIND_NAMES,
    basis_points,
    charge_order,
    content,
    issuer,
    joined,
    line_label,
    month_title,
    new_document,
    quantity,
    rate,
    remark,
    signed_amount_text,
    subtitle,
    unit,
    unit_price,
)
from reports.words import date_text, period_text, short_date_text

TITLE = "기업정산서"
WIDTHS = (13, 31, 14.5, 14, 14.5, 14.5, 14, 15, 16, 16, 20)
CHANNELS = {"stripe": "카드 결제", "bank": "계좌 이체"}
BILL = (
    Column(title="구분", kind="code"),
    Column(title="내용", kind="text"),
    Column(title="공급가액", kind="won"),
    Column(title="부가가치세", kind="won"),
    Column(title="합계", kind="won"),
    Column(title="바우처\n(전담기관 지급)", kind="won"),
    Column(title="자부담", kind="won"),
    Column(title="기업 직접\n(부가세·이용료)", kind="won"),
    Column(title="기업 부담 계", kind="won"),
    Column(title="정정 포함분\n(공급가액)", kind="won"),
    Column(title="비고", kind="text"),
)
LIMITS = (
    Column(title="협약 line", kind="code"),
    Column(title="공급기관 · 비목", kind="text"),
    Column(title="지원 한도\nA", kind="won"),
    Column(title="전월까지 집행\nB", kind="won"),
    Column(title="당월 집행\nC", kind="won"),
    Column(title="집행 누계\nD = B + C", kind="won"),
    Column(title="한도 잔액\nA - D", kind="won"),
    Column(title="집행률\nD / A", kind="rate"),
    Column(title="보류 중\n(공급가액)", kind="won"),
    Column(title="자부담률", kind="rate"),
    Column(title="비고", kind="text"),
)
DEPOSIT = (
    Column(title="과제", kind="code"),
    Column(title="내용", kind="text"),
    Column(title="약정액", kind="won"),
    Column(title="전월 잔액\nE", kind="won"),
    Column(title="당월 입금\nF", kind="won"),
    Column(title="당월 충당\nG", kind="won"),
    Column(title="환급 지급\nH", kind="won"),
    Column(title="당월 잔액\nE+F-G-H", kind="won"),
    Column(title="이 중\n환급 결정", kind="won"),
    Column(title="입금 확인일", kind="code"),
    Column(title="비고", kind="text"),
)
CHARGES = (
    Column(title="번호", kind="code", width=6),
    Column(title="과제", kind="code", width=8),
    Column(title="구분", kind="code", width=9),
    Column(title="내용", kind="text", width=43),
    Column(title="귀속월", kind="code", width=9),
    Column(title="수량", kind="quantity", width=13),
    Column(title="단위", kind="code", width=10),
    Column(title="단가", kind="won", width=10),
    Column(title="공급가액", kind="won", width=14),
    Column(title="부가가치세", kind="won", width=13),
    Column(title="합계", kind="won", width=14),
    Column(title="정정", kind="code", width=6),
    Column(title="비고", kind="text", width=23),
)


def company_statement(figures: Figures, company: str) -> Document:
    """The workbook of one company."""
    document = new_document(figures, "기업 정산서", "statement", company)
    projects = figures.company_projects.get(company, ())
    _Statement(document, figures, company, projects).write()
    _charges_sheet(document, figures, company)
    write_trace(document)
    return document


class _Statement:
    """The form of the company statement."""

    def __init__(self, document: Document, figures: Figures, company: str, projects: Sequence[str]):
        self.document, self.figures, self.company, self.projects = document, figures, company, projects
        self.charges = figures.company_charges.get(company, ())
        self.lines = figures.company_lines.get(company, ())
        self.form = Form(document, "정산서", WIDTHS)
        self.several = len(projects) > 1

    def write(self) -> None:
        form, figures = self.form, self.figures
        form.header("기업 정산서", subtitle(figures))
        self._head()
        self._bill()
        self._limits()
        self._deposits()
        granted = figures.terms.funding == "company"
        if granted:
            self.document.totals["company_grant_krw"] = grant_table(form, figures, self.projects)
        form.note(
            "부가가치세는 바우처로 지급되지 않으며 전액 기업이 부담합니다. "
            + (
                "지원금은 전담기관이 기업에 지급하고, 공급기관에는 기업이 직접 지급합니다."
                if granted
                else "바우처 금액은 전담기관이 공급기관에 직접 지급합니다."
            ),
            "노란 바탕은 앞선 달의 정정이 들어 있는 행, △는 음수입니다. "
            "세부 내역은 「청구내역」, 금액별 참조번호는 「근거」 시트에 있습니다.",
        )
        form.finish(first_figure_row=9)

    def _head(self) -> None:
        form, figures, terms = self.form, self.figures, self.figures.terms
        agreements = [one for code in self.projects for one in terms.projects[code].agreements]
        shown = ", ".join(f"{code} ({figures.tiers[code]})" for code in self.projects)
        periods = ", ".join(f"{one.code} · {period_text(one.starts, one.ends)}" for one in agreements)
        receiver, sender = figures.parties[self.company], figures.parties[issuer(figures)]
        form.labels(("수신(수요기업)", receiver.titled, 4), ("과제", shown, 2), ("협약", periods, 2))
        form.labels(
            ("발행", sender.titled, 4), ("발행일", date_text(figures.closed_on), 2),
            ("정산 기간", period_text(figures.month.first, figures.month.last), 2),
        )  # fmt: skip
        self.due_krw = sum(
            figures.posted(f"receivable:company:{code}", "settle", "draw", *OPERATOR_KINDS) for code in self.projects
        )
        label = "납부할 금액" if self.due_krw >= 0 else "돌려받을 금액"
        form.amount(label, signed_amount_text(abs(self.due_krw)))

    # ------------------------------------------------------------------ table 1
    def _bill(self) -> None:
        form, figures = self.form, self.figures
        charged = {one.line for one in self.charges if one.amount_krw}  # corrections may cancel what is new to nothing
        rows = [self._line_row(one) for one in self.lines if one.moved or one.line in charged] + self._usage_rows()
        drawn = sum(one.deposit_drawn_krw for one in self.lines)
        deposits = [f"balance:deposit:{code}@{figures.month}" for code in self.projects if self._has_deposit(code)]
        rows = rows or [self._nothing()]
        total_row = form.sheet.last_row + 3 + len(rows)
        lines = joined([f"line:{figures.month}/{one.line}" for one in self.lines])
        granted = figures.terms.funding == "company"
        blank = [None] * 6
        after = [
            Row(values=["차감", "자부담 선납금에서 충당", *blank, -drawn, None, "표 3" if deposits else ""],
                ref=joined(deposits) or lines or f"sum:I{total_row}", item="선납금 충당"),
            *([Row(values=["차감", "공급기관에 기업이 직접 지급", *blank, -self._past_books(), None, ""],
                   ref=lines or f"sum:I{total_row}", item="직접 지급")] if granted else []),
            Row(values=["납부", "납부할 금액", *blank, self.due_krw, None, self._channel()],
                ref=f"sum:I{total_row}:I{total_row + 1 + granted}", item="납부할 금액", total=True),
        ]  # fmt: skip
        place = form.table("1. 정산 내역", BILL, rows, self._bill_total(), after)
        checks = form.sums(place, *range(2, 10))
        wide = {
            5: form.foots(place, (1, 2), (1, 3), (-1, 4)),
            9: combined(form.foots(place, (1, 4), (-1, 5), (-1, 6), (-1, 7)),
                        form.foots(place, (1, 6), (1, 7), (-1, 8)),
                        form.cells((1, place.total, 9), *((1, place.total + 1 + row, 9) for row in range(1 + granted)),
                                   (-1, place.total + 2 + granted, 9))),
        }  # fmt: skip
        form.check_cells({column: combined(check, wide[column]) if column in wide else check
                          for column, check in checks.items()})  # fmt: skip
        self.document.totals["company_total_krw"] = form.value(place.total, 9)
        self.document.totals["company_due_krw"] = form.value(place.total + 2 + granted, 9)

    def _past_books(self) -> int:
        """What the company pays its suppliers itself, past the programme's books, beside the grant."""
        return sum(one.own_krw - one.owed_krw for one in self.lines)

    def _nothing(self) -> Row:
        nothing = joined([f"charge:{self.figures.month}/{code}/*/*/*" for code in self.projects])
        return Row(values=["-", "당월 청구 없음", *[0] * 8, ""], ref=nothing)

    def _line_row(self, line: Settled) -> Row:
        corrected = sum(one.amount_krw for one in self.charges if one.line == line.line and one.correction)
        touched = any(one.line == line.line and one.correction for one in self.charges)
        supplier = self.figures.parties[line.supplier].name
        supply = line.supply_krw
        direct = line.excess_krw + line.vat_krw
        held = HELD.get(line.held_reason, line.held_reason) if line.held_krw else ""
        return Row(
            values=["데이터 공급", f"{supplier} · {line_label(self.figures, line.line, line.category)}", supply,
                    line.vat_krw, supply + line.vat_krw, line.voucher_krw, line.self_pay_krw, direct,
                    line.self_pay_krw + direct, corrected, CORRECTED if touched else held],
            ref=f"line:{self.figures.month}/{line.line}", item=f"{supplier} · {line.line}", amber=touched,
        )  # fmt: skip

    def _usage_rows(self) -> list[Row]:
        rows = []
        for kind in OPERATOR_KINDS:
            for code in self.projects:
                found = [one for one in self.charges if one.kind == kind and one.project == code and one.line is None]
                if found:
                    rows.append(self._usage_row(kind, code, found))
        return rows

    def _usage_row(self, kind: str, project: str, found: Sequence[Charge]) -> Row:
        supply, vat = sum(one.amount_krw for one in found), sum(one.vat_krw for one in found)
        corrections = [one.amount_krw for one in found if one.correction]
        name = USAGE_NAMES[kind] + (f" ({project})" if self.several else "")
        return Row(
            values=["운영기관", name, supply, vat, supply + vat, 0, 0, supply + vat, supply + vat, sum(corrections),
                    CORRECTED if corrections else ""],
            ref=f"charge:{self.figures.month}/{project}/*/{kind}/*", item=name, amber=bool(corrections),
        )  # fmt: skip

    def _bill_total(self) -> Row:
        """The totals, each from another place than the rows: charge lines, and the books."""
        posted, codes = self.figures.posted, self.projects
        supply, vat = sum(one.amount_krw for one in self.charges), sum(one.vat_krw for one in self.charges)
        settles = self.figures.own_settles
        voucher = sum(entry.sum_of("receivable:agency") for line in self.lines for entry in settles.get(line.line, ()))
        own = sum(posted(f"receivable:company:{code}", "settle", *OPERATOR_KINDS) for code in codes)
        own += self._past_books()
        direct = sum(one.excess_krw for one in self.lines) + vat
        direct += sum(one.amount_krw for one in self.charges if one.line is None)
        corrected = sum(one.amount_krw for one in self.charges if one.correction)
        return Row(values=["합계", "", supply, vat, supply + vat, voucher, own - direct, direct, own, corrected, ""])

    def _channel(self) -> str:
        names = {CHANNELS[self.figures.terms.projects[code].channel] for code in self.projects}
        return " · ".join(sorted(names))

    # ------------------------------------------------------------------ table 2
    def _limits(self) -> None:
        form = self.form
        if not self.lines:
            return
        rows = [self._limit_row(one) for one in self.lines]
        limit = sum(line.limit_krw(self.figures.month) for code in self.projects
                    for line in self.figures.line_terms(code))  # fmt: skip
        executed = sum(self.figures.balance(f"budget:executed:{code}") for code in self.projects)
        before = sum(self.figures.balance(f"budget:executed:{code}", self.figures.month + -1) for code in self.projects)
        held = sum(one.held_krw for one in self.lines)
        total = Row(values=["합계", "", limit, before, executed - before, executed, limit - executed,
                            rate(executed, limit), held, None, ""])  # fmt: skip
        place = form.table("2. 협약 한도 현황 (바우처)", LIMITS, rows, total)
        checks = form.sums(place, 2, 3, 4, 5, 6, 8)
        checks[6] = combined(checks[6], form.foots(place, (1, 3), (1, 4), (-1, 5)))
        checks[7] = combined(checks[7], form.foots(place, (1, 2), (-1, 5), (-1, 6)))
        form.check_cells(checks)

    def _limit_row(self, line: Settled) -> Row:
        figures = self.figures
        settled = figures.settled_of[line.project]
        before = sum(one.voucher_krw for one in settled if one.line == line.line and one.month < figures.month)
        supplier = figures.parties[line.supplier].name
        note = self._released(line)
        if line.held_krw:
            note = HELD.get(line.held_reason, line.held_reason)
        executed, limit, reference = line.total_voucher_krw, line.limit_krw, f"line:{figures.month}/{line.line}"
        return Row(
            values=[line.line, f"{supplier} · {line_label(figures, '', line.category).strip()}", limit, before,
                    line.voucher_krw, executed, limit - executed, rate(executed, limit), line.held_krw,
                    basis_points(line.self_pay_bp), note],
            ref={2: f"registry:line/{line.line}/grant_limit_krw", **dict.fromkeys(range(3, 9), reference),
                 9: f"registry:line/{line.line}/self_pay_bp"},
            item=f"{line.line} 한도 현황",
        )  # fmt: skip

    def _released(self, line: Settled) -> str:
        """Why the rest of a line's commitment is released by now."""
        project, month = self.figures.terms.projects[line.project], self.figures.month
        if project.closes is not None and project.closes <= month:
            return "과제 종료: 잔액 해제"
        agreement = next(one for one in project.agreements if line.line in [each.code for each in one.lines])
        ended = agreement.terminates is not None and agreement.terminates <= month
        return "협약 해지: 잔액 해제" if ended else ""

    # ------------------------------------------------------------------ table 3
    def _has_deposit(self, project: str) -> bool:
        return any(one.self_pay_mode == "deposit" for one in self.figures.terms.projects[project].agreements)

    def _deposits(self) -> None:
        form = self.form
        rows = [self._deposit_row(code) for code in self.projects if self._has_deposit(code)]
        if not rows:
            form.section("3. 자부담 선납금", "")
            form.place(("text", "해당 없음 (자부담 후납)", form.printed), height=18)
            return
        place = form.table("3. 자부담 선납금", DEPOSIT, rows)
        form.check_cells({8: form.foots(place, (1, 3), (1, 4), (-1, 5), (-1, 6), (-1, 7))})

    def _deposit_row(self, project: str) -> Row:
        figures, account = self.figures, f"deposit:{project}"
        agreements = [one for one in figures.terms.projects[project].agreements if one.self_pay_mode == "deposit"]
        agreed = sum(one.deposit_krw for one in agreements)
        payments = [entry for entry, _krw in figures.moves.get(account, ()) if entry.kind == "payment"]
        now = [-one.postings[account] for one in payments if one.closed_in == figures.month]
        balance = -figures.balance(account)
        ends_in = figures.terms.projects[project].deposit_ends
        ended = ends_in is not None and ends_in <= figures.month
        confirmed = _confirmed_on(payments, account, agreed)
        balances, registry = (
            f"balance:{account}@{figures.month}",
            f"registry:agreement/{agreements[0].code}/deposit_krw",
        )
        drawn = sum(one.deposit_drawn_krw for one in self.lines if one.project == project)
        return Row(
            values=[project, "자부담 선납 (자부담에만 충당)", agreed, -figures.balance(account, figures.month + -1),
                    sum(krw for krw in now if krw > 0), drawn, -sum(krw for krw in now if krw < 0), balance,
                    balance if ended else 0, short_date_text(confirmed) if confirmed else "",
                    "과제 종료에 따른 환급" if ended and balance else ""],
            ref={2: registry, **dict.fromkeys(range(3, 9), balances)}, item=f"선납금 {project}",
        )  # fmt: skip


def _confirmed_on(payments: Sequence[Entry], account: str, agreed_krw: int) -> date | None:
    """The day on which the payments had reached the agreed sum."""
    paid = 0
    for one in payments:
        paid -= one.postings[account]
        if paid >= agreed_krw:
            return one.paid_on
    return None


def _charges_sheet(document: Document, figures: Figures, company: str) -> None:
    charges = sorted(figures.company_charges.get(company, ()), key=charge_order)
    table = DataTable(document, "청구내역", CHARGES, key_columns=4)
    own = figures.company_lines.get(company, ())
    supply = sum(one.supply_krw for one in own) + sum(one.amount_krw for one in charges if one.line is None)
    vat = sum(one.vat_krw for one in own) + sum(one.vat_krw for one in charges if one.line is None)
    table.fill(
        "청구내역",
        f"{month_title(figures)} · 청구행 {len(charges):,}건 · 공급가액 = 수량 × 단가 (원 미만 버림, 청구행마다 한 번)",
        "청구행",
        (charge_row(figures, position, one) for position, one in enumerate(charges, 1)),
        count=len(charges),
        totals={8: supply, 9: vat, 10: supply + vat},
        foots={10: ((1, 8), (1, 9), (-1, 10))},
        notes=(
            "노란 바탕의 「정정」 행은 앞선 달에 마감된 금액과 다시 계산한 금액의 차이이며 귀속월은 원래의 달입니다. "
            "△는 음수입니다.",
            "수량은 보기용 반올림이며, 계산에 쓴 정확한 수량은 근거의 사용량 참조에서 확인합니다.",
        ),
    )


def charge_row(figures: Figures, position: int, charge: Charge) -> Row:
    """A charge line as a row of a data table."""
    return Row(
        values=(position, charge.project, KIND_NAMES[charge.kind], content(figures, charge), str(charge.service_month),
                quantity(charge), unit(charge), unit_price(figures, charge), charge.amount_krw, charge.vat_krw,
                charge.amount_krw + charge.vat_krw, "정정" if charge.correction else "", remark(charge)),
        ref=charge.reference, amber=charge.correction,
    )  # fmt: skip

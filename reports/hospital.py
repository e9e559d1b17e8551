"""병원 정산서: what a hospital is paid for a month, by whom, for which accepted work, and what is recovered from it."""

from collections.abc import Sequence
from fractions import Fraction

from billing.rating import WORK_UNITS
from reports.data_table import DataTable
from reports.figures import Charge, Figures, Settled
from reports.layout import Column, Document, Form, Row, combined
from reports.trace import write_trace
from reports.wording import (
    CORRECTED,
    HELD,
    WORK_KINDS,
    charge_order,
    issuer,
    line_label,
    month_title,
    new_document,
    places,
    quantity,
    rate,
    remark,
    subtitle,
    unit,
    work_of,
)
from reports.words import amount_text, date_text, period_text

TITLE = "병원정산서"
WIDTHS = (13, 31, 14, 14, 14, 14.5, 14.5, 14.5, 16, 16, 19)
LINES = (
    Column(title="과제", kind="code"),
    Column(title="협약 line · 비목", kind="text"),
    Column(title="공급가액", kind="won"),
    Column(title="부가가치세", kind="won"),
    Column(title="합계", kind="won"),
    Column(title="바우처\n(전담기관 지급)", kind="won"),
    Column(title="기업 부담분\n(자부담·부가세)", kind="won"),
    Column(title="정정 포함분\n(공급가액)", kind="won"),
    Column(title="보류 중\n(공급가액)", kind="won"),
    Column(title="인정 작업\n(건)", kind="count"),
    Column(title="비고", kind="text"),
)
PAYERS = (
    Column(title="과제", kind="code"),
    Column(title="지급처 · 회수처", kind="text"),
    Column(title="지급액", kind="won"),
    Column(title="회수액", kind="won"),
    Column(title="구분", kind="code"),
    Column(title="내용", kind="text", span=5),
    Column(title="비고", kind="text"),
)
WORK = (
    Column(title="번호", kind="code", width=6),
    Column(title="과제", kind="code", width=8),
    Column(title="협약 line", kind="code", width=10),
    Column(title="작업", kind="code", width=10),
    Column(title="작업 종류", kind="text", width=21),
    Column(title="수행일", kind="date", width=13),
    Column(title="검수일", kind="date", width=13),
    Column(title="귀속월", kind="code", width=9),
    Column(title="수량", kind="quantity", width=11),
    Column(title="단위", kind="code", width=7),
    Column(title="단가", kind="won", width=10),
    Column(title="공급가액", kind="won", width=14),
    Column(title="부가가치세", kind="won", width=13),
    Column(title="합계", kind="won", width=14),
    Column(title="보류 중", kind="won", width=12),
    Column(title="정정", kind="code", width=6),
    Column(title="비고", kind="text", width=22),
)
SHARE = (
    Column(title="병원", kind="code"),
    Column(title="병원명", kind="text"),
    Column(title="기여도", kind="quantity"),
    Column(title="배분율", kind="rate"),
    Column(title="배분액", kind="won"),
    Column(title="이월 기여도", kind="quantity"),
    Column(title="비고", kind="text", span=5),
)
VOUCHER, OWN, INCENTIVE = "바우처", "자부담 · 부가가치세", "참여유인 배분금"


def hospital_statement(figures: Figures, hospital: str) -> Document:
    """The workbook of one hospital."""
    document = new_document(figures, "병원 정산서", "statement", hospital)
    _Statement(document, figures, hospital).write()
    _work_sheet(document, figures, hospital)
    _incentive_sheet(document, figures, hospital)
    write_trace(document)
    return document


class _Statement:
    """The form of the hospital statement."""

    def __init__(self, document: Document, figures: Figures, hospital: str):
        self.document, self.figures, self.hospital = document, figures, hospital
        self.lines = [one for one in hospital_lines(figures, hospital) if one.moved]
        self.charges = hospital_charges(figures, hospital)
        self.works: dict[str | None, list[Charge]] = {}
        for one in self.charges:
            self.works.setdefault(one.line, []).append(one)
        self.lines += self._lines_without_amount()
        self.form = Form(document, "정산서", WIDTHS)
        self.payers = self._payer_rows()

    def _lines_without_amount(self) -> list[Settled]:
        """Lines whose corrections cancel to nothing still have work to show."""
        shown = {one.line for one in self.lines}
        rest = self.works.keys() - shown
        return [one for one in self.figures.lines.values() if one.line in rest]

    def write(self) -> None:
        form = self.form
        form.header("병원 정산서", subtitle(self.figures))
        self._head()
        place = self._lines_table()
        self._payers_table(place)
        form.note(
            "세금계산서는 바우처분을 포함한 공급가액과 부가가치세 전액을 수요기업에 발행합니다 "
            "(작성일자: 말일, 발급 기한: 다음 달 10일).",
            "과제마다 따로 지급·회수하며 다른 과제와 상계하지 않습니다. "
            "검수된 작업별 내역은 「인정작업」, 금액별 참조번호는 「근거」 시트에 있습니다.",
        )
        form.finish(first_figure_row=8)

    def _head(self) -> None:
        form, figures = self.form, self.figures
        receiver, sender = figures.parties[self.hospital], figures.parties[issuer(figures)]
        name, brn = receiver.payee
        payee = f"{name} (사업자등록번호 {brn})" if brn else name
        form.labels(
            ("수신(공급기관)", receiver.titled, 4), ("발행일", date_text(figures.closed_on), 2),
            ("정산 기간", period_text(figures.month.first, figures.month.last), 2),
        )  # fmt: skip
        form.labels(("수취인(예금주)", payee, 4), ("계좌", receiver.paid_to, 2), ("발행", sender.titled, 2))
        paid, recovered = sum(row.values[2] for row in self.payers), sum(row.values[3] for row in self.payers)
        form.amount("지급 예정액", amount_text(paid))
        if recovered:
            form.amount("회수 대상액", amount_text(recovered))

    # ------------------------------------------------------------------ table 1
    def _lines_table(self):
        rows = [self._line_row(one) for one in sorted(self.lines, key=lambda one: (one.project, one.line))]
        if not rows:
            rows = [Row(values=["-", "당월 정산 없음", *[0] * 8, ""], ref=f"charge:{self.figures.month}/*/*/*/*")]
        place = self.form.table("1. 과제별 정산", LINES, rows, self._lines_total())
        checks = self.form.sums(place, *range(2, 10))
        checks[5] = combined(checks[5], self.form.foots(place, (1, 2), (1, 3), (-1, 4)))
        checks[7] = combined(checks[7], self.form.foots(place, (1, 4), (-1, 5), (-1, 6)))
        self.form.check_cells(checks)
        totals = self.document.totals
        totals["hospital_total_krw"] = self.form.value(place.total, 5)
        totals["hospital_voucher_krw"] = self.form.value(place.total, 6)
        return place

    def _line_row(self, line: Settled) -> Row:
        works = self.works.get(line.line, ())
        corrected = [one.amount_krw for one in works if one.correction]
        note = CORRECTED if corrected else HELD.get(line.held_reason, line.held_reason) if line.held_krw else ""
        reference = f"line:{self.figures.month}/{line.line}"
        metered = any(one.kind not in WORK_KINDS for one in works)
        works_reference = reference if metered else f"charge:{self.figures.month}/{line.project}/*/*/{line.line}/*"
        return Row(
            values=[line.project, line_label(self.figures, line.line, line.category), line.supply_krw, line.vat_krw,
                    line.supply_krw + line.vat_krw, line.voucher_krw, line.own_krw, sum(corrected), line.held_krw,
                    len(works), note],
            ref={**dict.fromkeys(range(2, 9), reference), 7: works_reference, 9: works_reference},
            item=f"{line.project} {line.line}", amber=bool(corrected),
        )  # fmt: skip

    def _lines_total(self) -> Row:
        """The totals from the charge rows and the books, apart from the line settlements of the rows."""
        supply, vat = sum(one.amount_krw for one in self.charges), sum(one.vat_krw for one in self.charges)
        payable = -self.figures.posted(f"payable:hospital:{self.hospital}:", "settle")
        voucher = sum(krw for (_project, source), krw in self._settled().items() if source == VOUCHER)
        held = sum(one.held_krw for one in hospital_lines(self.figures, self.hospital))
        corrected = sum(one.amount_krw for one in self.charges if one.correction)
        return Row(values=["합계", "", supply, vat, payable, voucher, payable - voucher, corrected, held,
                           len(self.charges), ""])  # fmt: skip

    # ------------------------------------------------------------------ table 2
    def _settled(self) -> dict[tuple[str, str], int]:
        """By project and source, what the books settled with the hospital, in won."""
        sums: dict[tuple[str, str], int] = {}
        for entry in self.figures.own:
            payable = -entry.sum_of(f"payable:hospital:{self.hospital}:")
            if entry.kind != "settle" or (not payable and not self._is_of(entry.subject)):
                continue
            line = self.figures.lines[entry.subject]
            voucher = entry.sum_of("receivable:agency")
            for source, krw in ((VOUCHER, voucher), (OWN, payable - voucher)):
                sums[line.project, source] = sums.get((line.project, source), 0) + krw
        return sums

    def _is_of(self, line: str) -> bool:
        settled = self.figures.lines.get(line)
        return settled is not None and _is_paid(settled, self.hospital)

    def _payer_rows(self) -> list[Row]:
        figures, rows = self.figures, []
        lines: dict[str, list[str]] = {}
        for one in self.lines:
            lines.setdefault(one.project, []).append(one.line)
        agency = f"전담기관 ({figures.parties[figures.terms.agency].name})"
        for (project, source), krw in sorted(
            self._settled().items(), key=lambda one: (one[0][0], one[0][1] != VOUCHER)
        ):
            company = figures.parties[figures.terms.projects[project].company].name
            reference = ", ".join(f"line:{figures.month}/{line}" for line in lines.get(project, ()))
            offset = self._offset(project) if source == VOUCHER else 0
            if krw:
                payer = agency if source == VOUCHER else company
                rows.append(self._payer_row(project, payer, krw - offset, source, reference, offset))
        share = figures.posted(f"payable:incentive:{self.hospital}", "incentive")
        if share:
            reference = f"incentive:{figures.month}/{self.hospital}"
            rows.append(self._payer_row("사업 공통", "운영기관 (정산 계정)", -share, INCENTIVE, reference))
        return rows or [Row(values=["-", "지급·회수 없음", 0, 0, "", "", ""], ref=f"charge:{figures.month}/*/*/*/*")]

    def _offset(self, project: str) -> int:
        """What of a project's vouchers the agency paid in advance (선금) and this month's run offset, in won."""
        return self.figures.posted(f"payable:hospital:{self.hospital}:{project}", "advance_offset")

    def _payer_row(self, project: str, payer: str, krw: int, source: str, reference: str, offset: int = 0) -> Row:
        back = krw < 0
        return Row(
            values=[project, payer, 0 if back else krw, -krw if back else 0, "회수" if back else "지급", source,
                    "정정분 회수" if back else f"선금 {offset:,}원 충당" if offset else ""],
            ref=reference, item=f"{project} {payer}", amber=back,
        )  # fmt: skip

    def _payers_table(self, lines) -> None:
        form, figures = self.form, self.figures
        paid = sum(max(row.values[2], 0) for row in self.payers)
        recovered = sum(row.values[3] for row in self.payers)
        total = Row(values=["합계", "", paid, recovered, "", "", ""])
        place = form.table("2. 지급처별 지급 · 회수 (과제 사이에 상계하지 않음)", PAYERS, self.payers, total)
        share = next((one.share_krw for one in figures.shares if one.hospital == self.hospital), 0)
        check = form.cells((1, place.total, 3), (-1, place.total, 4), (-1, lines.total, 5))
        offset = figures.posted(f"payable:hospital:{self.hospital}:", "advance_offset")
        formula = f"{check.formula}-{share}" + (f"+{offset}" if offset else "")
        tied = type(check)(formula=formula, residual=check.residual - share + offset)
        form.check_cells({**form.sums(place, 2, 3), 5: tied})


def hospital_lines(figures: Figures, hospital: str) -> list[Settled]:
    """The month's lines that a hospital is paid for; none of those that a company pays for itself."""
    return [one for one in figures.lines.values() if _is_paid(one, hospital)]


def _is_paid(line: Settled, hospital: str) -> bool:
    return line.supplier == hospital and line.paid_to == "hospital"


def hospital_charges(figures: Figures, hospital: str) -> list[Charge]:
    """The month's charge rows of a hospital's lines, in the order of its statement."""
    lines = {one.line for one in hospital_lines(figures, hospital)}
    found = (one for one in figures.charges if one.line in lines)
    return sorted(found, key=charge_order)


def _work_sheet(document: Document, figures: Figures, hospital: str) -> None:
    charges = hospital_charges(figures, hospital)
    own = hospital_lines(figures, hospital)
    supply, vat = sum(one.supply_krw for one in own), sum(one.vat_krw for one in own)
    table = DataTable(document, "인정작업", WORK, key_columns=4)
    name = figures.parties[hospital].name
    table.fill(
        "인정 작업 내역",
        f"{month_title(figures)} · {name} · 검수가 끝나 이 달에 정산된 작업 {len(charges):,}건",
        "인정 작업",
        (_work_row(position, one) for position, one in enumerate(charges, 1)),
        count=len(charges),
        totals={11: supply, 12: vat, 13: supply + vat},
        foots={13: ((1, 11), (1, 12), (-1, 13))},
        notes=("보류 중은 이 행에서 아직 청구하지 않은 공급가액입니다. 수행일과 검수일은 한국 시간입니다.",),
    )


def _work_row(position: int, one: Charge) -> Row:
    return Row(
        values=(position, one.project, one.line, work_of(one), one.description, one.performed_on, one.accepted_on,
                str(one.service_month), quantity(one), WORK_UNITS.get(one.unit, unit(one)), one.unit_price_krw,
                one.amount_krw, one.vat_krw, one.amount_krw + one.vat_krw, one.held_krw,
                "정정" if one.correction else "", remark(one)),
        ref=one.reference, amber=one.correction,
    )  # fmt: skip


def _incentive_sheet(document: Document, figures: Figures, hospital: str) -> None:
    """The month's distribution as the hospital sees it: its own row and the whole."""
    form = Form(document, "참여유인", WIDTHS)
    form.header("참여유인 배분", subtitle(figures), approval=False)
    whole = sum((Fraction(*one.counted) for one in figures.shares if one.counted[0] > 0), Fraction(0))
    own = [one for one in figures.shares if one.hospital == hospital]
    rows = share_rows(figures, own, whole)
    if not rows:
        form.section("참여유인 배분", "")
        form.place(("text", "이 달에 배분된 참여유인이 없습니다.", form.printed), height=18)
    else:
        place = form.table("참여유인 배분", SHARE, rows)
        posted = -figures.posted(f"payable:incentive:{hospital}", "incentive")
        check = form.cells((1, place.first, 5))
        form.check_cells({5: type(check)(formula=f"{check.formula}-{posted}", residual=check.residual - posted)})
    pool = figures.pool
    form.note(
        f"당월 재원 {pool.pool_krw:,}원 · 배분 {pool.distributed_krw:,}원 · 이월 {pool.carried_krw:,}원. "
        f"전체 기여도 {places(whole, 3):,}. 배분은 최대잔여법이며 단수는 병원 코드 순입니다.",
        "기여도 = 인정 수량 × 가중치(모달리티·단위) × 품질계수. 시간 단위 작업과 보류 중인 작업은 기여도가 없습니다.",
    )
    form.finish(first_figure_row=6)


def share_rows(figures: Figures, shares: Sequence, whole: Fraction) -> list[Row]:
    """Rows of a distribution: contribution, part of the whole, share, what is carried."""
    rows = []
    for one in shares:
        counted, carried = Fraction(*one.counted), Fraction(*one.carried)
        part = rate(counted.numerator * whole.denominator, counted.denominator * whole.numerator) if whole else None
        note = "기여도 없음" if not counted else "음의 기여도는 다음 달로 이월" if counted < 0 else ""
        rows.append(Row(
            values=[one.hospital, figures.parties[one.hospital].name, places(counted, 3),
                    part if counted > 0 else places(Fraction(0), 3), one.share_krw, places(carried, 3), note],
            ref=f"incentive:{figures.month}/{one.hospital}", item=f"참여유인 {one.hospital}",
        ))  # fmt: skip
    return rows

"""정산보고서: the final settlement of a fiscal year (domain.md §7 Year-end): what is executed, carried, returned."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

from core.money import largest_remainder
from core.month import kst_day
from reports.execution import Execution, available_execution, category_executions, current_krw, project_executions
from reports.figures import Figures
from reports.final_figures import Final
from reports.layout import Check, Column, Document, Form, Placed, Row, combined
from reports.sources import source_executions
from reports.trace import write_trace
from reports.wording import issuer, project_label, rate, signed_amount_text
from reports.words import date_text, period_text
from settlement.source import source_parts
from settlement.year_end import audited

TITLE = "정산보고서"
WIDTHS = (20, 15.5, 15.5, 15.5, 15.5, 15.5, 15.5, 15.5)
SUMMARY = (
    Column(title="구분", kind="code"),
    Column(title="예산현액\nA", kind="won"),
    Column(title="교부액\nB", kind="won"),
    Column(title="집행액\nC", kind="won"),
    Column(title="다음연도\n이월 D", kind="won"),
    Column(title="집행잔액\nE = A - C - D", kind="won"),
    Column(title="발생이자\nF", kind="won"),
    Column(title="집행률", kind="rate"),
)
RETURN = (
    Column(title="교부액 B", kind="won"),
    Column(title="집행액 C", kind="won"),
    Column(title="이월 D", kind="won"),
    Column(title="B - C - D", kind="won"),
    Column(title="발생이자 F", kind="won"),
    Column(title="단수 처리", kind="won"),
    Column(title="반납액", kind="won"),
    Column(title="확인", kind="verdict"),
)
BUDGET = ("협약 한도", "증감(△)", "예산현액 A", "집행액 C", "이월 D", "집행잔액 E")
CATEGORIES = (
    Column(title="비목", kind="text"),
    *(Column(title=title, kind="won") for title in BUDGET),
    Column(title="집행률", kind="rate"),
)
PROJECTS = (
    Column(title="과제", kind="text"),
    *(Column(title=title, kind="won") for title in BUDGET),
    Column(title="검증 대상", kind="code"),
)
FUNDS = (
    Column(title="재원", kind="text"),
    Column(title="예산액", kind="won"),
    *(Column(title=title, kind="won") for title in BUDGET[1:]),
    Column(title="집행률", kind="rate"),
)
SOURCES = (
    Column(title="과제", kind="text"),
    Column(title="바우처", kind="won"),
    Column(title="자부담", kind="won"),
    Column(title="기업 직접", kind="won"),
    Column(title="공급가액 계", kind="won"),
    Column(title="부가가치세", kind="won"),
    Column(title="공급대가", kind="won"),
    Column(title="자부담률", kind="rate"),
)


def file_name(figures: Figures) -> str:
    """The name of the published workbook: it has the year, not a month."""
    terms = figures.terms
    return unicodedata.normalize("NFC", f"{terms.code}_{terms.fiscal_year}_{TITLE}_{terms.agency}.xlsx")


def final_report(final: Final) -> bytes:
    """The workbook: one portrait page and its 근거. Raises NotZero where a total and its rows differ."""
    document = Document(title=TITLE, number=final.number, closed_at=final.settled_at)
    form = Form(document, TITLE, WIDTHS, landscape=False)
    _head(form, final)
    funds = (_funds,) if final.figures.terms.sources else ()
    for part in (_summary, _return, _categories, _projects, _sources, *funds):
        form.spacer(9)
        part(form, final)
    form.spacer(9)
    _closing(form, final)
    form.finish(first_figure_row=10)
    write_trace(document)
    return document.book.content()


def _head(form: Form, final: Final) -> None:
    figures, terms = final.figures, final.figures.terms
    form.header("정 산 보 고 서", f"회계연도 {terms.fiscal_year} · {terms.name}")
    agreements = [one for project in terms.projects.values() for one in project.agreements]
    first, last = (pick(getattr(one, name) for one in agreements) if agreements else _year_day(terms.fiscal_year, pick)
                   for pick, name in ((min, "starts"), (max, "ends")))  # fmt: skip
    form.labels(("사업명", f"{terms.name} ({terms.code})", 3), ("부처", figures.parties[terms.ministry].name, 3))
    form.labels(("전담기관", figures.parties[terms.agency].name, 3), ("회계연도", str(terms.fiscal_year), 3))
    author = f"{figures.parties[issuer(figures)].name} (정산 수행)"
    form.labels(("작성", author, 3), ("작성일", date_text(kst_day(final.settled_at)), 3))
    form.labels(("사업 기간", period_text(first, last), 3), ("정산 기준일", date_text(figures.month.last), 3))
    form.amount("반납액", signed_amount_text(final.returned.return_krw))


def _year_day(year: int, pick: object) -> date:
    """The first or last day of a year: the period of a programme without an agreement."""
    return date(year, 1, 1) if pick is min else date(year, 12, 31)


def _summary(form: Form, final: Final) -> None:
    """A, B, C, D, E and F: E from the books, the check recalculates it."""
    figures, returned, month = final.figures, final.returned, final.figures.month
    current, executed = current_krw(figures), f"budget:{month}/executed"
    left = sum(krw for code, krw in figures.balances().items()
               if code == "budget:available" or code.startswith("budget:committed:"))  # fmt: skip
    row = Row(
        values=["바우처", current, returned.received_krw, returned.executed_krw, returned.carry_over_krw,
                left - returned.carry_over_krw, returned.interest_krw, rate(returned.executed_krw, current)],
        ref={1: f"budget:{month}/current", 2: f"budget:{month}/grant_received", 3: executed, 4: final.carry_over_ref,
             5: f"budget:{month}/available, budget:{month}/committed", 6: f"budget:{month}/interest", 7: executed},
        item="총괄", total=True,
    )  # fmt: skip
    place = form.table("1. 총괄", SUMMARY, [row])
    form.check_cells({6: form.cells((1, place.first, 2), (-1, place.first, 4), (-1, place.first, 5),
                                    (-1, place.first, 6))})  # fmt: skip


def _return(form: Form, final: Final) -> None:
    returned, month = final.returned, final.figures.month
    both = f"budget:{month}/grant_received, budget:{month}/executed"
    row = Row(
        values=[returned.received_krw, returned.executed_krw, returned.carry_over_krw, returned.unspent_krw,
                returned.interest_krw, -returned.dropped_krw, returned.return_krw, "일치"],
        ref={0: f"budget:{month}/grant_received", 1: f"budget:{month}/executed", 2: final.carry_over_ref, 3: both,
             4: f"budget:{month}/interest", 5: f"registry:programme/{final.figures.terms.code}/drop_under_10_krw",
             6: f"{both}, budget:{month}/interest"},
        item="반납액",
    )  # fmt: skip
    place = form.table("2. 반납액 계산 (반납액 = B - C - D + F)", RETURN, [row])
    at = place.first
    form.check_cells({
        4: form.cells((1, at, 1), (-1, at, 2), (-1, at, 3), (-1, at, 4)),
        7: form.cells((1, at, 4), (1, at, 5), (1, at, 6), (-1, at, 7)),
    })  # fmt: skip


def _budget_row(one: Execution, carried_krw: int, carried_ref: str, last: object) -> Row:
    left = one.left_krw - carried_krw
    return Row(
        values=[one.label, one.original_krw, one.change_krw + one.carry_in_krw, one.current_krw, one.executed_krw,
                carried_krw, left, last],
        ref={1: one.refs[1], 2: one.refs[3], 3: one.refs[4], 4: one.refs[6], 5: carried_ref, 6: one.refs[8],
             7: one.refs[9]},
        item=one.label,
    )  # fmt: skip


def _available_row(final: Final, rows: Sequence[Row], columns: Sequence[Column]) -> Row:
    """The 가용 row: what no agreement of the other rows has of the budget."""
    available = available_execution(final.figures, sum(row.values[1] for row in rows))
    ratio = rate(0, available.current_krw) if columns[-1].kind == "rate" else ""
    return _budget_row(available, 0, final.carry_over_ref, ratio)


def _budget_table(
    form: Form, final: Final, title: str, columns: Sequence[Column], rows: Sequence[Row], last: object
) -> None:
    """A budget table with 합계, the total from the programme's own records."""
    figures, returned = final.figures, final.returned
    current, appropriation = current_krw(figures), figures.terms.appropriation_krw
    left = current - returned.executed_krw - returned.carry_over_krw
    total = Row(values=["합계", appropriation, current - appropriation, current, returned.executed_krw,
                        returned.carry_over_krw, left, last])  # fmt: skip
    place = form.table(title, columns, rows, total)
    form.check_cells(_budget_checks(form, place))


def _budget_checks(form: Form, place: Placed) -> dict[int, Check]:
    checks = form.sums(place, *range(1, 7))
    checks[4] = combined(checks[4], form.foots(place, (1, 1), (1, 2), (-1, 3)))
    checks[7] = combined(checks[7], form.foots(place, (1, 3), (-1, 4), (-1, 5), (-1, 6)))
    return checks


def _categories(form: Form, final: Final) -> None:
    figures = final.figures
    carried = carried_by_category(figures, final.carried_krw)
    used = [code for code in figures.terms.categories if code in carried]
    rows = [
        _budget_row(one, carried[code], final.carry_over_ref, rate(one.executed_krw, one.current_krw))
        for code, one in zip(used, category_executions(figures), strict=True)
    ]
    total = rate(final.returned.executed_krw, current_krw(figures))
    rows.append(_available_row(final, rows, CATEGORIES))
    _budget_table(form, final, "3. 비목별 집행", CATEGORIES, rows, total)


def carried_by_category(figures: Figures, carried_krw: Mapping[str, int]) -> dict[str, int]:
    """What is carried over by cost category, in won: a project's sum over what is left on its lines, by largest
    remainder, ties by line code. Every category that has a line is there.
    """
    found: dict[str, int] = {}
    for project in sorted(figures.terms.projects):
        lines, settled = figures.line_terms(project), figures.lines
        left = {line.code: Fraction(line.limit_krw(figures.month)
                                    - (settled[line.code].total_voucher_krw if line.code in settled else 0))
                for line in lines}  # fmt: skip
        krw = carried_krw.get(project, 0)
        parts = largest_remainder(krw, left) if krw else {}
        for line in lines:
            found[line.category] = found.get(line.category, 0) + parts.get(line.code, 0)
    return found


def _projects(form: Form, final: Final) -> None:
    rows = [
        _budget_row(one, close.carry_over_krw, final.carry_over_ref, "검증" if close.verified else "")
        for one, close in zip(project_executions(final.figures), final.projects, strict=True)
    ]
    rows.append(_available_row(final, rows, PROJECTS))
    _budget_table(form, final, "4. 과제별 집행과 검증 대상", PROJECTS, rows, "")


def _sources(form: Form, final: Final) -> None:
    """By project: who paid for the supply; supply and VAT from the line settlements of every month."""
    figures = final.figures
    rows = [_source_row(figures, code) for code in sorted(figures.terms.projects)]
    voucher, self_pay, excess, vat = (sum(getattr(one, name) for one in figures.settled)
                                      for name in ("voucher_krw", "self_pay_krw", "excess_krw", "vat_krw"))  # fmt: skip
    supply = sum(one.supply_krw for one in figures.settled)
    total = Row(values=["합계", voucher, self_pay, excess, supply, vat, supply + vat,
                        rate(self_pay, voucher + self_pay)])  # fmt: skip
    place = form.table("5. 재원별 집행", SOURCES, rows, total)
    checks = form.sums(place, *range(1, 7))
    checks[5] = combined(checks[5], form.foots(place, (1, 1), (1, 2), (1, 3), (-1, 4)))
    checks[7] = combined(checks[7], form.foots(place, (1, 4), (1, 5), (-1, 6)))
    form.check_cells(checks)


def _source_row(figures: Figures, code: str) -> Row:
    settled = [one for one in figures.settled if one.project == code]
    voucher, self_pay, excess, vat, supply = (
        sum(getattr(one, name) for one in settled)
        for name in ("voucher_krw", "self_pay_krw", "excess_krw", "vat_krw", "supply_krw")
    )
    lines = ", ".join(f"line:{figures.month}/{line.code}" for line in figures.line_terms(code))
    return Row(
        values=[project_label(figures, code), voucher, self_pay, excess, supply, vat, supply + vat,
                rate(self_pay, voucher + self_pay)],
        ref=lines or f"budget:{figures.month}/executed", item=f"{code} 재원",
    )  # fmt: skip


def _funds(form: Form, final: Final) -> None:
    """By source of funds, where several share the grant: its share of the budget and of what is carried over, and what
    it has executed of every line.
    """
    figures, returned = final.figures, final.returned
    carried = source_parts(returned.carry_over_krw, figures.terms.sources)
    rows = [
        _budget_row(one, carried[source.code], final.carry_over_ref, rate(one.executed_krw, one.current_krw))
        for source, one in zip(figures.terms.sources, source_executions(figures), strict=True)
    ]
    total = rate(returned.executed_krw, current_krw(figures))
    _budget_table(form, final, "6. 재원별 분담 집행", FUNDS, rows, total)


def _closing(form: Form, final: Final) -> None:
    figures, terms = final.figures, final.figures.terms
    over = audited(final.recipients)
    named = ", ".join(f"{one.name} {one.voucher_krw:,}원" for one in over)
    form.note(
        "검증: 지원금 1억 원 이상 과제는 정산보고서 검증 대상입니다. "
        "한 해 보조금 10억 원 이상인 기관은 회계감사 대상이며, "
        + (f"이 사업에서는 {named}입니다." if over else "이 사업에는 해당 기관이 없습니다."),
        "부가가치세는 바우처로 집행하지 않았습니다. 반납액의 10원 미만 단수는 사업 설정에 따르며 이 보고서는 "
        + (f"{final.returned.dropped_krw:,}원을 버렸습니다." if final.returned.dropped_krw else "버리지 않았습니다."),
    )
    form.spacer(20)
    form.place(("closing", "위와 같이 정산하였음을 보고합니다.", form.printed), height=26)
    form.place(("closing", date_text(kst_day(final.settled_at)), form.printed), height=26)
    form.spacer(12)
    form.place(("signature", f"{figures.parties[issuer(figures)].name}의 장  (직인)", form.printed), height=38)
    form.spacer(8)
    form.place(("sentence", f"{figures.parties[terms.agency].name}장 귀하", form.printed), height=22)
    attached = "붙임  1. 예산집행현황 1부.  2. 과제별 정산 내역 1부.  3. 증빙 목록 1부.  4. 통장 이자 내역 1부.  끝."
    form.place(("sentence", attached, form.printed), height=22)

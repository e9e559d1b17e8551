"""The grant that an agency pays to a company against accepted expenses (domain.md §1, co-research)."""

from collections.abc import Sequence

from reports.figures import Figures
from reports.layout import Column, Form, Row

GRANT = (
    Column(title="과제", kind="code"),
    Column(title="내용", kind="text"),
    Column(title="전월 미수령\nE", kind="won"),
    Column(title="당월 지원금\nF", kind="won"),
    Column(title="당월 수령\nG", kind="won"),
    Column(title="미수령 잔액\nE+F-G", kind="won"),
    Column(title="지원금 누계", kind="won"),
    Column(title="비고", kind="text", span=4),
)


def grant_table(form: Form, figures: Figures, projects: Sequence[str]) -> int:
    """A company's grants by project, from the books; the month's total, from the split of the lines, in won."""
    lines = [one for code in projects for one in figures.lines_of.get(code, ())]
    place = form.table("4. 지원금 (전담기관이 기업에 지급)", GRANT, [_row(figures, code) for code in projects], Row(
        values=["합계", "", sum(-figures.balance(_account(code), figures.month + -1) for code in projects),
                sum(one.voucher_krw for one in lines), sum(_received(figures, code) for code in projects),
                -sum(figures.balance(_account(code)) for code in projects),
                sum(one.total_voucher_krw for one in lines), ""],
    ))  # fmt: skip
    form.check_cells({**form.sums(place, 2, 3, 4, 6), 6: form.foots(place, (1, 2), (1, 3), (-1, 4), (-1, 5))})
    return form.value(place.total, 4)


def _account(project: str) -> str:
    return f"payable:company:{project}"


def _received(figures: Figures, project: str) -> int:
    """What the agency's payments that this close took up paid out."""
    return sum(
        krw
        for entry, krw in figures.moves.get(_account(project), ())
        if entry.kind == "payment" and entry.closed_in == figures.month
    )


def _row(figures: Figures, project: str) -> Row:
    month, account = figures.month, _account(project)
    before, now = -figures.balance(account, month + -1), -figures.posted(account, "settle")
    lines = ", ".join(f"line:{month}/{one.code}" for one in figures.line_terms(project))
    balance = f"balance:{account}@{month}"
    return Row(
        values=[project, "인정된 지출에 대한 지원금", before, now, _received(figures, project),
                -figures.balance(account), figures.balance(f"budget:executed:{project}"), ""],
        ref={2: balance, 3: lines, 4: balance, 5: balance, 6: f"balance:budget:executed:{project}@{month}"},
        item=f"지원금 {project}",
    )  # fmt: skip

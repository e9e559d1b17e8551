"""The settlement of agreement lines at a close: cumulative split, what the month books of it, deposit drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import RuleRefused
from core.month import Month
from registry.values import AgreementTerms, LineTerms, ProgrammeTerms, ProjectTerms
from settlement.history import LineTotals
from settlement.matrix import OPERATOR_USAGE
from settlement.split import (
    FundedLine,
    ItemSplit,
    LineSplit,
    SupplyItem,
    draw_deposit,
    largest_supply_krw,
    split_project,
)

NOTHING = LineTotals(voucher_krw=0, self_pay_krw=0, excess_krw=0, deposit_drawn_krw=0)


@dataclass(frozen=True, kw_only=True)
class LineResult:
    """A line at a month's close, in won: `total_*` over its life, the others what the month books.

    supply = voucher + self-pay + excess is charged supply; `held_krw` is what is held at the close and why. `paid_to`:
    who the programme pays, `hospital`, `operator`, or `company`, which pays the supplier itself.
    """

    line: str
    project: str
    supplier: str
    category: str
    paid_to: str
    self_pay_bp: int
    limit_krw: int
    supply_krw: int
    voucher_krw: int
    self_pay_krw: int
    excess_krw: int
    vat_krw: int
    held_krw: int
    held_reason: str
    deposit_drawn_krw: int
    total_supply_krw: int
    total_voucher_krw: int
    total_self_pay_krw: int
    total_excess_krw: int
    total_deposit_drawn_krw: int

    @property
    def own_krw(self) -> int:
        """What the company bears of it: self-pay + excess + VAT."""
        return self.self_pay_krw + self.excess_krw + self.vat_krw

    @property
    def owed_krw(self) -> int:
        """What of it the company owes through the programme's books: nothing where it pays the supplier itself."""
        return 0 if self.paid_to == "company" else self.own_krw

    @property
    def use(self) -> str:
        """Its column of the matrix: the supplier, or the operator's usage."""
        return OPERATOR_USAGE if self.paid_to == "operator" else self.supplier

    @property
    def payable(self) -> str:
        """The account of whom the programme pays (domain.md §6)."""
        return {
            "hospital": f"payable:hospital:{self.supplier}:{self.project}",
            "operator": "payable:operator",
            "company": f"payable:company:{self.project}",
        }[self.paid_to]


def split_programme(
    terms: ProgrammeTerms, month: Month, items: Iterable[SupplyItem], unconfirmed: frozenset[str]
) -> tuple[dict[str, LineSplit], dict[str, ItemSplit]]:
    """Splits every project's accepted supply up to a month; by line code, and by item reference.

    `unconfirmed`: projects whose deposit is not confirmed; the supply of their deposit agreements is held as a whole.
    """
    of_line = {line.code: code for code, project in terms.projects.items() for line in project.lines}
    by_project: dict[str, list[SupplyItem]] = {code: [] for code in terms.projects}
    for item in items:
        by_project[of_line[item.line]].append(item)
    lines: dict[str, LineSplit] = {}
    parts: dict[str, ItemSplit] = {}
    for code, project in terms.projects.items():
        funded = [
            _funded(terms, agreement, line, month, hold_all=code in unconfirmed)
            for agreement in project.agreements
            for line in agreement.lines
        ]
        of_project, of_items = split_project(funded, by_project[code], project.price_cap_krw)
        lines |= of_project
        parts |= of_items
    return lines, parts


def _funded(
    terms: ProgrammeTerms, agreement: AgreementTerms, line: LineTerms, month: Month, *, hold_all: bool
) -> FundedLine:
    return FundedLine(
        code=line.code,
        limit_krw=line.limit_krw(month),
        self_pay_bp=line.self_pay_bp,
        voucher=terms.categories[line.category].voucher,
        over_limit=agreement.over_limit,
        hold_all=hold_all and agreement.self_pay_mode == "deposit",
    )


def line_results(
    terms: ProgrammeTerms,
    month: Month,
    splits: Mapping[str, LineSplit],
    vat_krw: Mapping[str, int],
    before: Mapping[str, LineTotals],
    deposit_balances_krw: Mapping[str, int],
    unconfirmed: frozenset[str],
) -> list[LineResult]:
    """Every line's settlement by the month, by line code: the cumulative split less what was booked before.

    `vat_krw`: VAT of the month's charge rows by line; `deposit_balances_krw`: by project, at the freeze. Raises
    RuleRefused when an amended limit is below what was executed.
    """
    results = []
    for code, project in sorted(terms.projects.items()):
        drawn = _drawn(project, splits, before, deposit_balances_krw.get(code, 0))
        for line in project.lines:
            previous = before.get(line.code, NOTHING)
            limit_krw = line.limit_krw(month)
            if limit_krw < previous.voucher_krw:
                raise RuleRefused(
                    f"{line.code}: 한도 {limit_krw:,}원이 이미 집행한 {previous.voucher_krw:,}원보다 작습니다 "
                    f"(the limit in force in {month} is below what was executed)."
                )
            reason = _held_reason(project, line, limit_krw, splits[line.code], unconfirmed)
            results.append(
                _result(line, limit_krw, splits[line.code], previous, vat_krw.get(line.code, 0),
                        drawn.get(line.code, 0), reason)
            )  # fmt: skip
    return sorted(results, key=lambda result: result.line)


def _drawn(
    project: ProjectTerms, splits: Mapping[str, LineSplit], before: Mapping[str, LineTotals], balance_krw: int
) -> dict[str, int]:
    wanted = {
        line.code: splits[line.code].self_pay_krw - before.get(line.code, NOTHING).deposit_drawn_krw
        for agreement in project.agreements
        if agreement.self_pay_mode == "deposit"
        for line in agreement.lines
    }
    return draw_deposit(wanted, balance_krw)


def _held_reason(
    project: ProjectTerms, line: LineTerms, limit_krw: int, split: LineSplit, unconfirmed: frozenset[str]
) -> str:
    """What binds: the deposit, else the grant limit where the line has funded all that it carries, else the price cap.

    Where limit and cap are both reached the limit is named: raising the cap alone would free nothing.
    """
    if not split.held_krw:
        return ""
    mode = next(one.self_pay_mode for one in project.agreements if one.code == line.agreement)
    if mode == "deposit" and project.code in unconfirmed:
        return "deposit"
    full = split.voucher_krw + split.self_pay_krw == largest_supply_krw(limit_krw, line.self_pay_bp)
    return "grant_limit" if full else "price_cap"


def _result(
    line: LineTerms, limit_krw: int, split: LineSplit, previous: LineTotals, vat_krw: int, drawn_krw: int, reason: str
) -> LineResult:
    voucher_krw = split.voucher_krw - previous.voucher_krw
    self_pay_krw = split.self_pay_krw - previous.self_pay_krw
    excess_krw = split.excess_krw - previous.excess_krw
    return LineResult(
        line=line.code, project=line.project, supplier=line.supplier, category=line.category, paid_to=line.paid_to,
        self_pay_bp=line.self_pay_bp, limit_krw=limit_krw, supply_krw=voucher_krw + self_pay_krw + excess_krw,
        voucher_krw=voucher_krw, self_pay_krw=self_pay_krw, excess_krw=excess_krw, vat_krw=vat_krw,
        held_krw=split.held_krw, held_reason=reason, deposit_drawn_krw=drawn_krw, total_supply_krw=split.supply_krw,
        total_voucher_krw=split.voucher_krw, total_self_pay_krw=split.self_pay_krw, total_excess_krw=split.excess_krw,
        total_deposit_drawn_krw=previous.deposit_drawn_krw + drawn_krw,
    )  # fmt: skip


def deposit_balances_krw(balances: Mapping[str, int], projects: Sequence[str]) -> dict[str, int]:
    """What is left of each project's deposit, in won, from the books."""
    return {code: -balances.get(f"deposit:{code}", 0) for code in projects}

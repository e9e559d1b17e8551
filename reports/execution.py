"""Budget execution by project, category and supplier (domain.md §9): rows of 예산집행현황, each from the books."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.month import Month
from registry.values import LineTerms
from reports.figures import Figures
from reports.wording import category_name, project_label

AVAILABLE = "미협약(가용)"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A row of the budget table, in won: original, change, current A, executed C, left E."""

    label: str
    original_krw: int
    change_krw: int
    current_krw: int
    executed_krw: int
    left_krw: int
    note: str
    refs: dict[int, str]
    carry_in_krw: int = 0


def _amended(figures: Figures, lines: Iterable[LineTerms]) -> str:
    """When the limits of some lines were amended, up to this month."""
    days = {start for line in lines for start, _limit in line.limits[not line.added:]
            if start <= figures.month.last}  # fmt: skip
    return "협약변경 " + ", ".join(f"{day.year}-{day.month:02d}" for day in sorted(days)) if days else ""


def _released(figures: Figures, project: str) -> int:
    """What of a project's commitment the runs gave back so far, in won, less what was executed after that: this comes
    out of what is available.
    """
    committed, executed = (figures.moves.get(f"budget:{state}:{project}", ()) for state in ("committed", "executed"))
    released = sum(-krw for entry, krw in committed if entry.kind == "release")
    later = sum(-entry.postings.get("budget:available", 0) for entry, _krw in executed if entry.kind == "settle")
    return released - later


def _closed(figures: Figures, project: str) -> bool:
    one = figures.terms.projects[project]
    ends_in = one.ends_in(one.agreements)
    return ends_in is not None and ends_in <= figures.month


def _ends_in(figures: Figures, line: LineTerms) -> Month | None:
    """The month whose run releases the rest of a line's commitment, of an agreement that has ended by now."""
    project = figures.terms.projects[line.project]
    ends_in = project.ends_in([one for one in project.agreements if one.code == line.agreement])
    return ends_in if ends_in is not None and ends_in <= figures.month else None


def project_executions(figures: Figures) -> list[Execution]:
    """By project: the original limits, their change, and A, C, E from the books."""
    rows = []
    for code in sorted(figures.terms.projects):
        lines = figures.line_terms(code)
        original = sum(line.signed_krw for line in lines)
        now = sum(line.limit_krw(_ends_in(figures, line) or figures.month) for line in lines)
        executed = figures.balance(f"budget:executed:{code}")
        left = figures.balance(f"budget:committed:{code}")
        released = _released(figures, code)
        note = "과제 종료: 잔액 해제" if _closed(figures, code) else _amended(figures, lines)
        rows.append(Execution(
            label=project_label(figures, code), original_krw=original, change_krw=now - original - released,
            current_krw=executed + left, executed_krw=executed, left_krw=left, note=note,
            refs=_execution_refs(figures, [line.code for line in lines], f"budget:executed:{code}",
                                 f"budget:committed:{code}"),
        ))  # fmt: skip
    return rows


def category_executions(figures: Figures) -> list[Execution]:
    """By cost category: limits from the registry, execution from the line settlements."""
    among = _lines(figures)
    used = [code for code in figures.terms.categories if any(line.category == code for line in among)]
    return [
        _execution(figures, category_name(figures, code), [line for line in among if line.category == code])
        for code in used
    ]


def supplier_executions(figures: Figures) -> list[Execution]:
    """By supplier, by code: limits from the registry, execution from the line settlements."""
    among = _lines(figures)
    return [
        _execution(figures, f"{code} {figures.parties[code].name}", [line for line in among if line.supplier == code])
        for code in sorted({line.supplier for line in among})
    ]


def _lines(figures: Figures) -> list[LineTerms]:
    return [line for code in sorted(figures.terms.projects) for line in figures.line_terms(code)]


def _execution(figures: Figures, label: str, lines: Sequence[LineTerms]) -> Execution:
    """Some agreement lines together."""
    settled = figures.lines
    executed = sum(settled[line.code].total_voucher_krw for line in lines if line.code in settled)
    original = sum(line.signed_krw for line in lines)
    closed = {line.code for line in lines if _ends_in(figures, line)}
    left = sum(line.limit_krw(figures.month) - settled[line.code].total_voucher_krw
               for line in lines if line.code not in closed and line.code in settled)  # fmt: skip
    untouched = [line for line in lines if line.code not in closed and line.code not in settled]
    left += sum(line.limit_krw(figures.month) for line in untouched)
    note = "과제 종료: 잔액 해제" if closed else _amended(figures, lines)
    references = ", ".join(f"line:{figures.month}/{line.code}" for line in lines)
    limits = ", ".join(f"registry:line/{line.code}/grant_limit_krw" for line in lines)
    return Execution(
        label=label, original_krw=original, change_krw=executed + left - original, current_krw=executed + left,
        executed_krw=executed, left_krw=left, note=note,
        refs={**dict.fromkeys(range(1, 6), limits), **dict.fromkeys(range(6, 12), references)},
    )  # fmt: skip


def _execution_refs(figures: Figures, lines: Sequence[str], executed: str, left: str) -> dict[int, str]:
    limits = ", ".join(f"registry:line/{line}/grant_limit_krw" for line in lines) or f"balance:{left}@{figures.month}"
    spent, rest = f"balance:{executed}@{figures.month}", f"balance:{left}@{figures.month}"
    both = f"{spent}, {rest}"
    return {1: limits, 2: limits, 3: limits, 4: both, 5: both, 6: spent, 7: rest, 8: rest, 9: both, 10: both, 11: both}


def available_execution(figures: Figures, original_krw: int) -> Execution:
    """What is not committed: the rest of the appropriation, what closed projects gave back, carry-in and transfers."""
    terms = figures.terms
    available = figures.balance("budget:available")
    moved = sum(entry.postings.get("budget:available", 0) for entry in figures.entries
                if entry.kind in ("release", "amendment", "transfer"))  # fmt: skip
    late = sum(  # once a project's commitment is released, what is still executed comes out of what is available
        entry.postings.get("budget:available", 0) for entry in figures.entries if entry.kind == "settle"
    )
    reference = f"balance:budget:available@{figures.month}"
    released = any(_closed(figures, code) for code in terms.projects)
    return Execution(
        label=AVAILABLE, original_krw=terms.appropriation_krw - original_krw, change_krw=moved + late,
        carry_in_krw=terms.carry_in_krw, current_krw=available, executed_krw=0, left_krw=available,
        note="종료 과제 잔액 포함" if released else "", refs=dict.fromkeys(range(1, 12), reference),
    )  # fmt: skip


def current_krw(figures: Figures) -> int:
    """예산현액 A of the programme from its reference data and dated records, in won."""
    return figures.terms.appropriation_krw + figures.terms.carry_in_krw + figures.budget_krw.get("transfer", 0)

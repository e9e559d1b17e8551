"""Budget execution by source of funds (재원별, domain.md §9): its share of the budget, and of what is executed."""

from reports.execution import Execution, current_krw
from reports.figures import Figures
from reports.wording import percent
from settlement.source import source_parts, source_shares


def source_executions(figures: Figures) -> list[Execution]:
    """By source of funds: its share of the budget, and of each line's voucher."""
    terms, month = figures.terms, figures.month
    shares = source_shares(figures.lines.values(), terms.sources)
    original = source_parts(terms.appropriation_krw, terms.sources)
    carried = source_parts(terms.carry_in_krw, terms.sources)
    current = source_parts(current_krw(figures), terms.sources)
    budget, spent = f"budget:{month}/current", ", ".join(f"line:{month}/{code}" for code in figures.lines)
    return [
        Execution(
            label=f"{one.code} {one.name}", original_krw=original[one.code], carry_in_krw=carried[one.code],
            change_krw=current[one.code] - original[one.code] - carried[one.code], current_krw=current[one.code],
            executed_krw=shares[one.code].executed_krw,
            left_krw=current[one.code] - shares[one.code].executed_krw, note=f"분담률 {percent(one.share_bp)}",
            refs={**dict.fromkeys(range(1, 12), budget), 6: spent or budget},
        )
        for one in terms.sources
    ]  # fmt: skip

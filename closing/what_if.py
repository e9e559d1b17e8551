"""What if a programme's terms had been others: a month's figures under an assumption, beside the real ones.

An assumption holds as if it had always been so: its figures of a month are T'(n) − T'(n−1), where T' derives everything
anew under the assumed terms (domain.md §0). Nothing is booked.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

from billing.charge import ChargeLine
from closing.assumption import Assumption, under
from closing.derive import MonthResult, rate_month, settle
from closing.inputs import MonthInputs, gather
from core.month import Month

Figures = dict[str, dict[str, dict[str, int]]]


def what_if(connection: Connection, programme: str, month: Month, assumption: Assumption, file: str) -> dict:
    """The real and the assumed figures of a month that is posted in this transaction, and their difference, in won.

    Raises BadInput where the assumption names a line or price that is not there, RuleRefused where an assumed limit is
    below what was executed.
    """
    now = _inputs(connection, programme, month)
    before = _inputs(connection, programme, month + -1)
    real = _month_figures(now, before)
    assumed = _month_figures(under(now, assumption, file), before and under(before, assumption, file))
    return {"real": real, "assumed": assumed, "difference": _less(assumed, real)}


def _inputs(connection: Connection, programme: str, month: Month) -> MonthInputs | None:
    """The inputs of a month at its marks; None when it was not run."""
    run = connection.execute(
        text(
            "SELECT intake_mark, journal_mark, CASE WHEN locked_at IS NOT NULL THEN finished_at END AS posted_at"
            " FROM month_run JOIN run_step USING (programme, month) LEFT JOIN month_lock USING (programme, month)"
            " WHERE programme = :programme AND month = :month AND step = 'post'"
        ),
        {"programme": programme, "month": month.first},
    ).one_or_none()
    if run is None:
        return None
    return gather(connection, programme, month, run.intake_mark, run.journal_mark, posted_at=run.posted_at)


def _month_figures(now: MonthInputs, before: MonthInputs | None) -> Figures:
    return _less(_figures(now), _figures(before) if before else {}, keep=("held_krw",))


def _figures(inputs: MonthInputs) -> Figures:
    """T(n) summed, in won: by agreement line, company, hospital, and for the operator."""
    result = settle(inputs, rate_month(inputs))
    vat = _by_line(result.derived)
    lines = {
        one.line: {
            "supply_krw": one.total_supply_krw, "voucher_krw": one.total_voucher_krw,
            "self_pay_krw": one.total_self_pay_krw, "excess_krw": one.total_excess_krw, "vat_krw": vat[one.line],
            "held_krw": one.held_krw,
        }
        for one in result.lines
    }  # fmt: skip
    return {
        "lines": lines,
        "company": _companies(result, lines),
        "hospital": _hospitals(result, lines),
        "operator": _operator(result.derived),
    }


def _by_line(derived: Iterable[ChargeLine]) -> dict[str, int]:
    vat: dict[str, int] = defaultdict(int)
    for row in derived:
        if row.line is not None:
            vat[row.line] += row.vat_krw
    return vat


def _companies(result: MonthResult, lines: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    companies: dict[str, int] = defaultdict(int)
    for one in result.lines:
        own = sum(lines[one.line][name] for name in ("self_pay_krw", "excess_krw", "vat_krw"))
        companies[result.terms.projects[one.project].company] += own
    for row in result.derived:
        if row.line is None:
            companies[result.terms.projects[row.project].company] += row.amount_krw + row.vat_krw
    return {code: {"total_krw": krw} for code, krw in sorted(companies.items())}


def _hospitals(result: MonthResult, lines: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in result.lines:
        row = found.setdefault(one.supplier, dict.fromkeys(("supply_krw", "vat_krw", "voucher_krw"), 0))
        for name in row:
            row[name] += lines[one.line][name]
    return dict(sorted(found.items()))


def _operator(derived: Iterable[ChargeLine]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in derived:
        if row.line is None:
            kind = found.setdefault(row.kind, {"amount_krw": 0, "vat_krw": 0})
            kind["amount_krw"] += row.amount_krw
            kind["vat_krw"] += row.vat_krw
    return dict(sorted(found.items()))


def _less(some: Figures, others: Figures, keep: tuple[str, ...] = ()) -> Figures:
    """Figure by figure, `some` less `others`; those named in `keep` are states, taken as they are."""
    empty: dict = {}
    return {
        part: {
            code: {
                name: krw if name in keep else krw - others.get(part, empty).get(code, empty).get(name, 0)
                for name, krw in {**dict.fromkeys(others.get(part, empty).get(code, empty), 0), **row}.items()
            }
            for code, row in {**dict.fromkeys(others.get(part, empty), empty), **rows}.items()
        }
        for part, rows in some.items()
    }

"""Research results with the contribution of their data, and their revenue shared by it (domain.md §10)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction

from sqlalchemy import Connection, text

from billing.booked import booked_lines
from billing.charge import ChargeLine
from core.month import Month
from ledger.books import closed_programmes, locked_months
from metering.usage import WorkItem, work_items
from registry.results import ResultTerms, results_of
from registry.terms import programme_terms
from registry.values import ProgrammeTerms
from reports.ties import decimal_text
from settlement.incentive import contribution, share_revenue


class _Data:
    """What the locked months of a programme charged of each work, read once for each month that is asked for."""

    def __init__(self, connection: Connection, terms: ProgrammeTerms):
        self._connection, self._terms = connection, terms
        self._of: dict[Month, list[tuple[ChargeLine, WorkItem]]] = {}

    def until(self, month: Month) -> Sequence[tuple[ChargeLine, WorkItem]]:
        """Work charged in full up to a locked month, each with its event."""
        if month not in self._of:
            mark = self._connection.scalar(
                text("SELECT intake_mark FROM month_run WHERE programme = :programme AND month = :month"),
                {"programme": self._terms.code, "month": month.first},
            )
            items = {one.seq: one for one in work_items(self._connection, sorted(self._terms.projects), mark)}
            booked = booked_lines(self._connection, self._terms.code, month + 1)
            self._of[month] = [
                (one.line, items[one.line.work_seq])
                for one in booked.values()
                if one.line.work_seq in items and not one.line.held_krw
            ]
        return self._of[month]


def results(connection: Connection, programme: str) -> list[dict]:
    """Every result of a programme, its data sets with their contribution, its revenue with the hospitals' shares.

    A share follows the contribution at the close of the month that earned it, and is `final` once that month is locked
    or the programme finally settled.
    """
    terms = programme_terms(connection, programme)
    locked = locked_months(connection, programme)
    settled = programme in closed_programmes(connection)
    data = _Data(connection, terms)
    return [_result(one, terms, data, locked, settled=settled) for one in results_of(connection, programme)]


def _result(
    result: ResultTerms, terms: ProgrammeTerms, data: _Data, locked: Sequence[Month], *, settled: bool
) -> dict:  # fmt: skip
    now = _of_result(result, data.until(locked[-1])) if locked else []
    known = {item.id for _line, item in now}
    return {
        "code": result.code,
        "project": result.project,
        "kind": result.kind,
        "title": result.title,
        "on": str(result.dated),
        "evidence": result.evidence,
        "sharing": result.sharing,
        "datasets": [
            {
                "line": line,
                "hospital": next(one.supplier for one in terms.projects[result.project].lines if one.code == line),
                "works": list(works),
                "works_missing": [work for work in works if work not in known],
                "contribution": decimal_text(sum(
                    _contributions(terms, (pair for pair in now if pair[0].line == line)).values(), Fraction(0)
                )),
            }
            for line, works in result.datasets
        ],
        "revenue": [_revenue(result, terms, data, locked, day_krw, settled=settled) for day_krw in result.revenue],
    }  # fmt: skip


def _revenue(
    result: ResultTerms, terms: ProgrammeTerms, data: _Data, locked: Sequence[Month], day_krw: tuple, *, settled: bool
) -> dict:
    day, krw = day_krw
    month = max((one for one in locked if one <= Month.of(day)), default=None)
    pairs = _of_result(result, data.until(month)) if month else []
    shares = share_revenue(krw, _contributions(terms, pairs))
    return {
        "on": str(day),
        "krw": krw,
        "month": str(month) if month else None,
        "final": month == Month.of(day) or settled,
        "shares": shares,
        "undistributed_krw": krw - sum(shares.values()),
    }


def _of_result(result: ResultTerms, pairs: Iterable[tuple[ChargeLine, WorkItem]]) -> list[tuple[ChargeLine, WorkItem]]:
    """What of the charged work led to a result."""
    works = dict(result.datasets)
    return [
        (line, item)
        for line, item in pairs
        if line.line in works and (not works[line.line] or item.id in works[line.line])
    ]


def _contributions(terms: ProgrammeTerms, pairs: Iterable[tuple[ChargeLine, WorkItem]]) -> dict[str, Fraction]:
    """Contribution by hospital of some charged work, as in the incentive pools; hours earn none."""
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for line, item in pairs:
        weight = terms.weights.get((item.modality, item.unit))
        if weight is not None:
            sums[line.supplier] += contribution(line.quantity_base, weight, terms.qualities[line.supplier])
    return dict(sums)

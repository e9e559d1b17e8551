"""Budget entries of reference data (domain.md §6): appropriation, carry-in, transfers, commitments, amendments."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection, text

from core.month import Month
from ledger.books import booked_references
from ledger.journal import NewEntry
from registry.terms import ProgrammeTerms


def due_entries(connection: Connection, programme: str, day: date) -> list[tuple[date, NewEntry]]:
    """What is not booked yet of a programme's budget on a local day: appropriation, carry-in, transfers dated up to
    that day, and the commitment of each agreement at its signing. Amendments are booked by the run (amendment_entries).

    Each with the local day that it belongs to: a transfer's own; for the rest the first day of any agreement, so that
    every month that can be settled begins with it, or `day` where that is earlier.
    """
    budget = connection.execute(
        text(
            "SELECT appropriation_krw, carry_in_krw, least(:day, (SELECT min(starts) FROM agreement JOIN project"
            " ON project.code = agreement.project WHERE project.programme = programme.code)) AS first_day"
            " FROM programme WHERE code = :programme"
        ),
        {"programme": programme, "day": day},
    ).one()
    transfers = connection.execute(
        text(
            "SELECT id, amount_krw, reason, dated FROM budget_record"
            " WHERE programme = :programme AND kind = 'transfer' AND dated <= :day ORDER BY dated, id"
        ),
        {"programme": programme, "day": day},
    )
    days: dict[str, date] = {}
    entries = [
        _budget("appropriation", "appropriation", "appropriation", budget.appropriation_krw),
        _budget("carry_in", "carry in", "carry_in", budget.carry_in_krw),
    ]
    for one in transfers:
        entries.append(_budget("transfer", f"transfer {one.reason}", f"transfer:{one.id}", one.amount_krw))
        days[entries[-1].reference] = one.dated
    entries += _commitments(connection, programme)
    due = _not_booked(connection, programme, entries)
    return [(days.get(entry.reference, budget.first_day), entry) for entry in due]


def amendment_entries(
    connection: Connection,
    terms: ProgrammeTerms,
    month: Month,
    released: Collection[str] = (),
    after: int | None = None,
) -> list[NewEntry]:
    """The changes of commitment by amendments in force up to a month that are not booked yet; the run books them.

    An amendment that moves limits within its agreement changes no commitment and has no entry; nor has one of an
    agreement in `released`, which has no commitment any more: what it still executes comes out of what is available.
    `after`: the journal mark of a run that is derived anew; what it booked itself counts as not booked.
    """
    rows = connection.execute(
        text(
            "SELECT agreement, project, effective, sum(change_krw)::bigint AS change_krw FROM ("
            " SELECT agreement_line.agreement, agreement_line.project, line_limit.effective, lower(valid) AS since,"
            " grant_limit_krw - coalesce(lag(grant_limit_krw) OVER (PARTITION BY line ORDER BY lower(valid)),"
            "  CASE WHEN agreement_line.starts > agreement.starts THEN 0 END) AS change_krw"
            " FROM line_limit JOIN agreement_line ON agreement_line.id = line_limit.line"
            " JOIN agreement ON agreement.code = agreement_line.agreement"
            " WHERE agreement_line.programme = :programme) version"
            " WHERE change_krw IS NOT NULL AND since <= :first GROUP BY agreement, project, effective"
            " ORDER BY effective, agreement"
        ),
        {"programme": terms.code, "first": month.first},
    )
    entries = [
        _commitment("amendment", f"amend {row.project}", f"amendment:{row.agreement}:{row.effective}", row)
        for row in rows
        if row.agreement not in released
    ]
    return _not_booked(connection, terms.code, entries, None if after is None else (month, after))


def _budget(kind: str, memo: str, reference: str, amount_krw: int) -> NewEntry:
    postings = {"budget:available": amount_krw, "budget:appropriation": -amount_krw}
    return NewEntry(kind=kind, memo=memo, reference=reference, postings=postings)


def _commitment(kind: str, memo: str, reference: str, row) -> NewEntry:
    postings = {f"budget:committed:{row.project}": row.change_krw, "budget:available": -row.change_krw}
    return NewEntry(kind=kind, memo=memo, reference=reference, postings=postings)


def _commitments(connection: Connection, programme: str) -> list[NewEntry]:
    rows = connection.execute(
        text(
            "SELECT agreement, project, sum(grant_limit_krw)::bigint AS change_krw FROM ("
            " SELECT DISTINCT ON (line) agreement, project, grant_limit_krw FROM line_limit"
            " JOIN agreement_line ON agreement_line.id = line_limit.line"
            " WHERE programme = :programme AND starts = (SELECT starts FROM agreement WHERE code = agreement)"
            " ORDER BY line, lower(valid)) first_limit"
            " GROUP BY agreement, project ORDER BY agreement"
        ),
        {"programme": programme},
    )
    return [_commitment("commitment", f"commit {row.project}", f"commit:{row.agreement}", row) for row in rows]


def _not_booked(
    connection: Connection, programme: str, entries: list[NewEntry], but: tuple[Month, int] | None = None
) -> list[NewEntry]:
    booked = booked_references(connection, programme, [entry.reference for entry in entries], but)
    return [entry for entry in entries if entry.reference not in booked and any(entry.postings.values())]

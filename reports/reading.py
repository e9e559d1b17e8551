"""Reads the figures of a month from what was booked: charges, line settlements, journal, dated records."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection, Row, text

from billing.bank_account import APPROVED
from core.errors import RuleRefused
from core.month import Month, kst_day
from registry.terms import programme_terms
from registry.values import ProgrammeTerms
from reports.figures import RUN_KINDS, Charge, Entry, Figures, Party, Pool, Settled, Share


def read_figures(connection: Connection, programme: str, month: Month, version: int | None) -> Figures:
    """Reads a month that is frozen and posted, with the parties and projects that a version of its statements names, or
    those of now. Raises RuleRefused when it is not frozen, or has no such version.
    """
    at = {"programme": programme, "month": month.first, "last": month.last}
    run = connection.execute(
        text("SELECT * FROM month_run WHERE programme = :programme AND month = :month"), at
    ).one_or_none()
    if run is None:
        raise RuleRefused(f"{programme} {month}: 정산을 실행하지 않은 달입니다 (the month has not been run).")
    marks = {
        Month.of(row.month): row.journal_mark
        for row in connection.execute(
            text(
                "SELECT month, journal_mark FROM month_run WHERE programme = :programme AND month <= :month"
                " ORDER BY month"
            ),
            at,
        )
    }
    if version is None:
        named, terms = named_now(connection, programme, month, run.frozen_at), programme_terms(connection, programme)
    else:
        named, terms = _named_by(connection, programme, month, version), programme_terms(connection, programme, month)
    projects = {code: project for code, project in terms.projects.items() if code in named.projects}
    terms = replace(terms, projects=projects)
    return Figures(
        terms=terms,
        month=month,
        months=_months(terms, month, marks),
        closed_at=run.frozen_at,
        parties={one["code"]: Party(**one) for one in named.parties},
        tiers=_tiers(connection, at),
        charges=_charges(connection, at),
        direct_krw=_direct(connection, at),
        settled=_settled(connection, at),
        entries=_entries(connection, at, marks, month),
        pool=_pool(connection, at),
        shares=_shares(connection, at),
        budget_krw=_budget(connection, at),
        transfers_krw=_transfers(connection, at),
        numbers=_numbers(connection, at, version),
        intake=_intake(connection, run.intake_mark),
    )


def _months(terms: ProgrammeTerms, month: Month, marks: Mapping[Month, int]) -> list[Month]:
    """From the first agreement's month (or the first run's) to this one; two years at most."""
    starts = [Month.of(one.starts) for project in terms.projects.values() for one in project.agreements]
    first = max(min([*starts, *marks]), month + -23)
    found = [first]
    while found[-1] < month:
        found.append(found[-1] + 1)
    return found


def named_now(connection: Connection, programme: str, month: Month, at: datetime) -> Row:
    """The parties as they are called now, with the legal payee in force on the month's last day and, masked, the bank
    account that was approved by the instant `at` and in force on its local day; and the projects.
    """
    return connection.execute(
        text(
            "SELECT coalesce((SELECT jsonb_agg(to_jsonb(named) ORDER BY code) FROM ("  # noqa: S608
            "  SELECT code, kind, party.name, party.brn, payee.name AS payee_name, payee.brn AS payee_brn,"
            "   bank || ' ' || masked_number(account_number) AS account FROM party"
            "  LEFT JOIN LATERAL (SELECT name, brn FROM party_payee WHERE party = code AND since <= :last"
            f"   ORDER BY since DESC LIMIT 1) payee ON true LEFT JOIN ({APPROVED}) approved ON approved.party = code"
            " ) named), '[]') AS parties,"
            " ARRAY(SELECT code FROM project WHERE programme = :programme ORDER BY code) AS projects"
        ),
        {"programme": programme, "last": month.last, "day": kst_day(at), "at": at},
    ).one()


def _named_by(connection: Connection, programme: str, month: Month, version: int) -> Row:
    """The parties and projects that a version of the month's statements names."""
    kept = connection.execute(
        text(
            "SELECT parties, projects FROM statement_version"
            " WHERE programme = :programme AND month = :month AND version = :version"
        ),
        {"programme": programme, "month": month.first, "version": version},
    ).one_or_none()
    if kept is None:
        raise RuleRefused(
            f"{month}: 문서번호가 없습니다. documents 단계를 먼저 실행하세요 "
            "(no document numbers; run the documents step first)."
        )
    return kept


def _tiers(connection: Connection, at: dict) -> dict[str, str]:
    rows = connection.execute(text("SELECT code, tier FROM project WHERE programme = :programme"), at)
    return {row.code: row.tier for row in rows}


def _charges(connection: Connection, at: dict) -> list[Charge]:
    rows = connection.execute(
        text(
            "SELECT month, project, service_month, kind, key, line, supplier, description, quantity_base, unit,"
            " unit_price_krw, price_version, performed_on,"
            " CAST(accepted_at AT TIME ZONE 'Asia/Seoul' AS date) AS accepted_on,"
            " held_krw, amount_krw, vat_krw, payee, cost_krw, reason FROM charge"
            " WHERE programme = :programme AND month = :month ORDER BY id"
        ),
        at,
    )
    month = Month.of(at["month"])
    known: dict[date, Month] = {}
    charges = []
    for row in rows:
        service = known.setdefault(row.service_month, Month.of(row.service_month))
        values = {**row._mapping, "month": month, "service_month": service, "quantity_base": int(row.quantity_base)}
        charges.append(Charge(**values))
    return charges


def _direct(connection: Connection, at: dict) -> dict[Month, int]:
    """By month, what companies bear of the operator's charges and of all VAT, in won."""
    rows = connection.execute(
        text(
            "SELECT month, sum(vat_krw + CASE WHEN line IS NULL THEN amount_krw ELSE 0 END)::bigint AS krw FROM charge"
            " WHERE programme = :programme AND month <= :month GROUP BY month ORDER BY month"
        ),
        at,
    )
    return {Month.of(row.month): row.krw for row in rows}


def _settled(connection: Connection, at: dict) -> list[Settled]:
    rows = connection.execute(
        text("SELECT * FROM line_settlement WHERE programme = :programme AND month <= :month ORDER BY month, line"),
        at,
    )
    names = Settled.__dataclass_fields__.keys() - {"month"}
    return [Settled(month=Month.of(row.month), **{name: getattr(row, name) for name in names}) for row in rows]


def _entries(connection: Connection, at: dict, marks: Mapping[Month, int], month: Month) -> list[Entry]:
    """Entries that the closes up to this month took, and the runs' own."""
    rows = connection.execute(
        text(
            "SELECT entry.number, entry.kind, entry.memo, entry.reference, entry.month, payment.paid_at,"
            " array_agg(account.code ORDER BY account.code) AS codes,"
            " array_agg(posting.amount_krw ORDER BY account.code) AS amounts FROM entry"
            " JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " LEFT JOIN payment ON payment.entry_id = entry.id"
            " WHERE entry.programme = :programme AND entry.month <= :month"
            " GROUP BY entry.id, payment.paid_at ORDER BY entry.number"
        ),
        at,
    )
    found = []
    for row in rows:
        booked_in = Month.of(row.month)
        own = row.kind in RUN_KINDS
        taken = booked_in if own else next((one for one, mark in marks.items() if row.number <= mark), None)
        if taken is None:
            continue
        found.append(
            Entry(
                number=row.number,
                kind=row.kind,
                memo=row.memo,
                reference=row.reference,
                closed_in=taken,
                paid_on=kst_day(row.paid_at) if row.paid_at else None,
                own=own,
                postings=dict(zip(row.codes, row.amounts, strict=True)),
            )
        )
    return found


def _pool(connection: Connection, at: dict) -> Pool:
    row = connection.execute(
        text(
            "SELECT pool_krw, distributed_krw, carried_krw FROM incentive_pool"
            " WHERE programme = :programme AND month = :month"
        ),
        at,
    ).one_or_none()
    return Pool(**row._mapping) if row else Pool()


def _shares(connection: Connection, at: dict) -> list[Share]:
    rows = connection.execute(
        text("SELECT * FROM incentive_share WHERE programme = :programme AND month = :month ORDER BY hospital"), at
    )
    return [
        Share(
            hospital=row.hospital,
            counted=(int(row.counted_numerator), int(row.counted_denominator)),
            carried=(int(row.carried_numerator), int(row.carried_denominator)),
            share_krw=row.share_krw,
        )
        for row in rows
    ]


def _budget(connection: Connection, at: dict) -> dict[str, int]:
    """Dated records up to the month's last day, by kind, in won."""
    rows = connection.execute(
        text(
            "SELECT kind, sum(amount_krw)::bigint AS krw FROM budget_record"
            " WHERE programme = :programme AND dated <= :last GROUP BY kind ORDER BY kind"
        ),
        at,
    )
    return {row.kind: row.krw for row in rows}


def _transfers(connection: Connection, at: dict) -> dict[Month, int]:
    rows = connection.execute(
        text(
            "SELECT dated, amount_krw FROM budget_record WHERE programme = :programme AND kind = 'transfer'"
            " AND dated <= :last ORDER BY dated, id"
        ),
        at,
    )
    sums: dict[Month, int] = {}
    for row in rows:
        sums[Month.of(row.dated)] = sums.get(Month.of(row.dated), 0) + row.amount_krw
    return sums


def _numbers(connection: Connection, at: dict, version: int | None) -> dict[tuple[str, str], str]:
    """By kind and recipient; a statement that is re-issued keeps its number and names its version."""
    edition = f" ({version}판)" if version and version > 1 else ""
    rows = connection.execute(
        text(
            "SELECT kind, recipient, year, number FROM document WHERE programme = :programme AND month = :month"
            " AND kind IN ('statement', 'reconciliation') ORDER BY number"
        ),
        at,
    )
    return {(row.kind, row.recipient): f"정산 제{row.year}-{row.number:04d}호{edition}" for row in rows}


def _intake(connection: Connection, mark: int) -> dict[str, int]:
    """Counts of everything received up to the freeze's intake mark; an event released by then counts as what it became.

    A release is a batch that received nothing: what it stored or knew is no longer in quarantine.
    """
    row = connection.execute(
        text(
            "SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,"
            " coalesce(sum(duplicate), 0)::bigint AS duplicate,"
            " ((SELECT count(*) FROM quarantine WHERE batch_id <= :mark)"
            "  - coalesce(sum(stored + duplicate) FILTER (WHERE received = 0), 0))::bigint AS quarantined,"
            " (SELECT count(*) FROM dead_letter WHERE batch_id <= :mark) AS dead_lettered"
            " FROM intake_batch WHERE id <= :mark"
        ),
        {"mark": mark},
    ).one()
    return dict(row._mapping)

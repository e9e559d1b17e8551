"""The auditors' checks (domain.md §9): one flat list, and what they find at a month's close or as the books stand."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.month import Month
from ledger.books import last_number
from metering.usage import last_mark
from registry.terms import programme_terms
from registry.values import ProgrammeTerms
from reports import audit_agreements as agreements
from reports import audit_bank as bank
from reports import audit_books as books
from reports import audit_claims as claims
from reports import audit_invoices as invoices
from reports import audit_limits as limits
from reports import audit_lines as lines
from reports import audit_payments as payments
from reports import audit_payouts as payouts
from reports import audit_space as space
from reports import audit_tax as tax
from reports import audit_work as work
from reports.audit_scope import Found, Scope
from reports.ties import Finding


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: what findings call it, how grave they are, and what finds them. docs/audit.md describes each."""

    name: str
    level: str
    find: Callable[[Scope], Iterable[Found]]


CHECKS = tuple(
    Check(name=name, level=level, find=find)
    for name, level, find in (
        ("VAT inside the grant", "ERROR", lines.vat_inside_grant),
        ("spending before the deposit", "ERROR", lines.charged_before_deposit),
        ("spending before the deposit", "WARN",
         lines.held("deposit", "자부담 선납금이 확인되지 않아", "until the deposit is there")),
        ("line limit exceeded", "ERROR", limits.line_limit),
        ("project grant exceeded", "ERROR", limits.project_grant),
        ("tier grant cap exceeded", "ERROR", limits.tier_grant_cap),
        ("price cap exceeded", "ERROR", limits.price_cap),
        ("appropriation exceeded", "ERROR", limits.appropriation),
        ("category overrun", "ERROR", limits.category_overrun),
        ("work outside the agreement", "ERROR", work.outside_agreement),
        ("work outside its permit", "ERROR", work.outside_permit),
        ("project without a permit", "WARN", agreements.without_permit),
        ("amendment dated after the spend", "WARN", lines.amended_after_spend),
        ("held beyond grant_limit", "WARN", lines.held("grant_limit", "지원 한도를 넘어", "beyond the grant limit")),
        ("held beyond price_cap", "WARN", lines.held("price_cap", "과제 금액 상한을 넘어", "beyond the price cap")),
        ("same work claimed twice", "ERROR", work.charged_twice),
        ("same work claimed twice", "WARN", work.alike),
        ("charge differs from the acceptance", "ERROR", work.charge_against_acceptance),
        ("claim differs from the acceptance", "ERROR", claims.not_as_accepted),
        ("claim differs from the acceptance", "WARN", claims.corrected_since),
        ("claim differs from its charges", "ERROR", claims.not_as_charged),
        ("refused claim settled", "WARN", claims.refused_but_settled),
        ("same work in two claims", "ERROR", claims.claimed_twice),
        ("claim paid without its payment", "ERROR", claims.paid_without_payment),
        ("claim evidence rewritten", "ERROR", claims.evidence_rewritten),
        ("document differs from its charges", "ERROR", payments.document_against_charges),
        ("modified tax document without its original", "ERROR", tax.without_original),
        ("tax document not numbered in time", "WARN", tax.unnumbered),
        ("invoice differs from the receivable", "ERROR", invoices.invoice_against_receivable),
        ("payment differs from the settlement", "ERROR", payments.paid_too_much),
        ("payment differs from the settlement", "WARN", payments.not_yet_paid),
        ("payee is no party to the agreement", "ERROR", payments.other_payee),
        ("payee is no party to the agreement", "WARN", payments.unknown_payee),
        ("payment order differs from the books", "ERROR", payouts.order_against_books),
        ("payment ordered to an account not approved", "ERROR", payouts.account_not_approved),
        ("account approved by the one who asked for it", "ERROR", payouts.approved_by_requester),
        ("account changed shortly before the payout", "WARN", payouts.changed_before_payout),
        ("account holder is not the payee", "WARN", payouts.other_holder),
        ("payment beyond what was ordered", "ERROR", payouts.without_order),
        ("payment to another than ordered", "ERROR", payouts.other_payee),
        ("suspense differs from its rows", "ERROR", bank.suspense_against_rows),
        ("suspense older than 30 days", "WARN", bank.suspense_waiting),
        ("recovery due from hospital", "WARN", lines.recoveries),
        ("year-end bulk spending", "WARN", limits.year_end_bulk),
        ("G below its target", "ERROR", lines.grant_below_share),
        ("G below its target", "WARN", limits.below_target),
        ("project below its tier's rule", "WARN", agreements.below_tier_rule),
        ("more projects than slots", "WARN", agreements.slots_exceeded),
        ("missing evidence", "ERROR", work.no_event),
        ("missing evidence", "WARN", agreements.without_evidence),
        ("closed month rewritten", "ERROR", books.closed_month_rewritten),
        ("no deletion certificate after the agreement", "ERROR", space.kept),
        ("snapshot after certified deletion", "ERROR", space.revived),
        ("raw data exported", "ERROR", space.raw_exported),
    )
)  # fmt: skip


def findings(connection: Connection, terms: ProgrammeTerms, month: Month, now: datetime | None = None) -> list[Finding]:
    """What all checks find at a month's close, at its run's marks, or as it stands at `now` when it was not run.

    `terms`: as they counted in that month. Errors first; each finding with references that `trace` follows.
    """
    scope = _scope(connection, terms, month, now)
    found = [
        Finding(level=check.level, check=check.name, message=one.korean, english=one.english, refs=one.refs)
        for check in CHECKS
        for one in check.find(scope)
    ]
    return sorted(found, key=_order)


def audit(connection: Connection, programme: str, month: Month | None, now: datetime) -> list[Finding]:
    """The findings of a programme's month; without one, of every month that was run and of the books as they stand.

    A finding that several months show comes once.
    """
    found: dict[tuple[str, str, str], Finding] = {}
    for one in [month] if month else [*_months_run(connection, programme), _as_it_stands(connection, programme, now)]:
        for finding in findings(connection, programme_terms(connection, programme, one), one, now):
            found.setdefault((finding.level, finding.check, finding.message), finding)
    return sorted(found.values(), key=_order)


def _order(one: Finding) -> tuple:
    return one.level != "ERROR", one.check, one.message


def _months_run(connection: Connection, programme: str) -> list[Month]:
    rows = connection.scalars(
        text("SELECT month FROM month_run WHERE programme = :programme ORDER BY month"), {"programme": programme}
    )
    return [Month.of(day) for day in rows]


def _as_it_stands(connection: Connection, programme: str, now: datetime) -> Month:
    """The month of the instant, or the one after the last that was run."""
    run = _months_run(connection, programme)
    return max(Month.at(now), run[-1] + 1) if run else Month.at(now)


def _scope(connection: Connection, terms: ProgrammeTerms, month: Month, now: datetime | None) -> Scope:
    at = {"programme": terms.code, "month": month.first}
    marks = connection.execute(
        text(
            "SELECT intake_mark, journal_mark, frozen_at FROM month_run WHERE programme = :programme AND month = :month"
        ),
        at,
    ).one_or_none()
    settled = connection.scalar(
        text("SELECT max(month) FROM line_settlement WHERE programme = :programme AND month <= :month"), at
    )
    return Scope(
        connection=connection,
        terms=terms,
        month=month,
        settled=Month.of(settled) if settled else None,
        intake_mark=marks.intake_mark if marks else last_mark(connection),
        journal_mark=marks.journal_mark if marks else last_number(connection, terms.code),
        at=marks.frozen_at if marks else now,
    )

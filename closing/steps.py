"""The eight steps of a monthly run; each takes the caller's transaction and returns its control totals."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from fractions import Fraction

from sqlalchemy import Connection, Engine, text

from billing.booked import write_charges
from billing.claim_paid import mark_paid
from billing.document import number_statements
from billing.invoice_issue import issue_invoices
from billing.invoice_item import OwnPart
from billing.tax_issue import issue_tax_documents
from closing.derive import MonthResult, Rated, rate_month, settle
from closing.inputs import MonthInputs, gather
from core.database import copy_rows
from core.errors import RuleRefused
from core.month import Month, kst_day
from ledger.books import last_number, lock_month
from ledger.books import post as post_entries
from metering.usage import freeze_mark
from registry.terms import programme_terms
from reports.audit import findings
from reports.layout import NotZero
from reports.month import company_figures, hospital_figures, month_lines
from reports.statements import prepare
from reports.statements import publish as publish_files
from reports.tie_out import month_ties, usage_totals
from reports.versions import keep_first_version
from settlement.line import LineResult


@dataclass
class Context:
    """One run in one process: what steps derive and render is kept for the steps after them."""

    engine: Engine
    programme: str
    month: Month
    now: datetime
    inputs: MonthInputs | None = None
    rated: Rated | None = None
    result: MonthResult | None = None
    files: dict[str, bytes] | None = None
    ties: list[dict] = field(default_factory=list)
    difference_count: int = 0


def freeze(connection: Connection, context: Context) -> dict:
    """Marks what the month takes: every intake batch and journal entry committed by now."""
    with context.engine.begin() as intake:
        mark = freeze_mark(intake)
    journal = last_number(connection, context.programme)
    connection.execute(
        text(
            "INSERT INTO month_run (programme, month, intake_mark, journal_mark, frozen_at)"
            " VALUES (:programme, :month, :mark, :journal, :now)"
        ),
        {"programme": context.programme, "month": context.month.first, "mark": mark, "journal": journal,
         "now": context.now},
    )  # fmt: skip
    terms = programme_terms(connection, context.programme)
    totals = usage_totals(connection, terms, context.month, mark)
    return {"intake_mark": mark, "journal_mark": journal, **totals}


def rate(connection: Connection, context: Context) -> dict:
    """Prices all usage; stops, with the list, when some of it has no rate in force."""
    rated = _rated(connection, context)
    if rated.missing:
        listed = sorted({(one.project, one.supplier, one.meter, one.key, str(one.day)) for one in rated.missing})
        raise RuleRefused(
            f"{context.month}: 단가가 없는 사용량이 있습니다. 단가표를 등록한 뒤 다시 실행하세요 "
            "(usage without a rate in force; load a price book and run again):\n"
            + "\n".join("  " + " · ".join(one) for one in listed)
        )
    return {
        "usage_lines": len(rated.usage),
        "usage_krw": sum(line.rated_krw for line in rated.usage),
        "supply_lines": len(rated.supply),
        "supply_krw": sum(line.rated_krw for line in rated.supply),
    }


def split(connection: Connection, context: Context) -> dict:
    """Splits the charged supply of every line and takes the difference to what was booked."""
    return _control(_result(connection, context))


def _control(result: MonthResult) -> dict:
    return {
        "charge_rows": len(result.charges),
        "amount_krw": sum(row.amount_krw for row in result.charges),
        "vat_krw": sum(row.vat_krw for row in result.charges),
        "voucher_krw": sum(line.voucher_krw for line in result.lines),
        "self_pay_krw": sum(line.self_pay_krw for line in result.lines),
        "held_krw": sum(line.held_krw for line in result.lines),
        "pool_krw": result.incentive.pool_krw,
    }


def post(connection: Connection, context: Context) -> dict:
    """Books the month: charge rows, line settlements, incentives and journal entries, all in one transaction."""
    result = _result(connection, context)
    write_charges(connection, context.programme, context.month, result.charges)
    _write_lines(connection, context, result.lines)
    _write_incentive(connection, context, result)
    ids = post_entries(connection, context.programme, context.month, result.entries, context.now)
    mark_paid(connection, context.programme, {line.supplier for line in result.lines}, context.now)
    return {**_control(result), "entries": len(ids)}


def documents(connection: Connection, context: Context) -> dict:
    """Issues the month's tax documents and company invoices, and numbers its statements."""
    issued = issue_tax_documents(connection, context.programme, context.month)
    terms = programme_terms(connection, context.programme)
    issuer = terms.operator or terms.agency
    frozen_at = _frozen_at(connection, context)
    parts = _own_parts(month_lines(connection, context.programme, context.month))
    invoiced = issue_invoices(connection, terms, context.month, parts, kst_day(frozen_at))
    recipients = _recipients(connection, context)
    keep_first_version(connection, context.programme, context.month, frozen_at)
    number_statements(connection, context.programme, context.month, issuer, recipients, frozen_at)
    return {"tax_documents": issued, "invoices": invoiced, "statements": len(recipients)}


def _own_parts(lines: list[LineResult]) -> list[OwnPart]:
    """What companies bear of the lines, for their invoices."""
    return [OwnPart(**{name: getattr(line, name) for name in OwnPart.__dataclass_fields__}) for line in lines]


def _recipients(connection: Connection, context: Context) -> list[tuple[str, str]]:
    """Who gets a statement: companies and hospitals that have figures, then operator, agency, ministry."""
    result = _result(connection, context)
    terms = result.terms
    lines = month_lines(connection, context.programme, context.month)
    companies = [
        code
        for code, row in company_figures(terms, result.charges, lines).items()
        if any(row.values()) or _has_totals(terms, lines, code)
    ]
    hospitals = [
        code
        for code, row in hospital_figures(lines, result.incentive.shares).items()
        if any(row.values()) or any(line.total_supply_krw or line.held_krw for line in lines if line.supplier == code)
    ]
    others = [code for code in (terms.operator, terms.agency, terms.ministry) if code]
    named = [("statement", code) for code in dict.fromkeys([*companies, *hospitals, *others])]
    return [*named, ("reconciliation", terms.operator or terms.agency)]


def _has_totals(terms, lines: list[LineResult], company: str) -> bool:
    return any(
        line.total_supply_krw or line.held_krw for line in lines if terms.projects[line.project].company == company
    )


def reconcile(connection: Connection, context: Context) -> dict:
    """Renders the statements and ties everything; a difference stops the run with its list."""
    terms = programme_terms(connection, context.programme)
    frozen = connection.scalar(
        text("SELECT control FROM run_step WHERE programme = :programme AND month = :month AND step = 'freeze'"),
        {"programme": context.programme, "month": context.month.first},
    )
    derived = _result(connection, context).derived
    try:
        statements = prepare(connection, context.programme, context.month)
    except NotZero as error:
        context.ties = [_failed_check(error)]
        context.difference_count = 1
        return {}
    ties = month_ties(connection, terms, context.month, derived, frozen, statements.totals)
    context.ties = [tie.record for tie in ties]
    context.difference_count = sum(tie.difference not in (0, "0") for tie in ties)
    found = findings(connection, terms, context.month)
    context.files = statements.complete(ties, found)
    return {"ties": context.ties, "findings": [asdict(one) for one in found]}


def _failed_check(error: NotZero) -> dict:
    """A check of a statement that is not zero, as a line of the reconciliation."""
    return {
        "name": f"정산서 검산 {error.sheet}!{error.cell}", "left": int(error.residual), "right": 0,
        "difference": int(error.residual), "note": f"={error.formula}",
    }  # fmt: skip


def publish(connection: Connection, context: Context) -> dict:
    """Releases the statements: their bytes and hashes are kept for ever."""
    if context.files is None:
        reconcile(connection, context)
    publish_files(connection, context.programme, context.month, context.files, _frozen_at(connection, context))
    return {"files": len(context.files)}


def lock(connection: Connection, context: Context) -> dict:
    """Closes the month; the command line does so as administrator, and says so in the record."""
    return {"locked_by": "administrator (command line)"}


def close(connection: Connection, context: Context) -> None:
    """The lock itself, after the step's own record: nothing is booked into the month any more."""
    lock_month(connection, context.programme, context.month, context.now, "administrator (command line)")


def _marks(connection: Connection, context: Context):
    return connection.execute(
        text(
            "SELECT intake_mark, journal_mark, frozen_at FROM month_run WHERE programme = :programme AND month = :month"
        ),
        {"programme": context.programme, "month": context.month.first},
    ).one()


def _frozen_at(connection: Connection, context: Context) -> datetime:
    return _marks(connection, context).frozen_at


def _rated(connection: Connection, context: Context) -> Rated:
    if context.rated is None:
        marks = _marks(connection, context)
        context.inputs = gather(connection, context.programme, context.month, marks.intake_mark, marks.journal_mark)
        context.rated = rate_month(context.inputs)
    return context.rated


def _result(connection: Connection, context: Context) -> MonthResult:
    if context.result is None:
        rated = _rated(connection, context)
        context.result = settle(context.inputs, rated)
    return context.result


def _write_lines(connection: Connection, context: Context, lines: list[LineResult]) -> None:
    names = tuple(LineResult.__dataclass_fields__)
    copy_rows(
        connection,
        "line_settlement",
        ("programme", "month", *names),
        ((context.programme, context.month.first, *(getattr(line, name) for name in names)) for line in lines),
    )


def _write_incentive(connection: Connection, context: Context, result: MonthResult) -> None:
    incentive, inputs = result.incentive, context.inputs
    copy_rows(
        connection,
        "incentive_pool",
        ("programme", "month", "pool_krw", "distributed_krw", "carried_krw"),
        [(context.programme, context.month.first, incentive.pool_krw, incentive.distributed_krw,
          incentive.carried_krw)],
    )  # fmt: skip
    hospitals = sorted({*result.contributions, *inputs.contributions, *inputs.contributions_carried})
    none = Fraction(0)
    rows = []
    for hospital in hospitals:
        parts = (
            result.contributions.get(hospital, none),
            incentive.counted.get(hospital, none),
            incentive.carried.get(hospital, none),
        )
        numbers = [number for part in parts for number in (part.numerator, part.denominator)]
        rows.append((context.programme, context.month.first, hospital, *numbers, incentive.shares.get(hospital, 0)))
    copy_rows(
        connection,
        "incentive_share",
        ("programme", "month", "hospital", "total_numerator", "total_denominator", "counted_numerator",
         "counted_denominator", "carried_numerator", "carried_denominator", "share_krw"),
        rows,
    )  # fmt: skip

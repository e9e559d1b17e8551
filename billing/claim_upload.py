"""The claim's Excel sheet, out and in: a template of what may be claimed, and an upload checked whole or not at all.

An upload is known by what it claims, not by its bytes: saved again by another program it is still the same claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from billing.claim import claimable, draft_claim, lock_claims
from billing.claim_check import Checked, OtherWorks, check, unit_name
from billing.claim_form import MOST_LINES, Finding, Form, Sheet
from billing.claim_line import ClaimLine
from billing.claim_reader import read_upload
from billing.claim_sheet import marked, template
from billing.claim_state import claim_number
from billing.claim_values import normal
from billing.claim_work import accepted_work
from core.month import Month
from metering.usage import last_mark, work_items
from registry.terms import programme_terms
from registry.users import acting

LAST_MONTH = Month(2999, 12)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template's bytes; how many works may be claimed, and how many of them stand in it."""

    content: bytes
    claimable: int
    entered: int


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What became of an upload: the claim's number, drafted now or `already` there; or, with nothing booked, what is
    wrong and the bytes of the marked file.
    """

    number: str = ""
    already: bool = False
    lines: int = 0
    findings: Sequence[Finding] = ()
    marked: bytes = b""


def claim_template(connection: Connection, programme: str, hospital: str, month: Month, *, blank: bool) -> Template:
    """The sheet of a hospital, programme and month, with the first 200 works that may be claimed unless `blank`.

    Raises as billing.claim.claimable does.
    """
    lines = claimable(connection, programme, hospital, month)
    entered = [] if blank else lines
    content = template(_form(connection, programme, hospital, month), entered)
    return Template(content=content, claimable=len(lines), entered=min(len(entered), MOST_LINES))


def upload_claim(
    connection: Connection, content: bytes, file: str, programme: str, hospital: str, month: Month, by: str,
    now: datetime,
) -> Upload:  # fmt: skip
    """Drafts a claim of what an uploaded sheet holds, when every cell of it is right; otherwise books nothing.

    `file`: its name, for messages; `by`: a user of the hospital. Raises BadInput for a file that cannot be read as the
    sheet of this hospital, programme and month, RuleRefused for a user who may not.
    """
    acting(connection, by, "hospital", party=hospital)
    lock_claims(connection, hospital)
    lines = claimable(connection, programme, hospital, month)
    form = _form(connection, programme, hospital, month)
    sheet = read_upload(content, file, form)
    number = _same_claim(connection, sheet, form)
    if number:
        return Upload(number=number, already=True, lines=len(sheet.rows))
    checked = check(sheet, lines, {})
    if checked.findings:
        checked = check(sheet, lines, _other_works(connection, form, lines))
        return Upload(findings=checked.findings, marked=marked(form, checked))
    number = draft_claim(connection, programme, hospital, month, checked.lines, by, now)
    return Upload(number=number, lines=len(checked.lines))


def _form(connection: Connection, programme: str, hospital: str, month: Month) -> Form:
    terms = programme_terms(connection, programme)
    party = connection.execute(text("SELECT name, brn FROM party WHERE code = :code"), {"code": hospital}).one()
    known = accepted_work(connection, programme, hospital, month).lines.values()
    return Form(
        programme=programme,
        programme_name=terms.name,
        hospital=hospital,
        hospital_name=party.name,
        hospital_brn=party.brn or "",
        month=month,
        taxes={
            line.code: terms.categories[line.category].tax
            for project in terms.projects.values()
            for line in project.lines
            if line.supplier == hospital
        },
        kinds=sorted({one.kind for one in known}),
        units=sorted({unit_name(one.unit) for one in known}),
    )


def _same_claim(connection: Connection, sheet: Sheet, form: Form) -> str:
    """The number of the claim that holds exactly what the sheet says, notes included; empty where none does."""
    rows = connection.execute(
        text(
            "SELECT year, number, claim_line.* FROM claim_line JOIN claim ON claim.id = claim_id"
            " WHERE programme = :programme AND hospital = :hospital AND month = :month"
            " AND state NOT IN ('withdrawn', 'rejected') ORDER BY claim_line.id"
        ),
        {"programme": form.programme, "hospital": form.hospital, "month": form.month.first},
    )
    claims: dict[str, list[ClaimLine]] = {}
    for row in rows:
        values = {name: value for name, value in row._mapping.items() if name in ClaimLine.__dataclass_fields__}
        claims.setdefault(claim_number(form.hospital, row.year, row.number), []).append(ClaimLine(**values))
    for number, lines in claims.items():
        if len(lines) == len(sheet.rows) and _says(check(sheet, lines, {}), lines):
            return number
    return ""


def _says(checked: Checked, lines: Sequence[ClaimLine]) -> bool:
    """Whether a sheet claims these lines and nothing else."""
    return not checked.findings and {(one.line, one.work): one.note for one in checked.lines} == {
        (one.line, one.work): normal(one.note) for one in lines
    }


def _other_works(connection: Connection, form: Form, free: Sequence[ClaimLine]) -> OtherWorks:
    """Why the programme's other works may not be claimed here, by (line, work), in Korean and English."""
    terms = programme_terms(connection, form.programme)
    reasons: dict[tuple[str, str], tuple[str, str]] = {}
    for item in work_items(connection, sorted(terms.projects), last_mark(connection)):
        rejected = not item.acceptances and item.rejected_milli > 0
        if item.line not in form.taxes:
            reasons[item.line, item.id] = (
                ("검수에서 반려된 작업이며 이 병원의 작업이 아닙니다.", "refused, and another hospital's") if rejected
                else ("이 병원의 작업이 아닙니다.", "another hospital's work")
            )  # fmt: skip
        elif rejected:
            reasons[item.line, item.id] = "검수에서 반려된 작업입니다.", "the work was refused"
        else:
            reasons[item.line, item.id] = "아직 검수되지 않은 작업입니다.", "the work is not accepted yet"
    for line in accepted_work(connection, form.programme, form.hospital, LAST_MONTH).lines.values():
        reasons[line.line, line.work] = (
            f"{line.accepted_on} 에 검수된 작업이라 {form.month} 청구에 넣을 수 없습니다.",
            f"accepted on {line.accepted_on}, after the month",
        )
    for key, number in _claimed_works(connection, form).items():
        reasons[key] = f"이미 {number} 에 청구한 작업입니다.", f"claimed already in {number}"
    return {key: reason for key, reason in reasons.items() if key not in {(one.line, one.work) for one in free}}


def _claimed_works(connection: Connection, form: Form) -> dict[tuple[str, str], str]:
    rows = connection.execute(
        text(
            "SELECT line, work, year, number FROM claim_line JOIN claim ON claim.id = claim_id"
            " WHERE programme = :programme AND hospital = :hospital AND live"
        ),
        {"programme": form.programme, "hospital": form.hospital},
    )
    return {(row.line, row.work): claim_number(form.hospital, row.year, row.number) for row in rows}

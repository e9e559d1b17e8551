"""claims: what hospitals can claim, their claims from draft to payment, disputes and evidence."""

from pathlib import Path

import click
from sqlalchemy import Connection

from billing import claim_action, claim_decision
from billing.claim import draft_works
from billing.claim_action import claim_row
from billing.claim_evidence import LIMIT_BYTES, add_evidence, read_evidence
from billing.claim_file import LARGEST_BYTES
from billing.claim_state import STATES
from billing.claim_upload import Upload, claim_template, upload_claim
from core.database import service_engine
from core.errors import BadInput
from core.month import Month
from portal.claim_text import (
    claim_text,
    claimable_text,
    claims_text,
    marked_text,
    overdue_text,
    template_text,
    upload_text,
)
from portal.command import Answer, Call, Said, command
from portal.programmes import asked
from reports import claims as shown
from reports.claims_overdue import claims_overdue

commands = click.Group()
claims = click.Group("claims", help="Hospital claims: drafted, submitted, decided, disputed, paid.")
commands.add_command(claims)
evidence = click.Group("evidence", help="Evidence files of claims.")
claims.add_command(evidence)
by_person = click.option("--by", required=True, help="Name of the user who acts.")
of_month = click.argument("month")
month_option = click.option("--month", required=True, help="The claim's month, like 2025-11.")
of_claim = click.argument("number")
works_option = click.option("--work", "works", multiple=True, help="LINE/WORK; all that it can be when left out.")


def _of_hospital(function):
    function = click.option("--hospital", required=True, help="Code of the hospital.")(function)
    return click.option("--programme", required=True, help="Programme code.")(function)


@command(claims, "claimable", help="Accepted work that no claim holds yet, late acceptances of earlier months too.")
@of_month
@_of_hospital
def claimable_work(call: Call, month: str, programme: str, hospital: str) -> Answer:
    """Priced and taxed as the monthly run does it."""
    with service_engine(call.settings).connect() as connection:
        document = shown.claimable_view(connection, programme, hospital, Month.parse(month))
    return Answer(document=document, text=claimable_text(call, document))


@command(claims, "draft", help="Drafts a claim of accepted work: of all that can be claimed, or of the works named.")
@of_month
@_of_hospital
@works_option
@by_person
def draft(call: Call, month: str, programme: str, hospital: str, works: tuple[str, ...], by: str) -> Answer:
    """Takes the hospital's next number of the year."""
    with service_engine(call.settings).begin() as connection:
        number = draft_works(connection, programme, hospital, Month.parse(month), works, by, call.now)
        document = shown.claim_view(connection, number)
    return Answer(document=document, text=claim_text(call, document))


@command(claims, "template", help="Writes the Excel sheet to claim with, prefilled with the work that may be claimed.")
@_of_hospital
@month_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where to write it.")
@click.option("--blank", is_flag=True, help="Without the work that may be claimed.")
def template(call: Call, programme: str, hospital: str, month: str, out: Path, blank: bool) -> Answer:
    """At most 200 works a sheet; once it is uploaded, the next one holds the rest."""
    with service_engine(call.settings).connect() as connection:
        made = claim_template(connection, programme, hospital, Month.parse(month), blank=blank)
    _write(out, made.content)
    document = {"out": str(out), "claimable": made.claimable, "entered": made.entered}
    return Answer(document=document, text="\n".join([str(out), *template_text(call, made)]))


@command(
    claims, "upload", help="Drafts a claim of a filled-in sheet; with a bad cell nothing, and the sheet is marked."
)
@click.argument("file", type=click.Path(path_type=Path))
@_of_hospital
@month_option
@by_person
@click.option("--marked", type=click.Path(path_type=Path), help="Where to write the marked sheet; else beside FILE.")
def upload(
    call: Call, file: Path, programme: str, hospital: str, month: str, by: str, marked: Path | None
) -> Answer:  # fmt: skip
    """The same claim a second time says so and makes no other one."""
    content = _read(file, LARGEST_BYTES + 1)
    with service_engine(call.settings).begin() as connection:
        done = upload_claim(connection, content, file.name, programme, hospital, Month.parse(month), by, call.now)
        state = claim_row(connection, done.number).state if done.number else ""
    if done.findings:
        return _marked(call, file, marked or file.with_name(f"{file.stem}_확인결과.xlsx"), done)
    document = {"number": done.number, "state": state, "lines": done.lines, "already": done.already}
    return Answer(document=document, text=f"{done.number}: " + upload_text(call, done))


def _marked(call: Call, file: Path, marked: Path, done: Upload) -> Answer:
    _write(marked, done.marked)
    findings = [{"cell": one.cell, "column": one.column, "problem": one.korean, "english": one.english}
                for one in done.findings]  # fmt: skip
    problems = [f"{file.name}: {one}" for one in done.findings]
    document = {"error": "BadInput", "messages": problems, "marked": str(marked), "findings": findings}
    return Answer(document=document, text="\n".join([*problems, marked_text(call, done, marked)]), exit_code=2)


def _read(file: Path, most_bytes: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most_bytes)
    except OSError as error:
        raise BadInput(f"{file}: 읽을 수 없습니다 (cannot be read): {error.strerror}") from None


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise BadInput(f"{file}: 쓸 수 없습니다 (cannot be written): {error.strerror}") from None


@command(claims, "submit", help="Hands a draft in.")
@of_claim
@by_person
def submit(call: Call, number: str, by: str) -> Answer:
    """By a user of its hospital."""
    with service_engine(call.settings).begin() as connection:
        claim_action.submit(connection, number, by, call.now)
        return _moved(call, connection, number)


@command(claims, "withdraw", help="Takes a claim back before it is decided; its works can be claimed again.")
@of_claim
@click.option("--reason", default="", help="Why.")
@by_person
def withdraw(call: Call, number: str, reason: str, by: str) -> Answer:
    """By a user of its hospital."""
    with service_engine(call.settings).begin() as connection:
        claim_action.withdraw(connection, number, reason, by, call.now)
        return _moved(call, connection, number)


@command(claims, "approve", help="Approves a submitted claim but for the lines that are refused.")
@of_claim
@click.option("--refuse", "refusals", multiple=True, metavar="WORK=REASON", help="A line to refuse, and why.")
@by_person
def approve(call: Call, number: str, refusals: tuple[str, ...], by: str) -> Answer:
    """What no longer ties to metered, accepted work is refused by itself; `refused` names every line that was."""
    with service_engine(call.settings).begin() as connection:
        decided = claim_decision.approve(connection, number, dict(map(_refusal, refusals)), by, call.now)
        return _moved(call, connection, number, decided)


def _refusal(text: str) -> tuple[str, str]:
    work, sign, reason = text.partition("=")
    if not sign:
        raise BadInput(f"--refuse '{text}': L11/w1=사유 처럼 적으세요 (WORK=REASON).")
    return work, reason


@command(claims, "reject", help="Rejects a submitted claim as a whole.")
@of_claim
@click.option("--reason", type=Said(), required=True, help="Why.")
@by_person
def reject(call: Call, number: str, reason: str, by: str) -> Answer:
    """Its works can be claimed again, or the rejection disputed."""
    with service_engine(call.settings).begin() as connection:
        decided = claim_decision.reject(connection, number, reason, by, call.now)
        return _moved(call, connection, number, decided)


@command(claims, "dispute", help="Disputes refused lines within the programme's dispute days.")
@of_claim
@works_option
@click.option("--reason", type=Said(), required=True, help="Why.")
@by_person
def dispute(call: Call, number: str, works: tuple[str, ...], reason: str, by: str) -> Answer:
    """By a user of its hospital; once a line."""
    with service_engine(call.settings).begin() as connection:
        claim_action.dispute(connection, number, works, reason, by, call.now)
        return _moved(call, connection, number)


@command(claims, "resolve", help="Resolves open disputes: upholds the refusal, or corrects it.")
@of_claim
@works_option
@click.option("--corrected/--upheld", required=True, help="Whether the line is accepted after all.")
@click.option("--reason", type=Said(), required=True, help="Why.")
@by_person
def resolve(call: Call, number: str, works: tuple[str, ...], corrected: bool, reason: str, by: str) -> Answer:
    """By finance; never by who submitted the claim."""
    with service_engine(call.settings).begin() as connection:
        decided = claim_decision.resolve(connection, number, works, corrected, reason, by, call.now)
        return _moved(call, connection, number, decided)


def _moved(call: Call, connection: Connection, number: str, decided: claim_decision.Decided | None = None) -> Answer:
    state = claim_row(connection, number).state
    refused = dict(decided.refused) if decided else {}
    lines = [f"{number}: {call.say(STATES[state], state)}"]
    lines += [f"  {call.say('거절', 'refused')} {work}: {reason}" for work, reason in refused.items()]
    document = {"number": number, "state": state, **({"refused": refused} if decided else {})}
    return Answer(document=document, text="\n".join(lines))


@command(claims, "list", help="Claims with their sums and states.")
@click.option("--programme", help="Only of this programme.")
@click.option("--hospital", help="Only of this hospital.")
@click.option("--month", help="Only of this month.")
@click.option("--state", type=click.Choice(tuple(STATES)), help="Only in this state.")
def listing(call: Call, programme: str | None, hospital: str | None, month: str | None, state: str | None) -> Answer:
    """By hospital and number."""
    with service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        found = shown.claims_list(connection, programme, hospital, Month.parse(month) if month else None, state)
    return Answer(document={"claims": found}, text=claims_text(call, found))


@command(claims, "show", help="One claim: lines, decisions, disputes, evidence, and who moved it when.")
@of_claim
def show(call: Call, number: str) -> Answer:
    """As it was claimed, and what became of it."""
    with service_engine(call.settings).connect() as connection:
        document = shown.claim_view(connection, number)
    return Answer(document=document, text=claim_text(call, document))


@command(claims, "overdue", help="Claims, disputes and deliveries that nobody decided in time, on the day of --now.")
@click.option("--programme", required=True, help="Programme code.")
def overdue(call: Call, programme: str) -> Answer:
    """By the programme's claim_days and acceptance_days."""
    with service_engine(call.settings).connect() as connection:
        document = claims_overdue(connection, programme, call.now)
    return Answer(document=document, text=overdue_text(call, document))


@command(evidence, "add", help="Keeps a PDF, PNG or JPEG file with a claim.")
@of_claim
@click.argument("file", type=click.Path(path_type=Path))
@by_person
def add(call: Call, number: str, file: Path, by: str) -> Answer:
    """At most 10 MiB; the same file a second time says so and changes nothing."""
    content = _read(file, LIMIT_BYTES + 1)
    with service_engine(call.settings).begin() as connection:
        kept, added = add_evidence(connection, number, file.name, content, by, call.now)
    document = {"number": number, "id": kept.id, "file_name": kept.file_name, "media_type": kept.media_type,
                "sha256": kept.sha256, "added": added}  # fmt: skip
    what = call.say("보관했습니다", "kept") if added else call.say("이미 있습니다", "is there already")
    return Answer(document=document, text=f"{number} {kept.id}: {kept.file_name} {kept.media_type} {what}.")


@command(evidence, "get", help="Writes an evidence file out, once its hash is found to be what was registered.")
@of_claim
@click.argument("evidence_id", type=int)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where to write it.")
def get(call: Call, number: str, evidence_id: int, out: Path) -> Answer:
    """The bytes as they came."""
    with service_engine(call.settings).connect() as connection:
        found = read_evidence(connection, number, evidence_id)
    _write(out, found.content)
    document = {"number": number, "id": found.id, "file_name": found.file_name, "media_type": found.media_type,
                "sha256": found.sha256, "out": str(out)}  # fmt: skip
    return Answer(document=document, text=f"{out}  {found.media_type}  sha256 {found.sha256}")

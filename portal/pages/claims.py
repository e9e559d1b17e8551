"""Hospital claims: the list, one of them with its whole way, and what its hospital and the staff do with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection

from billing import claim_action, claim_decision, claim_evidence
from billing.claim_action import claim_row
from billing.claim_check import unit_name
from billing.claim_state import ACTIONS, STATES, check_state
from core.errors import BadInput
from core.month import kst_day
from portal.files import download
from portal.menu import MAY
from portal.paging import paged
from portal.web import now, pages, say, transaction, user
from reports.claims import claim_view, claims_list

blueprint = pages("claims")


@blueprint.get("/claims")
def listing():
    """The claims that the user may see, newest first; of one state where one is asked for."""
    state = request.args.get("state")
    with transaction() as connection:
        found = claims_list(connection, state=state if state in STATES else None)
    today = kst_day(now()).isoformat()
    return render_template("claims.html", page=paged(found[::-1]), state=state, today=today)


@contextmanager
def _claim(number: str) -> Iterator[Connection]:
    """The request's transaction; 404 where the user may see no claim of that number."""
    with transaction() as connection:
        try:
            claim_row(connection, number)
        except BadInput:
            abort(404)
        yield connection


@blueprint.get("/claims/<number>")
def show(number: str):
    """A claim line by line, with what was decided, disputed and proved, and what the user may do now."""
    with _claim(number) as connection:
        claim = claim_view(connection, number)
    return render_template("claim.html", claim=claim, may=_may(claim["state"]), unit_name=unit_name)


def _may(state: str) -> set[str]:
    """What the user may do with a claim in that state."""
    return {action for action, one in ACTIONS.items() if user().role in MAY[f"claims.{action}"] and state in one.states}


def _done(number: str, korean: str, english: str):
    flash(f"{number}: {say(korean, english)}")
    return redirect(url_for("claims.show", number=number))


@blueprint.post("/claims/<number>/submit")
def submit(number: str):
    """Hands a draft in."""
    with _claim(number) as connection:
        claim_action.submit(connection, number, user().name, now())
    return _done(number, "제출했습니다.", "submitted.")


@blueprint.post("/claims/<number>/withdraw")
def withdraw(number: str):
    """Takes a claim back that is not decided."""
    with _claim(number) as connection:
        claim_action.withdraw(connection, number, request.form.get("reason", ""), user().name, now())
    return _done(number, "철회했습니다. 그 작업은 다시 청구할 수 있습니다.", "withdrawn; its works are free.")


@blueprint.post("/claims/<number>/dispute")
def dispute(number: str):
    """Disputes the refused lines that are ticked."""
    works, reason = request.form.getlist("work"), _reason("reason")
    if not works:
        raise BadInput(say("이의를 신청할 명세를 고르세요.", "Tick the lines to dispute."))
    with _claim(number) as connection:
        claim_action.dispute(connection, number, works, reason, user().name, now())
    return _done(number, "이의를 신청했습니다.", "disputed.")


@blueprint.post("/claims/<number>/decide")
def decide(number: str):
    """Approves but for the lines that a reason is written to, or rejects the claim as a whole; once it is confirmed."""
    refusals = {
        name.removeprefix("refuse "): reason.strip()
        for name, reason in request.form.items()
        if name.startswith("refuse ") and reason.strip()
    }
    rejection = _reason("reason") if request.form.get("do") == "reject" else ""
    with _claim(number) as connection:
        if "sure" not in request.form:
            claim = claim_view(connection, number)
            check_state("decide", number, claim["state"])
            return render_template("claim_confirm.html", claim=claim, refusals=refusals, rejection=rejection)
        if rejection:
            decided = claim_decision.reject(connection, number, rejection, user().name, now())
        else:
            decided = claim_decision.approve(connection, number, refusals, user().name, now())
    return _done(number, f"{STATES[decided.state]} (거절 {len(decided.refused)}건)",
                 f"{decided.state}, {len(decided.refused)} lines refused")  # fmt: skip


@blueprint.post("/claims/<number>/resolve")
def resolve(number: str):
    """Resolves the open disputes: the lines are accepted after all, or stay refused."""
    corrected, reason = request.form.get("do") == "corrected", _reason("reason")
    with _claim(number) as connection:
        claim_decision.resolve(connection, number, request.form.getlist("work"), corrected, reason, user().name, now())
    return _done(number, "이의를 처리했습니다.", "the disputes are resolved.")


def _reason(field: str) -> str:
    reason = request.form.get(field, "").strip()
    if not reason:
        raise BadInput(say("사유를 적으세요.", "Give a reason."))
    return reason


@blueprint.post("/claims/<number>/evidence")
def add_evidence(number: str):
    """Keeps a PDF, PNG or JPEG file with the claim."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise BadInput(say("올릴 파일을 고르세요.", "Choose the file to upload."))
    with _claim(number) as connection:
        _, added = claim_evidence.add_evidence(connection, number, file.filename, file.read(), user().name, now())
    if added:
        return _done(number, "증빙을 올렸습니다.", "the evidence is kept.")
    return _done(number, "이미 있는 증빙입니다.", "the same evidence is there already.")


@blueprint.get("/claims/<number>/evidence/<int:evidence>")
def evidence_file(number: str, evidence: int):
    """The bytes as they were added, their hash checked."""
    with _claim(number) as connection:
        try:
            found = claim_evidence.read_evidence(connection, number, evidence)
        except BadInput:
            abort(404)
    return download(found.content, found.file_name, found.media_type)

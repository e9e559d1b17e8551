"""A hospital makes a claim: from the list of its accepted work, or by the Excel sheet."""

from base64 import b64encode
from collections.abc import Sequence

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy import Connection

from billing.claim import claimable, draft_works
from billing.claim_check import quantity_text, unit_name
from billing.claim_upload import Upload, claim_template, upload_claim
from core.errors import BadInput, RuleRefused
from core.month import Month
from portal.files import EXCEL, download
from portal.web import now, pages, say, transaction, user
from registry.terms import supplied_programmes

blueprint = pages("claim_making")


@blueprint.get("/claims/new")
def new():
    """The work that may be claimed of a programme and month; the month before this one when none is asked for."""
    with transaction() as connection:
        return _page(connection)


@blueprint.post("/claims/new")
def draft():
    """A draft of the works that are ticked, each as it was accepted."""
    works = request.form.getlist("work")
    if not works:
        raise BadInput(say("청구할 작업을 고르세요.", "Tick the works to claim."))
    with transaction() as connection:
        programme, month = _asked(connection)
        number = draft_works(connection, programme, user().party, month, works, user().name, now())
    return redirect(url_for("claims.show", number=number))


@blueprint.get("/claims/template.xlsx")
def template():
    """The sheet of a programme and month, with the work that may be claimed unless `blank` is asked for."""
    with transaction() as connection:
        programme, month = _asked(connection)
        blank = request.args.get("blank") == "1"
        made = claim_template(connection, programme, user().party, month, blank=blank)
    return download(made.content, f"청구내역_{programme}_{user().party}_{month}.xlsx")


@blueprint.post("/claims/upload")
def upload():
    """A filled-in sheet: the claim that it drafts, or every cell that is wrong and the same file with them marked."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise BadInput(say("올릴 엑셀 파일을 고르세요.", "Choose the Excel file to upload."))
    with transaction() as connection:
        programme, month = _asked(connection)
        try:
            done = upload_claim(
                connection, file.read(), file.filename, programme, user().party, month, user().name, now()
            )
        except BadInput as error:
            return _page(connection, problems=error.problems), 400
        if done.findings:
            return _page(connection, upload=done, file_name=file.filename), 400
    if done.already:
        flash(
            say(
                "이미 올린 파일입니다. 그때 만든 청구를 보여 드립니다.",
                "The same file was uploaded before; this is its claim.",
            )
        )
    return redirect(url_for("claims.show", number=done.number))


def _asked(connection: Connection) -> tuple[str, Month]:
    """The programme and month that the request names, else the hospital's first and the last month that ended."""
    programmes = supplied_programmes(connection, user().party)
    wanted = request.values.get("programme") or next(iter(programmes), "")
    if wanted not in programmes:
        raise RuleRefused(
            say("이 병원이 공급하는 사업이 아닙니다.", "The hospital supplies nothing in this programme.")
        )
    asked = request.values.get("month")
    return wanted, Month.parse(asked) if asked else Month.at(now()) + -1


def _page(connection: Connection, *, problems: Sequence[str] = (), upload: Upload | None = None, file_name: str = ""):
    programme, month = _asked(connection)
    return render_template(
        "claim_new.html", programmes=supplied_programmes(connection, user().party), programme=programme, month=month,
        lines=claimable(connection, programme, user().party, month), unit_name=unit_name, quantity_text=quantity_text,
        problems=problems, upload=upload, file_name=file_name,
        marked=f"data:{EXCEL};base64,{b64encode(upload.marked).decode()}" if upload else "",
    )  # fmt: skip

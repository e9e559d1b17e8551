"""tax check, list, export, import, modify: tax documents on their way to the tax office and back (docs/tax.md)."""

from pathlib import Path

import click

from billing.tax_approval import import_approvals
from billing.tax_check import due_on, is_late, problems
from billing.tax_document import REASONS, TaxForm
from billing.tax_modify import modify as modify_document
from billing.tax_reading import tax_forms
from core.database import service_engine
from core.month import Month
from portal.command import Answer, Call, command
from portal.programmes import asked
from reports.tax_export import export_tax_documents

commands = click.Group()
tax = click.Group("tax", help="Tax invoices and 계산서: completeness, bulk-issue files, the tax office's numbers.")
commands.add_command(tax)
programme_option = click.option("--programme", required=True, help="Programme code.")
STATES = {"issued": "발행", "exported": "내보냄", "approved": "승인", "nothing": "금액 없음"}


@command(tax, "check", help="What a month's documents lack before they can be exported, and what is late.")
@click.argument("month")
@programme_option
def check(call: Call, month: str, programme: str) -> Answer:
    """Exit code 1 when a document is not complete, or has no approval number after the 10th of the next month."""
    forms = _forms(call, programme, month)
    found = [one for form in forms for one in problems(form)]
    late = [form.number for form in forms if is_late(form, call.now)]
    due = due_on(Month.parse(month))
    document = {
        "programme": programme,
        "month": month,
        "documents": len(forms),
        "due_on": str(due),
        "ok": not found and not late,
        "problems": [
            {"document": one.document, "party": one.party or None, "field": one.field, "message": one.message}
            for one in found
        ],
        "late": late,
    }
    lines = [
        call.say(
            f"{month} 세금계산서·계산서 {len(forms)}건, 발행 기한 {due}: 문제 {len(found)}건, 지남 {len(late)}건",
            f"{month}: {len(forms)} tax documents, due {due}: {len(found)} problems, {len(late)} late",
        ),
        *(f"  {one.line}" for one in found),
        *(
            f"  {number}: " + call.say("기한이 지났고 승인번호가 없습니다.", "late, no approval number.")
            for number in late
        ),
    ]
    return Answer(document=document, text="\n".join(lines), exit_code=int(not document["ok"]))


@command(tax, "list", help="A month's tax documents and what became of them.")
@click.argument("month")
@programme_option
def list_documents(call: Call, month: str, programme: str) -> Answer:
    """State: issued with us, exported, approved (the tax office's number is known), nothing (no supply and no tax)."""
    rows = [_listed(call, form) for form in _forms(call, programme, month)]
    lines = [call.say(f"{month} 세금계산서·계산서 (단위: 원)", f"{month} tax documents (won)")]
    for row in rows:
        state = call.say(STATES[row["state"]], row["state"])
        late = call.say(" 기한 지남", " late") if row["late"] else ""
        named = f"  ← {row['original']} ({row['reason']})" if row["original"] else ""
        lines.append(
            f"  {row['number']}  {row['supplier']} → {row['recipient']} {row['project']}  {row['supply_krw']:,}"
            f" + {row['vat_krw']:,}  {state} {row['approval_number'] or row['file'] or ''}{late}{named}"
        )
    return Answer(document={"programme": programme, "month": month, "documents": rows}, text="\n".join(lines))


@command(tax, "export", help="Writes a month's documents as workbooks for the tax office's bulk issue.")
@click.argument("month")
@programme_option
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
def export(call: Call, month: str, programme: str, out: Path) -> Answer:
    """Each document once; again, the same files. Refuses documents that are not complete, with the list."""
    engine = service_engine(call.settings)
    with engine.connect() as connection:
        asked(connection, programme)
    done = export_tax_documents(engine, programme, Month.parse(month), out, call.now)
    document = {
        "programme": programme,
        "month": month,
        "documents": done.documents,
        "files": [str(path) for path in done.files],
        "late": list(done.late),
    }
    lines = [
        call.say(
            f"새로 내보낸 문서 {done.documents}건, 파일 {len(done.files)}개",
            f"{done.documents} documents exported, {len(done.files)} files",
        ),
        *(f"  {path}" for path in done.files),
    ]
    if done.late:
        lines.append(call.say(f"발행 기한이 지난 문서 {len(done.late)}건", f"{len(done.late)} documents are late"))
    return Answer(document=document, text="\n".join(lines))


@command(tax, "import", help="Takes in the tax office's numbers (CSV: 승인번호, 비고, 발급일자).")
@click.argument("file", type=click.Path(path_type=Path))
def import_file(call: Call, file: Path) -> Answer:
    """All rows or none; a number once taken in never changes."""
    done = import_approvals(service_engine(call.settings), file, call.now)
    document = {"file": file.name, "rows": done.rows, "new": done.new, "already": done.already}
    said = call.say(
        f"{file.name}: {done.rows}건 가운데 {done.new}건의 승인번호를 기록, {done.already}건은 이미 있음",
        f"{file.name}: {done.rows} rows: {done.new} numbers recorded, {done.already} there already",
    )
    return Answer(document=document, text=said)


@command(tax, "modify", help="Corrects the parties of a document (01), or states why a change was issued (02 to 06).")
@click.argument("number")
@click.option("--reason", required=True, help="Reason code, 01 to 06.")
@click.option("--by", "by", required=True, help="Who does it: finance, or a user of the supplier.")
def modify(call: Call, number: str, reason: str, by: str) -> Answer:
    """01 issues a cancelling and a corrected document; the others state the reason of a change."""
    with service_engine(call.settings).begin() as connection:
        done = modify_document(connection, number, reason, by, call.now)
    issued = [_listed(call, form) for form in done.issued]
    numbers = ", ".join(form.number for form in done.issued)
    name = REASONS[reason]
    said = call.say(
        f"{number}: 사유 {reason} {name}" + (f", 발행한 문서 {numbers}" if numbers else ""),
        f"{number}: reason {reason}" + (f", issued {numbers}" if numbers else ""),
    )
    return Answer(document={"document": number, "reason": reason, "issued": issued}, text=said)


def _forms(call: Call, programme: str, month: str) -> list[TaxForm]:
    with service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        return tax_forms(connection, programme, Month.parse(month))


def _listed(call: Call, form: TaxForm) -> dict:
    return {
        "number": form.number,
        "kind": form.kind,
        "tax": form.tax,
        "supplier": form.supplier.code,
        "recipient": form.recipient.code,
        "project": form.project,
        "month": str(form.month),
        "written_on": str(form.written_on),
        "supply_krw": form.supply_krw,
        "vat_krw": form.vat_krw,
        "original": form.original.number if form.original else None,
        "reason": form.reason,
        "state": form.state,
        "file": form.file,
        "approval_number": form.approval_number,
        "late": is_late(form, call.now),
    }

"""What a person says of a tax document: the pair that corrects its parties (01), the reason of a change (02 to 06)."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from billing.document import DocumentTotals, issue
from billing.tax_document import REASONS, TaxForm, TaxItem, negated
from billing.tax_file import lock_tax_documents
from billing.tax_issue import item_records
from billing.tax_reading import tax_form, tax_forms
from core.errors import BadInput, RuleRefused
from core.month import Month
from registry.users import acting

CORRECTED = "01"


@dataclass(frozen=True, kw_only=True)
class Modified:
    """What was done: the documents issued, cancelling first; none where only a reason was stated."""

    document: TaxForm
    reason: str
    issued: tuple[TaxForm, ...]


def modify(connection: Connection, number: str, reason: str, by: str, now: datetime) -> Modified:
    """Reason 01: cancels the document and issues it anew with the parties as they are now, both of its write date, in
    the programme's open month; their sums are zero together. Other reasons: states why a change was issued, in the
    place of the run's 02 or 04, until the document is exported. Amounts follow the charges alone (domain.md §8).

    Raises BadInput for an unknown number or reason; RuleRefused for one who may not, and for what is not open to it.
    """
    if reason not in REASONS:
        known = ", ".join(f"{code} {name}" for code, name in REASONS.items())
        raise BadInput(f"--reason '{reason}': 사유코드는 {known} 입니다 (no such reason code).")
    form = tax_form(connection, number)
    acting(connection, by, "finance", "hospital", "operator", party=form.supplier.code)
    programme = connection.scalar(text("SELECT programme FROM document WHERE id = :id"), {"id": form.id})
    lock_tax_documents(connection, programme)
    form = tax_form(connection, number)
    if reason != CORRECTED:
        _state(connection, form, reason, by, now)
        return Modified(document=form, reason=reason, issued=())
    _refuse_correction(connection, form)
    month = _open_month(connection, programme, form.month)
    ids = [
        _issue_modified(connection, programme, month, form, role, by, now)
        for role in ("cancel", "corrected")
    ]  # fmt: skip
    issued = {one.id: one for one in tax_forms(connection, programme, month)}
    return Modified(document=form, reason=reason, issued=tuple(issued[one] for one in ids))


def _state(connection: Connection, form: TaxForm, reason: str, by: str, now: datetime) -> None:
    if form.role != "change":
        raise RuleRefused(
            f"{form.number}: 사유 {reason} 은(는) 월 정산이 발행한 수정분에만 적습니다. 금액은 사용 기록을 취소하거나 "
            "정정하면 다음 월 정산이 수정 발행합니다 (only a run's modification takes it; correct the usage first)."
        )
    if form.file or form.approval_number:
        raise RuleRefused(f"{form.number}: 이미 내보낸 문서의 사유는 바꿀 수 없습니다 (it is exported already).")
    connection.execute(
        text("INSERT INTO tax_reason (document_id, reason, said_by, said_at) VALUES (:id, :reason, :by, :now)"),
        {"id": form.id, "reason": reason, "by": by, "now": now},
    )


def _refuse_correction(connection: Connection, form: TaxForm) -> None:
    if form.role == "cancel":
        raise RuleRefused(f"{form.number}: 취소한 문서는 정정하지 않습니다 (a cancelling document is not corrected).")
    row = connection.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM tax_document WHERE original_id = :id AND role = 'cancel') AS cancelled,"
            " parties = parties_now(issuer, recipient, issued_on) AS same FROM document WHERE id = :id"
        ),
        {"id": form.id},
    ).one()
    if row.cancelled:
        raise RuleRefused(f"{form.number}: 이미 정정한 문서입니다. 새로 발행한 문서를 정정하세요 (corrected before).")
    if row.same:
        raise RuleRefused(
            f"{form.number}: 당사자가 발행할 때와 같습니다. 기준정보를 먼저 고쳐 등록하세요 "
            "(the parties are as they were; load what is right first)."
        )


def _open_month(connection: Connection, programme: str, month: Month) -> Month:
    """The month that takes documents now: a closed month is never touched."""
    locked = connection.scalar(
        text("SELECT max(month) FROM month_lock WHERE programme = :programme"), {"programme": programme}
    )
    return max(month, Month.of(locked) + 1) if locked else month


def _issue_modified(
    connection: Connection, programme: str, month: Month, form: TaxForm, role: str, by: str, now: datetime
) -> int:
    """One document of the pair, with the original's charges; the cancelling one names the parties that it named."""
    items: tuple[TaxItem, ...] = tuple(map(negated, form.items)) if role == "cancel" else form.items
    charges = connection.scalars(
        text("SELECT charge_id FROM document_charge WHERE document_id = :id ORDER BY charge_id"), {"id": form.id}
    ).all()
    totals = DocumentTotals(
        kind=form.kind, issuer=form.supplier.code, recipient=form.recipient.code, project=form.project,
        correction=True, supply_krw=sum(one.supply_krw for one in items), vat_krw=sum(one.vat_krw for one in items),
        charges=charges, parties_of=form.id if role == "cancel" else None,
    )  # fmt: skip
    (issued,) = issue(connection, programme, month, [totals], [form.kind], form.written_on)
    connection.execute(
        text(
            "INSERT INTO tax_document (document_id, tax, role, original_id, reason, items, issued_by, issued_at)"
            " VALUES (:id, :tax, :role, :original, :reason, CAST(:items AS jsonb), :by, :now)"
        ),
        {"id": issued, "tax": form.tax, "role": role, "original": form.id, "reason": CORRECTED, "by": by, "now": now,
         "items": json.dumps(item_records(items), ensure_ascii=False)},
    )  # fmt: skip
    return issued

"""A view on an agreement: versions, limits, execution, deposit and milestones (선금, 중도금, 잔금)."""

from datetime import date

from sqlalchemy import Connection, text

from core.errors import BadInput
from core.month import kst_day
from ledger.books import balances
from registry.changes import is_draft, loaded_objects
from registry.reference import Agreement
from registry.terms import programme_terms
from registry.values import AgreementTerms

ADVANCE, INTERIM, FINAL = "선금", "중도금", "잔금"


def agreement_view(connection: Connection, code: str, today: date) -> dict:
    """Everything of an agreement as it is on a local day. Raises BadInput when there is no such agreement."""
    table = loaded_objects(connection).get(("agreement", code))
    if table is None:
        raise BadInput(f"협약 '{code}'이(가) 없습니다 (no such agreement).")
    if is_draft(table):
        return _draft(table)
    programme = connection.scalar(text("SELECT programme FROM project WHERE code = :code"), {"code": table.project})
    project = programme_terms(connection, programme).projects[table.project]
    terms = next(one for one in project.agreements if one.code == code)
    return {
        "agreement": code, "project": table.project, "programme": programme, "status": _status(terms, today),
        "starts": str(terms.starts), "ends": str(terms.ends), "over_limit": terms.over_limit,
        "versions": _versions(connection, code),
        "lines": _lines(connection, terms, today),
        "deposit": _deposit(connection, programme, terms),
        "hospitals": _hospitals(connection, programme, terms),
        "milestones": _milestones(connection, terms),
    }  # fmt: skip


def _draft(table: Agreement) -> dict:
    lines = [{"code": line.code, "supplier": line.supplier, "category": line.category,
              "limit_krw": line.grant_limit_krw} for line in table.line]  # fmt: skip
    return {"agreement": table.code, "project": table.project, "status": "draft", "starts": str(table.starts),
            "ends": str(table.ends), "lines": lines}  # fmt: skip


def _status(terms: AgreementTerms, today: date) -> str:
    if today <= terms.ends:
        return "signed"
    return "terminated" if terms.terminates else "ended"


def _versions(connection: Connection, code: str) -> list[dict]:
    rows = connection.execute(
        text(
            "SELECT kind, effective::text, ends::text, ended_lines, reason, evidence_reference, evidence_sha256,"
            " recorded_at FROM agreement_version WHERE agreement = :code"
            " ORDER BY kind <> 'signed', effective, kind = 'terminated'"
        ),
        {"code": code},
    )
    return [{**row._mapping, "recorded_at": row.recorded_at.isoformat()} for row in rows]


def _consortia(connection: Connection, today: date) -> dict[str, str]:
    """The consortium of each party that is in one on a local day."""
    rows = connection.execute(
        text("SELECT DISTINCT ON (party) party, name FROM party_consortium WHERE since <= :today"
             " ORDER BY party, since DESC"),
        {"today": today},
    )  # fmt: skip
    return {row.party: row.name for row in rows}


def _lines(connection: Connection, terms: AgreementTerms, today: date) -> list[dict]:
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (line) line, total_voucher_krw, held_krw FROM line_settlement"
            " WHERE line = ANY(:lines) AND project = :project ORDER BY line, month DESC"
        ),
        {"lines": [line.code for line in terms.lines], "project": terms.project},
    )
    consortia = _consortia(connection, today)
    settled = {row.line: (row.total_voucher_krw, row.held_krw) for row in rows}
    found = []
    for line in terms.lines:
        executed, held = settled.get(line.code, (0, 0))
        limit = next((krw for since, krw in reversed(line.limits) if since <= today), 0)
        found.append({
            "code": line.code, "supplier": line.supplier,
            "consortium": consortia.get(line.supplier), "category": line.category, "self_pay_bp": line.self_pay_bp,
            "starts": str(line.starts), "ends": str(line.ends),
            "limits": [{"since": str(since), "krw": krw} for since, krw in line.limits],
            "limit_krw": limit, "executed_krw": executed, "left_krw": limit - executed, "held_krw": held,
        })  # fmt: skip
    return found


def _deposit(connection: Connection, programme: str, terms: AgreementTerms) -> dict:
    """The deposit of the agreement's project, in won: agreed by this agreement, paid in, what is left."""
    if terms.self_pay_mode != "deposit":
        return {}
    account = f"deposit:{terms.project}"
    paid = connection.scalar(
        text(
            "SELECT coalesce(sum(amount_krw), 0)::bigint FROM payment"
            " WHERE account = :account AND entry_id IS NOT NULL AND amount_krw > 0"
        ),
        {"account": account},
    )
    left = -balances(connection, programme).get(account, 0)
    return {"agreed_krw": terms.deposit_krw, "paid_krw": paid, "balance_krw": left}


def _hospitals(connection: Connection, programme: str, terms: AgreementTerms) -> list[dict]:
    """By hospital of the project, in won: vouchers settled, advance not offset yet, what the books owe it in all."""
    found, books = [], balances(connection, programme)
    rows = connection.execute(
        text(
            "SELECT supplier, sum(voucher_krw)::bigint AS krw FROM line_settlement WHERE project = :project"
            " AND paid_to = 'hospital' GROUP BY supplier"
        ),
        {"project": terms.project},
    )
    vouchers = {row.supplier: row.krw for row in rows}
    for hospital in sorted({line.supplier for line in terms.lines if line.paid_to == "hospital"}):
        key = f"{hospital}:{terms.project}"
        found.append({
            "hospital": hospital, "voucher_krw": vouchers.get(hospital, 0),
            "advance_left_krw": books.get(f"advance:hospital:{key}", 0),
            "owed_krw": -books.get(f"payable:hospital:{key}", 0),
        })  # fmt: skip
    return found


def _milestones(connection: Connection, terms: AgreementTerms) -> list[dict]:
    """What the agency paid the agreement's hospitals: advances, payments up to its last day, and those after it."""
    suppliers = sorted({line.supplier for line in terms.lines})
    rows = connection.execute(
        text(
            "SELECT paid_at, account, amount_krw, reference FROM payment WHERE channel = 'agency'"
            " AND entry_id IS NOT NULL AND account = ANY(:accounts) ORDER BY paid_at, reference"
        ),
        {
            "accounts": [
                f"{kind}:hospital:{one}:{terms.project}" for kind in ("advance", "payable") for one in suppliers
            ]
        },
    )
    found = []
    for row in rows:
        kind, _, hospital, _ = row.account.split(":")
        day = kst_day(row.paid_at)
        name = ADVANCE if kind == "advance" else INTERIM if day <= terms.ends else FINAL
        found.append({"name": name, "hospital": hospital, "on": str(day), "krw": row.amount_krw,
                      "reference": row.reference})  # fmt: skip
    return found

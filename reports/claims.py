"""Hospital claims as they are shown: the list, one claim with its whole way, and what a hospital can claim yet."""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, Row, text

from billing.claim import claimable
from billing.claim_action import claim_lines, claim_row
from billing.claim_line import ClaimLine
from billing.claim_state import claim_number
from core.month import Month, kst_day
from metering.fields import decimal_text
from registry.due_dates import DueTerms, due_terms

SUMMARY = """
SELECT claim.*, sums.lines, sums.supply_krw, sums.vat_krw, sums.approved_krw, asked.submitted_at FROM claim
CROSS JOIN LATERAL (
  SELECT count(*) AS lines, coalesce(sum(supply_krw), 0)::bigint AS supply_krw,
    coalesce(sum(vat_krw), 0)::bigint AS vat_krw,
    coalesce(sum(supply_krw + vat_krw) FILTER (WHERE last.decision = 'accepted'), 0)::bigint AS approved_krw
  FROM claim_line LEFT JOIN LATERAL (SELECT decision FROM claim_line_decision WHERE line_id = claim_line.id
    ORDER BY id DESC LIMIT 1) AS last ON true
  WHERE claim_id = claim.id) AS sums
LEFT JOIN LATERAL (SELECT moved_at AS submitted_at FROM claim_transition
  WHERE claim_id = claim.id AND to_state = 'submitted') AS asked ON true
"""


def claims_list(
    connection: Connection, programme: str | None = None, hospital: str | None = None, month: Month | None = None,
    state: str | None = None,
) -> list[dict]:  # fmt: skip
    """The claims, those of a programme, hospital, month or state where one is named; in won, newest number last."""
    rows = connection.execute(
        text(
            f"{SUMMARY} WHERE programme = coalesce(:programme, programme) AND hospital = coalesce(:hospital, hospital)"
            " AND month = coalesce(CAST(:month AS date), month) AND state = coalesce(:state, state)"
            " ORDER BY hospital, year, number"
        ),
        {"programme": programme, "hospital": hospital, "month": month.first if month else None, "state": state},
    ).all()
    terms = {code: due_terms(connection, code) for code in {row.programme for row in rows}}
    return [_summary(row, terms[row.programme]) for row in rows]


def _summary(row: Row, terms: DueTerms) -> dict:
    """`decision_due_on`: of a submitted claim, the day by which it is decided."""
    due_on = terms.decision_due_on(kst_day(row.submitted_at)) if row.state == "submitted" else None
    return {
        "number": claim_number(row.hospital, row.year, row.number), "programme": row.programme,
        "hospital": row.hospital, "month": str(Month.of(row.month)), "state": row.state, "lines": row.lines,
        "supply_krw": row.supply_krw, "vat_krw": row.vat_krw, "approved_krw": row.approved_krw,
        "decision_due_on": _day(due_on),
    }  # fmt: skip


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def claim_view(connection: Connection, number: str) -> dict:
    """A claim as it was claimed, with what was decided, disputed and proved, who moved it, and its charge lines.

    Raises BadInput when there is none.
    """
    claim = claim_row(connection, number)
    row = connection.execute(text(f"{SUMMARY} WHERE claim.id = :claim"), {"claim": claim.id}).one()
    terms = due_terms(connection, claim.programme)
    lines = claim_lines(connection, claim.id)
    charges = _charges(connection, claim.programme, [one.accept_seq for one in lines])
    return {
        **_summary(row, terms),
        "lines": [_line(one, terms, charges) for one in lines],
        "drafted_at": claim.drafted_at.isoformat(),
        "drafted_by": claim.drafted_by,
        "parties": claim.parties,
        "transitions": _rows(
            connection, claim.id, "SELECT from_state, to_state, moved_at AS at, moved_by AS by, reason"
            " FROM claim_transition WHERE claim_id = :claim ORDER BY id"
        ),
        "evidence": _rows(
            connection, claim.id, "SELECT id, file_name, media_type, encode(sha256, 'hex') AS sha256,"
            " octet_length(content) AS bytes, added_at AS at, added_by AS by FROM claim_evidence"
            " WHERE claim_id = :claim ORDER BY id"
        ),
    }  # fmt: skip


def _rows(connection: Connection, claim_id: int, sql: str) -> list[dict]:
    rows = connection.execute(text(sql), {"claim": claim_id})
    return [{**row._mapping, "at": row.at.isoformat()} for row in rows]


def _line(row: Row, terms: DueTerms, charges: Mapping[int, list[str]]) -> dict:
    """`dispute`: none, open, upheld or corrected; `dispute_due_on`: the last day on which its refusal is disputed."""
    claimed = ClaimLine(**{name: getattr(row, name) for name in ClaimLine.__dataclass_fields__})
    dispute = None
    if row.dispute_id is not None:
        dispute = "open" if not row.resolved else "corrected" if row.decision == "accepted" else "upheld"
    open_to_dispute = row.decision == "refused" and dispute is None
    return {
        **line_values(claimed), "decision": row.decision, "reason": row.decision_reason or "",
        "dispute": dispute, "dispute_reason": row.dispute_reason or "",
        "dispute_due_on": _day(terms.dispute_due_on(kst_day(row.decided_at))) if open_to_dispute else None,
        "charges": charges.get(row.accept_seq, []),
    }  # fmt: skip


def line_values(line: ClaimLine) -> dict:
    """A claim's line as `--json` shows it: quantity an exact decimal, won ex VAT and VAT apart."""
    return {
        "work": f"{line.line}/{line.work}", "project": line.project, "kind": line.kind,
        "performed_on": line.performed_on.isoformat(), "accepted_on": line.accepted_on.isoformat(),
        "quantity": decimal_text(line.quantity_milli), "unit": line.unit, "unit_price_krw": line.unit_price_krw,
        "supply_krw": line.supply_krw, "vat_krw": line.vat_krw, "tax": line.tax, "note": line.note,
    }  # fmt: skip


def _charges(connection: Connection, programme: str, seqs: Sequence[int]) -> dict[int, list[str]]:
    """By acceptance, the references of what the runs charged of it."""
    rows = connection.execute(
        text(
            "SELECT accept_seq, array_agg(format('charge:%s/%s/%s/%s/%s', to_char(month, 'YYYY-MM'), project,"
            " to_char(service_month, 'YYYY-MM'), kind, key) ORDER BY id) AS refs FROM charge"
            " WHERE programme = :programme AND kind = 'preparation' AND accept_seq = ANY(:seqs) GROUP BY accept_seq"
        ),
        {"programme": programme, "seqs": list(seqs)},
    )
    return {row.accept_seq: row.refs for row in rows}


def claimable_view(connection: Connection, programme: str, hospital: str, month: Month) -> dict:
    """What a hospital can claim yet, in won. Raises as `claimable` does."""
    lines = claimable(connection, programme, hospital, month)
    return {
        "programme": programme, "hospital": hospital, "month": str(month),
        "supply_krw": sum(one.supply_krw for one in lines), "vat_krw": sum(one.vat_krw for one in lines),
        "lines": [line_values(one) for one in lines],
    }  # fmt: skip

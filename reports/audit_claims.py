"""Auditors' checks of hospital claims: each ties to accepted work, to its charges, and to what was paid (domain.md §9).

A claim counts in a month's close as it stood when the month was frozen. A programme that uses no claims has no finding.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Row

from billing.claim_state import claim_number
from billing.price_book import rates
from billing.rating import RateBook, rate_work
from core.money import vat_of
from core.month import Month, kst_day
from metering.usage import work_items
from reports.audit_scope import MOST_REFS, Found, Scope, charge_ref

# Lines of claims as they were decided at the close; and what the runs have charged of each acceptance by then, one row
# a charge line: its newest with what stands of it in all.
CLAIMED = """
, closed AS (
  SELECT coalesce((SELECT frozen_at FROM month_run WHERE programme = :programme AND month = :month), 'infinity') AS at
), claimed AS (
  SELECT claim_line.*, programme, hospital, year, number, claim.month AS claim_month, decision, decided_at, intake_mark
  FROM claim JOIN claim_line ON claim_line.claim_id = claim.id CROSS JOIN closed
  JOIN LATERAL (SELECT * FROM claim_line_decision WHERE line_id = claim_line.id AND decided_at <= closed.at
    ORDER BY id DESC LIMIT 1) AS last ON true
  WHERE programme = :programme
), charged AS (
  SELECT DISTINCT ON (project, service_month, line_key) accept_seq, month, project, service_month, kind, key, line,
    supplier, unit_price_krw, rated_krw, tax, held_krw, sum(quantity_base) OVER same AS base,
    (sum(vat_krw) OVER same)::bigint AS vat_krw
  FROM charge WHERE programme = :programme AND kind = 'preparation' AND month <= :month
  WINDOW same AS (PARTITION BY project, service_month, line_key)
  ORDER BY project, service_month, line_key, month DESC
)
"""
CHARGED_OTHERWISE = """
SELECT charged.*, hospital, year, number, claimed.supply_krw, claimed.vat_krw AS claimed_vat_krw FROM claimed
JOIN charged USING (accept_seq) WHERE decision = 'accepted' AND base = quantity_milli
AND ((charged.project, charged.line, supplier, charged.unit_price_krw, rated_krw, charged.tax)
  <> (claimed.project, claimed.line, hospital, claimed.unit_price_krw, supply_krw, claimed.tax)
  OR (held_krw = 0 AND charged.vat_krw <> claimed.vat_krw))
ORDER BY year, number, claimed.id
"""
REFUSED_CHARGED = """
SELECT charged.*, hospital, year, number, claimed.supply_krw FROM claimed
JOIN charged USING (accept_seq) WHERE decision = 'refused' AND base <> 0 AND rated_krw > held_krw
AND NOT EXISTS (SELECT 1 FROM claim_line AS other WHERE other.accept_seq = claimed.accept_seq AND other.live)
ORDER BY year, number, claimed.id
"""
TWICE = """
SELECT array_agg(DISTINCT concat_ws('/', hospital, year, number)) AS claims, min(claim_line.line || '/' || work) AS work
FROM claim JOIN claim_line ON claim_line.claim_id = claim.id CROSS JOIN closed
LEFT JOIN LATERAL (SELECT decision FROM claim_line_decision WHERE line_id = claim_line.id AND decided_at <= closed.at
  ORDER BY id DESC LIMIT 1) AS last ON true
WHERE drafted_at <= closed.at AND coalesce(decision, 'accepted') = 'accepted' AND NOT EXISTS (
  SELECT 1 FROM claim_transition WHERE claim_id = claim.id AND to_state = 'withdrawn' AND moved_at <= closed.at)
GROUP BY accept_seq HAVING count(*) > 1 AND bool_or(programme = :programme) ORDER BY 1
"""
# What was settled for each project of a paid claim by the last month posted before, less what was taken back since, and
# what was paid by the close; advances offset as far as the months are posted.
PAID = """
, paid AS (
  SELECT claim.id AS claim_id, last.moved_at FROM claim CROSS JOIN closed JOIN LATERAL (SELECT * FROM claim_transition
    WHERE claim_id = claim.id AND moved_at <= closed.at ORDER BY id DESC LIMIT 1) AS last ON to_state = 'paid'
  WHERE programme = :programme
), booked AS (
  SELECT claim_id, hospital, year, number, claimed.project, (SELECT max(charge.month) FROM charge
      JOIN run_step ON run_step.programme = charge.programme AND run_step.month = charge.month
      WHERE charge.programme = :programme AND charge.accept_seq = claimed.accept_seq
        AND step = 'post' AND finished_at <= moved_at) AS month
  FROM paid JOIN claimed USING (claim_id) WHERE decision = 'accepted'
), due AS (
  SELECT claim_id, hospital, year, number, project, max(month) AS month, bool_or(month IS NULL) AS uncharged FROM booked
  GROUP BY claim_id, hospital, year, number, project
), leg AS (
  SELECT claim_id, due.project, krw, pays AND (kind <> 'payment' OR leg.number <= :journal) AS paid,
    NOT pays AND leg.month <= due.month AS settled, NOT pays AND leg.month <= :month AS standing
  FROM due JOIN account ON account.programme = :programme
    AND account.code = 'payable:hospital:' || hospital || ':' || due.project
  JOIN LATERAL (SELECT entry.number, entry.month, kind, kind IN ('payment', 'advance_offset') AS pays,
    posting.amount_krw AS krw FROM posting JOIN entry ON entry.id = posting.entry_id
    WHERE posting.account_id = account.id AND (kind = 'payment' OR entry.month <= :month)) AS leg ON true
), sums AS (
  SELECT claim_id, project, coalesce(sum(krw) FILTER (WHERE paid), 0)::bigint AS paid_krw,
    least(coalesce(-sum(krw) FILTER (WHERE settled), 0), coalesce(-sum(krw) FILTER (WHERE standing), 0))::bigint
      AS settled_krw FROM leg GROUP BY claim_id, project
)
SELECT hospital, year, number, project, coalesce(paid_krw, 0) AS paid_krw, coalesce(settled_krw, 0) AS settled_krw
FROM due LEFT JOIN sums USING (claim_id, project) WHERE uncharged OR paid_krw < settled_krw
ORDER BY year, number, project
"""
FORGED = """
SELECT hospital, year, number, file_name FROM claim_evidence JOIN claim ON claim.id = claim_id
WHERE programme = :programme AND claim.month <= :month AND (sha256(content) <> sha256) ORDER BY year, number, file_name
"""
APPROVED = "SELECT * FROM claimed WHERE decision = 'accepted' ORDER BY year, number, id"
FIELDS = ("project", "line", "kind", "unit", "quantity_milli", "unit_price_krw", "supply_krw", "vat_krw", "tax",
          "performed_on", "accepted_on")  # fmt: skip


def _rows(scope: Scope, sql: str) -> Iterator[Row]:
    """The rows of a query that goes on from CLAIMED."""
    yield from scope.rows(f"{CLAIMED} {sql}")


def _number(row: Row) -> str:
    return claim_number(row.hospital, row.year, row.number)


def not_as_accepted(scope: Scope) -> Iterator[Found]:
    """Approved lines that were not what was metered, accepted and priced when they were decided."""
    for row, tied in _untied(scope):
        if not tied:
            name = f"{_number(row)} {row.line}/{row.work}"
            yield Found(
                korean=f"{name}: 승인한 {row.supply_krw:,}원이 심사 당시의 검수 작업과 다릅니다.",
                english=f"{name}: KRW {row.supply_krw:,} were approved; that is not the work as accepted at the time.",
                refs=(f"claim:{_number(row)}",),
            )


def corrected_since(scope: Scope) -> Iterator[Found]:
    """Approved lines whose work was voided, amended or priced otherwise afterwards: the claim stands as it was."""
    for row, tied in _untied(scope):
        if tied:
            name = f"{_number(row)} {row.line}/{row.work}"
            yield Found(
                korean=f"{name}: 승인한 뒤에 검수 작업이 정정되었습니다. 청구는 {row.supply_krw:,}원 그대로입니다.",
                english=f"{name}: the accepted work was corrected after the approval; the claim still says "
                f"KRW {row.supply_krw:,}.",
                refs=(f"claim:{_number(row)}",),
            )


def _untied(scope: Scope) -> Iterator[tuple[Row, bool]]:
    """Approved lines that are not as accepted work stands at the close, and whether they were so when decided."""
    rows = list(_rows(scope, APPROVED))
    if not rows:
        return
    now = _accepted(scope, rows, scope.intake_mark, None)
    off = [row for row in rows if now.get(row.accept_seq) != _values(row)]
    then: dict[tuple[int, datetime], Mapping[int, tuple]] = {}
    for row in off:
        at = row.intake_mark, row.decided_at
        if at not in then:
            then[at] = _accepted(scope, rows, *at)
        yield row, then[at].get(row.accept_seq) == _values(row)


def _values(row: Row) -> tuple:
    return tuple(getattr(row, name) for name in FIELDS)


def _accepted(scope: Scope, rows: list[Row], mark: int, loaded_until: datetime | None) -> dict[int, tuple]:
    """By acceptance, accepted work up to an intake mark at the prices loaded by an instant, as claims state it."""
    lines = {(one.project, one.line) for one in rows}
    items = work_items(scope.connection, sorted({project for project, _ in lines}), mark)
    book = RateBook(rates(scope.connection, sorted({one.hospital for one in rows}), loaded_until))
    agreed = {(code, line.code) for code, one in scope.terms.projects.items() for line in one.lines}
    until = max(Month.of(one.claim_month) for one in rows)
    charges, _missing = rate_work(
        [one for one in items if (one.project, one.line) in agreed], scope.terms, book, until, {}
    )
    return {
        one.accept_seq: (
            one.project, one.line, one.description, one.unit, one.quantity_base, one.unit_price_krw, one.rated_krw,
            vat_of(one.rated_krw) if one.tax == "taxable" else 0, one.tax, one.performed_on, kst_day(one.accepted_at),
        )
        for one in charges
    }  # fmt: skip


def not_as_charged(scope: Scope) -> Iterator[Found]:
    """Approved lines that the runs charged at another price, amount or tax, or to another project, line or hospital."""
    for row in _rows(scope, CHARGED_OTHERWISE):
        yield Found(
            korean=f"{_number(row)} {row.key}: 청구 {row.supply_krw:,}원(세액 {row.claimed_vat_krw:,}원)이 청구행 "
            f"{row.rated_krw:,}원(세액 {row.vat_krw:,}원)과 다릅니다.",
            english=f"{_number(row)} {row.key}: claimed KRW {row.supply_krw:,} (VAT KRW {row.claimed_vat_krw:,}), "
            f"charged KRW {row.rated_krw:,} (VAT KRW {row.vat_krw:,}).",
            refs=(f"claim:{_number(row)}", charge_ref(row)),
        )


def refused_but_settled(scope: Scope) -> Iterator[Found]:
    """Work that was refused in its claim, is in no other claim, and is settled all the same: its acceptance stands."""
    for row in _rows(scope, REFUSED_CHARGED):
        yield Found(
            korean=f"{_number(row)} {row.key}: 거절한 청구 {row.supply_krw:,}원이 정산되었습니다. 검수는 유효합니다.",
            english=f"{_number(row)} {row.key}: the claim of KRW {row.supply_krw:,} was refused, and it is settled; "
            "its acceptance stands.",
            refs=(f"claim:{_number(row)}", charge_ref(row)),
        )


def claimed_twice(scope: Scope) -> Iterator[Found]:
    """One acceptance that several claims hold, of any programme."""
    for row in _rows(scope, TWICE):
        numbers = [claim_number(*one.rsplit("/", 2)[:1], *map(int, one.rsplit("/", 2)[1:])) for one in row.claims]
        yield Found(
            korean=f"{row.work}: 검수 한 건이 청구 {', '.join(numbers)} 에 있습니다.",
            english=f"{row.work}: one acceptance is in the claims {', '.join(numbers)}.",
            refs=tuple(f"claim:{one}" for one in numbers[:MOST_REFS]),
        )


def paid_without_payment(scope: Scope) -> Iterator[Found]:
    """Paid claims of which some work is not charged, or less was paid for a project than was settled for it."""
    for row in _rows(scope, PAID):
        yield Found(
            korean=f"{_number(row)}: 지급 완료인데 {row.project} 의 지급액 {row.paid_krw:,}원이 정산액 "
            f"{row.settled_krw:,}원에 못 미치거나 정산되지 않았습니다.",
            english=f"{_number(row)}: is paid, but KRW {row.paid_krw:,} were paid of {row.project} where "
            f"KRW {row.settled_krw:,} were settled, or nothing was.",
            refs=(f"claim:{_number(row)}", f"balance:payable:hospital:{row.hospital}:{row.project}@{scope.month}"),
        )


def evidence_rewritten(scope: Scope) -> Iterator[Found]:
    """Evidence whose bytes are not those that were registered."""
    for row in scope.rows(FORGED):
        yield Found(
            korean=f"{_number(row)}: 증빙 '{row.file_name}' 이(가) 등록된 것과 다릅니다.",
            english=f"{_number(row)}: the evidence '{row.file_name}' is not what was registered.",
            refs=(f"claim:{_number(row)}",),
        )

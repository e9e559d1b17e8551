"""When a claim is paid (domain.md §8): derived from what the run settled of its works and what was paid since."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, text

from billing.claim import lock_claims

# A claim is paid when each accepted line is charged in full (nothing of it held) and, in each of its projects, what was
# paid to the hospital, advances offset included, has reached what was settled for it by the last month that booked one
# of the lines; less where a later month took some of it back.
PAID = """
INSERT INTO claim_transition (claim_id, from_state, to_state, moved_at, reason)
WITH candidate AS (
  SELECT id, hospital, state FROM claim
  WHERE programme = :programme AND hospital = ANY(:hospitals) AND state IN ('approved', 'partly_approved')
    AND NOT EXISTS (SELECT 1 FROM claim_line JOIN claim_dispute ON claim_dispute.line_id = claim_line.id
      WHERE claim_id = claim.id
        AND NOT EXISTS (SELECT 1 FROM claim_line_decision WHERE dispute_id = claim_dispute.id))
), accepted AS (
  SELECT claim_id, candidate.hospital, project, accept_seq FROM candidate
  JOIN claim_line ON claim_id = candidate.id AND live
), charged AS (
  SELECT accept_seq, max(month) AS month, sum(held_krw) AS held_krw FROM (
    SELECT DISTINCT ON (project, service_month, line_key) accept_seq, month, held_krw FROM charge
    WHERE programme = :programme AND kind = 'preparation' AND supplier = ANY(:hospitals)
      AND accept_seq IN (SELECT accept_seq FROM accepted)
    ORDER BY project, service_month, line_key, month DESC) AS newest
  GROUP BY accept_seq
), due AS (
  SELECT claim_id, 'payable:hospital:' || hospital || ':' || project AS code, max(month) AS month
  FROM accepted LEFT JOIN charged USING (accept_seq)
  GROUP BY claim_id, hospital, project HAVING bool_and(coalesce(held_krw = 0, false))
), moved AS (
  SELECT claim_id, coalesce(sum(krw) FILTER (WHERE pays), 0) AS paid_krw,
    coalesce(-sum(krw) FILTER (WHERE NOT pays), 0) AS now_krw,
    coalesce(-sum(krw) FILTER (WHERE NOT pays AND leg.month <= due.month), 0) AS then_krw
  FROM due JOIN account ON account.programme = :programme AND account.code = due.code
  JOIN LATERAL (SELECT kind IN ('payment', 'advance_offset') AS pays, entry.month, posting.amount_krw AS krw
    FROM posting JOIN entry ON entry.id = posting.entry_id WHERE posting.account_id = account.id) AS leg ON true
  GROUP BY claim_id, due.code
)
SELECT id, state, 'paid', :now, '' FROM candidate
WHERE (SELECT count(DISTINCT project) FROM accepted WHERE claim_id = candidate.id)
  = (SELECT count(*) FROM moved WHERE claim_id = candidate.id AND paid_krw >= least(then_krw, now_krw))
"""


def mark_paid(connection: Connection, programme: str, hospitals: Collection[str], now: datetime) -> int:
    """Moves the approved claims of some hospitals whose works are settled and paid to `paid`; returns how many.

    Called once payments are booked, a month is posted or a claim is decided; what is held, or disputed, stays approved.
    """
    lock_claims(connection, *hospitals)
    values = {"programme": programme, "hospitals": sorted(hospitals), "now": now}
    return connection.execute(text(PAID), values).rowcount

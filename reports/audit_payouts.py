"""Auditors' checks of payouts: payees' accounts, payment orders, and what was paid beside them. A programme that orders
no payments gives no finding."""

from collections.abc import Iterator

from sqlalchemy import Row

from reports.audit_scope import MOST_REFS, Found, Scope

# Days before the day of payment within which a changed account is looked at (docs/audit.md).
ACCOUNT_CHANGE_DAYS = 14

# `closed`: the freeze of the month, or no end; `asked`: the rows of each month's newest order by then.
ASKED = """
, closed AS (
  SELECT coalesce((SELECT frozen_at FROM month_run WHERE programme = :programme AND month = :month), 'infinity') AS at
), newest AS (
  SELECT DISTINCT ON (month) month, version, due_on FROM payment_order, closed
  WHERE programme = :programme AND made_at <= closed.at ORDER BY month, version DESC
), asked AS (
  SELECT payment_order_row.*, due_on FROM newest JOIN payment_order_row USING (month, version)
  WHERE programme = :programme
)
"""


def order_against_books(scope: Scope) -> Iterator[Found]:
    """Payment orders that ask for anything else than the run of their month booked."""
    rows = _rows(
        scope,
        """
        , due AS (SELECT month, payable.* FROM newest CROSS JOIN LATERAL payable_of(:programme, month) AS payable)
        SELECT month, account, payer, coalesce(asked.amount_krw, 0) AS asked_krw,
          coalesce(due.amount_krw, 0) AS due_krw
        FROM due FULL JOIN asked USING (month, account, payer)
        WHERE due.amount_krw IS DISTINCT FROM asked.amount_krw ORDER BY month, account, payer
        """,
    )
    for row in rows:
        yield Found(
            korean=f"{row.month:%Y-%m} {_name(row, korean=True)}: 지급요청 {row.asked_krw:,}원이 정산이 기장한 "
            f"{row.due_krw:,}원과 다릅니다.",
            english=f"{row.month:%Y-%m} {_name(row)}: KRW {row.asked_krw:,} are ordered, the run booked KRW "
            f"{row.due_krw:,}.",
            refs=(_ref(row),),
        )


def account_not_approved(scope: Scope) -> Iterator[Found]:
    """Payments ordered to an account that is not the approved one that they name."""
    rows = _rows(
        scope,
        """
        SELECT month, account, payer, payee_name FROM asked WHERE account_version IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM payee_account AS given JOIN payee_account_decision AS decided USING (party, version)
          WHERE party = asked.party AND version = account_version AND decision = 'approved'
            AND (given.bank_code, given.account_number, given.holder)
              = (asked.bank_code, asked.account_number, asked.holder))
        ORDER BY month, number
        """,
    )
    for row in rows:
        yield Found(
            korean=f"{row.month:%Y-%m} {_name(row, korean=True)}: {row.payee_name} 의 승인된 계좌가 아닌 곳으로 지급을 "
            "요청했습니다.",
            english=f"{row.month:%Y-%m} {_name(row)}: ordered to an account of {row.payee_name} that is not approved.",
            refs=(_ref(row),),
        )


def approved_by_requester(scope: Scope) -> Iterator[Found]:
    """Accounts of the programme's payees that were approved by the very one who asked for them."""
    rows = _rows(
        scope,
        """
        SELECT party, version, decided_by FROM payee_account
        JOIN payee_account_decision AS decided USING (party, version), closed
        WHERE decision = 'approved' AND decided_by = requested_by AND decided_at <= closed.at AND party IN (
          SELECT supplier FROM agreement_line WHERE programme = :programme
          UNION SELECT company FROM project WHERE programme = :programme
          UNION SELECT operator FROM programme WHERE code = :programme UNION SELECT party FROM asked)
        ORDER BY party, version
        """,
    )
    for row in rows:
        yield Found(
            korean=f"{row.party}/{row.version}: 계좌를 요청한 {row.decided_by} 이(가) 스스로 승인했습니다.",
            english=f"{row.party}/{row.version}: {row.decided_by} asked for the account and approved it.",
            refs=(f"registry:party/{row.party}",),
        )


def changed_before_payout(scope: Scope) -> Iterator[Found]:
    """Payments ordered to an account that replaced another one shortly before the day of payment."""
    rows = _rows(
        scope,
        """
        SELECT month, account, payer, payee_name, due_on, decided.day FROM asked CROSS JOIN LATERAL (
          SELECT CAST(decided_at AT TIME ZONE 'Asia/Seoul' AS date) AS day FROM payee_account_decision
          WHERE party = asked.party AND version = account_version) AS decided
        WHERE amount_krw > 0 AND due_on - decided.day <= :days AND EXISTS (
          SELECT 1 FROM payee_account AS earlier JOIN payee_account_decision AS its USING (party, version)
          WHERE party = asked.party AND version < account_version AND its.decision = 'approved'
            AND earlier.account_number <> asked.account_number)
        ORDER BY month, number
        """,
        days=ACCOUNT_CHANGE_DAYS,
    )
    for row in rows:
        yield Found(
            korean=f"{row.month:%Y-%m} {_name(row, korean=True)}: {row.payee_name} 의 계좌가 {row.day} 에 "
            f"바뀌었고 지급일은 {row.due_on} 입니다.",
            english=f"{row.month:%Y-%m} {_name(row)}: the account of {row.payee_name} was changed on {row.day}; "
            f"{row.due_on} is the day of payment.",
            refs=(_ref(row),),
        )


def other_holder(scope: Scope) -> Iterator[Found]:
    """Payments ordered to an account whose holder is neither the payee nor the party."""
    rows = _rows(
        scope,
        """
        SELECT month, account, payer, payee_name, holder FROM asked JOIN party ON party.code = asked.party
        WHERE replace(holder, ' ', '') NOT IN (replace(payee_name, ' ', ''), replace(party.name, ' ', ''))
        ORDER BY month, number
        """,
    )
    for row in rows:
        yield Found(
            korean=f"{row.month:%Y-%m} {_name(row, korean=True)}: 예금주 '{row.holder}' 이(가) 수취인 "
            f"{row.payee_name} 와(과) 다릅니다.",
            english=f"{row.month:%Y-%m} {_name(row)}: the account holder '{row.holder}' is not the payee "
            f"{row.payee_name}.",
            refs=(_ref(row),),
        )


def without_order(scope: Scope) -> Iterator[Found]:
    """More paid out, or recovered, on an account by a payer than all orders together ask for."""
    rows = _rows(
        scope,
        """
        , leg AS (
          SELECT entry.number, account.code, posting.amount_krw, coalesce(sum(posting.amount_krw)
            FILTER (WHERE account.code = 'receivable:agency') OVER (PARTITION BY entry.id), 0) AS agency_krw
          FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id
          WHERE entry.programme = :programme AND entry.number <= :journal
            AND NOT starts_with(entry.reference, 'run:')
        ), moved AS (
          SELECT number, code AS account, 'agency' AS payer, -agency_krw AS krw FROM leg
          UNION ALL SELECT number, code, 'settlement', amount_krw + agency_krw FROM leg
        ), paid AS (
          SELECT account, payer, sum(krw)::bigint AS krw, array_agg(number ORDER BY number) AS numbers
          FROM moved WHERE starts_with(account, 'payable:') AND krw <> 0 GROUP BY account, payer
        ), ordered AS (
          SELECT account, payer, sum(greatest(amount_krw, 0)) AS most_krw, sum(least(amount_krw, 0)) AS least_krw
          FROM asked GROUP BY account, payer
        )
        SELECT account, payer, krw, coalesce(most_krw, 0)::bigint AS most_krw, numbers
        FROM paid LEFT JOIN ordered USING (account, payer)
        WHERE EXISTS (SELECT 1 FROM newest) AND krw NOT BETWEEN coalesce(least_krw, 0) AND coalesce(most_krw, 0)
        ORDER BY account, payer
        """,
    )
    for row in rows:
        newest = [f"entry:{scope.terms.code}/{number}" for number in row.numbers[-MOST_REFS:]]
        yield Found(
            korean=f"{_name(row, korean=True)}: 지급을 요청한 {row.most_krw:,}원 밖의 지급이 "
            f"있습니다 (지급 {row.krw:,}원).",
            english=f"{_name(row)}: KRW {row.most_krw:,} were ordered in all, KRW {row.krw:,} are paid.",
            refs=(f"balance:{row.account}", *newest),
        )


def other_payee(scope: Scope) -> Iterator[Found]:
    """Payments whose counterparty is known and is neither who pays nor the payee whom the orders name for the account.

    A party's code stands for its payee; its name does not where another body is legally paid.
    """
    rows = _rows(
        scope,
        """
        , known AS (
          SELECT unnest(ARRAY[code, name, brn]) AS called FROM party
          UNION SELECT unnest(ARRAY[name, brn]) FROM party_payee UNION SELECT holder FROM payee_account
        ), allowed AS (
          SELECT account, payer, unnest(ARRAY[party, payee_name, payee_brn, holder]) AS called FROM asked
          UNION SELECT account, payer, unnest(ARRAY[party.code, party.name, party.brn]) FROM asked
          JOIN programme ON programme.code = asked.programme LEFT JOIN project ON project.code = asked.project
          JOIN party ON party.code IN (agency, operator, company) AND party.code <> asked.party
        ), paid AS (
          SELECT entry.number, payment.account, amount_krw, counterparty,
            CASE channel WHEN 'agency' THEN 'agency' ELSE 'settlement' END AS payer
          FROM payment JOIN entry ON entry.id = payment.entry_id
          WHERE entry.programme = :programme AND entry.number <= :journal
        )
        SELECT number, account, payer, amount_krw, counterparty FROM paid
        WHERE EXISTS (SELECT 1 FROM asked WHERE (asked.account, asked.payer) = (paid.account, paid.payer))
          AND (starts_with(account, 'payable:') OR amount_krw < 0)
          AND counterparty <> ALL (string_to_array(account, ':')) AND counterparty IN (SELECT called FROM known)
          AND NOT EXISTS (SELECT 1 FROM allowed
            WHERE (allowed.account, allowed.payer) = (paid.account, paid.payer) AND called = counterparty)
        ORDER BY number
        """,
    )
    for row in rows:
        yield Found(
            korean=f"{_name(row, korean=True)}: {row.amount_krw:,}원의 상대방 '{row.counterparty}' 은(는) 지급을 "
            "요청한 수취인이 아닙니다.",
            english=f"{_name(row)}: the counterparty '{row.counterparty}' of KRW {row.amount_krw:,} is not the payee "
            "who was ordered.",
            refs=(f"entry:{scope.terms.code}/{row.number}",),
        )


def _rows(scope: Scope, sql: str, **more: object) -> Iterator[Row]:
    return scope.rows(f"{ASKED} {sql}", **more)


def _name(row, *, korean: bool = False) -> str:
    korean_names = {"agency": "전담기관", "settlement": "정산 계정"}
    return f"{row.account} ({korean_names[row.payer] if korean else row.payer})"


def _ref(row) -> str:
    return f"balance:{row.account}@{row.month:%Y-%m}"

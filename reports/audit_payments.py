"""Auditors' checks of documents and payments: each ties to what was settled, and to the agreement's parties."""

from collections.abc import Iterator

from reports.audit_scope import MOST_REFS, Found, Scope, charge_ref

# What is owed and paid, by account; a hospital's by who pays it, since what the agency pays too much must not hide
# behind what the company pays too little. `before`: settled by the close before, whose payment should be here by now.
PAID = """
, leg AS (
  SELECT entry.number, entry.month, entry.kind, account.code, amount_krw, coalesce(sum(amount_krw)
    FILTER (WHERE account.code = 'receivable:agency') OVER (PARTITION BY entry.id), 0) AS agency_krw
  FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id
  WHERE entry.programme = :programme
    AND CASE WHEN entry.kind = 'payment' THEN entry.number <= :journal ELSE entry.month <= :payable END
), side AS (
  SELECT number, month, kind, code, 'agency' AS payer, agency_krw AS owed_krw FROM leg
  WHERE starts_with(code, 'payable:hospital:')
  UNION ALL SELECT number, month, kind, code, 'company', -amount_krw - agency_krw FROM leg
  WHERE starts_with(code, 'payable:hospital:')
  UNION ALL SELECT number, month, kind, code, '', CASE WHEN starts_with(code, 'receivable:') THEN amount_krw
    ELSE -amount_krw END FROM leg
  WHERE split_part(code, ':', 1) IN ('receivable', 'payable')
    AND split_part(code, ':', 2) IN ('company', 'operator', 'infra', 'incentive')
), owed AS (
  SELECT code, payer, month, sum(sum(owed_krw)) OVER (PARTITION BY code, payer ORDER BY month) AS krw FROM side
  WHERE kind NOT IN ('payment', 'advance_offset') GROUP BY code, payer, month
), due AS (
  SELECT code, payer, max(krw) AS peak_krw, (array_agg(krw ORDER BY month DESC))[1] AS now_krw,
    coalesce((array_agg(krw ORDER BY month DESC) FILTER (WHERE month < :settled))[1], 0) AS before_krw
  FROM owed GROUP BY code, payer
), paid AS (
  SELECT code, payer, -sum(owed_krw) AS krw, array_agg(number ORDER BY number) AS numbers FROM side
  WHERE kind IN ('payment', 'advance_offset') AND owed_krw <> 0 GROUP BY code, payer
), account AS (
  SELECT code, payer, coalesce(paid.krw, 0)::bigint AS paid_krw, coalesce(numbers, '{}') AS numbers,
    greatest(peak_krw, 0)::bigint AS peak_krw, coalesce(now_krw, 0)::bigint AS now_krw,
    coalesce(before_krw, 0)::bigint AS before_krw
  FROM due FULL JOIN paid USING (code, payer)
)
SELECT * FROM account
"""


def document_against_charges(scope: Scope) -> Iterator[Found]:
    """The month's tax documents whose sums are not those of their charges, and charges in no document or in several."""
    rows = scope.rows(
        "SELECT document.month, kind, issuer, year, number, supply_krw, vat_krw, charged.* FROM document"
        " LEFT JOIN tax_document ON tax_document.document_id = document.id"
        " CROSS JOIN LATERAL (SELECT CASE role WHEN 'cancel' THEN -1 ELSE 1 END AS sign) AS signed"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(sign * amount_krw), 0)::bigint AS charged_krw,"
        "  coalesce(sum(sign * charge.vat_krw), 0)::bigint AS charged_vat_krw,"
        "  array_agg(format('charge:%s/%s/%s/%s/%s',"
        "   to_char(charge.month, 'YYYY-MM'), charge.project, to_char(service_month, 'YYYY-MM'), charge.kind, key)"
        "   ORDER BY charge.id) AS refs FROM document_charge JOIN charge ON charge.id = charge_id"
        "  WHERE document_id = document.id) AS charged"
        " WHERE programme = :programme AND month = :month AND kind IN ('tax_invoice', 'invoice_exempt')"
        " AND (supply_krw, vat_krw) <> (charged_krw, charged_vat_krw) ORDER BY document.id"
    )
    for row in rows:
        name = f"{row.issuer} {row.year}-{row.number}"
        yield Found(
            korean=f"세금계산서 {name}: 공급가액 {row.supply_krw:,}원 · 세액 {row.vat_krw:,}원이 청구행의 "
            f"{row.charged_krw:,}원 · {row.charged_vat_krw:,}원과 다릅니다.",
            english=f"tax document {name}: supply KRW {row.supply_krw:,} and VAT KRW {row.vat_krw:,}; its charges say "
            f"KRW {row.charged_krw:,} and KRW {row.charged_vat_krw:,}.",
            refs=tuple((row.refs or [f"tie:{row.month:%Y-%m}"])[:MOST_REFS]),
        )
    yield from _charges_without_one_document(scope)


def _charges_without_one_document(scope: Scope) -> Iterator[Found]:
    rows = scope.rows(
        "SELECT charge.*, coalesce(documents, 0) AS documents FROM charge"
        " JOIN programme ON programme.code = charge.programme JOIN run_step ON run_step.programme = charge.programme"
        "  AND run_step.month = charge.month AND step = 'documents'"
        " LEFT JOIN (SELECT charge_id, count(*) AS documents FROM document_charge JOIN document ON document.id ="
        "  document_id JOIN tax_document USING (document_id) WHERE programme = :programme AND month = :month"
        "  AND role IN ('ordinary', 'change') GROUP BY charge_id) AS issued"
        "  ON charge_id = charge.id WHERE charge.programme = :programme AND charge.month = :month"
        " AND (amount_krw <> 0 OR vat_krw <> 0)"
        " AND coalesce(documents, 0) <> CASE WHEN line IS NULL OR funding = 'hospital' THEN 1 ELSE 0 END"
        " ORDER BY charge.id"
    )
    for row in rows:
        yield Found(
            korean=f"{row.project} {row.key}: 청구행 {row.amount_krw:,}원(세액 {row.vat_krw:,}원)이 세금계산서 "
            f"{row.documents}건에 있습니다.",
            english=f"{row.project} {row.key}: the charge of KRW {row.amount_krw:,} (VAT KRW {row.vat_krw:,}) is in "
            f"{row.documents} tax documents.",
            refs=(charge_ref(row),),
        )


def paid_too_much(scope: Scope) -> Iterator[Found]:
    """More paid out to a party than was ever settled for it; a company's own overpayment is a warning."""
    for row in scope.rows(f"{PAID} WHERE starts_with(code, 'payable:') AND paid_krw > peak_krw ORDER BY code, payer"):
        yield Found(
            korean=f"{_name(row, korean=True)}: 정산한 {row.peak_krw:,}원보다 많은 {row.paid_krw:,}원이 "
            "지급되었습니다.",
            english=f"{_name(row)}: KRW {row.paid_krw:,} were paid, KRW {row.peak_krw:,} were settled.",
            refs=_refs(scope, row),
        )


def not_yet_paid(scope: Scope) -> Iterator[Found]:
    """What was settled by the close before is not paid, or not given back, by this one."""
    rows = scope.rows(
        f"{PAID} WHERE (paid_krw < least(before_krw, now_krw) OR paid_krw > greatest(before_krw, now_krw))"
        " AND (paid_krw <= peak_krw OR starts_with(code, 'receivable:')) ORDER BY code, payer"
    )
    for row in rows:
        owed = row.before_krw
        yield Found(
            korean=f"{_name(row, korean=True)}: 앞선 마감까지 정산한 {owed:,}원, 지급·수납한 {row.paid_krw:,}원의 "
            f"차이 {owed - row.paid_krw:,}원.",
            english=f"{_name(row)}: KRW {owed:,} were settled by the close before, KRW {row.paid_krw:,} are paid; "
            f"the difference is KRW {owed - row.paid_krw:,}.",
            refs=_refs(scope, row),
        )


def _name(row, *, korean: bool = False) -> str:
    names = {"agency": "전담기관분", "company": "기업분"} if korean else {"agency": "agency", "company": "company"}
    return f"{row.code} ({names[row.payer]})" if row.payer else row.code


def _refs(scope: Scope, row) -> tuple[str, ...]:
    newest = [f"entry:{scope.terms.code}/{number}" for number in row.numbers[-MOST_REFS:]]
    return (f"balance:{row.code}@{scope.settled or scope.month}", *newest)


# A payment's counterparty is one of the parties to the agreement that its account names, by code, name or number, or
# the legal payee of one on that day; or what the account itself says. `known`: whom the name ever meant.
PAYEES = """
SELECT entry.number, payment.account, payment.amount_krw, payment.counterparty, named.known FROM payment
JOIN entry ON entry.id = payment.entry_id JOIN programme ON programme.code = entry.programme
LEFT JOIN project ON project.programme = entry.programme
  AND project.code = CASE split_part(account, ':', 2) WHEN 'hospital' THEN split_part(account, ':', 4)
    WHEN 'company' THEN split_part(account, ':', 3) END
CROSS JOIN LATERAL (
  SELECT coalesce(array_agg(party), '{}') AS known, coalesce(array_agg(party) FILTER (WHERE since <= paid_day
    AND paid_day < coalesce(until, 'infinity')), '{}') AS codes
  FROM (SELECT code AS party, unnest(ARRAY[code, name, brn]) AS called, DATE '-infinity' AS since, NULL AS until
        FROM party
        UNION ALL SELECT party, unnest(ARRAY[name, brn]), since, lead(since) OVER (PARTITION BY party ORDER BY since)
        FROM party_payee) AS name,
    (SELECT (payment.paid_at AT TIME ZONE 'Asia/Seoul')::date AS paid_day) AS paid
  WHERE called = payment.counterparty
) AS named
WHERE entry.programme = :programme AND entry.number <= :journal
  AND split_part(account, ':', 1) IN ('payable', 'advance')
  AND payment.counterparty <> ALL(string_to_array(account, ':'))
  AND NOT codes && array_remove(
    ARRAY[programme.agency, programme.operator, project.company, split_part(account, ':', 3)], NULL)
"""


def other_payee(scope: Scope) -> Iterator[Found]:
    """Money that went to a registered party that is none of the agreement's; a line settled for another supplier."""
    for row in scope.rows(f"{PAYEES} AND cardinality(known) > 0 ORDER BY entry.number"):
        yield Found(
            korean=f"{row.account}: {row.amount_krw:,}원의 상대방 '{row.counterparty}' 은(는) 협약 당사자가 아닙니다.",
            english=f"{row.account}: the counterparty '{row.counterparty}' of KRW {row.amount_krw:,} is no party to "
            "the agreement.",
            refs=(f"entry:{scope.terms.code}/{row.number}",),
        )
    rows = scope.rows(
        "SELECT line, line_settlement.supplier, agreement_line.supplier AS agreed FROM line_settlement"
        " JOIN agreement_line ON agreement_line.programme = line_settlement.programme AND agreement_line.code = line"
        " WHERE line_settlement.programme = :programme AND month = :settled"
        " AND line_settlement.supplier <> agreement_line.supplier ORDER BY 1"
    )
    for row in rows:
        yield Found(
            korean=f"{row.line}: {row.supplier} 에게 정산했으나 협약의 공급기관은 {row.agreed} 입니다.",
            english=f"{row.line}: settled for {row.supplier}; the agreement's supplier is {row.agreed}.",
            refs=(scope.line(row.line),),
        )


def unknown_payee(scope: Scope) -> Iterator[Found]:
    """Money that went to a counterparty that no registered party is called."""
    for row in scope.rows(f"{PAYEES} AND cardinality(known) = 0 ORDER BY entry.number"):
        yield Found(
            korean=f"{row.account}: {row.amount_krw:,}원의 상대방 '{row.counterparty}' 을(를) 등록된 기관에서 찾을 수 "
            "없습니다.",
            english=f"{row.account}: the counterparty '{row.counterparty}' of KRW {row.amount_krw:,} is no registered "
            "party.",
            refs=(f"entry:{scope.terms.code}/{row.number}",),
        )

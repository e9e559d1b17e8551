"""Payees' bank accounts: asked for by one person, decided by another, shown masked (docs/payouts.md)."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Row, text

from billing.claim_evidence import media_type_of
from core.errors import BadInput, RuleRefused
from registry.users import acting

PAID_KINDS = ("hospital", "company", "operator", "infra")
BANK_CODE = re.compile(r"[0-9]{3}")
NUMBER = re.compile(r"[0-9]+(-[0-9]+)*")
DIGITS = range(10, 17)

# What is in force on the local day `day`, of what was approved by the instant `at`: by party the newest version.
APPROVED = """
SELECT DISTINCT ON (party) party, version, bank_code, bank, account_number, holder
FROM payee_account JOIN payee_account_decision AS decided USING (party, version)
WHERE decision = 'approved' AND effective_from <= :day AND decided_at <= :at ORDER BY party, version DESC
"""


@dataclass(frozen=True, kw_only=True)
class BankAccount:
    """An account as it is asked for: 3-digit bank code, number of digits and hyphens, the first local day that it
    counts on; `reason`: why the holder is another than the payee. The number stands in no text of the value."""

    party: str
    bank_code: str
    bank: str
    number: str = field(repr=False)
    holder: str
    effective_from: date
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ListedAccount:
    """An account as lists show it: `id` is PARTY/VERSION, `number` masked; `state` requested, superseded, rejected,
    approved or in_force; `reason`: why the holder is another than the payee; `refusal`: why it was rejected."""

    id: str
    party: str
    bank_code: str
    bank: str
    number: str
    holder: str
    effective_from: date
    reason: str
    evidence_name: str
    evidence_sha256: str
    requested_by: str
    requested_at: datetime
    state: str
    refusal: str
    decided_by: str | None
    decided_at: datetime | None


def request_account(
    connection: Connection, account: BankAccount, evidence: Path, by: str, now: datetime
) -> tuple[ListedAccount, bool]:
    """Asks for an account: the request, and whether it is new; the newest one asked for again changes nothing.

    Raises BadInput for what cannot be (an account of nobody who is paid, a number, a holder without a reason, a file
    that is no evidence), RuleRefused where the user may not.
    """
    content = _evidence(evidence)
    acting(connection, by, "finance", "hospital", "company", "operator", party=account.party)
    problems = list(_problems(connection, account))
    if problems:
        raise BadInput(*problems)
    _lock(connection, account.party)
    values = {
        **asdict(account), "evidence_name": evidence.name, "evidence": content,
        "sha256": sha256(content).hexdigest(), "by": by, "now": now,
    }  # fmt: skip
    version = connection.scalar(text(INSERT), values)
    newest = account_history(connection, account.party, account.effective_from)[0]
    return newest, version is not None


INSERT = """
INSERT INTO payee_account (party, version, bank_code, bank, account_number, holder, effective_from, reason,
  evidence_name, evidence, evidence_sha256, requested_by, requested_at)
SELECT :party, coalesce(max(version), 0) + 1, :bank_code, :bank, :number, :holder, :effective_from, :reason,
  :evidence_name, :evidence, :sha256, :by, :now
FROM payee_account WHERE party = :party
HAVING NOT EXISTS (SELECT 1 FROM payee_account AS newest LEFT JOIN payee_account_decision USING (party, version)
  WHERE newest.party = :party AND decision IS DISTINCT FROM 'rejected'
    AND newest.version = (SELECT max(version) FROM payee_account WHERE party = :party)
    AND (newest.bank_code, newest.bank, newest.account_number, newest.holder, newest.effective_from, newest.reason,
         newest.evidence_sha256) = (:bank_code, :bank, :number, :holder, :effective_from, :reason, :sha256))
RETURNING version
"""


def approve_account(connection: Connection, reference: str, by: str, now: datetime) -> None:
    """Approves PARTY/VERSION. Raises BadInput when nothing was asked under it, RuleRefused for the one who asked,
    whoever is not of finance, a request that was decided or that a later one supersedes."""
    _decide(connection, reference, "approved", "", by, now)


def reject_account(connection: Connection, reference: str, reason: str, by: str, now: datetime) -> None:
    """Rejects PARTY/VERSION with a reason. Raises as `approve_account` does; a superseded request may be rejected."""
    if not reason.strip():
        raise BadInput("--reason: 반려하는 까닭을 적으세요 (say why it is rejected).")
    _decide(connection, reference, "rejected", reason.strip(), by, now)


def _decide(connection: Connection, reference: str, decision: str, reason: str, by: str, now: datetime) -> None:
    acting(connection, by, "finance")
    party, _, version = reference.partition("/")
    _lock(connection, party)
    asked = next((one for one in account_history(connection, party, date.max) if one.id == reference), None)
    if asked is None:
        raise BadInput(f"'{reference}': 요청된 계좌가 아닙니다. `jeongsan payees list` 를 보세요 (no such request).")
    if asked.decided_by is not None:
        raise RuleRefused(f"{reference}: 이미 {asked.decided_by} 이(가) 결정했습니다 (decided before).")
    if asked.requested_by == by:
        raise RuleRefused(f"{reference}: 요청한 사람은 결정할 수 없습니다 (the one who asked does not decide).")
    if decision == "approved" and asked.state == "superseded":
        raise RuleRefused(f"{reference}: 더 새로운 요청이 있어 승인할 수 없습니다 (superseded by a later request).")
    connection.execute(
        text(
            "INSERT INTO payee_account_decision (party, version, decision, reason, decided_by, decided_at)"
            " VALUES (:party, :version, :decision, :reason, :by, :now)"
        ),
        {"party": party, "version": int(version), "decision": decision, "reason": reason, "by": by, "now": now},
    )


def account_history(connection: Connection, party: str, day: date) -> list[ListedAccount]:
    """Every account ever asked for a party, the newest first, with what is in force on a local day."""
    return _listed(connection, "asked.party = :party", {"party": party, "day": day})


def listed_accounts(connection: Connection, day: date) -> list[ListedAccount]:
    """By party: what is in force on a local day, what is approved for a later one, and what waits for a decision."""
    found = _listed(connection, "true", {"day": day})
    return [
        one
        for one in found
        if one.state in ("in_force", "requested") or (one.state == "approved" and one.effective_from > day)
    ]


def _listed(connection: Connection, where: str, values: dict) -> list[ListedAccount]:
    rows = connection.execute(text(f"{LISTED} WHERE {where} ORDER BY asked.party, asked.version DESC"), values)
    return [ListedAccount(**row._mapping) for row in rows]


LISTED = """
SELECT asked.party || '/' || asked.version AS id, asked.party, bank_code, bank, masked_number(account_number) AS number,
  holder, effective_from, asked.reason, evidence_name, evidence_sha256, requested_by, requested_at,
  CASE WHEN decision = 'rejected' THEN decision
    WHEN decision = 'approved' THEN CASE WHEN asked.version = (SELECT max(version) FROM payee_account AS one
      JOIN payee_account_decision AS yes USING (party, version) WHERE one.party = asked.party
        AND yes.decision = 'approved' AND one.effective_from <= :day) THEN 'in_force' ELSE 'approved' END
    WHEN EXISTS (SELECT 1 FROM payee_account AS later LEFT JOIN payee_account_decision AS its USING (party, version)
      WHERE later.party = asked.party AND later.version > asked.version AND its.decision IS DISTINCT FROM 'rejected')
      THEN 'superseded' ELSE 'requested' END AS state,
  coalesce(decided.reason, '') AS refusal, decided_by, decided_at
FROM payee_account AS asked LEFT JOIN payee_account_decision AS decided USING (party, version)
"""


def evidence_of(connection: Connection, reference: str) -> tuple[str, bytes]:
    """Name and bytes of a request's evidence. Raises BadInput when nothing was asked under PARTY/VERSION, RuleRefused
    when the bytes are not those that were kept."""
    row: Row | None = connection.execute(
        text(
            "SELECT evidence_name, evidence, evidence_sha256 FROM payee_account"
            " WHERE party || '/' || version = :reference"
        ),
        {"reference": reference},
    ).one_or_none()
    if row is None:
        raise BadInput(f"'{reference}': 요청된 계좌가 아닙니다. `jeongsan payees list` 를 보세요 (no such request).")
    content = bytes(row.evidence)
    if sha256(content).hexdigest() != row.evidence_sha256:
        raise RuleRefused(f"{reference}: 저장된 증빙이 기록된 해시와 다릅니다 (the evidence does not match its hash).")
    return row.evidence_name, content


def _lock(connection: Connection, party: str) -> None:
    """Of several people at once, one after the other."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('payee:' || :party))"), {"party": party})


def _evidence(path: Path) -> bytes:
    """The content of a PDF, PNG or JPEG file; raises BadInput for anything else, like a claim's evidence."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    media_type_of(path.name, content)
    return content


def _problems(connection: Connection, account: BankAccount) -> Iterator[str]:
    """What cannot be of a request; the number is never repeated."""
    if not BANK_CODE.fullmatch(account.bank_code):
        yield f"--bank-code '{account.bank_code}': 은행 코드 세 자리를 적으세요 (three digits, like 088)."
    if not NUMBER.fullmatch(account.number) or len(account.number.replace("-", "")) not in DIGITS:
        yield (
            f"--number: 숫자 {DIGITS.start}~{DIGITS.stop - 1}자리와 그 사이의 붙임표만 쓸 수 있습니다 "
            f"({DIGITS.start} to {DIGITS.stop - 1} digits, hyphens between them)."
        )
    for name, value in (("--bank", account.bank), ("--holder", account.holder)):
        if not value.strip() or not value.isprintable():
            yield f"{name}: 비우지 말고, 쓸 수 없는 글자를 빼세요 (empty, or not printable)."
    row = connection.execute(
        text(
            "SELECT kind, name, (SELECT name FROM party_payee WHERE party = code AND since <= :day"
            " ORDER BY since DESC LIMIT 1) AS payee FROM party WHERE code = :party"
        ),
        {"party": account.party, "day": account.effective_from},
    ).one_or_none()
    if row is None or row.kind not in PAID_KINDS:
        yield f"'{account.party}': 돈을 받는 기관이 아닙니다 (no hospital, company, operator or infrastructure firm)."
        return
    differs = _plain(account.holder) not in {_plain(name) for name in (row.name, row.payee) if name}
    if differs and not account.reason.strip():
        names = " / ".join(dict.fromkeys(name for name in (row.name, row.payee) if name))
        yield (
            f"--holder '{account.holder}': {account.effective_from} 의 수취인({names})이 아닙니다. "
            "맞다면 --reason 에 까닭을 적으세요 (not the party nor its legal payee of that day; give the reason)."
        )
    if not differs and account.reason.strip():
        yield "--reason: 예금주가 수취인과 같으면 적지 않습니다 (only where the holder is another than the payee)."


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()

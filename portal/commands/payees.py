"""payees: bank accounts of those who are paid: asked for by one person, approved by another, shown masked."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import click

from billing import bank_account
from billing.bank_account import BankAccount, ListedAccount
from core.database import service_engine
from core.month import kst_day
from portal.command import Answer, Call, Day, command
from portal.month_text import table
from reports.guarded_csv import not_writable

commands = click.Group()
payees = click.Group("payees", help="Payees' bank accounts.")
commands.add_command(payees)
by_option = click.option("--by", required=True, help="Name of the user who acts.")
STATES = {
    "requested": "승인 대기", "superseded": "새 요청으로 대체", "rejected": "반려", "approved": "승인",
    "in_force": "사용 중",
}  # fmt: skip
HEADS = {
    "ko": ["요청", "은행", "계좌", "예금주", "적용일", "상태", "요청자", "결정자", "비고"],
    "en": ["request", "bank", "account", "holder", "from", "state", "asked by", "decided by", "remark"],
}


@command(payees, "add", help="Asks for a payee's account, or for another one; somebody else approves it.")
@click.argument("party")
@click.option("--bank-code", required=True, help="Three digits, like 088.")
@click.option("--bank", required=True, help="The bank's name.")
@click.option("--number", required=True, help="Account number: digits and hyphens.")
@click.option("--holder", required=True, help="Account holder (예금주).")
@click.option("--from", "since", type=Day(), help="First local day that it counts on; today when left out.")
@click.option(
    "--evidence", required=True, type=click.Path(path_type=Path), help="Copy of the bank book: PDF, PNG, JPEG."
)
@click.option("--reason", default="", help="Why the holder is another than the party or its legal payee.")
@by_option
def add(call: Call, party: str, since: datetime | None, evidence: Path, by: str, **asked: str) -> Answer:
    """The same request again says so and changes nothing."""
    account = BankAccount(
        party=party, effective_from=since.date() if since else kst_day(call.now),
        **{name: value.strip() for name, value in asked.items()},
    )  # fmt: skip
    with service_engine(call.settings).begin() as connection:
        found, added = bank_account.request_account(connection, account, evidence, by, call.now)
    text = f"{found.id}  {found.bank} {found.number}  " + (
        call.say("요청했습니다. 다른 사람의 승인을 기다립니다.", "asked for; waits for another person's approval.")
        if added
        else call.say("이미 요청되어 있습니다. 바뀐 것이 없습니다.", "was asked for before; nothing changed.")
    )
    return Answer(document={**_document(found), "added": added}, text="\n".join([text, *_warning(call, found)]))


def _warning(call: Call, one: ListedAccount) -> list[str]:
    if not one.reason:
        return []
    return [call.say(f"주의: 예금주가 수취인과 다릅니다. 까닭: {one.reason}",
                     f"WARN: the holder is another than the payee. Reason: {one.reason}")]  # fmt: skip


@command(payees, "approve", help="Approves an account that somebody else asked for.")
@click.argument("request")
@by_option
def approve(call: Call, request: str, by: str) -> Answer:
    """REQUEST as listed: PARTY/VERSION."""
    with service_engine(call.settings).begin() as connection:
        bank_account.approve_account(connection, request, by, call.now)
    return Answer(document={"id": request, "state": "approved", "by": by},
                  text=f"{request}: {call.say('승인했습니다', 'approved')}.")  # fmt: skip


@command(payees, "reject", help="Rejects an account that somebody else asked for.")
@click.argument("request")
@click.option("--reason", required=True, help="Why.")
@by_option
def reject(call: Call, request: str, reason: str, by: str) -> Answer:
    """REQUEST as listed: PARTY/VERSION."""
    with service_engine(call.settings).begin() as connection:
        bank_account.reject_account(connection, request, reason, by, call.now)
    return Answer(document={"id": request, "state": "rejected", "by": by, "reason": reason},
                  text=f"{request}: {call.say('반려했습니다', 'rejected')}.")  # fmt: skip


@command(payees, "list", help="By party: the account in force, and what waits for approval.")
@click.option("--at", type=Day(), help="The local day asked about; today when left out.")
def listing(call: Call, at: datetime | None) -> Answer:
    """Numbers are masked."""
    with service_engine(call.settings).connect() as connection:
        found = bank_account.listed_accounts(connection, _day(call, at))
    return _answer(call, found)


@command(payees, "history", help="Every account that was ever asked for a party.")
@click.argument("party")
def history(call: Call, party: str) -> Answer:
    """Who asked and who decided; numbers are masked."""
    with service_engine(call.settings).connect() as connection:
        found = bank_account.account_history(connection, party, kst_day(call.now))
    return _answer(call, found)


@command(payees, "evidence", help="Writes the evidence of a request to a file.")
@click.argument("request")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def evidence(call: Call, request: str, out: Path) -> Answer:
    """The bytes that were kept, checked against their hash."""
    with service_engine(call.settings).connect() as connection:
        name, content = bank_account.evidence_of(connection, request)
    try:
        out.write_bytes(content)
        out.chmod(0o600)
    except OSError as error:
        raise not_writable(out, error) from None
    return Answer(document={"id": request, "name": name, "out": str(out)}, text=f"{request}  {name}  → {out}")


def _day(call: Call, at: datetime | None) -> date:
    return at.date() if at else kst_day(call.now)


def _document(one: ListedAccount) -> dict:
    return {
        "id": one.id, "party": one.party, "bank_code": one.bank_code, "bank": one.bank, "number": one.number,
        "holder": one.holder, "from": one.effective_from.isoformat(), "state": one.state, "reason": one.reason,
        "refusal": one.refusal, "evidence": {"name": one.evidence_name, "sha256": one.evidence_sha256},
        "requested_by": one.requested_by, "requested_at": one.requested_at.isoformat(), "decided_by": one.decided_by,
        "decided_at": one.decided_at and one.decided_at.isoformat(),
    }  # fmt: skip


def _answer(call: Call, found: Sequence[ListedAccount]) -> Answer:
    rows = [
        [one.id, f"{one.bank_code} {one.bank}", one.number, one.holder, str(one.effective_from),
         call.say(STATES[one.state], one.state), one.requested_by, one.decided_by or "-", one.refusal or one.reason]
        for one in found
    ]  # fmt: skip
    nothing = call.say("등록된 계좌가 없습니다.", "No accounts.")
    head = HEADS[call.lang]
    return Answer(
        document={"accounts": [_document(one) for one in found]},
        text="\n".join(table([head, *rows], len(head))) if rows else nothing,
    )

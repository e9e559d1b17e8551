"""bank: exports of our bank account, what each row is for, and the suspense account."""

import re
from collections import Counter
from pathlib import Path

import click
from sqlalchemy import Row

from billing import bank as imports
from billing import bank_decision as decisions
from billing.bank_map import read_bank_map
from billing.bank_reading import bank_rows, bank_totals, suspense
from core.database import service_engine
from core.errors import BadInput
from core.month import KST
from portal.command import Answer, Call, command
from portal.month_text import table, won
from portal.programmes import asked

commands = click.Group()
bank = click.Group("bank", help="Exports of our bank account, and what each row is for.")
commands.add_command(bank)
by_option = click.option("--by", required=True, help="Name of the user who decides.")
reason_option = click.option("--reason", required=True, help="Why.")
account_option = click.option("--as", "accounts", multiple=True, help="ACCOUNT, or ACCOUNT=KRW where a row is split.")
invoice_option = click.option("--invoice", "invoices", multiple=True, help="Invoice number, or NUMBER=KRW.")
STATES = {
    "unmatched": "미확인", "proposed": "확인 필요", "over": "초과 입금", "double": "이중 의심", "partial": "일부 납부",
    "booked": "기장", "suspense": "가수금", "returned": "반환",
}  # fmt: skip
HEAD = (
    ("번호", "id"), ("거래일시", "at"), ("상대방", "counterparty"), ("적요", "memo"), ("상태", "state"),
    ("내용", "what"), ("금액", "KRW"),
)  # fmt: skip


@command(bank, "import", help="Takes in an export; rows that name what they pay are booked, the rest is listed.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "mapping", required=True, type=click.Path(path_type=Path), help="The bank's mapping file.")
def import_file(call: Call, file: Path, mapping: Path) -> Answer:
    """A row that came before counts as already there."""
    with service_engine(call.settings).begin() as connection:
        result = imports.import_statement(connection, file, read_bank_map(mapping), call.now)
    document = {
        "file": file.name, "account": result.account, "rows": result.rows, "fresh": result.fresh,
        "already": result.already, "states": dict(result.states), "changed": dict(result.changed),
        "left_out": list(result.left_out),
    }  # fmt: skip
    text = call.say(
        f"{file.name}: {result.rows}건 가운데 새로운 {result.fresh}건, 이미 있는 {result.already}건",
        f"{file.name}: {result.rows} rows: {result.fresh} new, {result.already} there already",
    )
    return Answer(document=document, text="\n".join([text, *_counts(call, result.states)]))


@command(bank, "match", help="Matches waiting rows once more, as invoices and payments came.")
def match(call: Call) -> Answer:
    """Only what changes is recorded."""
    with service_engine(call.settings).begin() as connection:
        changed = imports.match_again(connection, call.now)
    text = call.say(f"{sum(changed.values())}건이 바뀌었습니다.", f"{sum(changed.values())} rows changed.")
    return Answer(document={"changed": dict(changed)}, text="\n".join([text, *_counts(call, changed)]))


def _counts(call: Call, states: Counter) -> list[str]:
    return [f"  {call.say(STATES[state], state)} {states[state]}" for state in STATES if states[state]]


@command(bank, "list", help="Rows with what became of each; the sums of all; what is in suspense.")
@click.option("--state", type=click.Choice(list(STATES)), help="Only rows of this state.")
@click.option("--account", help="Only rows of this bank account.")
def list_rows(call: Call, state: str | None, account: str | None) -> Answer:
    """Exit code 1 when the suspense account is not the sum of its rows."""
    with service_engine(call.settings).connect() as connection:
        rows, totals = bank_rows(connection, state, account), bank_totals(connection, account)
        held = suspense(connection)
    document = {
        "rows": [_listed(row) for row in rows],
        "totals": {name: {"rows": count, "krw": krw} for name, (count, krw) in totals.items()},
        "suspense": [
            {"programme": one.programme, "rows_krw": one.rows_krw, "balance_krw": one.balance_krw} for one in held
        ],
    }
    differs = any(one.rows_krw != one.balance_krw for one in held)
    return Answer(document=document, text="\n".join(_list_text(call, rows, document)), exit_code=int(differs))


def _listed(row: Row) -> dict:
    return {
        **{name: getattr(row, name) for name in ("id", "account", "amount_krw", "balance_krw", "memo", "counterparty",
           "number", "state", "candidates", "reason", "decided_by", "returned_by", "parts")},
        "at": row.at.astimezone(KST).isoformat(), "raw": row.raw,
    }  # fmt: skip


def _list_text(call: Call, rows: list[Row], document: dict) -> list[str]:
    head = [call.say(*pair) for pair in HEAD]
    cells = [
        [str(row.id), f"{row.at.astimezone(KST):%Y-%m-%d %H:%M}", row.counterparty, row.memo,
         call.say(STATES[row.state], row.state), _what(row), won(row.amount_krw)]
        for row in rows
    ]  # fmt: skip
    lines = table([head, *cells], 6)
    for name, total in document["totals"].items():
        lines.append(call.say(f"{STATES[name]} {total['rows']}건 {won(total['krw'])}원",
                              f"{name}: {total['rows']} rows, KRW {won(total['krw'])}"))  # fmt: skip
    for one in document["suspense"]:
        lines.append(
            call.say(
                f"{one['programme']} 가수금: 거래의 합 {won(one['rows_krw'])}원, 장부 {won(one['balance_krw'])}원",
                f"{one['programme']} suspense: rows KRW {won(one['rows_krw'])}, books KRW {won(one['balance_krw'])}",
            )
        )
    return lines


def _what(row: Row) -> str:
    """Where it was booked, or what it may be; and why."""
    settled = [part["account"] for part in row.parts] or [f"? {one['label']}" for one in row.candidates]
    return ", ".join(filter(None, (*settled, row.reason)))


@command(bank, "confirm", help="Books a row as a person says it: its one candidate, or accounts and invoices.")
@click.argument("row", type=int)
@account_option
@invoice_option
@click.option("--payment", help="The row is this payment of the payments file, by its reference: nothing is booked.")
@click.option("--programme", help="Whose account is meant, of one that several programmes have.")
@by_option
def confirm(
    call: Call, row: int, accounts: tuple, invoices: tuple, payment: str | None, programme: str | None, by: str
) -> Answer:
    """Finance only; parts must sum to the row."""
    shares = _shares(accounts, invoices)
    if payment is not None and shares:
        raise BadInput("--payment 는 --as, --invoice 와 함께 쓰지 않습니다 (--payment stands alone).")
    with service_engine(call.settings).begin() as connection:
        asked(connection, programme)
        state = decisions.confirm(connection, row, shares, by, call.now, programme=programme, payment=payment)
    return _decided(call, row, state)


@command(bank, "suspend", help="Books a row that nobody knows to the suspense account, with a reason.")
@click.argument("row", type=int)
@click.option("--programme", required=True, help="In whose books it waits.")
@reason_option
@by_option
def suspend(call: Call, row: int, programme: str, reason: str, by: str) -> Answer:
    """Finance only."""
    with service_engine(call.settings).begin() as connection:
        asked(connection, programme)
        decisions.suspend(connection, row, programme, reason, by, call.now)
    return _decided(call, row, "suspense")


@command(bank, "release", help="Moves a row out of suspense, or says which row paid it back.")
@click.argument("row", type=int)
@account_option
@invoice_option
@click.option("--returned-by", type=int, help="The row by which it was paid back.")
@reason_option
@by_option
def release(
    call: Call, row: int, accounts: tuple, invoices: tuple, returned_by: int | None, reason: str, by: str
) -> Answer:
    """Finance only; an entry of its own, which moves no cash."""
    shares = _shares(accounts, invoices)
    if (returned_by is None) == (not shares):
        raise BadInput(
            "--as, --invoice 또는 --returned-by 가운데 하나를 적으세요 (say where it goes, or what paid it back)."
        )
    with service_engine(call.settings).begin() as connection:
        if returned_by is None:
            decisions.release(connection, row, shares, reason, by, call.now)
        else:
            decisions.return_to_sender(connection, row, returned_by, reason, by, call.now)
    return _decided(call, row, "booked" if returned_by is None else "returned")


def _decided(call: Call, row: int, state: str) -> Answer:
    return Answer(document={"id": row, "state": state}, text=f"{row}: {call.say(STATES[state], state)}")


def _shares(accounts: tuple[str, ...], invoices: tuple[str, ...]) -> list[decisions.Share]:
    """`NAME` or `NAME=KRW` of each option."""
    shares = []
    for option, values in (("account", accounts), ("invoice", invoices)):
        for value in values:
            found = re.fullmatch(r"([^=]+)(?:=([1-9]\d{0,14}))?", value, re.ASCII)
            if not found:
                raise BadInput(f"'{value}': 이름 또는 이름=금액(양의 정수)으로 적으세요 (write NAME or NAME=KRW).")
            shares.append(decisions.Share(**{option: found[1]}, amount_krw=int(found[2]) if found[2] else None))
    return shares

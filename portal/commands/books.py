"""balances, payments, trace: the books' accounts, what was paid, and the way from a figure to its events."""

from pathlib import Path

import click

from billing.payment import ImportResult, import_payments
from core import database
from ledger import books
from portal.command import Answer, Call, command
from portal.programmes import asked
from reports.lineage import trace as trace_reference

commands = click.Group()
payments = click.Group("payments", help="Payments by bank, agency and Stripe.")
commands.add_command(payments)


@command(commands, "balances", help="Every account of the books and its balance, debit positive.")
@click.option("--programme", help="Programme code; all of them when left out.")
def balances(call: Call, programme: str | None) -> Answer:
    """{ACCOUNT: krw} of one programme; {PROGRAMME: {ACCOUNT: krw}} when there are several and none is named."""
    with database.service_engine(call.settings).connect() as connection:
        found = {code: books.balances(connection, code) for code in asked(connection, programme)}
    document = next(iter(found.values()), {}) if len(found) <= 1 else found
    return Answer(document=document, text="\n\n".join(_table(call, code, krw) for code, krw in found.items()))


def _table(call: Call, programme: str, balances_krw: dict[str, int]) -> str:
    title = call.say(f"{programme} 계정 잔액 (단위: 원, 차변 +)", f"{programme} balances (won, debit +)")
    name_width = max(map(len, balances_krw), default=0)
    amounts = {code: f"{krw:,}" for code, krw in balances_krw.items()}
    width = max(map(len, amounts.values()), default=0)
    return "\n".join([title, *(f"  {code:<{name_width}}  {amount:>{width}}" for code, amount in amounts.items())])


@command(payments, "import", help="Books what the bank and the agency paid.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--programme", help="Only this programme's books.")
def import_file(call: Call, file: Path, programme: str | None) -> Answer:
    """Books a payments file once; rows that match no account are listed and booked nowhere."""
    engine = database.service_engine(call.settings)
    with engine.connect() as connection:
        asked(connection, programme)
    result = import_payments(engine, file, call.now, programme)
    document = {
        "file": file.name,
        "rows": result.rows,
        "booked": result.booked,
        "already": result.already,
        "unmatched": [
            {"line": row.line, "reference": row.reference, "account": row.account, "amount_krw": row.amount_krw,
             "reason": reason}
            for row, reason in result.unmatched
        ],
    }  # fmt: skip
    return Answer(document=document, text=_text(call, file, result))


def _text(call: Call, file: Path, result: ImportResult) -> str:
    missed = len(result.unmatched)
    lines = [
        call.say(
            f"{file.name}: {result.rows}건 가운데 {result.booked}건을 장부에 기록, {result.already}건은 이미 기록됨, "
            f"{missed}건은 맞는 계정이 없음",
            f"{file.name}: {result.rows} rows: {result.booked} booked, {result.already} there already, "
            f"{missed} match no account",
        )
    ]
    lines += [
        f"  {file.name}:{row.line}  {row.reference}  {row.account}  {row.amount_krw:,}  {reason}"
        for row, reason in result.unmatched
    ]
    return "\n".join(lines)


@command(commands, "trace", help="From a figure to the events behind it, and back.")
@click.argument("reference")
@click.option("--programme", help="Whose books a reference means that names no programme; all of them when left out.")
def trace(call: Call, reference: str, programme: str | None) -> Answer:
    """REFERENCE: an id that any output shows, `event:SOURCE#ID`, or `FILE.xlsx!SHEET!CELL` of a published workbook."""
    with database.service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        document = trace_reference(connection, reference, programme)
    return Answer(document=document, text=_trace_text(call, document))


def _trace_text(call: Call, document: dict) -> str:
    amount = document["amount_krw"]
    lines = [document["ref"] + ("" if amount is None else f"  {amount:,}" + call.say("원", " won"))]
    for title, english, found in (
        ("위로", "above", document["parents"]),
        ("청구행", "charges", document["charges"]),
        ("사용량", "usage", [f"{one['month']} {one['project']} {one['key']}  {one['quantity']} {one['unit']}"
                         for one in document["usage"]]),
        ("이벤트", "events", [f"{one['source']}#{one['id']}  {one['topic']} {one['partition']}:{one['offset']}  "
                          f"sha256 {one['hash']}" for one in document["events"]]),
    ):  # fmt: skip
        if found:
            lines += ["", call.say(title, english), *(f"  {one}" for one in found)]
    return "\n".join(lines)

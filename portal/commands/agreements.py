"""agreement show, held: an agreement through its life, and held work with what would free it."""

import click

from core.database import service_engine
from core.month import Month, kst_day
from portal.command import Answer, Call, command
from portal.month_text import table, won
from reports.agreement import agreement_view
from reports.held import held_work

commands = click.Group()
agreement = click.Group("agreement", help="Agreements through their life.")
commands.add_command(agreement)

STATUS = {"draft": "초안", "signed": "체결", "ended": "종료", "terminated": "해지"}
KINDS = {"signed": "체결", "amended": "변경", "terminated": "해지"}
ENGLISH = {"선금": "advance", "중도금": "interim", "잔금": "final"}
WHY = {
    "deposit": ("선납금이 확인되지 않음", "the deposit is not confirmed"),
    "grant_limit": ("지원 한도를 넘음", "beyond the grant limit"),
    "price_cap": ("과제 금액 상한을 넘음", "beyond the price cap"),
}
COLUMNS = (
    ("항목", "line"), ("공급기관", "supplier"), ("한도", "limit"), ("집행", "executed"), ("잔액", "left"),
    ("보류", "held"),
)  # fmt: skip
FREES = {
    "deposit_krw": ("선납금", "deposit"), "limit_krw": ("한도", "limit"), "price_cap_krw": ("금액 상한", "price cap"),
}  # fmt: skip


@command(agreement, "show", help="Versions, limits, execution, deposit and milestones of an agreement.")
@click.argument("code")
def show(call: Call, code: str) -> Answer:
    """As it is on the day of --now."""
    with service_engine(call.settings).connect() as connection:
        document = agreement_view(connection, code, kst_day(call.now))
    return Answer(document=document, text=_agreement_text(call, document))


def _agreement_text(call: Call, document: dict) -> str:
    status = call.say(STATUS[document["status"]], document["status"])
    lines = [f"{document['agreement']} · {document['project']} · {document['starts']} – {document['ends']} · {status}"]
    for one in document.get("versions", ()):
        evidence = " · ".join(filter(None, (one["evidence_reference"], one["evidence_sha256"])))
        said = [one["effective"], call.say(KINDS[one["kind"]], one["kind"]), one["reason"], evidence]
        lines.append("  " + "  ".join(filter(None, said)))
    head = [call.say(*pair) for pair in COLUMNS]
    names = ("limit_krw", "executed_krw", "left_krw", "held_krw")
    rows = [[one["code"], one["supplier"], *(won(one.get(name, 0)) for name in names)] for one in document["lines"]]
    lines += ["", *(f"  {row}" for row in table([head, *rows], 2))]
    paid = [[call.say(one["name"], ENGLISH[one["name"]]), one["hospital"], one["on"], won(one["krw"]), one["reference"]]
            for one in document.get("milestones", ())]  # fmt: skip
    if paid:
        lines += ["", *(f"  {row}" for row in table(paid, 3))]
    return "\n".join(lines)


@command(commands, "held", help="Held work, why it is held and what would free it.")
@click.option("--month", help="As the close of this month left it; the last posted month when left out.")
@click.option("--programme", required=True, help="Programme code.")
def held(call: Call, month: str | None, programme: str) -> Answer:
    """Items by line, oldest first; `frees`: won missing until the item and those before it are charged in full."""
    with service_engine(call.settings).connect() as connection:
        document = held_work(connection, programme, Month.parse(month) if month else None)
    return Answer(document=document, text=_held_text(call, document))


def _held_text(call: Call, document: dict) -> str:
    total = f"{document['held_krw']:,}"
    lines = [f"{document['programme']} {document['month']}: " + call.say(f"보류 {total}원", f"{total} won held")]
    for one in document["lines"]:
        lines.append(f"  {one['line']} ({one['project']}, {one['supplier']})  {won(one['held_krw'])}  "
                     f"{call.say(*WHY[one['why']])}")  # fmt: skip
        for item in one["items"]:
            wanted = ", ".join(f"{call.say(*FREES[name])} +{won(krw)}" for name, krw in item["frees"].items())
            lines.append(f"    {item['service_month']}  {item['key']}  {won(item['held_krw'])}  ← {wanted}")
    return "\n".join(lines)

"""budget: the national view, all programmes rolled up by ministry and type."""

import click

from core.database import service_engine
from core.month import Month
from portal.command import Answer, Call, command
from portal.month_text import table, won
from reports.national import COLUMNS, national_view

commands = click.Group()
HEADS = {
    "appropriation_krw": ("예산액", "budget"), "current_krw": ("예산현액 A", "current A"),
    "received_krw": ("교부액 B", "received B"), "executed_krw": ("집행액 C", "executed C"),
    "carried_krw": ("이월 D", "carried D"), "left_krw": ("집행잔액 E", "left E"),
}  # fmt: skip


@command(commands, "budget", help="Budget execution of all programmes, by ministry and type.")
@click.option("--month", help="At the end of this month, YYYY-MM; of the present one when left out.")
def budget(call: Call, month: str | None) -> Answer:
    """Every programme's A = C + D + E, rolled up, and the published national figures beside it."""
    wanted = Month.parse(month) if month else Month.at(call.now)
    with service_engine(call.settings).connect() as connection:
        view = national_view(connection, wanted)
    return Answer(document=view, text=_text(call, view))


def _text(call: Call, view: dict) -> str:
    head = [call.say("구분", "of"), *(call.say(*HEADS[name]) for name in COLUMNS)]
    rows = [
        *((row["programme"], row) for row in view["programmes"]),
        *((f"· {name}", row) for name, row in view["ministries"].items()),
        *((f"· {name}", row) for name, row in view["types"].items()),
        (call.say("합계", "total"), view["total"]),
    ]
    lines = table([head, *([name, *(won(row[column]) for column in COLUMNS)] for name, row in rows)], 1)
    title = call.say(
        f"{view['month']} 말 예산집행 (단위: 원), A = C + D + E",
        f"Budget execution at the end of {view['month']} (won), A = C + D + E",
    )
    return "\n".join([title, *lines, "", _published(call, view["published"])])


def _published(call: Call, published: dict) -> str:
    """The national figures as they were published: their sums differ, and stay so."""
    types, ministries = sum(published["by_type"].values()), sum(published["by_ministry"].values())
    return call.say(
        f"국회예산정책처 {published['year']} (억원, 공표된 그대로): 총액 {published['total']:,} · 유형 합 {types:,} · "
        f"부처 합 {ministries:,}",
        f"As published by NABO for {published['year']} (100M won): total {published['total']:,} · types sum to "
        f"{types:,} · ministries sum to {ministries:,}",
    )

"""forecast: how a programme's execution goes on, and how good such a forecast was."""

from decimal import Decimal

import click

from core.database import service_engine
from portal.command import Answer, Call, command
from portal.month_text import table, won
from reports.forecast import forecast as forecast_of

commands = click.Group()


@command(commands, "forecast", help="Executed so far, run rates, when limits are reached, what will be left.")
@click.option("--programme", required=True, help="Programme code.")
def forecast(call: Call, programme: str) -> Answer:
    """From the locked months alone; says its method and its error on past months."""
    with service_engine(call.settings).connect() as connection:
        document = forecast_of(connection, programme)
    return Answer(document=document, text=_text(call, document))


def _text(call: Call, document: dict) -> str:
    say, total, tests = call.say, document["total"], document["back_test"]
    now, then, left = _percent(total["rate"]), _percent(total["forecast_rate"]), f"{total['left_krw']:,}"
    at, until, error = document["month"], document["until"], _percent(tests["mean_error"])
    count = len(tests["months"])
    lines = [
        say(f"{document['programme']} 집행률 전망 · {at} 마감 기준, {until} 까지",
            f"{document['programme']} forecast · from the close of {at} to {until}"),
        "", *_rows(call, document), "",
        say(f"집행률 {now} → 전망 {then}, 남을 금액 {left}원", f"executed {now} → forecast {then}, left {left}"),
        say("방법: 항목마다 마감된 최근 3개월(모자라면 있는 달) 바우처 집행 평균(음수는 0)이 한도나 종료월까지 이어짐",
            f"method: {document['method']}"),
        say(f"지난 달로 확인: 마감된 {count}개월의 평균 절대 오차 {error}",
            f"back-test: mean absolute error over {count} months {error}"),
    ]  # fmt: skip
    lines += [
        f"  {one['month']}  {say('전망', 'forecast')} {won(one['forecast_krw'])}  {say('실제', 'actual')} "
        f"{won(one['actual_krw'])}  {_percent(one['error'])}"
        for one in tests["months"]
    ]
    return "\n".join(lines)


def _rows(call: Call, document: dict) -> list[str]:
    say = call.say
    head = [say("항목", "line"), say("한도", "limit"), say("집행 누계", "executed"), say("월 평균", "a month"),
            say("한도 도달", "reached"), say("전망", "forecast"), say("남을 금액", "left")]  # fmt: skip
    rows = [
        [f"{one['project']} {code}", won(one["limit_krw"]), won(one["executed_krw"]), won(one["run_rate_krw"]),
         one["reached"] or "-", won(one["forecast_krw"]), won(one["left_krw"])]
        for code, one in document["lines"].items()
    ]  # fmt: skip
    rows += [
        [code, won(one["limit_krw"]), won(one["executed_krw"]), won(one["run_rate_krw"]), "",
         won(one["forecast_krw"]), won(one["left_krw"])]
        for code, one in document["projects"].items()
    ]  # fmt: skip
    return table([head, *rows], 1)


def _percent(rate: str | None) -> str:
    return "-" if rate is None else f"{Decimal(rate) * 100:.1f}%"

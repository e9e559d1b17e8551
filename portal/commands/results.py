"""results: research results, the data that led to them, and how their revenue is shared."""

import click

from core.database import service_engine
from portal.command import Answer, Call, command
from portal.month_text import won
from reports.results import results as results_of

commands = click.Group()
KINDS = {"model": "모델", "paper": "논문", "patent": "특허"}


@command(commands, "results", help="Research results, their data sets, and the shares of their revenue.")
@click.option("--programme", required=True, help="Programme code.")
def results(call: Call, programme: str) -> Answer:
    """What is on record; nothing of it is booked."""
    with service_engine(call.settings).connect() as connection:
        found = results_of(connection, programme)
    lines = [line for one in found for line in _lines(call, one)]
    nothing = call.say("등록된 연구성과가 없습니다.", "No research results on record.")
    return Answer(document={"programme": programme, "results": found}, text="\n".join(lines) or nothing)


def _lines(call: Call, one: dict) -> list[str]:
    say = call.say
    lines = [f"{one['code']}  {say(KINDS[one['kind']], one['kind'])}  {one['on']}  {one['project']}  {one['title']}"]
    if one["sharing"]:
        lines.append(say(f"  현금 외 공유: {one['sharing']}", f"  shared other than money: {one['sharing']}"))
    for data in one["datasets"]:
        missing = ", ".join(data["works_missing"])
        lines.append(
            f"  {data['hospital']} {data['line']} {say('기여', 'contribution')} {data['contribution']}"
            + (say(f"  (청구되지 않은 작업: {missing})", f"  (not charged: {missing})") if missing else "")
        )
    for earned in one["revenue"]:
        shares = ", ".join(f"{hospital} {won(krw)}" for hospital, krw in earned["shares"].items())
        state = "" if earned["final"] else say("  (잠정)", "  (provisional)")
        left = earned["undistributed_krw"]
        rest = say(f"  미배분 {won(left)}", f"  undistributed {won(left)}") if left else ""
        lines.append(f"  {earned['on']} {say('수익', 'revenue')} {won(earned['krw'])}: {shares}{rest}{state}")
    return lines

"""year-end: the final settlement of a programme's fiscal year."""

from pathlib import Path

import click

from closing.year_end import settle_year
from core.database import service_engine
from core.errors import BadInput
from core.month import Month
from portal.command import Answer, Call, command
from portal.month_text import table, won
from reports.statements import write_published

commands = click.Group()
TIES = {
    "예산현액 A": "current budget A", "집행액 C": "executed C", "다음연도이월 D": "carried over D",
    "집행잔액 E": "lapsed E", "A = C + D + E": "A = C + D + E", "반납액": "return",
}  # fmt: skip


@command(commands, "year-end", help="Settles a fiscal year finally and closes its programme.")
@click.argument("year", type=click.IntRange(2000, 2199))
@click.option("--programme", required=True, help="Programme code.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write the report into.")
@click.option("--dry-run", "dry", is_flag=True, help="Shows everything and books nothing.")
def year_end(call: Call, year: int, programme: str, out: Path | None, dry: bool) -> Answer:
    """Once, when the year's months are locked; exit code 1 when a tie shows a difference."""
    if dry and out is not None:
        raise BadInput("--out: --dry-run 은 파일을 쓰지 않습니다. 둘 중 하나만 적으세요 (a dry run writes no file).")
    engine = service_engine(call.settings)
    document = settle_year(engine, programme, year, call.now, dry=dry)
    if out is not None and not document["differences"]:
        with engine.connect() as connection:
            write_published(connection, programme, Month.parse(document["month"]) + 1, out)
        document["out"] = str(out)
    return Answer(document=document, text=_text(call, document), exit_code=1 if document["differences"] else 0)


def _text(call: Call, document: dict) -> str:
    say = call.say
    already = say(" · 이미 최종 정산되었습니다", " · finally settled before") if document["already"] else ""
    state = {"closed": say("최종 정산", "finally settled"), "open": say("미리 보기", "dry run")}[document["state"]]
    lines = [f"{document['programme']} {document['fiscal_year']} · {state}{already}", "", *_budget(call, document)]
    lines += ["", *_projects(call, document), ""]
    for party, krw in document["audited"].items():
        lines.append(say(f"회계감사 대상: {party} {krw:,}원", f"to be audited: {party} {krw:,} won"))
    for tie in document["ties"]:
        mark, sign = ("✗", "≠") if tie["difference"] else ("✓", "=")
        lines.append(f"{mark} {say(tie['name'], TIES[tie['name']])}: {tie['left']:,} {sign} {tie['right']:,}")
    if document["state"] == "closed":
        lines += [f"  {one['sha256'][:12]}  {one['name']}" for one in document["files"]]
    return "\n".join(lines)


def _budget(call: Call, document: dict) -> list[str]:
    say, budget = call.say, document["budget"]
    names = (
        ("current_krw", "예산현액 A", "current budget A"), ("received_krw", "교부액 B", "received B"),
        ("executed_krw", "집행액 C", "executed C"), ("carry_over_krw", "다음연도이월 D", "carried over D"),
        ("balance_krw", "집행잔액 E (불용)", "lapsed E"), ("interest_krw", "발생이자 F", "interest F"),
        ("dropped_krw", "단수 처리", "dropped"), ("return_krw", "반납액 B-C-D+F", "return B-C-D+F"),
    )  # fmt: skip
    return table([[say(korean, english), won(budget[key])] for key, korean, english in names], 1)


def _projects(call: Call, document: dict) -> list[str]:
    say = call.say
    head = [say("과제", "project"), say("예산현액", "current"), say("집행액", "executed"), say("이월", "carried over"),
            say("집행잔액", "lapsed"), say("검증", "verified")]  # fmt: skip
    rows = [
        [code, won(one["current_krw"]), won(one["executed_krw"]), won(one["carry_over_krw"]), won(one["balance_krw"]),
         say("대상", "yes") if one["verified"] else "-"]
        for code, one in document["projects"].items()
    ]  # fmt: skip
    return table([head, *rows], 1)

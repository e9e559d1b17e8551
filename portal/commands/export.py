"""export journal, export focus: the books and the charges for other programs."""

from pathlib import Path

import click

from core.database import service_engine
from core.month import Month
from portal.command import Answer, Call, command
from portal.programmes import asked
from reports.focus import export_focus
from reports.journal_export import FORMS, export_journal

commands = click.Group()
out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write."
)
programme_option = click.option("--programme", help="Programme code; all of them when left out.")


@commands.group("export", help="Books and charges for other programs.")
def export() -> None:
    """The group of the exports."""


@command(export, "journal", help="Every entry of the books, for beancount, hledger, or as CSV with the hash chain.")
@click.option("--format", "form", type=click.Choice(FORMS), required=True, help="What will read it.")
@out_option
@programme_option
def journal(call: Call, form: str, out: Path, programme: str | None) -> Answer:
    """The whole journal; docs/books.md says how accounts and texts are written."""
    with service_engine(call.settings).connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        wanted = asked(connection, programme)
        count = export_journal(connection, wanted, form, out)
    return _written(call, out, {"format": form, "programmes": wanted, "entries": count}, "분개", "entries", count)


@command(export, "focus", help="A month's charges in the FinOps Foundation's FOCUS format.")
@click.option("--month", required=True, help="Settlement month, like 2025-11.")
@out_option
@programme_option
def focus(call: Call, month: str, out: Path, programme: str | None) -> Answer:
    """What the month booked; docs/books.md says what each column holds."""
    wanted_month = Month.parse(month)
    with service_engine(call.settings).connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        wanted = asked(connection, programme)
        count = export_focus(connection, wanted, wanted_month, out)
    return _written(call, out, {"month": month, "programmes": wanted, "rows": count}, "행", "rows", count)


def _written(call: Call, out: Path, document: dict, korean: str, english: str, count: int) -> Answer:
    said = call.say(f"{out} 에 {korean} {count:,}건을 썼습니다.", f"{count:,} {english} written to {out}.")
    return Answer(document={"out": str(out), **document}, text=said)

"""month run, month show, statements, verify: the monthly settlement."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import click
from sqlalchemy import Connection, Engine

from closing.assumption import read_assumption
from closing.run import STEPS, dry_run, run_month, show_month
from closing.seal import read_seal
from closing.verify import verify_books
from closing.what_if import what_if
from core.database import service_engine
from core.errors import BadInput
from core.month import Month
from portal.command import Answer, Call, Said, command
from portal.month_text import month_text, what_if_text
from registry.users import acting
from reports.statements import write_published
from reports.versions import reissue as reissue_statements
from reports.versions import versions

commands = click.Group()
programme_option = click.option("--programme", required=True, help="Programme code.")

STEP_NAMES = dict(
    zip(STEPS, ("마감 시점 고정", "단가 적용", "재원 분담", "기장", "문서", "대사", "공표", "마감"), strict=True)
)


@commands.group("month", help="The monthly run.")
def month() -> None:
    """The group of the monthly run's commands."""


@command(month, "run", help="Runs a month, or goes on where it stopped.")
@click.argument("month")
@programme_option
@click.option("--dry-run", "dry", is_flag=True, help="Shows everything and books nothing.")
@click.option("--until", type=click.Choice(STEPS), default="lock", help="Stops after this step.")
@click.option("--assume", type=click.Path(path_type=Path), help="A dry run under other terms (TOML), beside the real.")
def run(call: Call, month: str, programme: str, dry: bool, until: str, assume: Path | None) -> Answer:
    """The eight steps; exit code 1 when the reconciliation finds a difference."""
    engine = service_engine(call.settings)
    wanted = Month.parse(month)
    if assume is not None and not dry:
        raise BadInput("--assume: --dry-run 과 함께 적으세요. 가정은 기록되지 않습니다 (goes with --dry-run).")
    if dry:
        document = dry_run(engine, programme, wanted, call.now, _assuming(programme, wanted, assume))
    else:
        document = _booked(call, engine, programme, wanted, until)
    text = month_text(call, document, dry=dry) + (what_if_text(call, document["what_if"]) if assume else "")
    return Answer(document=document, text=text, exit_code=1 if document["differences"] else 0)


def _booked(call: Call, engine: Engine, programme: str, month: Month, until: str) -> dict:
    """Runs the month, saying each step; a run that finds nothing left to do says that."""
    begun = []

    def begin(step: str) -> None:
        begun.append(step)
        call.progress(f"  {month} {STEP_NAMES[step]} …", f"  {month} {step} …")

    document = run_month(engine, programme, month, call.now, until=until, begin=begin)
    if not begun:
        call.progress(f"{month}: 이미 정산되어 있습니다. 바뀐 것이 없습니다.", f"{month}: run before; nothing changed.")
    return document


def _assuming(programme: str, month: Month, assume: Path | None) -> Callable[[Connection], dict] | None:
    """What adds the figures under an assumption to a dry run; none without one."""
    if assume is None:
        return None
    assumption = read_assumption(assume)
    return lambda connection: what_if(connection, programme, month, assumption, assume.name)


@command(month, "show", help="All figures of a month.")
@click.argument("month")
@programme_option
def show(call: Call, month: str, programme: str) -> Answer:
    """The figures as they were booked."""
    with service_engine(call.settings).connect() as connection:
        document = show_month(connection, programme, Month.parse(month))
    return Answer(document=document, text=month_text(call, document))


@command(commands, "statements", help="Writes a month's published workbooks.")
@click.argument("month")
@programme_option
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write into.")
@click.option("--version", type=click.IntRange(1), help="As they were in this version; the newest when left out.")
def statements(call: Call, month: str, programme: str, out: Path, version: int | None) -> Answer:
    """The bytes that were published, byte for byte."""
    wanted = Month.parse(month)
    with service_engine(call.settings).connect() as connection:
        written = write_published(connection, programme, wanted, out, version)
        issued = versions(connection, programme, wanted)
    files = [{"name": path.name, "sha256": sha256(path.read_bytes()).hexdigest()} for path in written]
    document = {"out": str(out), "files": files, "versions": issued}
    lines = [f"  {one['sha256'][:12]}  {one['name']}" for one in files]
    lines += [f"  {one['version']}판 {one['issued_by']}: {one['reason']}" for one in issued[1:]]
    heading = call.say(f"{out} 에 통합문서 {len(written)}개를 썼습니다.", f"{len(written)} workbooks written to {out}.")
    return Answer(document=document, text="\n".join([heading, *lines]))


@command(commands, "reissue", help="Issues some statements of a locked month anew; the old ones are kept.")
@click.argument("month")
@programme_option
@click.option("--party", "parties", multiple=True, required=True, help="Whose statement; may be given several times.")
@click.option("--reason", type=Said(), required=True, help="Why, for the record.")
@click.option("--by", "name", required=True, help="Who issues it, a user of finance.")
def reissue(call: Call, month: str, programme: str, parties: tuple[str, ...], reason: str, name: str) -> Answer:
    """A new version, with the parties as they are called now and the figures of the closed month."""
    with service_engine(call.settings).begin() as connection:
        by = acting(connection, name, "finance").name
        done = reissue_statements(connection, programme, Month.parse(month), parties, reason, by, call.now)
    files = [{"name": file, "replaces_sha256": old, "sha256": new} for file, old, new in done.files]
    document = {"month": month, "version": done.version, "reason": reason, "files": files}
    heading = call.say(
        f"{month} 정산서 {done.version}판을 발행했습니다.", f"Version {done.version} of {month} is issued."
    )
    return Answer(
        document=document,
        text="\n".join([heading, *(f"  {one['sha256'][:12]}  {one['name']}" for one in files)]),
    )


@command(commands, "verify", help="Checks the books, the budget, closed months and intake.")
@click.option("--deep", is_flag=True, help="Derives everything anew from the raw events and compares.")
@click.option("--against", type=click.Path(path_type=Path), help="A seal: nothing up to its month may have changed.")
def verify(call: Call, deep: bool, against: Path | None) -> Answer:
    """Exit code 1 when an ERROR is found."""
    sealed = read_seal(against) if against else None
    engine = service_engine(call.settings)
    found = verify_books(engine, deep=deep, seal=sealed, say=call.progress)
    ok = not any(one.level == "ERROR" for one in found)
    document = {
        "ok": ok,
        "findings": [
            {"level": one.level, "check": one.check, "message": one.message, "refs": list(one.refs)} for one in found
        ],
    }
    lines = [f"{one.level:5}  {one.check}: {one.message}" for one in found]
    if sealed is not None and ok:
        month = sealed["month"]
        lines.append(call.say(f"봉인 {against.name}: {month}까지 바뀐 것이 없습니다.",
                              f"Seal {against.name}: nothing up to {month} has changed."))  # fmt: skip
    lines.append(
        call.say(
            "장부가 맞습니다." if ok else "장부에 어긋남이 있습니다.", "The books hold." if ok else "Differences found."
        )
    )
    return Answer(document=document, text="\n".join(lines), exit_code=0 if ok else 1)

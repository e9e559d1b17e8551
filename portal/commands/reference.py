"""init and load: the database and the reference data."""

from collections import Counter
from pathlib import Path

import click

from closing.load import LoadResult
from closing.load import load as load_files
from core import database, schema
from portal.command import Answer, Call, command

commands = click.Group()


@command(commands, "init", help="Creates or migrates the database.")
def init(call: Call) -> Answer:
    """Creates the embedded database where none is given, migrates, and makes the service's role."""
    before, after = schema.initialise(call.settings)
    document = {"revision": after, "migrated": before != after}
    if before == after:
        return Answer(
            document=document,
            text=call.say(f"데이터베이스가 이미 최신입니다 ({after}).", f"The database is up to date ({after})."),
        )
    return Answer(
        document=document,
        text=call.say(
            f"데이터베이스를 준비했습니다 ({before or '새로'} → {after}).",
            f"The database is ready ({before or 'new'} → {after}).",
        ),
    )


KOREAN = {
    "party": "참여자",
    "programme": "사업",
    "project": "과제",
    "agreement": "협약",
    "permit": "심의 승인",
    "price_book": "단가표",
    "result": "연구성과",
}


@command(commands, "load", help="Loads reference data: all or nothing.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(call: Call, files: tuple[Path, ...]) -> Answer:
    """Loads TOML files as one unit; a second load says so and changes no figure."""
    result = load_files(database.service_engine(call.settings), files, call.now)
    document = {
        "files": [file.name for file in files],
        "new": _by_kind(result.new),
        "changed": _by_kind(result.changed),
        "already": _by_kind(result.same),
        "entries": result.entries,
        "released": result.released,
    }
    return Answer(document=document, text=_text(call, result))


def _by_kind(keys: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, code in keys:
        found.setdefault(kind, []).append(code)
    return found


def _text(call: Call, result: LoadResult) -> str:
    lines = []
    for keys, korean, english in (
        (result.new, "새로 등록", "new"),
        (result.changed, "변경", "changed"),
        (result.same, "이미 등록됨", "there already"),
    ):
        counts = Counter(kind for kind, _ in keys)
        if counts:
            said = call.say(
                ", ".join(f"{KOREAN[kind]} {count}" for kind, count in counts.items()),
                ", ".join(f"{kind} {count}" for kind, count in counts.items()),
            )
            lines.append(call.say(f"{korean}: {said}", f"{english}: {said}"))
    if not result.new and not result.changed:
        lines.append(call.say("바뀐 것이 없습니다.", "Nothing changed."))
    if result.entries:
        lines.append(
            call.say(f"예산 분개 {result.entries}건을 기록했습니다.", f"{result.entries} budget entries booked.")
        )
    if result.released:
        lines.append(
            call.say(
                f"격리된 이벤트 {result.released:,}건을 해제했습니다.",
                f"{result.released:,} events released from quarantine.",
            )
        )
    return "\n".join(lines)

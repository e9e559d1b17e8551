"""ingest, intake, quarantine and usage: events in, usage out."""

import dataclasses
from pathlib import Path

import click
from sqlalchemy import Engine

from core import database, logs
from core.month import Month
from metering import dead_letters, files, quarantine
from metering.intake import Intake
from metering.monthly import metered_month
from metering.store import Counts
from metering.usage import last_mark
from portal import event_files
from portal.command import Answer, Call, command

commands = click.Group()
SHOWN_PROBLEMS = 20
NAMES = {
    "received": ("수신", "received"),
    "stored": ("저장", "stored"),
    "duplicate": ("중복", "duplicate"),
    "quarantined": ("격리", "quarantined"),
    "dead_lettered": ("판독 불가", "dead-lettered"),
}
APART = {"running": ("실행 중", "still running"), "unstarted": ("시작 전 취소", "never started")}


@command(commands, "ingest", help="Takes in events from files (JSON lines, a JSON array, SLURM accounting).")
@event_files.options
def ingest(call: Call, paths: tuple[Path, ...], form: str, source: str | None, map_path: Path | None) -> Answer:
    """Takes files in through the very path of Kafka's events; says what became of each record."""
    logs.set_up(call.settings.log)
    topics = [files.topic_of(path) for path in paths]
    found = event_files.event_files(paths, form, source, map_path)
    engine = database.service_engine(call.settings)
    intake = Intake(engine)
    total, rows = Counts(), []
    for one, topic in zip(found, topics, strict=True):
        say = event_files.told(call, one.path)
        with engine.connect() as connection:
            since = last_mark(connection)
        if one.reader is None:
            counts = intake.ingest(topic, 0, files.records(one.path, say), call.now)
        else:
            counts = intake.ingest(topic, 0, files.rows(one.path, say), call.now, one.reader.read)
        with engine.begin() as connection:
            dead_letters.release_read(connection, call.now, topic, since)
        total += counts
        problems = _problems(engine, topic, since)
        rows.append({"file": str(one.path), **dataclasses.asdict(counts), **one.apart, **problems})
        call.note("ingested", topic=topic, **{"file": str(one.path), **dataclasses.asdict(counts), **one.apart})
    apart = {name: sum(row.get(name, 0) for row in rows) for name in APART if any(one.reader for one in found)}
    document = {"files": rows, **dataclasses.asdict(total), **apart}
    return Answer(document=document, text="\n".join(line for row in rows for line in _file_text(call, row)))


def _problems(engine: Engine, topic: str, since: int) -> dict:
    """What of a file was not stored: the first dead letters by line, and the reasons of quarantine."""
    with engine.connect() as connection:
        found = quarantine.problems(connection, topic, since, SHOWN_PROBLEMS)
    letters = [dict(zip(("line", "reason", "detail"), one, strict=True)) for one in found.dead_letters]
    return {"dead_letters": letters, "quarantine_reasons": found.quarantined}


def _file_text(call: Call, row: dict) -> list[str]:
    """A file's counts, then what was not stored: file, line and why."""
    lines = [counts_text(call, row["file"], row)]
    lines += [f"  {row['file']}:{one['line']}: {one['reason']}: {one['detail']}" for one in row["dead_letters"]]
    more = row["dead_lettered"] - len(row["dead_letters"])
    if more > 0:
        lines.append(call.say(f"  … 판독 불가 {more:,}건 더", f"  … {more:,} more dead letters"))
    lines += [
        call.say(f"  격리 {reason}: {count:,}건 (`jeongsan quarantine list`)",
                 f"  quarantined {reason}: {count:,} (`jeongsan quarantine list`)")
        for reason, count in row["quarantine_reasons"].items()
    ]  # fmt: skip
    return lines


def counts_text(call: Call, name: str, counts: dict) -> str:
    """The counts in a line."""
    names = {**NAMES, **{key: one for key, one in APART.items() if key in counts}}
    parts = (f"{call.say(*one)} {counts[key]:,}" for key, one in names.items())
    return f"{name}: {' · '.join(parts)}"


@command(commands, "intake", help="The counting identity over everything ever received.")
def intake(call: Call) -> Answer:
    """received = stored + duplicate + quarantined + dead-lettered; exit code 1 when it does not hold."""
    with database.service_engine(call.settings).connect() as connection:
        counts = quarantine.intake_counts(connection)
    holds = call.say("맞습니다", "holds") if counts["balanced"] else call.say("맞지 않습니다", "does NOT hold")
    text = counts_text(call, call.say("수신 항등식", "intake"), counts) + f" – {holds}"
    return Answer(document=counts, text=text, exit_code=0 if counts["balanced"] else 1)


@commands.group("quarantine", help="Events that could not be attributed.")
def quarantined() -> None:
    """list, retry, dismiss."""


@command(quarantined, "list", help="Lists what waits, oldest first.")
def listed(call: Call) -> Answer:
    """Every waiting event with its reason and where it came from."""
    with database.service_engine(call.settings).connect() as connection:
        found = quarantine.listed(connection)
    rows = [{**dataclasses.asdict(one), "recorded_at": one.recorded_at.isoformat()} for one in found]
    lines = [f"{one.id}\t{one.reason}\t{one.source}#{one.event_id}\t{one.type}\t{one.detail}" for one in found]
    return Answer(
        document={"events": rows}, text="\n".join(lines) or call.say("격리된 이벤트가 없습니다.", "Nothing waits.")
    )


@command(quarantined, "retry", help="Tries waiting events again: all, or those with the given ids.")
@click.argument("ids", metavar="[ID...]", nargs=-1, type=int)
def retry(call: Call, ids: tuple[int, ...]) -> Answer:
    """Events whose cause is gone are stored now; the others wait on."""
    engine = database.service_engine(call.settings)
    counts = quarantine.retry(engine, call.now, list(ids) or None)
    with engine.connect() as connection:
        waiting = len(quarantine.listed(connection))
    document = {"stored": counts.stored, "duplicate": counts.duplicate, "waiting": waiting}
    return Answer(
        document=document,
        text=call.say(
            f"저장 {counts.stored:,} · 중복 {counts.duplicate:,} · 남은 격리 {waiting:,}",
            f"stored {counts.stored:,} · duplicate {counts.duplicate:,} · still waiting {waiting:,}",
        ),
    )


@command(quarantined, "dismiss", help="Puts a waiting event aside for good, with a reason, on record.")
@click.argument("quarantine_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why.")
def dismiss(call: Call, quarantine_id: int, reason: str) -> Answer:
    """It stays in the counts and in the record."""
    with database.service_engine(call.settings).begin() as connection:
        quarantine.dismiss(connection, call.now, quarantine_id, reason)
    return Answer(
        document={"id": quarantine_id, "status": "dismissed"},
        text=call.say(f"{quarantine_id}: 제외했습니다.", f"{quarantine_id}: dismissed."),
    )


@command(commands, "usage", help="Metered usage of a month.")
@click.option("--month", required=True, help="2025-11")
@click.option("--project", help="One project only.")
def usage(call: Call, month: str, project: str | None) -> Answer:
    """GPU by model, storage by volume, accepted work by line and work kind; exact."""
    found = Month.parse(month)
    with database.service_engine(call.settings).connect() as connection:
        rows = metered_month(connection, found, project, call.now)
    document = {"month": str(found), "rows": [dataclasses.asdict(row) for row in rows]}
    lines = [f"{row.project}\t{row.meter}\t{row.key}\t{row.quantity} {row.unit}" for row in rows]
    return Answer(document=document, text="\n".join(lines) or call.say("사용량이 없습니다.", "No usage."))

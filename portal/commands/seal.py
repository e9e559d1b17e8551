"""seal: what a locked month leaves to print and sign."""

from hashlib import sha256
from pathlib import Path

import click

from closing.seal import seal, seal_text
from core.database import service_engine
from core.month import Month
from portal.command import Answer, Call, command
from portal.programmes import asked
from reports.guarded_csv import not_writable

commands = click.Group()


@command(commands, "seal", help="Writes a locked month's seal: the journal's head, control totals, statement hashes.")
@click.argument("month")
@click.option("--programme", required=True, help="Programme code.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; stdout when left out.")
def write(call: Call, month: str, programme: str, out: Path | None) -> Answer:
    """`jeongsan verify --against FILE` proves later that nothing up to the month has changed."""
    wanted = Month.parse(month)
    with service_engine(call.settings).connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        asked(connection, programme)
        document = seal(connection, programme, wanted)
    content = seal_text(document)
    digest = sha256(content.encode()).hexdigest()
    if out is not None:
        try:
            out.write_text(content, encoding="utf-8", newline="\n")
        except OSError as error:
            raise not_writable(out, error) from None
    said = call.say(f"{out} 에 봉인을 썼습니다. SHA-256: {digest}", f"seal written to {out}; SHA-256: {digest}")
    answer = {"out": str(out) if out else None, "sha256": digest, "seal": document}
    return Answer(document=answer, text=said if out else content.rstrip("\n"))

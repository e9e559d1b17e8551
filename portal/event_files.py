"""The files that ingest and produce read: what they hold, and how far the reading is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from core.errors import BadInput
from metering import files
from metering.sacct import SacctReader, SlurmMap, looks_like_sacct
from metering.slurm_map import read_map
from portal.command import Call

PROGRESS_S = 2
FORMATS = ("auto", "cloudevents", "sacct")
APART = ("running", "unstarted")


@dataclass(frozen=True, kw_only=True)
class EventFile:
    """A file, and the reader of its rows where it is SLURM accounting; None where it holds events."""

    path: Path
    reader: SacctReader | None

    @property
    def apart(self) -> dict[str, int]:
        """Rows that are no usage (yet), counted apart from the records."""
        return {} if self.reader is None else {name: getattr(self.reader, name) for name in APART}


def options(function: Callable) -> Callable:
    """FILE… with --format, --source and --map, as `event_files` takes them."""
    paths = click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
    function = click.option(
        "--map", "map_path", type=click.Path(path_type=Path), help="sacct: accounts and partitions (TOML)."
    )(function)
    function = click.option("--source", help="sacct: the events' source; slurm://CLUSTER when left out.")(function)
    function = click.option(
        "--format", "form", type=click.Choice(FORMATS), default=FORMATS[0], help="What the files hold."
    )(function)
    return paths(function)


def event_files(paths: Sequence[Path], form: str, source: str | None, map_path: Path | None) -> list[EventFile]:
    """The files by what they hold. Raises BadInput for one that cannot be read, or accounting without a map."""
    names = read_map(map_path) if map_path else None
    return [EventFile(path=path, reader=_reader(path, form, source, names)) for path in paths]


def _reader(path: Path, form: str, source: str | None, names: SlurmMap | None) -> SacctReader | None:
    first = files.first_line(path)
    if form == "cloudevents" or (form == "auto" and not looks_like_sacct(first)):
        return None
    if names is None:
        raise BadInput(f"{path}: SLURM 회계 파일입니다. --map 파일.toml 을 주세요 (sacct: give --map FILE.toml).")
    return SacctReader(names=names, source=source)


def told(call: Call, path: Path) -> Callable[[int], None]:
    """Says on stderr, every two seconds at most, how much of a long file has been read."""
    size, said = path.stat().st_size, [time.monotonic()]

    def say(done: int) -> None:
        if time.monotonic() - said[0] >= PROGRESS_S:
            said[0] = time.monotonic()
            share = f"{path.name}: {done * 100 // max(size, 1)} % ({done >> 20} / {size >> 20} MiB)"
            call.progress(f"{share} 읽음", f"{share} read")

    return say

"""SLURM accounting rows, as `sacct --parsable2` writes them, → job events or rejections (domain.md §3). Pure.

`TZ=UTC sacct --parsable2 --noheader --allocations --duplicates` with the fields of HEADERLESS in that order, or any
order under a header. A row that has not ended, or never began, is no usage yet: it is counted apart and left out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metering import fields, rules
from metering.columns import Events, empty, of_events
from metering.fields import FieldError
from metering.rules import JOB, Rejection, UsageEvent

HEADERLESS = (
    "jobid", "jobidraw", "cluster", "partition", "qos", "account", "group", "gid", "user", "uid", "submit", "eligible",
    "start", "end", "elapsed", "exitcode", "state", "nnodes", "ncpus", "reqcpus", "reqmem", "reqtres", "alloctres",
    "timelimit", "nodelist", "jobname",
)  # fmt: skip
NEEDED = ("jobidraw", "partition", "account", "start", "end", "elapsed", "alloctres")
UNKNOWN = ("", "Unknown", "None")
NOWHERE = ("", "None assigned", "None", "Unknown")
_elapsed = re.compile(r"(?:(?:(\d{1,6})-)?(\d\d):)?(\d\d):(\d\d)", re.ASCII)
_instant = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_count = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SlurmMap:
    """SLURM account → project code and partition → GPU model; `default` in either catches the rest."""

    projects: Mapping[str, str]
    models: Mapping[str, str]


class Unmapped(FieldError):
    """A row whose account or partition the map does not name."""


@dataclass(kw_only=True)
class SacctReader:
    """Reads the rows of one file; called part by part, in order. `source`: of every event; by cluster when None.

    `running` and `unstarted` count rows that have not ended, and that were cancelled before they began.
    """

    names: SlurmMap
    source: str | None
    running: int = 0
    unstarted: int = 0
    _columns: tuple[str, ...] = field(default=(), init=False)

    def read(self, records: Iterable[tuple[int, bytes]]) -> tuple[Events, list[tuple[int, Rejection]]]:
        """The events of rows (line, bytes), and what cannot be read."""
        events, lines, rejections = [], [], []
        for line, payload in records:
            found = self._row(payload)
            if isinstance(found, Rejection):
                rejections.append((line, found))
            elif found is not None:
                events.append(found)
                lines.append(line)
        return of_events(events, lines) if events else empty(), rejections

    def _row(self, payload: bytes) -> UsageEvent | Rejection | None:
        header = header_of(payload)
        if header:
            self._columns = header
            return None
        self._columns = self._columns or HEADERLESS
        if len(payload) > rules.RECORD_LIMIT_BYTES:
            return Rejection(
                reason="too_large", detail=f"{len(payload):,} 바이트 (the row is too large)", payload=payload
            )
        try:
            return self._event(_cells(payload, self._columns))
        except Unmapped as error:
            return Rejection(reason="unmapped", detail=str(error), payload=payload)
        except FieldError as error:
            return Rejection(reason="schema", detail=str(error), payload=payload)

    def _event(self, row: Mapping[str, str]) -> UsageEvent | None:
        if not _count.fullmatch(row["jobidraw"]):
            problem = f"{row['jobidraw'][:60]!r} 작업 단계입니다: sacct --allocations (a job step, or no job number)"
            raise FieldError("jobidraw", problem)
        if row["end"] in UNKNOWN:
            self.running += 1
            return None
        if row["start"] in UNKNOWN:
            self.unstarted += 1
            return None
        start, end = (_utc(row[name], name) for name in ("start", "end"))
        gpu_count, core_count = allocated(row["alloctres"], row.get("ncpus", ""))
        cluster = row.get("cluster") or None
        values = {
            "project": self._project(row["account"]), "session": row.get("jobid") or row["jobidraw"],
            "start": start, "end": end, "elapsed_s": elapsed_s(row["elapsed"]), "gpu_count": gpu_count,
            "core_count": core_count, "model": self._model(row["partition"], gpu_count),
        }  # fmt: skip
        placed = {"node": None if row.get("nodelist", "") in NOWHERE else row["nodelist"], "cluster": cluster}
        values |= {name: value for name, value in placed.items() if value is not None}
        source = self.source or f"slurm://{cluster or 'cluster'}"
        values = rules.reread(JOB, values, source)
        return rules.usage_event(source, f"{row['jobidraw']}@{row['start']}", JOB, values)

    def _project(self, account: str) -> str:
        found = self.names.projects.get(account) or self.names.projects.get("default")
        if found is None:
            problem = f"{account[:60]!r} --map 의 [project] 에 없습니다, 적고 다시 수집하세요 (not in the map)"
            raise Unmapped("account", problem)
        return found

    def _model(self, partition: str, gpu_count: int) -> str:
        """The partition's GPU model; a partition without one stands for itself where a job had no GPU."""
        found = self.names.models.get(partition) or self.names.models.get("default")
        if found is None and gpu_count:
            problem = f"{partition[:60]!r} --map 의 [model] 에 없습니다, 적고 다시 수집하세요 (not in the map)"
            raise Unmapped("partition", problem)
        return found or partition


def header_of(payload: bytes) -> tuple[str, ...] | None:
    """The columns that a header line names, in small letters; None when the line is no header."""
    columns = tuple(cell.strip().lower() for cell in payload.decode(errors="replace").split("|"))
    return columns if set(NEEDED) <= set(columns) else None


def looks_like_sacct(payload: bytes) -> bool:
    """Whether a file's first line is a header or a row of accounting."""
    return header_of(payload) is not None or payload.count(b"|") >= len(HEADERLESS) - 1


def _cells(payload: bytes, columns: Sequence[str]) -> dict[str, str]:
    """The row's cells by column; a job's name may hold the separator where it comes last."""
    pieces = payload.rstrip(b"\r\n").split(b"|")
    extra = len(pieces) - len(columns)
    if extra > 0 and columns[-1] == "jobname":
        pieces = pieces[: len(columns)]
    if len(pieces) != len(columns):
        problem = (
            f"항목이 {len(pieces)}개입니다, {len(columns)}개여야 합니다 (cells in the row; not as many as columns)"
        )
        raise FieldError("row", problem)
    cells = {}
    for name, piece in zip(columns, pieces, strict=True):
        try:
            cells[name] = piece.decode() if name in USED else ""
        except UnicodeDecodeError:
            raise FieldError(name, f"{piece[:60]!r} UTF-8 이 아닙니다 (not UTF-8)") from None
    return cells


USED = frozenset((*NEEDED, "jobid", "cluster", "ncpus", "nodelist"))


def _utc(text: str, name: str) -> str:
    """The canonical text of an instant that sacct writes in UTC without an offset."""
    if not _instant.fullmatch(text):
        problem = f"{text[:60]!r} 2025-11-30T15:00:00 처럼 UTC 로 적힌 시각이 아닙니다 (not an instant of TZ=UTC sacct)"
        raise FieldError(name, problem)
    return fields.instant(text + "Z", name)[1]


def elapsed_s(text: str) -> int:
    """`[DD-]HH:MM:SS` in seconds. Raises FieldError."""
    found = _elapsed.fullmatch(text)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 60, 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise FieldError("elapsed", f"{text[:60]!r} [DD-]HH:MM:SS 가 아닙니다 (not an elapsed time)")
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def allocated(alloctres: str, ncpus: str) -> tuple[int, int]:
    """(GPUs, cores) of `billing=8,cpu=8,gres/gpu=2,gres/gpu:a100=2,mem=64G`; cores from ncpus where not said.

    The untyped count of GPUs is the whole; without it the typed ones are summed. Raises FieldError.
    """
    counts: dict[str, int] = {}
    for part in alloctres.split(",") if alloctres else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise FieldError("alloctres", f"{part[:60]!r} 이름=수 가 아닙니다 (not name=count)")
        if name == "cpu" or name == "gres/gpu" or name.startswith("gres/gpu:"):
            if not _count.fullmatch(value) or name in counts:
                raise FieldError("alloctres", f"{part[:60]!r} 수가 아니거나 두 번 나옵니다 (no count, or named twice)")
            counts[name] = int(value)
    typed = sum(count for name, count in counts.items() if name.startswith("gres/gpu:"))
    if "cpu" not in counts and ncpus:
        if not _count.fullmatch(ncpus):
            raise FieldError("ncpus", f"{ncpus[:60]!r} 수가 아닙니다 (not a count)")
        counts["cpu"] = int(ncpus)
    return counts.get("gres/gpu", typed), counts.get("cpu", 0)

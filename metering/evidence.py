"""What auditors ask of metering (domain.md §3, §9): data that left the space, volumes that were not deleted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

import msgspec
from sqlalchemy import Connection, text

from metering import rules
from metering.corrections import amended, stands
from metering.fields import instant, moment_of
from metering.forest import corrected_trees, project_ids, seq_limit
from metering.held import storage_readings
from metering.storage import Reading, steps

ANALYSIS = "analysis"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An event that a finding rests on. `subject`: the digest of what was exported, or the volume."""

    project: str
    subject: str
    at: datetime
    source: str
    id: str

    @property
    def reference(self) -> str:
        """What `trace` follows."""
        return f"event:{self.source}#{self.id}"


def raw_exports(connection: Connection, projects: Sequence[str], mark: int) -> list[Evidence]:
    """The exports of raw data that stand, of batches up to `mark`; models and analysis results may leave."""
    trees = corrected_trees(connection, mark, [rules.EXPORTED])
    rows = connection.execute(
        text(
            "SELECT value AS source, event_id AS id, data FROM event JOIN term ON term.id = source_id"
            " WHERE type = :exported AND project_id = ANY(:projects) AND seq < :limit AND seq <> ALL(:corrected)"
            " AND data::jsonb ->> 'kind' = 'raw'"
        ),
        {
            "exported": rules.EXPORTED, "projects": list(project_ids(connection, projects)),
            "limit": seq_limit(mark), "corrected": sorted(trees),
        },
    )  # fmt: skip
    found = [_export(row.source, row.id, msgspec.json.decode(row.data)) for row in rows]
    fixed = ((root, amended(root)) for root in trees.values() if stands(root))
    found += (
        _export(root.source, root.id, values)
        for root, values in fixed
        if values["kind"] == "raw" and values["project"] in set(projects)
    )
    return sorted(found, key=lambda one: (one.project, one.at, one.source, one.id))


def _export(source: str, event_id: str, values: Mapping[str, str]) -> Evidence:
    at = moment_of(instant(values["at"], "at")[0])
    return Evidence(project=values["project"], subject=values["digest"], at=at, source=source, id=event_id)


def revived_volumes(connection: Connection, projects: Sequence[str], mark: int) -> list[Evidence]:
    """The first snapshot of a volume after each certified deletion of it: what was certified as gone is there again."""
    return [_reading(one) for one in revivals(storage_readings(connection, projects, mark))]


def revivals(readings: Iterable[Reading]) -> Iterator[Reading]:
    """The same from sorted readings."""
    for _, of_volume in groupby(readings, key=lambda one: (one.project, one.volume)):
        deleted = False
        for reading in of_volume:
            if reading.type == rules.DELETED:
                deleted = True
            elif deleted:
                yield reading
                deleted = False


def undeleted_volumes(connection: Connection, ends: Mapping[str, date], mark: int, day: date) -> list[Evidence]:
    """The last snapshot of each volume that was in the analysis zone and has no deletion certificate after it.

    `ends`: project → last local day of its agreements; only those of projects whose agreements ended before `day`.
    """
    over = {project for project, last in ends.items() if last < day}
    found: dict[tuple[str, str], Reading] = {}
    for step in steps(storage_readings(connection, sorted(over), mark)):
        if step.ended_by is None and step.begun_by.zone == ANALYSIS:
            found[step.begun_by.project, step.begun_by.volume] = step.begun_by
    return [_reading(one) for one in found.values()]


def _reading(one: Reading) -> Evidence:
    at = moment_of(one.at_us)
    return Evidence(project=one.project, subject=one.volume, at=at, source=one.source, id=one.id)

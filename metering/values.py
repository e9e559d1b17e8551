"""Metered usage as frozen values, exact; free of any engine, so that rating can use them."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Usage of a project's meter over a segment of local days that begins at `starts`.

    `key`: GPU model or storage class; `quantity`: µs × thousandths of a GPU or core, or µs × bytes.
    """

    project: str
    meter: str
    key: str
    starts: date
    quantity: int


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """An acceptance (검수) of work, whole or part, in thousandths of the work's unit."""

    seq: int
    source: str
    id: str
    at: datetime
    quantity_milli: int


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """Work performed by a hospital, with voids and amendments applied, and its acceptances that stand."""

    seq: int
    source: str
    id: str
    project: str
    line: str
    work: str
    unit: str
    quantity_milli: int
    performed: datetime
    modality: str | None
    grade: str | None
    acceptances: tuple[Acceptance, ...]
    rejected_milli: int

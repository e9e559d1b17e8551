"""Versions of a month's statements: what they were issued with, and re-issuing some of them with a reason.

Beside what is booked a statement shows how parties are called and which projects there were. Both are kept when the run
documents the month, so that it renders the same years later (domain.md §8, decision 0006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, text

from core.errors import BadInput, RuleRefused
from core.month import Month
from reports.models import StatementVersion
from reports.reading import named_now
from reports.statements import prepare, publish
from reports.ties import Finding, Tie

RUN = "월 정산 (monthly run)"


@dataclass(frozen=True, kw_only=True)
class Reissue:
    """What a re-issue did: the version, and each file's name with the SHA-256 before and now."""

    version: int
    files: tuple[tuple[str, str, str], ...]


def keep_first_version(connection: Connection, programme: str, month: Month, at: datetime) -> None:
    """Keeps how parties are called, their approved accounts (masked) and which projects there are, as the run documents
    the month; `at` is its freeze."""
    _keep(connection, programme, month, 1, RUN, "run", at)


def _keep(
    connection: Connection, programme: str, month: Month, version: int, reason: str, by: str, at: datetime
) -> None:
    named = named_now(connection, programme, month, at)
    connection.execute(
        insert(StatementVersion).values(
            programme=programme, month=month.first, version=version, reason=reason, issued_by=by, issued_at=at,
            parties=named.parties, projects=named.projects,
        )
    )  # fmt: skip


def versions(connection: Connection, programme: str, month: Month) -> list[dict]:
    """Every version of a month's statements: number, reason, who issued it, when."""
    rows = connection.execute(
        text(
            "SELECT version, reason, issued_by, issued_at FROM statement_version"
            " WHERE programme = :programme AND month = :month ORDER BY version"
        ),
        {"programme": programme, "month": month.first},
    )
    return [{**row._mapping, "issued_at": row.issued_at.isoformat()} for row in rows]


def reissue(
    connection: Connection, programme: str, month: Month, parties: Sequence[str], reason: str, by: str, now: datetime
) -> Reissue:
    """Issues the statements of some parties anew, with the parties as they are called now, under their old numbers and
    a new version; the old ones are kept. The figures stay those of the closed month.

    Raises RuleRefused for a month that is not locked, BadInput for a party that has no statement.
    """
    newest = versions(connection, programme, month)
    if "lock" not in _controls(connection, programme, month):
        raise RuleRefused(f"{programme} {month}: 마감된 달의 정산서만 다시 발행합니다 (the month is not locked).")
    version = newest[-1]["version"] + 1
    _keep(connection, programme, month, version, reason, by, now)
    files = rendered(connection, programme, month, version)
    wanted = {name: content for name, content in files.items() if _party_of(name) in parties}
    if missing := sorted(set(parties) - {_party_of(name) for name in wanted}):
        raise BadInput(
            f"--party {', '.join(missing)}: {month} 에 정산서가 없는 기관입니다 (the party has no statement)."
        )
    before = _current(connection, programme, month)
    rows = publish(connection, programme, month, wanted, now, version)
    return Reissue(version=version, files=tuple((row.name, before[row.name], row.sha256) for row in rows))


def rendered(connection: Connection, programme: str, month: Month, version: int) -> dict[str, bytes]:
    """Every workbook of a locked month as that version shows it: figures, ties and the findings of its close."""
    found = _controls(connection, programme, month)["reconcile"]
    ties = [Tie.recorded(one) for one in found["ties"]]
    findings = [Finding(**{**one, "refs": tuple(one["refs"])}) for one in found["findings"]]
    return prepare(connection, programme, month, version).complete(ties, findings)


def _controls(connection: Connection, programme: str, month: Month) -> dict[str, dict]:
    """The control totals of a run's finished steps."""
    rows = connection.execute(
        text("SELECT step, control FROM run_step WHERE programme = :programme AND month = :month"),
        {"programme": programme, "month": month.first},
    )
    return {row.step: row.control for row in rows}


def _current(connection: Connection, programme: str, month: Month) -> dict[str, str]:
    """By file name, the SHA-256 of its newest version."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (name) name, sha256 FROM published_file"
            " WHERE programme = :programme AND month = :month ORDER BY name, version DESC"
        ),
        {"programme": programme, "month": month.first},
    )
    return {row.name: row.sha256 for row in rows}


def _party_of(name: str) -> str:
    return name.removesuffix(".xlsx").split("_", 3)[-1]

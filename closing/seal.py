"""The seal of a locked month: a small document that the agency prints and signs, and the proof against it later."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from core.errors import BadInput, RuleRefused
from core.month import KST, Month
from registry.terms import programme_codes
from reports.control import charge_totals, intake_totals, journal_totals, listed_digest, statement_hashes
from reports.ties import Finding

FORM = "jeongsan-seal-1"
PARTS = {"seal": str, "programme": str, "month": str, "locked_at": str, "journal": dict, "charges": dict,
         "intake": dict, "statements": dict, "earlier_statements": dict}  # fmt: skip


def seal(connection: Connection, programme: str, month: Month) -> dict:
    """What stands of a locked month and everything before it: the journal's head, control totals, statement hashes.

    Depends on nothing that comes later: sealed again, it is the same. Raises RuleRefused when the month is not locked.
    """
    at = {"programme": programme, "month": month.first}
    lock = connection.execute(
        text(
            "SELECT locked_at, last_number, intake_mark, encode(entry.hash, 'hex') AS head FROM month_lock"
            " JOIN month_run USING (programme, month)"
            " LEFT JOIN entry ON entry.programme = month_lock.programme AND entry.number = last_number"
            " WHERE month_lock.programme = :programme AND month_lock.month = :month"
        ),
        at,
    ).one_or_none()
    if lock is None:
        raise RuleRefused(
            f"{programme} {month}: 마감되지 않은 달은 봉인할 수 없습니다 (only a locked month can be sealed)."
        )
    files = statement_hashes(connection, programme, month)
    own = files.pop(month, {})
    return {
        "seal": FORM,
        "programme": programme,
        "month": str(month),
        "locked_at": lock.locked_at.astimezone(KST).isoformat(),
        "journal": {
            "last_number": lock.last_number,
            "head_hash": lock.head,
            **journal_totals(connection, programme, lock.last_number),
        },
        "charges": charge_totals(connection, programme, month),
        "intake": intake_totals(connection, lock.intake_mark),
        "statements": own,
        "earlier_statements": {
            str(one): {"files": len(named), "sha256": listed_digest(named)} for one, named in files.items()
        },
    }


def seal_text(document: dict) -> str:
    """The seal as it is written and printed: JSON of one figure a line. The same seal gives the same bytes."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def read_seal(path: Path) -> dict:
    """A seal from its file. Raises BadInput for a file that cannot be read or is no seal."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: 읽을 수 없습니다 (cannot be read: {error.strerror}).") from None
    except ValueError as error:
        raise BadInput(f"{path}: 봉인 파일이 아닙니다 (no seal: {error}).") from None
    wrong = [name for name, kind in PARTS.items() if not isinstance(document, dict) or
             not isinstance(document.get(name), kind)]  # fmt: skip
    if wrong or document["seal"] != FORM:
        raise BadInput(
            f"{path}: {', '.join(wrong) or 'seal'}: 봉인 파일이 아니거나 손상되었습니다. `jeongsan seal` 이 쓴 파일을 "
            "그대로 주세요 (not a seal, or damaged; give the file as `jeongsan seal` wrote it)."
        )
    return document


def against_seal(connection: Connection, document: dict) -> Iterator[Finding]:
    """The first figure of a seal that the books no longer give, if any: an ERROR that names it, with both values.

    The chain itself is recomputed by `verify`, which calls this beside it. Raises BadInput for a programme that is not
    there.
    """
    programme, month = document["programme"], Month.parse(document["month"])
    if programme not in programme_codes(connection):
        raise BadInput(f"봉인의 사업 '{programme}'이(가) 없습니다 (the seal's programme is not here).")
    try:
        now = seal(connection, programme, month)
    except RuleRefused:
        message = f"{month}: 봉인된 달인데 마감되어 있지 않습니다 (sealed, but not locked here)"
        yield Finding(level="ERROR", check="seal", message=message, refs=(f"tie:{month}",))
        return
    sealed, found = dict(_figures(document)), dict(_figures(now))
    differing = [name for name in {**sealed, **found} if sealed.get(name) != found.get(name)]
    for name in differing[:1]:
        more = f" (외 {len(differing) - 1}건)" if len(differing) > 1 else ""
        yield Finding(
            level="ERROR", check="seal", refs=(f"entry:{programme}/{now['journal']['last_number']}",),
            message=f"{month} {name}: 봉인 {_shown(sealed, name)} ≠ 지금 {_shown(found, name)} (sealed ≠ now){more}",
        )  # fmt: skip


def _figures(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single figure of a seal under its path: `journal.accounts.cash:bank.debit_krw`."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _figures(part, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _shown(figures: dict[str, Any], name: str) -> str:
    if name not in figures:
        return "없음"
    value = figures[name]
    return f"{value:,}" if isinstance(value, int) else str(value)

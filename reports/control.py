"""The control totals of a programme up to a month: what a seal states of books, charges, intake and statements."""

from collections import defaultdict
from hashlib import sha256

from sqlalchemy import Connection, text

from core.month import Month
from ledger.account import class_of
from metering.forest import seq_limit


def journal_totals(connection: Connection, programme: str, last_number: int) -> dict:
    """Entries and postings up to an entry number, and the sums by account class in won: debit, credit and balance."""
    rows = connection.execute(
        text(
            "SELECT account.code, count(*) AS postings,"
            " coalesce(sum(amount_krw) FILTER (WHERE amount_krw > 0), 0)::bigint AS debit_krw,"
            " coalesce(sum(-amount_krw) FILTER (WHERE amount_krw < 0), 0)::bigint AS credit_krw"
            " FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
            " WHERE entry.programme = :programme AND entry.number <= :last GROUP BY account.id"
        ),
        {"programme": programme, "last": last_number},
    ).all()
    classes: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("debit_krw", "credit_krw"), 0))
    for row in rows:
        of_class = classes[class_of(row.code)]
        of_class["debit_krw"] += row.debit_krw
        of_class["credit_krw"] += row.credit_krw
    entries = connection.scalar(
        text("SELECT count(*) FROM entry WHERE programme = :programme AND number <= :last"),
        {"programme": programme, "last": last_number},
    )
    return {
        "entries": entries,
        "postings": sum(row.postings for row in rows),
        "accounts": {
            name: {**krw, "balance_krw": krw["debit_krw"] - krw["credit_krw"]} for name, krw in sorted(classes.items())
        },
    }


def charge_totals(connection: Connection, programme: str, month: Month) -> dict[str, int]:
    """The charge rows of all months up to one: how many, and their sums in won."""
    row = connection.execute(
        text(
            "SELECT count(*) AS rows, coalesce(sum(amount_krw), 0)::bigint AS amount_krw,"
            " coalesce(sum(vat_krw), 0)::bigint AS vat_krw FROM charge"
            " WHERE programme = :programme AND month <= :month"
        ),
        {"programme": programme, "month": month.first},
    ).one()
    return dict(row._mapping)


def intake_totals(connection: Connection, mark: int) -> dict[str, int]:
    """What all programmes' intake counted on arrival up to a freeze's mark, and the stored events that are there."""
    row = connection.execute(
        text(
            "SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,"
            " coalesce(sum(duplicate), 0)::bigint AS duplicate,"
            " coalesce(sum(quarantined), 0)::bigint AS quarantined,"
            " coalesce(sum(dead_lettered), 0)::bigint AS dead_lettered,"
            " (SELECT count(*) FROM event WHERE seq < :limit) AS events FROM intake_batch WHERE id <= :mark"
        ),
        {"mark": mark, "limit": seq_limit(mark)},
    ).one()
    return dict(row._mapping)


def statement_hashes(connection: Connection, programme: str, month: Month) -> dict[Month, dict[str, str]]:
    """By month up to one: the published workbooks' names and SHA-256, taken from their very bytes."""
    rows = connection.execute(
        text(
            "SELECT month, name, encode(sha256(content), 'hex') AS digest FROM published_file"
            ' WHERE programme = :programme AND month <= :month AND version = 1 ORDER BY month, name COLLATE "C"'
        ),
        {"programme": programme, "month": month.first},
    )
    found: dict[Month, dict[str, str]] = {}
    for row in rows:
        found.setdefault(Month.of(row.month), {})[row.name] = row.digest
    return found


def listed_digest(files: dict[str, str]) -> str:
    """One SHA-256 over a list of files as `sha256sum` writes it: hash, two spaces, name, line feed."""
    return sha256("".join(f"{digest}  {name}\n" for name, digest in files.items()).encode()).hexdigest()

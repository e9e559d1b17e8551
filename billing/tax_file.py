"""The bulk-issue workbooks that were exported: kept byte for byte, each document in one of them."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, text

from billing.tax_document import TaxForm
from core.month import Month


def lock_tax_documents(connection: Connection, programme: str) -> None:
    """One export or correction of a programme's documents at a time, until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('tax:' || :programme))"), {"programme": programme})


def kept_files(connection: Connection, programme: str, month: Month) -> dict[str, bytes]:
    """A month's files by name, in the order of their export."""
    rows = connection.execute(
        text("SELECT name, content FROM tax_file WHERE programme = :programme AND month = :month ORDER BY id"),
        {"programme": programme, "month": month.first},
    )
    return {row.name: row.content for row in rows}


def keep_file(
    connection: Connection, programme: str, month: Month, name: str, content: bytes, forms: Sequence[TaxForm],
    first_row: int, now: datetime,
) -> None:  # fmt: skip
    """Keeps a file with the documents that stand in it, in order from `first_row` on."""
    file = connection.scalar(
        text(
            "INSERT INTO tax_file (programme, month, name, sha256, content, exported_at)"
            " VALUES (:programme, :month, :name, :sha256, :content, :now) RETURNING id"
        ),
        {"programme": programme, "month": month.first, "name": name, "sha256": sha256(content).hexdigest(),
         "content": content, "now": now},
    )  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO tax_file_document (document_id, file_id, row)"
            " SELECT document_id, :file, position + :before FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY"
            " AS one (document_id, position)"
        ),
        {"file": file, "before": first_row - 1, "ids": [one.id for one in forms]},
    )

"""What stands: stored events up to a mark, with those that were corrected in their effective form."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from metering import forest, rules
from metering.corrections import Node

BATCH_BITS = 20


def seq_limit(mark: int) -> int:
    """The first sequence number after those of a mark's batches."""
    return (mark + 1) << BATCH_BITS


def project_ids(connection: Connection, projects: Sequence[str]) -> dict[int, str]:
    """Dictionary id → project code, for those that any event ever named."""
    rows = connection.execute(
        text("SELECT id, value FROM term WHERE value = ANY(:projects)"), {"projects": list(projects)}
    )
    return {row.id: row.value for row in rows}


def corrected_trees(connection: Connection, mark: int, types: Sequence[int]) -> dict[int, Node]:
    """The roots, of some types, of every tree in which something was voided or amended up to the mark: seq → root."""
    rows = connection.scalars(
        text(
            "SELECT DISTINCT target_seq FROM event WHERE target_seq IS NOT NULL AND type = ANY(:types) AND seq < :limit"
        ),
        {"types": [rules.VOIDED, rules.AMENDED], "limit": seq_limit(mark)},
    )
    targets = sorted(rows)
    if rules.GPU not in types:
        targets = list(
            connection.scalars(
                text("SELECT seq FROM event WHERE type <> 0 AND seq = ANY(:targets) ORDER BY seq"), {"targets": targets}
            )
        )
    nodes = forest.load(connection, targets, mark)
    return {node.seq: node for node in nodes.values() if node.target is None and node.type in types}

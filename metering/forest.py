"""Loads stored events with everything that refers to them, as the trees that corrections are decided on; what stands
up to a mark."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from metering import rules
from metering.corrections import Node
from metering.store import SEQ_BITS

COLUMNS = (
    "event.seq, event.type, source.value AS source, event_id, target_seq, data, project.value AS project,"
    " model.value AS model, session, start_us, end_us, gpus_milli, node.value AS node, cluster.value AS cluster"
)
TABLES = (
    "event JOIN term AS source ON source.id = source_id LEFT JOIN term AS project ON project.id = project_id"
    " LEFT JOIN term AS model ON model.id = model_id LEFT JOIN term AS node ON node.id = node_id"
    " LEFT JOIN term AS cluster ON cluster.id = cluster_id"
)


def node_of(row) -> Node:
    """A node without its relations from a row of COLUMNS."""
    if row.type == rules.GPU:
        values = rules.canonical_gpu(
            row.project, row.session, row.start_us, row.end_us, row.gpus_milli, row.model, row.node, row.cluster
        )
    else:
        values = msgspec.json.decode(row.data)
    return Node(seq=row.seq, type=row.type, source=row.source, id=row.event_id, values=values)


def load(connection: Connection, seqs: Sequence[int], mark: int | None = None) -> dict[int, Node]:
    """The whole trees around some stored events: seq → node. `mark`: only events of batches up to that one."""
    nodes: dict[int, Node] = {}
    targets: dict[int, int] = {}
    wanted = set(seqs)
    while wanted:  # up to the roots
        for row in _rows_by_seq(connection, sorted(wanted)):
            nodes[row.seq] = node_of(row)
            if row.target_seq is not None:
                targets[row.seq] = row.target_seq
        wanted = {target for target in targets.values() if target not in nodes}
    newest = set(nodes)
    while newest:  # and down to everything that refers to them
        rows = _rows_by_target(connection, sorted(newest), mark)
        newest = set()
        for row in rows:
            if row.seq not in nodes:
                nodes[row.seq] = node_of(row)
                targets[row.seq] = row.target_seq
                newest.add(row.seq)
    for seq, target in sorted(targets.items()):
        nodes[seq].target = nodes[target]
        nodes[target].children.append(nodes[seq])
    return nodes


def seq_limit(mark: int) -> int:
    """The first sequence number after those of a mark's batches."""
    return (mark + 1) << SEQ_BITS


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
    nodes = load(connection, targets, mark)
    return {node.seq: node for node in nodes.values() if node.target is None and node.type in types}


def _rows_by_seq(connection: Connection, seqs: list[int]) -> list:
    found = connection.execute(
        text(f"SELECT {COLUMNS} FROM {TABLES} WHERE type <> 0 AND seq = ANY(:seqs)"),  # noqa: S608
        {"seqs": seqs},
    ).all()
    rest = sorted(set(seqs) - {row.seq for row in found})
    if not rest:
        return found
    bounds = {"seqs": rest, "first": rest[0], "last": rest[-1]}
    return found + list(
        connection.execute(
            text(
                f"SELECT {COLUMNS} FROM {TABLES} WHERE type = 0 AND seq = ANY(:seqs)"  # noqa: S608
                " AND seq BETWEEN :first AND :last"
            ),
            bounds,
        )
    )


def _rows_by_target(connection: Connection, seqs: list[int], mark: int | None) -> list:
    return list(
        connection.execute(
            text(
                f"SELECT {COLUMNS} FROM {TABLES} WHERE target_seq = ANY(:seqs)"  # noqa: S608
                " AND (CAST(:mark AS bigint) IS NULL OR seq >> 20 <= :mark) ORDER BY seq"
            ),
            {"seqs": seqs, "mark": mark},
        )
    )

"""Work performed by hospitals and what was accepted of it, with voids and amendments applied."""

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import Connection, text

from metering import rules
from metering.corrections import Node, amended, decisions, stands
from metering.fields import instant, milli_of, moment_of
from metering.forest import corrected_trees, project_ids, seq_limit
from metering.values import Acceptance, WorkItem


def work_items(connection: Connection, projects: Sequence[str], mark: int) -> list[WorkItem]:
    """Every standing work item of batches up to `mark`, accepted or not, in order of intake."""
    trees = corrected_trees(connection, mark, [rules.PERFORMED])
    found = [_item(root) for root in trees.values() if stands(root)]
    found = [one for one in found if one.project in set(projects)]
    found += (_item(root) for root in _plain_trees(connection, projects, mark, sorted(trees)))
    return sorted(found, key=lambda one: one.seq)


def _plain_trees(
    connection: Connection, projects: Sequence[str], mark: int, corrected: Sequence[int]
) -> Iterator[Node]:
    """The trees in which nothing was corrected: work with its acceptances and rejections."""
    rows = connection.execute(
        text(
            "SELECT seq, type, target_seq, value AS source, event_id, data FROM event JOIN term ON term.id = source_id"
            " WHERE type IN (3, 4, 5) AND project_id = ANY(:projects) AND seq < :limit AND seq <> ALL(:corrected)"
            " AND (target_seq IS NULL OR target_seq <> ALL(:corrected)) ORDER BY type, seq"
        ),
        {
            "projects": list(project_ids(connection, projects)),
            "limit": seq_limit(mark),
            "corrected": list(corrected),
        },
    )
    nodes: dict[int, Node] = {}
    for row in rows:
        values = msgspec.json.decode(row.data)
        node = Node(seq=row.seq, type=row.type, source=row.source, id=row.event_id, values=values)
        if row.type == rules.PERFORMED:
            nodes[row.seq] = node
        else:
            node.target = nodes[row.target_seq]
            node.target.children.append(node)
    yield from nodes.values()


def _item(root: Node) -> WorkItem:
    values = amended(root)
    return WorkItem(
        seq=root.seq, source=root.source, id=root.id,
        **{name: values[name] for name in ("project", "line", "work", "unit")},
        quantity_milli=milli_of(values["quantity"]),
        performed=moment_of(instant(values["performed"], "performed")[0]),
        modality=values.get("modality"), grade=values.get("grade"),
        acceptances=tuple(sorted(_acceptances(root), key=lambda one: (one.at, one.source, one.id))),
        rejected_milli=sum(quantity for _, quantity in decisions(root, rules.REJECTED)),
    )  # fmt: skip


def _acceptances(root: Node) -> Iterator[Acceptance]:
    for node, quantity in decisions(root, rules.ACCEPTED):
        at = moment_of(instant(amended(node)["at"], "at")[0])
        yield Acceptance(seq=node.seq, source=node.source, id=node.id, at=at, quantity_milli=quantity)

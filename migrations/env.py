"""Alembic's environment: runs the migrations with the owner's connection that `core.schema` hands over."""

from importlib import import_module
from pathlib import Path

from alembic import context

from core.base import Base

ROOT = Path(__file__).parents[1]
for package in ("registry", "ledger", "metering", "billing", "settlement", "reports", "closing"):
    for path in sorted((ROOT / package).glob("*models.py")):
        import_module(f"{package}.{path.stem}")


def include_object(_object, name, type_, _reflected, _compare_to) -> bool:
    """Leaves the month partitions of `event` out of the comparison: they are made as months begin."""
    return not (type_ in ("table", "index") and name is not None and name.startswith("event_p"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=include_object,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()

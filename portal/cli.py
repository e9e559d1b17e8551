"""The command `jeongsan`: one Click group, shared with the Flask application (`flask --app wsgi …`)."""

import importlib

import click

MODULES = {
    "init": "reference", "load": "reference",
    "ingest": "metering", "intake": "metering", "quarantine": "metering", "usage": "metering",
    "topics": "kafka",
    "month": "closing", "statements": "closing", "verify": "closing",
    "balances": "books", "payments": "books", "trace": "books",
}  # fmt: skip


class LazyGroup(click.Group):
    """Imports a command's module only when that command is called, so that each starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, from its module."""
        if cmd_name not in MODULES:
            return None
        module = importlib.import_module(f"portal.commands.{MODULES[cmd_name]}")
        return module.commands.get_command(ctx, cmd_name)


@click.command(cls=LazyGroup, help="정산 (Jeongsan): metering, billing and incentive settlement for data vouchers.")
@click.version_option(package_name="jeongsan")
def main() -> None:
    """The root of all commands."""

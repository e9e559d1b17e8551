"""The command `jeongsan`: one Click group, shared with the Flask application (`flask --app wsgi …`)."""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import click

MODULES = {
    "init": "reference", "load": "reference",
    "ingest": "metering", "intake": "metering", "quarantine": "metering", "usage": "metering",
    "topics": "kafka", "produce": "kafka", "consume": "consume", "replay": "consume",
    "status": "operations", "anomalies": "operations", "budget": "budget",
    "month": "closing", "statements": "closing", "reissue": "closing", "verify": "closing",
    "year-end": "year_end", "forecast": "forecast", "results": "results",
    "agreement": "agreements", "held": "agreements",
    "audit": "audit", "balances": "books", "payments": "books", "trace": "books", "export": "export", "seal": "seal",
    "payees": "payees", "payouts": "payouts",
    "claims": "claims", "invoices": "invoices", "stripe": "stripe", "bank": "bank",
    "tax": "tax", "user": "users",
}  # fmt: skip


AS_JSON = "portal.as_json"


@contextmanager
def _usage_errors_answered(ctx: click.Context) -> Iterator[None]:
    """With --json, answers wrong options and unknown commands as one document too; Click says the rest and exits 2."""
    try:
        yield
    except click.UsageError as error:
        if ctx.meta[AS_JSON]:
            click.echo(json.dumps({"error": "BadInput", "messages": [error.format_message()]}, ensure_ascii=False))
        raise


class LazyGroup(click.Group):
    """Imports a command's module only when that command is called, so that each starts quickly."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remembers whether --json was asked for, before anything can be wrong with the rest."""
        ctx.meta[AS_JSON] = "--json" in args
        with _usage_errors_answered(ctx):
            if any("\ud800" <= letter <= "\udfff" for arg in args for letter in arg):
                raise click.UsageError("명령줄에 UTF-8이 아닌 글자가 있습니다 (an argument is not UTF-8).")
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        """The command; errors of its own usage come as a document too."""
        with _usage_errors_answered(ctx):
            super().invoke(ctx)

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

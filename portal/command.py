"""What every command shares: --json, --lang, --now, and errors as exit codes (contract.md §2)."""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError

from core import logs
from core.errors import BadInput, JeongsanError, RuleRefused, ServerUnreachable
from core.settings import Settings

REFUSALS = {
    "available_not_overspent": "예산현액을 넘습니다 (the available budget would be exceeded)",
    "commitment_not_overspent": "약정액을 넘습니다 (the project's commitment would be exceeded)",
    "deposit_not_overdrawn": "선납금 잔액을 넘습니다 (the deposit's balance would be exceeded)",
    "advance_not_overdrawn": "선금 잔액을 넘습니다 (the advance's balance would be exceeded)",
    "voucher_within_limit": "지원 한도를 넘습니다 (the line's grant limit would be exceeded)",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """How a command was called: the settings, the instant it stamps, the language of its text."""

    settings: Settings
    now: datetime
    lang: str

    def say(self, korean: str, english: str) -> str:
        """The text in the language that was asked for."""
        return english if self.lang == "en" else korean

    def progress(self, korean: str, english: str) -> None:
        """A line of progress, on stderr; with JEONGSAN_LOG=json as one JSON object a line."""
        message = self.say(korean, english)
        click.echo(logs.line("info", message) if self.settings.log == "json" else message, err=True)

    def note(self, message: str, **fields: object) -> None:
        """What was done, with its figures, for a log that machines read; nothing where people read it."""
        if self.settings.log == "json":
            click.echo(logs.line("info", message, **fields), err=True)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command answers: the JSON document, the text a person reads, and the exit code."""

    document: Any
    text: str
    exit_code: int = 0


class Instant(click.ParamType):
    """An RFC 3339 instant with an offset."""

    name = "instant"

    def convert(self, value, param, ctx):
        """The aware datetime, in UTC; refuses one without an offset, or outside the years 2000 to 2999."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None or not 2000 <= instant.year <= 2999:
            problem = f"'{value}': 2025-12-03T09:00:00+09:00 처럼 시차와 함께 적으세요 (an instant with an offset)."
            self.fail(problem, param, ctx)
        return instant.astimezone(UTC)


class Day(click.DateTime):
    """A local day, of the years that an instant may have."""

    def __init__(self):
        super().__init__(["%Y-%m-%d"])

    def convert(self, value, param, ctx):
        """The day's beginning; refuses one outside the years 2000 to 2999."""
        day = super().convert(value, param, ctx)
        if not 2000 <= day.year <= 2999:
            self.fail(f"'{value}': 2000년부터 2999년까지의 날을 적으세요 (a day of 2000 to 2999).", param, ctx)
        return day


class Said(click.ParamType):
    """A text that says something: a reason for the record."""

    name = "text"

    def convert(self, value, param, ctx):
        """The text without blanks around it; refuses one that is empty."""
        if not value.strip():
            self.fail("사유를 적으세요 (give a reason).", param, ctx)
        return value.strip()


def command(group: click.Group, name: str, **attributes) -> Callable:
    """Registers `function(call, …) -> Answer` as a command with --json, --lang and --now."""

    def register(function: Callable[..., Answer]) -> click.Command:
        @functools.wraps(function)
        def run(as_json: bool, lang: str, now: datetime | None, **arguments) -> None:
            call = Call(settings=Settings.from_environment(), now=now or datetime.now(UTC), lang=lang)
            answer = _answer(function, call, arguments)
            if as_json:
                click.echo(json.dumps(answer.document, ensure_ascii=False))
            elif answer.text:
                click.echo(answer.text, err=answer.exit_code not in (0, 1))
            sys.exit(answer.exit_code)

        run = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(run)
        run = click.option("--lang", type=click.Choice(["ko", "en"]), default="ko", help="Language of the text.")(run)
        run = click.option("--now", type=Instant(), help="The instant to stamp; the clock when left out.")(run)
        return group.command(name, **attributes)(run)

    return register


def _answer(function: Callable[..., Answer], call: Call, arguments: dict) -> Answer:
    try:
        return function(call, **arguments)
    except JeongsanError as error:
        return _refusal(error)
    except OperationalError as error:
        problem = f"데이터베이스에 연결할 수 없습니다 (the database cannot be reached): {error.orig}"
        return _refusal(ServerUnreachable(problem))
    except DBAPIError as error:
        return _refusal(rule_of(error, error.orig))
    except psycopg.Error as error:
        return _refusal(rule_of(error, error))


def rule_of(error: Exception, cause: BaseException | None) -> JeongsanError:
    """The rule that the database enforced, by SQL or by COPY; anything else is a fault of ours and goes on as it is."""
    state = getattr(cause, "sqlstate", None)
    if state == "JS001":
        return RuleRefused(cause.diag.message_primary)
    if state == "23514":
        name = cause.diag.constraint_name or ""
        for ending, message in REFUSALS.items():
            if name.endswith(ending):
                return RuleRefused(f"{message}: {cause.diag.message_detail or name}")
    raise error


def _refusal(error: JeongsanError) -> Answer:
    problems = list(error.problems) if isinstance(error, BadInput) else [str(error)]
    for problem in problems:
        click.echo(problem, err=True)
    return Answer(document={"error": type(error).__name__, "messages": problems}, text="", exit_code=error.exit_code)

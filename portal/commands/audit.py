"""audit: the auditors' checks of domain.md §9."""

import click

from core import database
from core.errors import BadInput
from core.month import Month
from portal.command import Answer, Call, command
from registry.terms import programme_codes
from reports.audit import audit as found_in
from reports.audit_names import CHECK_NAMES
from reports.ties import Finding

commands = click.Group()
LEVEL_NAMES = {"ERROR": "오류", "WARN": "주의"}


@command(commands, "audit", help="The auditors' checks, each finding with the lines behind it.")
@click.option("--month", help="2025-11; every month that was run, and the books as they stand, when left out.")
@click.option("--programme", help="Programme code; all of them when left out.")
def audit(call: Call, month: str | None, programme: str | None) -> Answer:
    """Exit code 1 when an ERROR is found."""
    wanted = Month.parse(month) if month else None
    engine = database.service_engine(call.settings)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        known = programme_codes(connection)
        if programme is not None and programme not in known:
            listed = ", ".join(known) or "없음 (none)"
            raise BadInput(f"사업 '{programme}'이(가) 없습니다 (no such programme). 등록된 사업: {listed}")
        found = {code: found_in(connection, code, wanted, call.now) for code in known if programme in (None, code)}
    every = [one for findings in found.values() for one in findings]
    errors = sum(one.level == "ERROR" for one in every)
    document = {
        "ok": not errors,
        "findings": [
            {"level": one.level, "check": one.check, "message": _message(call, one), "refs": list(one.refs)}
            for one in every
        ],
    }
    return Answer(document=document, text=_text(call, found, errors), exit_code=1 if errors else 0)


def _message(call: Call, one: Finding) -> str:
    return call.say(one.message, one.english)


def _text(call: Call, found: dict[str, list[Finding]], errors: int) -> str:
    lines = []
    for programme, findings in found.items():
        lines += [programme, *(line for one in findings for line in _finding(call, one)), ""]
    warnings = sum(map(len, found.values())) - errors
    return "\n".join(
        [*lines, call.say(f"오류 {errors:,}건 · 주의 {warnings:,}건", f"{errors:,} errors, {warnings:,} warnings")]
    )


def _finding(call: Call, one: Finding) -> list[str]:
    level, check = call.say(LEVEL_NAMES[one.level], one.level), call.say(CHECK_NAMES[one.check], one.check)
    return [f"  {level}  {check}: {_message(call, one)}", *(f"          {ref}" for ref in one.refs)]

"""A programme of as many projects as wanted: the demo's eight again and again, each copy with its own companies."""

import dataclasses
import re
from functools import partial

from demo import programme
from demo.programme import REGISTRY, Project

EIGHT = 8
BLOCK = re.compile(r"^\[\[(\w+)\]\]\n(?:(?!^\[\[).*\n?)*", re.M)
COPIED = ("project", "agreement", "permit")


def registry(count: int) -> str:
    """The demo's reference data with `count` projects, a multiple of eight; appropriation in proportion."""
    blocks = [(found[1], found[0]) for found in BLOCK.finditer(REGISTRY.read_text())]
    copied = [text for kind, text in blocks if kind in COPIED or (kind == "party" and 'kind = "company"' in text)]
    more = [_renamed(text, number) for number in range(1, count // EIGHT) for text in copied]
    whole = "".join(text for _, text in blocks)
    budget = "appropriation_krw = 2_400_000_000"
    assert budget in whole
    return whole.replace(budget, f"appropriation_krw = {2_400_000_000 * (count // EIGHT)}") + "".join(more)


def projects(count: int) -> tuple[Project, ...]:
    """The projects of that registry."""
    eight = programme.projects()
    return tuple(_copy(project, number) for number in range(count // EIGHT) for project in eight)


def _copy(project: Project, number: int) -> Project:
    named = partial(_renamed, number=number)
    lines = tuple(dataclasses.replace(line, code=named(line.code)) for line in project.lines)
    return dataclasses.replace(project, code=named(project.code), company=named(project.company), lines=lines)


def _renamed(text: str, number: int) -> str:
    """Codes of projects, companies and lines with the copy's number: P1 → P1x2, L11 → L11x2; the eight keep theirs."""
    if not number:
        return text
    kept = re.sub(r'^brn = ".*"\n', "", text, flags=re.M)  # a registration number belongs to one company
    return re.sub(r"(?<![A-Za-z0-9])([PC]\d|L\d\d)(?!\w)", rf"\1x{number}", kept)

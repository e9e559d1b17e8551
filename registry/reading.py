"""Reads reference data files: every problem with its file and its path in it, none hidden behind another."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec

from registry.reference import KINDS, Table

YEARS = range(2000, 2200)


@dataclass(kw_only=True)
class Loaded:
    """What files said: objects by (kind, code), each with its place (`FILE: project[2]`, counted from 1)."""

    objects: dict[tuple[str, str], Table] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_files(paths: Sequence[Path]) -> Loaded:
    """Reads files as one unit; what is wrong stands in `problems`, one line each."""
    loaded = Loaded()
    for path in paths:
        document = _toml(path, loaded.problems)
        for kind, tables in document.items():
            _read_kind(kind, tables, path.name, loaded)
    return loaded


def _toml(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"), parse_float=Decimal)
    except OSError as error:
        problems.append(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}")
    except UnicodeDecodeError as error:
        problems.append(f"{path.name}: UTF-8이 아닙니다. UTF-8로 저장하세요 (not UTF-8, byte {error.start}).")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path.name}: TOML 문법이 맞지 않습니다 (not valid TOML): {error}")
    except (ValueError, RecursionError) as error:
        problems.append(f"{path.name}: TOML 값을 읽을 수 없습니다 (a value cannot be read): {error}")
    return {}


def _read_kind(kind: str, tables: Any, file: str, loaded: Loaded) -> None:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        loaded.problems.append(f"{file}: {kind}: 모르는 표입니다 (unknown table). 쓸 수 있는 표: {known}")
        return
    if not isinstance(tables, list):
        loaded.problems.append(f"{file}: {kind}: [[{kind}]] 처럼 두 겹 괄호로 적으세요 (write [[{kind}]]).")
        return
    for number, table in enumerate(tables, start=1):
        place = f"{file}: {kind}[{number}]"
        found = read_table(KINDS[kind], table, place, loaded.problems)
        if found is None:
            continue
        key = (kind, found.code)
        if key in loaded.places:
            loaded.problems.append(
                f"{place}.code: '{found.code}'은(는) 이미 {loaded.places[key]} 에 있습니다 (duplicate code)."
            )
            continue
        loaded.objects[key], loaded.places[key] = found, place


def read_table(kind: type[Table], data: Any, place: str, problems: list[str]) -> Table | None:
    """One table as its frozen value; None, with a line per problem, when any of its fields is wrong."""
    if not isinstance(data, dict):
        problems.append(f"{place}: 표 {{ … }} 여야 합니다 (a table is expected).")
        return None
    before = len(problems)
    fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    for key in sorted(data.keys() - fields.keys()):
        problems.append(f"{place}.{key}: 모르는 항목입니다 (unknown key). 쓸 수 있는 항목: {', '.join(fields)}")
    values = {}
    for key, one in fields.items():
        if key in data:
            values[one.name] = _read_value(one.type, data[key], f"{place}.{key}", problems)
        elif one.required:
            problems.append(f"{place}.{key}: 빠졌습니다 (missing).")
    return kind(**values) if len(problems) == before else None


def _read_value(kind: Any, value: Any, place: str, problems: list[str]) -> Any:
    text = isinstance(value, str) and str in get_args(kind)
    table, many = (None, False) if text else _table_of(kind, many=isinstance(value, list))
    if table is not None and many:
        if not isinstance(value, list):
            problems.append(f"{place}: 목록 [ … ] 이어야 합니다 (a list is expected).")
            return None
        return tuple(
            read_table(table, one, f"{place}[{number}]", problems) for number, one in enumerate(value, start=1)
        )
    if table is not None:
        return read_table(table, value, place, problems)
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problems.append(f"{place}: {_said(value, str(error))}")
        return None
    if isinstance(found, date) and (isinstance(value, datetime) or found.year not in YEARS):
        problems.append(f"{place}: 2025-09-15 같은 날짜여야 합니다: {_shown(value)} (a day from 2000 to 2199).")
    return found


HINTS = {
    "[A-Za-z0-9][": "영문자나 숫자로 시작하고 영문자, 숫자, '_', '.', '-' 로만 적으세요",
    "^2[01]": "2025-12 같은 월로 적으세요",
    "^[^": "비우지 말고, 줄바꿈이나 쓸 수 없는 글자를 빼세요",
    "got `decimal`": '소수점 수는 따옴표로 감싸거나("0.2"), 원 단위 정수로 적으세요',
}


def _said(value: Any, refusal: str) -> str:
    """What is wrong with a value and what to do; a place within a list is counted from 1 like all others."""
    what, _, within = refusal.partition(" - at ")
    where = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", within.strip("`").removeprefix("$"))
    hint = next((f" {text}." for sign, text in HINTS.items() if sign in refusal), "")
    return f"{where + ': ' if where else ''}값이 맞지 않습니다: {_shown(value)} ({what}).{hint}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _table_of(kind: Any, *, many: bool = False) -> tuple[type[Table] | None, bool]:
    """The table class inside a field's type, and whether the field is a list of it; `many`: preferably a list."""
    if isinstance(kind, type) and issubclass(kind, Table):
        return kind, False
    if get_origin(kind) is Annotated:
        return None, False
    if get_origin(kind) is tuple:
        return _table_of(get_args(kind)[0])[0], True
    if get_origin(kind) is UnionType or isinstance(kind, UnionType):
        found = [one for one in map(_table_of, get_args(kind)) if one[0]]
        return next((one for one in found if one[1] == many), found[0] if found else (None, False))
    return None, False

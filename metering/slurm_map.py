"""The map file of SLURM accounting (contract.md §2): an account's project, and a partition's GPU model."""

import tomllib
from pathlib import Path

from core.errors import BadInput
from metering import files
from metering.sacct import SlurmMap

TABLES = ("project", "model")


def read_map(path: Path) -> SlurmMap:
    """`[project]` account → project code, `[model]` partition → GPU model, `default` for the rest.

    Raises BadInput with every problem: no TOML, a table that is neither, a value that is no text.
    """
    with files.opened(path) as stream:
        try:
            found = tomllib.load(stream)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{path}: TOML 이 아닙니다 (not TOML): {error}") from None
    problems = [
        f"{path}: [{name}] 모르는 표입니다, [project] 와 [model] 만 둡니다 (unknown)"
        for name in found
        if name not in TABLES
    ]
    for table in TABLES:
        rows = found.get(table, {})
        if not isinstance(rows, dict):
            problems.append(f"{path}: [{table}] 표여야 합니다 (must be a table)")
            continue
        problems += [
            f"{path}: {table}.{name}: {value!r} 글자여야 합니다 (must be a text)"
            for name, value in rows.items()
            if not isinstance(value, str) or not value
        ]
    if not problems and not found.get("project"):
        problems.append(f'{path}: [project] 에 SLURM 계정 = "과제" 를 적으세요 (the map names no account)')
    if problems:
        raise BadInput(*problems)
    return SlurmMap(projects=found["project"], models=found.get("model", {}))

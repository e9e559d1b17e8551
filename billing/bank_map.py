"""The mapping file of a bank's exports (TOML): whose account it is, and under which names its columns stand."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput

COLUMNS = ("date", "time", "deposit", "withdrawal", "amount", "memo", "counterparty", "balance", "number")
ENCODINGS = ("utf-8", "cp949")
DELIMITERS = (",", "\t")
LONGEST_NAME = 100
SETTINGS = {
    "account": str, "encoding": str, "delimiter": str, "newest_first": bool, "totals": list, "columns": dict,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BankMap:
    """How a bank writes its exports. `account`: our code of the bank account, part of every row's identity.

    `columns`: what a column means → its name in the header; either `deposit` and `withdrawal`, or one signed `amount`.
    `encoding` empty: recognised. `totals`: the words with which a totals row begins.
    """

    account: str
    columns: dict[str, str]
    encoding: str = ""
    delimiter: str = ","
    newest_first: bool = False
    totals: tuple[str, ...] = ("합계",)


def read_bank_map(path: Path) -> BankMap:
    """A mapping file (docs/bank.md). Raises BadInput with every problem of it."""
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadInput(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, or lists in lists without end, too
        raise BadInput(f"{path.name}: TOML이 아닙니다 (not TOML): {error}") from None
    problems = [f"{path.name}: {problem}" for problem in (*_wrong_types(found), *_problems(found))]
    if problems:
        raise BadInput(*problems)
    return BankMap(**found | {"totals": tuple(found.get("totals", BankMap.totals))})


def _wrong_types(found: dict) -> Iterator[str]:
    for name, value in found.items():
        if name not in SETTINGS:
            yield f"{name}: 모르는 항목입니다. {', '.join(SETTINGS)} 만 둡니다 (unknown key)."
        elif not isinstance(value, SETTINGS[name]):
            yield f"{name}: {value!r}: {SETTINGS[name].__name__} 값이어야 합니다 (wrong type)."


def _problems(found: dict) -> Iterator[str]:
    account, columns = found.get("account"), found.get("columns", {})
    if not isinstance(account, str) or not account.strip():
        yield "account: 우리 계좌를 부를 이름을 적으세요 (name our bank account)."
    elif len(account) > LONGEST_NAME or not account.isprintable():
        yield f"account: {LONGEST_NAME}자 이하의 글자만 쓸 수 있습니다 (too long, or not printable)."
    if found.get("encoding", "cp949") not in ENCODINGS:
        yield f"encoding: {' / '.join(ENCODINGS)} 가운데 하나이거나 적지 않습니다 (unknown encoding)."
    if found.get("delimiter", ",") not in DELIMITERS:
        yield 'delimiter: "," 또는 "\\t" 이어야 합니다 (comma or tab).'
    if isinstance(words := found.get("totals", []), list) and any(not isinstance(one, str) or not one for one in words):
        yield "totals: 합계 줄을 시작하는 낱말의 목록이어야 합니다 (a list of words)."
    if isinstance(columns, dict):
        yield from _column_problems(columns)


def _column_problems(columns: dict) -> Iterator[str]:
    for name, title in columns.items():
        if name not in COLUMNS:
            yield f"columns.{name}: 모르는 열입니다. {', '.join(COLUMNS)} 만 둡니다 (unknown column)."
        if not isinstance(title, str) or not title.strip():
            yield f"columns.{name}: 머리글의 이름을 적으세요 (the name in the header)."
    titles = [title for title in columns.values() if isinstance(title, str)]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        yield f"columns: '{title}' 이(가) 여러 열에 쓰였습니다 (one header for several columns)."
    if "date" not in columns:
        yield "columns.date: 거래일 열이 필요합니다 (the date's column is needed)."
    if not {"memo", "counterparty"} & columns.keys():
        yield "columns: memo, counterparty 가운데 하나는 있어야 합니다 (memo or counterparty is needed)."
    amounts = {"deposit", "withdrawal", "amount"} & columns.keys()
    if amounts not in ({"deposit", "withdrawal"}, {"amount"}):
        yield (
            "columns: 금액은 deposit 과 withdrawal 두 열이거나 amount 한 열입니다 "
            "(either deposit and withdrawal, or one signed amount)."
        )

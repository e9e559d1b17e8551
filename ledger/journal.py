"""Journal arithmetic: entries as frozen values, their canonical form and the hash chain. Knows no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from json.encoder import encode_basestring as quoted

CHAIN_START = bytes(32)


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """An entry to be booked: signed won by account code, debit +. `reference` names its cause, once per programme."""

    kind: str
    memo: str
    reference: str
    postings: Mapping[str, int]

    def unbalanced_krw(self) -> tuple[int, int]:
        """What is missing to zero within the money accounts and within the budget accounts; (0, 0) when sound."""
        budget = sum(amount for code, amount in self.postings.items() if code.startswith("budget:"))
        return sum(self.postings.values()) - budget, budget


def combined(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Postings summed by account, zeros left out."""
    postings: dict[str, int] = {}
    for code, amount_krw in parts:
        postings[code] = postings.get(code, 0) + amount_krw
    return {code: amount for code, amount in postings.items() if amount}


def canonical_json(programme: str, number: int, month: date, entry: NewEntry) -> str:
    """What the entry's hash covers (docs/books.md): keys and accounts sorted, no spaces, letters as they are.

    Written out for speed: the very text of `json.dumps(…, ensure_ascii=False, sort_keys=True, separators=(",", ":"))`.
    """
    postings = ",".join([f"{quoted(code)}:{amount}" for code, amount in sorted(entry.postings.items())])
    return (
        f'{{"kind":{quoted(entry.kind)},"memo":{quoted(entry.memo)},"month":"{month.isoformat()[:7]}","number":{number},'
        f'"postings":{{{postings}}},"programme":{quoted(programme)},"reference":{quoted(entry.reference)}}}'
    )


def entry_hash(previous: bytes, programme: str, number: int, month: date, entry: NewEntry) -> bytes:
    """SHA-256 over the previous hash and the entry's canonical JSON (docs/books.md)."""
    return sha256(previous + canonical_json(programme, number, month, entry).encode()).digest()

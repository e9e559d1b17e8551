"""Journal arithmetic: entries as frozen values, their canonical form and the hash chain. Knows no database."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

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


def entry_hash(previous: bytes, programme: str, number: int, month: date, entry: NewEntry) -> bytes:
    """SHA-256 over the previous hash and the entry's canonical JSON (docs/books.md)."""
    content = {
        "programme": programme,
        "number": number,
        "month": f"{month:%Y-%m}",
        "kind": entry.kind,
        "memo": entry.memo,
        "reference": entry.reference,
        "postings": dict(sorted(entry.postings.items())),
    }
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(previous + canonical.encode()).digest()

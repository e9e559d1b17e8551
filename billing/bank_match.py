"""What a bank row settles (domain.md §6, §8): by a reference that it names, else by exact amount and name. Pure.

A reference books at once what is open and no more. All else is a proposal: a person says what the money is for.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache

from core.month import kst_day

CUT_OFF = 3  # characters that a bank may have cut off a reference at the end of a field
SHORTEST_CUT = 6
SHORTEST_CUT_NAME = 4
LEGAL_FORMS = re.compile(
    r"주식회사|유한회사|재단법인|사단법인|의료법인|학교법인|사회복지법인|\((?:주|유|재|사|의|학|복)\)"
)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A bank row as matching looks at it: won signed as the account moved."""

    id: int
    line: int
    digest: str
    at: datetime
    amount_krw: int
    memo: str
    counterparty: str

    @property
    def texts(self) -> tuple[str, str]:
        """Where a reference or a name may stand."""
        return self.counterparty, self.memo


@dataclass(frozen=True, kw_only=True)
class Part:
    """What of a bank row goes to an account, in won signed as the bank account moved; `document_id`: of an invoice."""

    programme: str | None
    account: str
    amount_krw: int
    document_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a bank row may settle, with what of it is open, in won signed as the bank account will move.

    `label`: the number or code that a person knows it by; `keys`: the references that mean it; `names`: of who pays or
    is paid; `incoming`: whether it is collected. `splits`: the parts where one movement is of several programmes.
    """

    programme: str | None
    account: str
    label: str
    open_krw: int
    incoming: bool
    keys: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    document_id: int | None = None
    splits: tuple[Part, ...] = ()

    def parts(self, amount_krw: int) -> tuple[Part, ...]:
        """The parts of a movement that settles it."""
        whole = Part(
            programme=self.programme, account=self.account, amount_krw=amount_krw, document_id=self.document_id
        )
        return self.splits or (whole,)


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A bank payment on record that no bank row stands behind: from the payments file, signed as cash moved."""

    payment_id: int
    account: str
    reference: str
    day: date
    amount_krw: int


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a row may be: parts to be booked, or the payment that it already is. `why`: reference, name or payment."""

    label: str
    why: str
    parts: tuple[Part, ...] = ()
    payment_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of a movement: `parts` are booked (`booked`, `partial`), `candidates` wait for a person."""

    movement: Movement
    state: str
    parts: tuple[Part, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def decide(movements: Sequence[Movement], targets: Sequence[Target], earlier: Sequence[Earlier]) -> list[Decision]:
    """What each movement settles. First, in the order of time, those that book what they name; then, by what is open
    after these, what the others may be: so the order in which exports come in does not matter to proposals.
    """
    book = _Book.of(targets, earlier)
    ordered = sorted(movements, key=lambda one: (one.at, one.digest))
    booked = {one.id: decision for one in ordered if (decision := book.book(one))}
    return [booked.get(one.id) or book.propose(one) for one in ordered]


@dataclass(frozen=True, kw_only=True)
class _Book:
    """The targets by reference and by amount, and what of each is open."""

    targets: Sequence[Target]
    open_krw: list[int]
    by_key: Mapping[str, list[int]]
    keys: list[str]
    earlier: Mapping[tuple[date, int], list[Earlier]]

    @classmethod
    def of(cls, targets: Sequence[Target], earlier: Sequence[Earlier]) -> "_Book":
        by_key: dict[str, list[int]] = {}
        of_day: dict[tuple[date, int], list[Earlier]] = {}
        for place, target in enumerate(targets):
            for key in target.keys:
                by_key.setdefault(reference_key(key), []).append(place)
        for one in earlier:
            of_day.setdefault((one.day, one.amount_krw), []).append(one)
        return cls(
            targets=targets, open_krw=[one.open_krw for one in targets], by_key=by_key, keys=sorted(by_key),
            earlier=of_day,
        )  # fmt: skip

    def book(self, one: Movement) -> Decision | None:
        """By the one reference that it names in full, at most what is open; not where it may be booked already."""
        named = self._named(one)
        if len(named) != 1 or self._again(one, named):
            return None
        (place,) = named
        if abs(one.amount_krw) > abs(self.open_krw[place]):
            return None
        self.open_krw[place] -= one.amount_krw
        parts = self.targets[place].parts(one.amount_krw)
        return Decision(movement=one, state="partial" if self.open_krw[place] else "booked", parts=parts)

    def propose(self, one: Movement) -> Decision:
        """By a payment of that day and amount on record, by what it names, by exact amount and name."""
        named = self._named(one)
        if again := self._again(one, named):
            twins = [Candidate(label=twin.reference, why="payment", payment_id=twin.payment_id) for twin in again]
            others = self._candidates(one, "reference", named) if named else self._alike(one)
            return Decision(movement=one, state="double", candidates=(*twins, *others))
        if len(named) == 1:
            state = "over" if self.open_krw[named[0]] else "double"
            return Decision(movement=one, state=state, candidates=self._candidates(one, "reference", named))
        if named:
            return Decision(movement=one, state="proposed", candidates=self._together(one, named))
        alike = self._alike(one)
        return Decision(movement=one, state="proposed" if alike else "unmatched", candidates=alike)

    def _again(self, one: Movement, named: Sequence[int]) -> list[Earlier]:
        """Payments on record that it may be: of its day and amount, and of an account that it names if it names one."""
        found = self.earlier.get((kst_day(one.at), one.amount_krw), [])
        accounts = {part.account for place in named for part in self.targets[place].parts(0)}
        return found if not named or any(twin.account in accounts for twin in found) else []

    def _together(self, one: Movement, places: Sequence[int]) -> tuple[Candidate, ...]:
        """Several that are named: as one split where they sum to the amount, else each by itself."""
        if sum(self.open_krw[place] for place in places) == one.amount_krw:
            found = [self.targets[place] for place in places]
            parts = [part for place, target in zip(places, found, strict=True)
                     for part in target.parts(self.open_krw[place]) if part.amount_krw]  # fmt: skip
            label = ", ".join(target.label for target in found)
            return (Candidate(label=label, why="reference", parts=tuple(parts)),)
        return self._candidates(one, "reference", places)

    def _candidates(self, one: Movement, why: str, places: Sequence[int]) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(label=self.targets[place].label, why=why, parts=self.targets[place].parts(one.amount_krw))
            for place in places
        )

    def _alike(self, one: Movement) -> tuple[Candidate, ...]:
        """Those of which exactly this amount is open: by a reference that was cut off, else by the name."""
        exact = self._by_open.get(one.amount_krw, ())
        cut = [place for place in exact if any(_is_cut(text, self.targets[place].keys) for text in one.texts)]
        called = [place for place in exact if any(is_called(text, self.targets[place].names) for text in one.texts)]
        return self._candidates(one, "reference", cut) or self._candidates(one, "name", called)

    def _named(self, one: Movement) -> list[int]:
        """The targets whose reference stands in a text in full. Where a text ends with one that a longer one begins
        with, also the longer: it may be cut off, unless the amount is exactly what is open of the shorter."""
        found: dict[int, None] = {}
        for text in one.texts:
            for key, at_end in self._references(text):
                places = self._of_key(key, one)
                found |= dict.fromkeys(places)
                if at_end and one.amount_krw not in [self.open_krw[place] for place in places]:
                    found |= {place: None for longer in self._longer(key) for place in self._of_key(longer, one)}
        return list(found)

    def _of_key(self, key: str, one: Movement) -> list[int]:
        """The targets that a reference means, in the direction in which the money went."""
        return [place for place in self.by_key[key] if self.targets[place].incoming == (one.amount_krw > 0)]

    def _longer(self, key: str) -> Iterator[str]:
        for longer in self.keys[bisect_right(self.keys, key) :]:
            if not longer.startswith(key):
                return
            yield longer

    def _references(self, text: str) -> Iterator[tuple[str, bool]]:
        """The known references that stand in a text in full, as words of it; and whether the text ends with one."""
        plain = reference_key(text)
        if not any(head in plain for head in self.heads):
            return  # as of nearly every text of an export
        squeezed, begins, ends = _words(text)
        for length in self.lengths:
            for start in range(len(squeezed) - length + 1):
                stop = start + length
                if begins[start] and ends[stop - 1] and (key := squeezed[start:stop]) in self.by_key:
                    yield key, stop == len(squeezed)

    @cached_property
    def _by_open(self) -> dict[int, list[int]]:
        """The targets by what is open of them; asked for once nothing is booked any more."""
        found: dict[int, list[int]] = {}
        for place, open_krw in enumerate(self.open_krw):
            found.setdefault(open_krw, []).append(place)
        return found

    @cached_property
    def heads(self) -> frozenset[str]:
        """What known references begin with."""
        return frozenset(key[:3] for key in self.keys)

    @cached_property
    def lengths(self) -> list[int]:
        """How long known references are."""
        return sorted({len(key) for key in self.keys})


def reference_key(reference: str) -> str:
    """A reference as texts are searched for it: letters and digits only, large, without regard to full width."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", reference).upper() if letter.isalnum())


def _is_ascii(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _words(text: str) -> tuple[str, list[bool], list[bool]]:
    """A text as `reference_key` squeezes it; of each letter whether it begins, and whether it ends, a word."""
    shown = f" {unicodedata.normalize('NFKC', text).upper()} "
    places = [place for place, letter in enumerate(shown) if letter.isalnum()]
    begins = [not _is_ascii(shown[place - 1]) for place in places]
    ends = [not _is_ascii(shown[place + 1]) for place in places]
    return "".join(shown[place] for place in places), begins, ends


def _is_cut(text: str, references: Sequence[str]) -> bool:
    """Whether a text ends with the beginning of a reference, of which a few characters are cut off."""
    squeezed, begins, _ = _words(text)
    for key in map(reference_key, references):
        for kept in range(max(SHORTEST_CUT, len(key) - CUT_OFF), len(key)):
            start = len(squeezed) - kept
            if start >= 0 and begins[start] and squeezed.endswith(key[:kept]):
                return True
    return False


@lru_cache(maxsize=100_000)
def called(name: str) -> str:
    """A name without its legal form, blanks and signs, as names are compared: `가온` of `㈜ 가온`."""
    plain = LEGAL_FORMS.sub("", "".join(unicodedata.normalize("NFKC", name).upper().split()))
    return "".join(letter for letter in plain if letter.isalnum())


def is_called(text: str, names: frozenset[str]) -> bool:
    """Whether a text is one of the names, or one of them is cut off or has more after it."""
    own = called(text)
    return bool(own) and any(
        own == other or (min(len(own), len(other)) >= SHORTEST_CUT_NAME and
                         (own.startswith(other) or other.startswith(own)))
        for other in map(called, names)
    )  # fmt: skip

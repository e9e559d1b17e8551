"""Journal arithmetic: what balances, and a hash that depends on everything."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import CHAIN_START, NewEntry, canonical_json, combined, entry_hash

texts = st.text(max_size=20)
accounts = st.sampled_from(["cash:bank", "deposit:P1", "vat:operator", "budget:available", "budget:committed:P1"])
amounts = st.integers(-(2**62), 2**62)
entries = st.builds(
    NewEntry, kind=texts, memo=texts, reference=texts, postings=st.dictionaries(accounts, amounts, min_size=1)
)
months = st.dates(date(2000, 1, 1), date(2199, 12, 31)).map(lambda day: day.replace(day=1))


def digest(entry, previous=CHAIN_START, programme="V25", number=1, month=date(2025, 11, 1)):
    return entry_hash(previous, programme, number, month, entry)


@given(entries, texts)
def test_entry_hash__depends_on_each_text(entry, other):
    for field in ("kind", "memo", "reference"):
        changed = replace(entry, **{field: other})
        assert (digest(changed) == digest(entry)) == (getattr(entry, field) == other)


@given(entries, accounts, amounts)
def test_entry_hash__depends_on_each_posting(entry, account, krw):
    changed = replace(entry, postings={**entry.postings, account: krw})
    assert (digest(changed) == digest(entry)) == (entry.postings.get(account) == krw)


@given(entries, months, st.integers(2, 10**6), st.binary(min_size=32, max_size=32), texts)
def test_entry_hash__depends_on_its_place_in_the_books(entry, month, number, previous, programme):
    usual = digest(entry)
    assert (digest(entry, month=month) == usual) == (month == date(2025, 11, 1))
    assert digest(entry, number=number) != usual
    assert (digest(entry, previous=previous) == usual) == (previous == CHAIN_START)
    assert (digest(entry, programme=programme) == usual) == (programme == "V25")


@given(entries, months, texts)
def test_canonical_json__is_what_any_json_writer_gives_with_sorted_keys_and_no_spaces(entry, month, programme):
    text = canonical_json(programme, 7, month, entry)
    content = {"programme": programme, "number": 7, "month": f"{month:%Y-%m}", "kind": entry.kind, "memo": entry.memo,
               "reference": entry.reference, "postings": dict(entry.postings)}  # fmt: skip
    assert text == json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@given(entries)
def test_entry_hash__does_not_depend_on_the_order_of_postings(entry):
    turned = replace(entry, postings=dict(reversed(list(entry.postings.items()))))
    assert digest(turned) == digest(entry)


@given(st.lists(entries, min_size=2, max_size=6), st.data())
def test_chain__a_change_anywhere_changes_every_hash_after_it(chain, data):
    def hashes(of):
        found, previous = [], CHAIN_START
        for number, entry in enumerate(of, start=1):
            previous = digest(entry, previous=previous, number=number)
            found.append(previous)
        return found

    place = data.draw(st.integers(0, len(chain) - 1))
    changed = [*chain]
    changed[place] = replace(chain[place], memo=chain[place].memo + "!")
    before, after = hashes(chain), hashes(changed)
    assert before[:place] == after[:place]
    assert all(one != other for one, other in zip(before[place:], after[place:], strict=True))


def test_entry_hash__is_the_one_that_the_books_page_describes():
    entry = NewEntry(kind="test", memo="정산", reference="r", postings={"deposit:P1": -5, "cash:bank": 5})
    assert digest(entry).hex() == "7732241fddd828ac3e44dc8b2d72cc78a4bed5ef96e26d1207331bcfbd7de998"


@pytest.mark.parametrize(
    ("postings", "missing"),
    [
        ({"cash:bank": 5, "deposit:P1": -5}, (0, 0)),
        ({"cash:bank": 5, "budget:available": -5}, (5, -5)),
        ({"cash:bank": 5, "deposit:P1": -4, "budget:available": -1}, (1, -1)),
    ],
)
def test_unbalanced__money_and_budget_are_counted_apart(postings, missing):
    assert NewEntry(kind="", memo="", reference="", postings=postings).unbalanced_krw() == missing


@given(st.lists(st.tuples(accounts, st.integers(-5, 5))))
def test_combined__keeps_every_won_and_no_zero(parts):
    postings = combined(parts)
    assert sum(postings.values()) == sum(krw for _, krw in parts)
    assert 0 not in postings.values()

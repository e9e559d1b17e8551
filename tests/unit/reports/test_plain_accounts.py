"""Names and texts for beancount, hledger and CSV: legal there, and turned back into what they came from."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.guarded_csv import guarded
from reports.plain_accounts import ROOTS, beancount_account, beancount_text, hledger_text

codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,12}", fullmatch=True)
classes = st.sampled_from(
    ["receivable:agency", "receivable:company", "payable:hospital", "payable:operator", "payable:infra", "deposit",
     "income:platform_fee", "vat:operator", "incentive:pool", "payable:incentive", "advance:hospital", "agency:advance",
     "expense:payment_fee", "cash:bank", "cash:stripe", "budget:appropriation", "budget:committed", "payable:company"]
)  # fmt: skip
accounts = st.builds(lambda words, after: ":".join([words, *after]), classes, st.lists(codes, max_size=2))
LEGAL = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")


def code_of(name: str) -> str:
    """The account's code, by docs/books.md and not by the code that wrote it."""
    _root, *parts = name.split(":")
    count = 1 if parts[0] == "Deposit" else 2
    words = [re.sub("(?!^)([A-Z])", r"_\1", part).lower() for part in parts[:count]]
    after = [re.sub("^X-(6[1-9A-F]|7[0-9A])", lambda found: chr(int(found[1], 16)), part) for part in parts[count:]]
    return ":".join(words + [re.sub("-([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), part) for part in after])


@given(accounts)
def test_beancount_account__is_legal_and_leads_back_to_its_code(code):
    name = beancount_account(code)
    assert LEGAL.fullmatch(name)
    assert code_of(name) == code


def test_beancount_account__the_books_page_shows_what_is_written():
    assert beancount_account("payable:hospital:H1:a_b.C") == "Liabilities:Payable:Hospital:H1:X-61-5Fb-2EC"
    assert beancount_account("income:platform_fee") == "Income:Income:PlatformFee"
    assert beancount_account("cash:bank", "MAIDV-2025") == "Assets:MAIDV-2D2025:Cash:Bank"


def test_roots__every_class_has_one_and_another_is_refused():
    assert set(ROOTS.values()) == {"Assets", "Liabilities", "Equity", "Income", "Expenses"}
    with pytest.raises(KeyError):
        beancount_account("unknown:thing")


@given(st.text())
def test_hledger_text__stays_on_its_line_and_comes_back(text):
    written = hledger_text(text)
    assert written.isprintable()
    assert not set(written) & set(";|,[]")
    assert unquote(written) == text


@given(st.text())
def test_beancount_text__comes_back_through_its_escapes(text):
    written = beancount_text(text)
    assert not set(written) & set("\n\r\t")
    unescaped = re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r", "t": "\t"}.get(found[1], found[1]), written[1:-1])
    assert unescaped == text


@given(st.text())
def test_guarded__no_text_becomes_a_formula_and_each_comes_back(text):
    written = guarded(text)
    assert not written.startswith(("=", "+", "@", "\t", "\r"))
    assert not written.startswith("-") or re.fullmatch(r"-[0-9.]+", written)
    assert (written[1:] if written.startswith("'") else written) == text

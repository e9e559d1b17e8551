"""Account names and texts as beancount and hledger take them; each mapping can be turned back (docs/books.md)."""

import re

from ledger.account import split_code

# The five roots of beancount by the first word of the class; budget accounts sum to zero in every entry by themselves.
ROOTS = {
    "receivable": "Assets", "cash": "Assets", "advance": "Assets", "payable": "Liabilities", "deposit": "Liabilities",
    "vat": "Liabilities", "incentive": "Liabilities", "agency": "Liabilities", "income": "Income",
    "expense": "Expenses", "suspense": "Liabilities", "budget": "Equity",
}  # fmt: skip
TYPES = {"Assets": "A", "Liabilities": "L", "Equity": "E", "Income": "R", "Expenses": "X"}


def root(code: str) -> str:
    """The kind of account, in beancount's word. Raises KeyError for a class that the books do not have."""
    return ROOTS[split_code(code)[0][0]]


def beancount_account(code: str, programme: str | None = None) -> str:
    """`payable:hospital:H1:P_1` → `Liabilities:Payable:Hospital:H1:P-5F1`; with the programme as second part if given.

    Words of the class are capitalised, `platform_fee` → `PlatformFee`. In a code every character but an ASCII letter
    or digit becomes `-` and two hex digits, and so does a small letter at its beginning, after an `X`.
    """
    words, codes = split_code(code)
    shown = [word.title().replace("_", "") for word in words]
    return ":".join([root(code), *([_component(programme)] if programme else []), *shown, *map(_component, codes)])


def _component(code: str) -> str:
    rest = re.sub(r"[^A-Za-z0-9]", lambda found: f"-{ord(found[0]):02X}", code[1:])
    first = f"X-{ord(code[0]):02X}" if code[0].islower() else code[0]
    return first + rest


def beancount_text(text: str) -> str:
    """A text in quotes, with beancount's escapes."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def hledger_text(text: str) -> str:
    """A text for a description or a tag: what hledger would read as more than text is percent-encoded, as UTF-8."""
    return "".join(_percent(letter) if letter in "%;|,[]" or not letter.isprintable() else letter for letter in text)


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode())

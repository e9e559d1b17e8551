"""Who asks for and approves payees' accounts in the tests, and an account of each payee."""

from pathlib import Path

PDF = b"%PDF-1.4 bank book"
AT = "2025-09-20T09:00:00+09:00"


def with_people(jeongsan) -> None:
    """Two people of finance."""
    for name in ("finance-1", "finance-2"):
        jeongsan("user", "add", name, "--role", "finance", now=AT)


def ask(jeongsan, folder: Path, party: str, *options, number="110-222-333444", by="finance-1", **expecting) -> dict:
    """Asks for an account of a party; `options` name at least the holder."""
    evidence = folder / "bankbook.pdf"
    evidence.write_bytes(PDF)
    now = expecting.pop("now", AT)
    return jeongsan(
        "payees", "add", party, "--bank-code", "088", "--bank", "하나둘은행", "--number", number,
        "--evidence", evidence, "--by", by, *options, now=now, **expecting,
    )  # fmt: skip


def approved(jeongsan, folder: Path, party: str, holder: str, number="110-222-333444", *, now=AT) -> str:
    """An account asked for by one and approved by the other person of finance; its id."""
    one = ask(jeongsan, folder, party, "--holder", holder, number=number, now=now)
    jeongsan("payees", "approve", one["id"], "--by", "finance-2", now=now)
    return one["id"]

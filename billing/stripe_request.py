"""What we ask of Stripe: each request under a key of its own, kept with the hash of its content (architecture.md)."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine, text

from core.errors import RuleRefused

CLOCKS = timedelta(days=1)  # by which our clock and Stripe's may differ, and more


def request_hash(content: Mapping[str, object]) -> str:
    """SHA-256, in hex, over the canonical JSON of what is asked."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def refuse_other_content(key: str, recorded: str, content: Mapping[str, object]) -> None:
    """Holds when a key stands for this very content. Raises RuleRefused otherwise: Stripe would answer for another."""
    if recorded != request_hash(content):
        raise RuleRefused(f"'{key}': 이미 다른 내용으로 요청한 키입니다 (other content under a used key).")


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Waits until no other command asks Stripe for anything; the lock goes with the process that holds it."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('jeongsan:stripe:ask'))"))
        yield

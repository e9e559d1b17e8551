"""The signature of a webhook (domain.md §8): HMAC-SHA256 over instant and body, fresh, by one of our secrets. Pure."""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from core.errors import BadInput

WINDOW_S = 300
LONGEST_HEADER = 4096
ELEMENT = re.compile(r"(t|v\d+)=([0-9a-f]{1,64})", re.ASCII)


def verify(header: str, body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Holds when one of the header's v1 signatures is of this very body, by one of the secrets (an old one stays valid
    while it is replaced), and was made within 300 s of `now`.

    Raises BadInput for everything else; what a sender learns is which of them it was, nothing of the secret.
    """
    instant, signatures = _read(header)
    made = [hmac.digest(secret.encode(), f"{instant}.".encode() + body, "sha256").hex() for secret in secrets if secret]
    if not any(hmac.compare_digest(one, other) for one in made for other in signatures):
        raise BadInput("Stripe-Signature: 서명이 맞지 않습니다 (no signature of this body by a known secret).")
    if abs(int(now.timestamp()) - instant) > WINDOW_S:
        raise BadInput(f"Stripe-Signature: {WINDOW_S}초를 벗어난 서명입니다 (signed outside the replay window).")


def _read(header: str) -> tuple[int, list[str]]:
    """The instant, in seconds, and the v1 signatures; elements of schemes that we do not know are left out."""
    found: dict[str, list[str]] = {}
    for element in header[:LONGEST_HEADER].split(","):
        match = ELEMENT.fullmatch(element.strip())
        if match:
            found.setdefault(match[1], []).append(match[2])
    instants = [one for one in found.get("t", []) if one.isdigit() and len(one) <= 12]
    if len(instants) != 1 or len(found["t"]) != 1 or not found.get("v1"):
        raise BadInput("Stripe-Signature: t=…,v1=… 형식이 아닙니다 (the header is missing or not readable).")
    return int(instants[0]), found["v1"]

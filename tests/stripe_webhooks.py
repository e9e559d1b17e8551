"""Signs webhooks as Stripe does."""

import hashlib
import hmac
import json

SECRET = "whsec_test"


def signature(body: bytes, at: int, *secrets: str) -> str:
    """The header over a body at an instant in seconds, one v1 signature for each secret."""
    made = [hmac.new(one.encode(), b"%d." % at + body, hashlib.sha256).hexdigest() for one in secrets or (SECRET,)]
    return ",".join([f"t={at}", *(f"v1={one}" for one in made)])


def body_of(event: object) -> bytes:
    """An event as Stripe writes it."""
    return json.dumps(event, indent=2).encode()

"""The signature of a callback: over the raw bytes and the time, so that neither can be changed or replayed for long."""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Sandbox-Signature"


def signature(secret: str, raw_body: bytes, at: int) -> str:
    """Sign a body at a time in unix seconds: `t=<at>,v1=<hex HMAC-SHA256 of "<at>.<raw body>">`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + raw_body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"

"""Signatures of callbacks: HMAC-SHA256 over a timestamp and the raw body, as many carriers do it.

The header is `t=<unix seconds>,v1=<hex>[,v1=<hex>...]`; what is signed is `<t>.<raw body>`. Several `v1` come while a
secret is being replaced. Shippo signs so too (`Shippo-Auth-Signature`), and so does the sandbox.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from domain.errors import Kind, Rejected

WINDOW = timedelta(minutes=5)
"""How far a callback's timestamp may lie from our clock, to either side: it bounds replays and allows for skew."""

_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class TimestampedSignature:
    """What a signature header says: the time, in the very characters that are signed, and the digests."""

    timestamp: str
    digests: tuple[str, ...]

    @classmethod
    def parse(cls, header: str) -> TimestampedSignature | None:
        """Read the header. None where it isn't one time and at least one digest; other schemes in it are left out."""
        parts = (part.partition("=") for part in header.split(","))
        pairs = [(name.strip(), value.strip()) for name, _, value in parts]
        timestamps = [value for name, value in pairs if name == "t"]
        digests = tuple(value for name, value in pairs if name == "v1")
        if len(timestamps) != 1 or not _SECONDS.fullmatch(timestamps[0]) or not digests:
            return None
        return cls(timestamps[0], digests)

    def is_over(self, body: bytes, secret: str) -> bool:
        """Say whether one of the digests is that of this body. Takes as long for a near miss as for a far one."""
        expected = timestamped_digest(secret, self.timestamp, body).encode()
        matches = [hmac.compare_digest(expected, digest.lower().encode(errors="replace")) for digest in self.digests]
        return any(matches)

    def is_fresh(self, now: datetime) -> bool:
        """Say whether the signed time lies within the window around `now`."""
        return abs(now.timestamp() - int(self.timestamp)) <= WINDOW.total_seconds()


def timestamped_digest(secret: str, timestamp: str, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of `<timestamp>.<body>`."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def verify_timestamped(body: bytes, headers: Mapping[str, str], header: str, secret: str, now: datetime) -> None:
    """Check the signature in `header` over a raw body.

    `Rejected` as unproven: `invalid_signature` where it is missing, not understood or not over this body,
    `stale_signature` where it is right, but too old or from the future. Only who knows the secret learns the latter.
    """
    signature = TimestampedSignature.parse(_header(headers, header))
    if signature is None or not signature.is_over(body, secret):
        raise Rejected("invalid_signature", f"{header} is missing or not over this body.", kind=Kind.UNPROVEN)
    if not signature.is_fresh(now):
        raise Rejected("stale_signature", f"{header} was made too far from now.", kind=Kind.UNPROVEN)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")

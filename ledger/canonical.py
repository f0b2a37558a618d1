"""The canonical form that the hash chain is over (docs/canonical-form.md), and the hashes.

Fields are joined by line feeds, which no field may hold; numbers are decimal, hashes lower-case hex, instants
microseconds since 1970-01-01T00:00:00Z. So PostgreSQL's own `sha256()` can recompute each with a few lines of SQL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Count microseconds since the epoch, exactly."""
    return (instant - EPOCH) // _MICROSECOND


def posting_digest(
    posting_id: str,
    tenant: str,
    key: str,
    request_digest: bytes,
    reason: str,
    actor: str,
    evidence: str,
    occurred_at: datetime,
    recorded_at: datetime,
    answer: str,
) -> str:
    """Hash a posting's own fields; every entry of the posting carries it in its hash."""
    recorded = microseconds(recorded_at)
    occurred = recorded if occurred_at is recorded_at else microseconds(occurred_at)
    form = (
        f"{posting_id}\n{tenant}\n{key}\n{request_digest.hex()}\n{reason}\n{actor}\n{evidence}\n"
        f"{occurred}\n{recorded}\n{sha256(answer.encode()).hexdigest()}"
    )
    return sha256(form.encode()).hexdigest()


def entry_hash(
    previous: bytes,
    digest_of_posting: str,
    stream_id: str,
    seq: int,
    order_ref: str,
    line_no: int,
    on_hand_delta: int,
    reserved_delta: int,
    on_hand: int,
    reserved: int,
) -> bytes:
    """Hash an entry over the hash before it: of the entry before, or of the stream's identity for the first."""
    form = (
        f"{previous.hex()}\n{digest_of_posting}\n{stream_id}\n{seq}\n{order_ref}\n{line_no}\n"
        f"{on_hand_delta}\n{reserved_delta}\n{on_hand}\n{reserved}"
    )
    return sha256(form.encode()).digest()

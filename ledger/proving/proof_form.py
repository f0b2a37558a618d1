"""The proof that an order's entries are in the ledger: a file that needs neither database nor trust to be checked.

Hashes, keys and signatures are lower-case hex, instants microseconds since 1970-01-01T00:00:00Z. It has ids and
quantities, no people's data, and no answer of a posting, only its hash.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

VERSION: Final = "stockbridge-ledger-proof/1"

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Signature = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
# A line feed would let one field pass for two: the canonical form joins fields by it.
Line = Annotated[str, StringConstraints(pattern=r"^[^\n]*$")]


class Part(BaseModel):
    """A part of a proof: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProvenPosting(Part):
    """What a posting's digest is over."""

    posting_id: Id
    idempotency_key: Line
    request_digest: Hash
    reason: Line
    actor: Line
    evidence: Line
    occurred_at: int
    recorded_at: int
    answer_hash: Hash


class ProvenEntry(Part):
    """An entry. Where it is the order's own its posting is named; of another's, only the digest is told."""

    seq: int
    order_ref: Line
    line_no: int
    on_hand_delta: int
    reserved_delta: int
    on_hand: int
    reserved: int
    posting_id: Id | None
    posting_digest: Hash


class Place(Part):
    """Where a leaf stands in a checkpoint's tree, and the hashes that lead from there to the root."""

    checkpoint: int
    position: int
    path: tuple[Hash, ...]


class Segment(Part):
    """Entries of a stream, without a gap, from one of the order's to the tail that a checkpoint covers."""

    previous_hash: Hash
    entries: tuple[ProvenEntry, ...]
    place: Place


class Identity(Part):
    """What a stream's id is derived from, besides the tenant."""

    sku: Line
    site: Line
    location_id: Line
    kind: Line
    lot: Line
    serial_number: Line
    stock_status: Line


class ProvenStream(Part):
    """A stream with entries of the order."""

    stream_id: Id
    identity: Identity
    segments: tuple[Segment, ...]


class PostingWithoutEntries(Part):
    """A posting that moved nothing, such as an order that has to wait for all of its stock."""

    posting_id: Id
    place: Place


class SignedCheckpoint(Part):
    """A checkpoint that something in the proof is under."""

    number: int
    covers_until: int
    previous_hash: Hash
    root: Hash
    tails: int
    postings: int
    public_key: Hash
    signature: Signature


class OrderProof(Part):
    """The whole proof."""

    format: Literal["stockbridge-ledger-proof/1"]
    tenant: Line
    order_ref: Line
    postings: tuple[ProvenPosting, ...]
    streams: tuple[ProvenStream, ...]
    without_entries: tuple[PostingWithoutEntries, ...]
    checkpoints: tuple[SignedCheckpoint, ...]

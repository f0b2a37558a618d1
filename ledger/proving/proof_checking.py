"""Checking the proof of an order with public keys and nothing else: no database, no trust in who made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from uuid import UUID

from pydantic import ValidationError

from domain.errors import StockbridgeError
from ledger.canonical import EPOCH, entry_hash
from ledger.proving import proof_form as form
from ledger.proving.checkpoints import Checkpoint, posting_leaf, tail_leaf
from ledger.proving.merkle import root_by_path


class ProofFailsError(StockbridgeError):
    """A proof proves nothing; the message says where it breaks."""


@dataclass(frozen=True)
class Proven:
    """What a proof that holds proves."""

    tenant: str
    order_ref: str
    entries: int
    streams: int
    postings: int
    checkpoints: tuple[Checkpoint, ...]

    def __str__(self) -> str:
        return (
            f"the proof holds: order {self.order_ref} of {self.tenant}, {self.entries} entries in {self.streams} "
            f"streams, {self.postings} postings"
        )


def check_proof(text: str | bytes, trusted: Collection[bytes]) -> Proven:
    """Check a proof against the public keys that are `trusted`. Raises `ProofFailsError`."""
    try:
        proof = form.OrderProof.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ProofFailsError(f"This is no proof: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    return _Check(proof, trusted).run()


class _Check:
    """One proof under check."""

    def __init__(self, proof: form.OrderProof, trusted: Collection[bytes]) -> None:
        self._proof = proof
        self._checkpoints = {c.number: _signed_checkpoint(c, trusted) for c in proof.checkpoints}
        self._digests = {posting.posting_id: _digest(posting, proof.tenant) for posting in proof.postings}
        self._recorded = {posting.posting_id: posting.recorded_at for posting in proof.postings}

    def run(self) -> Proven:
        proof = self._proof
        proven = [posting_id for stream in proof.streams for posting_id in self._stream(stream)]
        alone = [self._without_entries(posting) for posting in proof.without_entries]
        unproven = set(self._digests) - set(proven) - set(alone)
        if unproven:
            raise ProofFailsError(f"posting {min(unproven)} is told of, but nothing leads to it")
        if not proven and not alone:
            raise ProofFailsError("it is about nothing")
        checkpoints = tuple(self._checkpoints[number] for number in sorted(self._checkpoints))
        return Proven(proof.tenant, proof.order_ref, len(proven), len(proof.streams), len(self._digests), checkpoints)

    def _stream(self, stream: form.ProvenStream) -> Iterator[str]:
        """Check a stream; tell the postings of the order's entries in it."""
        identity = _identity_hash(self._proof.tenant, stream.identity)
        if UUID(bytes=identity[:16]) != UUID(stream.stream_id):
            raise ProofFailsError(f"stream {stream.stream_id} is not the one of its place, lot, serial and status")
        for before, after in pairwise(stream.segments):
            if not before.entries or not after.entries or before.entries[-1].seq >= after.entries[0].seq:
                raise ProofFailsError(f"stream {stream.stream_id}: its parts do not follow each other")
        for segment in stream.segments:
            self._segment(stream, segment, identity)
            for entry in segment.entries:
                if entry.order_ref == self._proof.order_ref:
                    yield self._own(stream, segment, entry)

    def _segment(self, stream: form.ProvenStream, segment: form.Segment, identity: bytes) -> None:
        """Check that entries chain up to a tail, and the tail leads to a checkpoint's root."""
        name = f"stream {stream.stream_id}"
        if not segment.entries:
            raise ProofFailsError(f"{name}: a part of it is empty")
        last = bytes.fromhex(segment.previous_hash)
        if segment.entries[0].seq == 1 and last != identity:
            raise ProofFailsError(f"{name}, entry 1: it does not follow from the stream's identity")
        for before, entry in pairwise((None, *segment.entries)):
            if before and entry and not _follows(before, entry):
                raise ProofFailsError(f"{name}, entry {entry.seq}: it does not follow from the one before")
            if entry:
                last = _entry_hash(last, stream.stream_id, entry)
        tail = segment.entries[-1].seq
        self._leads_to_root(segment.place, tail_leaf(stream.stream_id, tail, last), f"{name}, entry {tail}")

    def _own(self, stream: form.ProvenStream, segment: form.Segment, entry: form.ProvenEntry) -> str:
        """Check that one of the order's entries is of the posting that is told of, and of the checkpoint's time."""
        name = f"stream {stream.stream_id}, entry {entry.seq}"
        posting_id = entry.posting_id or ""
        if self._digests.get(posting_id) != entry.posting_digest:
            raise ProofFailsError(f"{name}: it is of another posting than the one that is told of")
        self._in_time(posting_id, segment.place, name)
        return posting_id

    def _without_entries(self, posting: form.PostingWithoutEntries) -> str:
        name = f"posting {posting.posting_id}"
        digest = self._digests.get(posting.posting_id)
        if digest is None:
            raise ProofFailsError(f"{name}: nothing is told of it")
        self._leads_to_root(posting.place, posting_leaf(posting.posting_id, bytes.fromhex(digest)), name)
        self._in_time(posting.posting_id, posting.place, name)
        return posting.posting_id

    def _leads_to_root(self, place: form.Place, leaf: bytes, name: str) -> None:
        checkpoint = self._under(place, name)
        path = [bytes.fromhex(beside) for beside in place.path]
        if root_by_path(leaf, place.position, checkpoint.tails + checkpoint.postings, path) != checkpoint.root:
            raise ProofFailsError(f"{name}: it is not what checkpoint {checkpoint.number} covers")

    def _in_time(self, posting_id: str, place: form.Place, name: str) -> None:
        if _instant(self._recorded[posting_id]) > self._under(place, name).covers_until:
            raise ProofFailsError(f"{name}: it was recorded after the checkpoint that is said to cover it")

    def _under(self, place: form.Place, name: str) -> Checkpoint:
        if place.checkpoint not in self._checkpoints:
            raise ProofFailsError(f"{name}: checkpoint {place.checkpoint} is missing")
        return self._checkpoints[place.checkpoint]


def _signed_checkpoint(told: form.SignedCheckpoint, trusted: Collection[bytes]) -> Checkpoint:
    """Check a checkpoint's key and signature."""
    checkpoint = Checkpoint(
        number=told.number,
        covers_until=_instant(told.covers_until),
        previous_hash=bytes.fromhex(told.previous_hash),
        root=bytes.fromhex(told.root),
        tails=told.tails,
        postings=told.postings,
        public_key=bytes.fromhex(told.public_key),
        signature=bytes.fromhex(told.signature),
    )
    if checkpoint.public_key not in trusted:
        raise ProofFailsError(f"checkpoint {told.number} is signed with key {checkpoint.key_id}, not with a given one")
    if not checkpoint.is_signed:
        raise ProofFailsError(f"checkpoint {told.number} was changed: its signature does not fit")
    return checkpoint


def _instant(microseconds: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError as error:
        raise ProofFailsError("This is no proof: an instant is out of bounds") from error


def _digest(posting: form.ProvenPosting, tenant: str) -> str:
    told = (
        f"{posting.posting_id}\n{tenant}\n{posting.idempotency_key}\n{posting.request_digest}\n{posting.reason}\n"
        f"{posting.actor}\n{posting.evidence}\n{posting.occurred_at}\n{posting.recorded_at}\n{posting.answer_hash}"
    )
    return sha256(told.encode()).hexdigest()


def _identity_hash(tenant: str, identity: form.Identity) -> bytes:
    told = (
        f"stream\n{tenant}\n{identity.sku}\n{identity.site}\n{identity.location_id}\n{identity.kind}\n"
        f"{identity.lot}\n{identity.serial_number}\n{identity.stock_status}"
    )
    return sha256(told.encode()).digest()


def _follows(before: form.ProvenEntry, entry: form.ProvenEntry) -> bool:
    """Say whether an entry has the next number, and the balances before it plus its deltas."""
    return (
        entry.seq == before.seq + 1
        and entry.on_hand == before.on_hand + entry.on_hand_delta
        and entry.reserved == before.reserved + entry.reserved_delta
    )


def _entry_hash(previous: bytes, stream_id: str, entry: form.ProvenEntry) -> bytes:
    return entry_hash(
        previous,
        entry.posting_digest,
        stream_id,
        entry.seq,
        entry.order_ref,
        entry.line_no,
        entry.on_hand_delta,
        entry.reserved_delta,
        entry.on_hand,
        entry.reserved,
    )

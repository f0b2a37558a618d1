"""An order's story, as it is told: what was said and happened, in words and in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from api.door.paging import Page, Utc, bad_cursor, cursor
from api.door.problems import document_of
from api.orders.views import said_view
from domain.payloads import KeptPush, for_return
from ledger.reads.views import EntryView
from queries.orders.timeline import CommandTold, Happening, InterceptTold, Kind, PostingTold
from queries.shipping.intercepts import refusal_of, state_of
from records.erp.messages import FeedMessage
from records.orders.replacements import Replacement
from records.partner_words import PartnerWords
from records.returns.return_authorizations import AuthorizationRow
from records.shipping.carrier_events import CarrierEventRow


class TimelineItem(BaseModel):
    """One thing that was said or happened. `operator` is whatever a person or the floor told the order.

    `told_at` is when a carrier says that it happened, where that can't be: then it happened when we heard of it.
    """

    occurred_at: Utc | None
    told_at: Utc | None = None
    recorded_at: Utc
    kind: Kind
    summary: str
    actor: str | None
    evidence: str | None
    data: dict[str, Any]


def page(story: Sequence[Happening], after: str, limit: int) -> Page[TimelineItem]:
    """Cut a page off an order's story: it only ever grows at its end."""
    if not after.isdecimal():
        raise bad_cursor()
    start = int(after)
    end = start + limit
    return Page(items=[_item(each) for each in story[start:end]], next=cursor(end) if end < len(story) else None)


def _item(at: Happening) -> TimelineItem:
    match at.told:
        case CommandTold() as told:
            item = _command(at, told)
        case PostingTold() as told:
            item = _posting(at, told)
        case FeedMessage() as told:
            item = _erp_message(at, told)
        case CarrierEventRow() as told:
            item = _carrier_event(at, told)
        case Replacement() as told:
            item = _replacement(at, told)
        case InterceptTold() as told:
            item = _intercept(at, told)
        case PartnerWords() as told:
            item = _partner_words(at, told)
        case AuthorizationRow() as told:
            item = _authorization(at, told)
    return item


# -- commands --------------------------------------------------------------------------------------------------------


def _command(at: Happening, told: CommandTold) -> TimelineItem:
    row, refusal, payload = told.row, told.refusal, told.row.payload
    push = payload if isinstance(payload, KeptPush) else None
    return TimelineItem(
        occurred_at=(push.ordered_at if push else payload.occurred_at) or row.received_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{payload.words}: {_became(told)}",
        actor=row.actor,
        evidence=None,
        data={
            "command": row.kind,
            "key": row.key,
            "attempt": row.attempt,
            "state": row.state,
            "outcome": (row.answer or {}).get("outcome"),
            "problem": document_of(refusal) if refusal else None,
            "decided_at": row.decided_at,
            "revision": push and push.revision,
            "replaces": asdict(push.replaces) if push and push.replaces else None,
            "device": payload.device,
            "batch_no": payload.batch_no,
            "reason": payload.reason,
            "note": told.words.note,
        },
    )


def _became(told: CommandTold) -> str:
    if told.refusal is not None:
        return f"refused, {told.refusal.detail}"
    if told.row.state == "queued":
        return "waits for a decision"
    return str((told.row.answer or {}).get("outcome", "done"))


def _replacement(at: Happening, other: Replacement) -> TimelineItem:
    """Tell of an order that is sent in place of this one."""
    return TimelineItem(
        occurred_at=other.accepted_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{other.order_no} is sent in its place{for_return(other.return_no)}",
        actor=None,
        evidence=None,
        data={"replaced_by": other.order_no, "return_no": other.return_no},
    )


def _authorization(at: Happening, row: AuthorizationRow) -> TimelineItem:
    """Tell of what the office lets come back."""
    return TimelineItem(
        occurred_at=row.authorized_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{row.actor} authorized return {row.authorization_no} ({row.reason})",
        actor=row.actor,
        evidence=None,
        data={name: getattr(row, name) for name in ("authorization_no", "reason", "valid_until")},
    )


# -- postings --------------------------------------------------------------------------------------------------------


def _posting(at: Happening, told: PostingTold) -> TimelineItem:
    posting = told.posting
    return TimelineItem(
        occurred_at=posting.occurred_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{posting.reason.replace('_', ' ').capitalize()}: {_moves(posting.entries) or 'no stock moved'}",
        actor=posting.actor,
        evidence=posting.evidence,
        data={
            "posting_id": posting.posting_id,
            "reason": posting.reason,
            "reason_code": posting.reason_code,
            "reason_text": told.words.reason,
            "note": told.words.note,
            "key": posting.key,
            "entries": [_entry(entry) for entry in posting.entries],
        },
    )


def _moves(entries: Iterable[EntryView]) -> str:
    """Say what a posting did, place by place."""
    return ", ".join(
        " ".join((_goods(entry), *_signed(entry.on_hand_delta, "on hand"), *_signed(entry.reserved_delta, "reserved")))
        for entry in entries
    )


def _goods(entry: EntryView) -> str:
    """Say where it was, and of which lot and serial number."""
    lot = f" of lot {entry.lot}" if entry.lot else ""
    serial = f" with serial number {entry.serial_number}" if entry.serial_number else ""
    return f"{entry.location_id}{lot}{serial}"


def _signed(delta: int, word: str) -> list[str]:
    return [f"{delta:+d} {word}"] if delta else []


def _entry(entry: EntryView) -> dict[str, Any]:
    return {
        "stream_id": entry.stream_id,
        "location_id": entry.location_id,
        "sku": entry.sku,
        "lot": entry.lot or None,
        "serial_number": entry.serial_number or None,
        "seq": entry.seq,
        "line_no": entry.line_no,
        "on_hand_delta": entry.on_hand_delta,
        "reserved_delta": entry.reserved_delta,
        "on_hand": entry.on_hand,
        "reserved": entry.reserved,
    }


# -- what others were told, and told us ------------------------------------------------------------------------------


def _erp_message(at: Happening, row: FeedMessage) -> TimelineItem:
    done = "there is nothing to tell it" if row.nothing_told else f"told, document {row.document_no}"
    told = {"done": done, "skipped": "skipped"}.get(row.state, "waits")
    return TimelineItem(
        occurred_at=row.done_at or row.created_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"ERP message {row.number}, {row.kind}: {told}",
        actor=None,
        evidence=None,
        data={
            name: getattr(row, name)
            for name in (
                *("number", "kind", "reference", "state", "document_no", "attempts", "last_error", "done_at"),
                "payload",
            )
        },
    )


def _carrier_event(at: Happening, row: CarrierEventRow) -> TimelineItem:
    place = f" in {row.location}" if row.location else ""
    signed = f", signed by {row.signed_by}" if row.signed_by else ""
    return TimelineItem(
        occurred_at=row.occurred_at,
        told_at=row.told_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{row.carrier} says {row.status.replace('_', ' ')} of {row.tracking_number}{place}{signed}",
        actor=row.carrier,
        evidence=None,
        data={
            name: getattr(row, name)
            for name in (
                *("event_id", "tracking_number", "status", "vendor_status", "location", "signed_by", "heard_by"),
                *("shipment_no", "parcel_no", "applied_at", "effect", "told_at"),
            )
        },
    )


def _partner_words(at: Happening, said: PartnerWords) -> TimelineItem:
    """Tell what a partner said when it did not do what was asked: the last of it, where it first came."""
    words = "what is erased" if said.words is None else said.words
    return TimelineItem(
        occurred_at=said.said_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{said.partner} said to {said.step} ({said.code}): {words}",
        actor=said.partner,
        evidence=None,
        data={"step": said.step, **said_view(said).model_dump(mode="json")},
    )


def _intercept(at: Happening, told: InterceptTold) -> TimelineItem:
    step, tracking_number = told.intercept.step, told.intercept.tracking_number
    state, refusal = state_of(step), refusal_of(step, told.said)
    became = {"asked": "waits for its answer", "refused": f"refused, {refusal}"}.get(state, state)
    return TimelineItem(
        occurred_at=step.created_at if state == "asked" else step.updated_at,
        recorded_at=at.recorded_at,
        kind=at.kind,
        summary=f"{step.carrier} is asked to send {tracking_number} back: {became}",
        actor=step.carrier,
        evidence=None,
        data={
            "intercept": state,
            "step_id": step.step_id,
            "reference": step.reference,
            "tracking_number": tracking_number,
            "shipment_no": step.shipment_no,
            "parcel_no": step.parcel_no,
            "attempts": step.attempts,
            "last_error": step.last_error,
            "refusal": refusal,
        },
    )

"""An order's story, merged from the records and the ledger, in the order in which it was written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.paging import Page, Utc, bad_cursor, cursor
from api.door.problems import document_of
from api.orders.order_lookup import FoundOrder
from api.orders.views import said_view
from domain.payloads import Kept, KeptPush, for_return
from ledger.reads.balances import EntryView, PostingView, order_postings
from queries.intercepts import refusal_of, state_of
from records import partner_words, people, timeline
from records.orders import replacements
from records.orders.inbox import InboxRow
from records.orders.replacements import Replacement
from records.partner_words import PartnerWords
from records.returns.return_authorizations import AuthorizationRow
from records.shipping.carrier_events import CarrierEventRow

Kind = Literal["push", "posting", "erp_message", "carrier_event", "operator"]

_RANK: Final = {kind: rank for rank, kind in enumerate(("push", "operator", "carrier_event", "posting", "erp_message"))}


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


async def read(connection: AsyncConnection, order: FoundOrder) -> list[TimelineItem]:
    """Read the whole story of an order."""
    name = (connection, order.tenant, order.order_ref)
    commands = await timeline.commands(*name)
    postings = await order_postings(*name, keys={command.key for command in commands})
    keys = {*(command.key for command in commands), *(posting.key for posting in postings)}
    words = await people.words_about(connection, order.tenant, keys)
    said = await partner_words.of_orders(connection, order.tenant, [order.order_ref])
    items = [
        *(_command(command, words.get(command.key, {})) for command in commands),
        *(_posting(posting, words.get(posting.key, {})) for posting in postings),
        *map(_erp_message, await timeline.erp_messages(*name)),
        *map(_carrier_event, await timeline.carrier_events(*name)),
        *map(_replacement, await replacements.of_order(connection, order.tenant, order.source, order.order_no)),
        *(_intercept(row, said.get((order.order_ref, row.step.step_id))) for row in await timeline.intercepts(*name)),
        *map(_partner_words, said.values()),
        *map(_authorization, await timeline.return_authorizations(*name)),
    ]
    return sorted(items, key=lambda item: (item.recorded_at, _RANK[item.kind]))


def page(items: Sequence[TimelineItem], after: str, limit: int) -> Page[TimelineItem]:
    """Cut a page off the story: it only ever grows at its end."""
    if not after.isdecimal():
        raise bad_cursor()
    start = int(after)
    end = start + limit
    return Page(items=list(items[start:end]), next=cursor(end) if end < len(items) else None)


# -- commands --------------------------------------------------------------------------------------------------------


def _command(row: InboxRow[Kept], words: Mapping[str, str]) -> TimelineItem:
    payload = row.payload
    push = payload if isinstance(payload, KeptPush) else None
    return TimelineItem(
        occurred_at=(push.ordered_at if push else payload.occurred_at) or row.received_at,
        recorded_at=row.received_at,
        kind="push" if row.kind == "submit" else "operator",
        summary=f"{payload.words}: {_became(row)}",
        actor=row.actor,
        evidence=None,
        data={
            "command": row.kind,
            "key": row.key,
            "attempt": row.attempt,
            "state": row.state,
            "outcome": (row.answer or {}).get("outcome"),
            "problem": document_of(row.answer or {}) if row.state == "refused" else None,
            "decided_at": row.decided_at,
            "revision": push and push.revision,
            "replaces": asdict(push.replaces) if push and push.replaces else None,
            "device": payload.device,
            "batch_no": payload.batch_no,
            "reason": payload.reason,
            "note": words.get("note"),
        },
    )


def _became(row: InboxRow[Kept]) -> str:
    if row.state == "refused":
        return f"refused, {(row.answer or {})['detail']}"
    if row.state == "queued":
        return "waits for a decision"
    return str((row.answer or {}).get("outcome", "done"))


def _replacement(other: Replacement) -> TimelineItem:
    """Tell of an order that is sent in place of this one."""
    return TimelineItem(
        occurred_at=other.accepted_at,
        recorded_at=other.accepted_at,
        kind="push",
        summary=f"{other.order_no} is sent in its place{for_return(other.return_no)}",
        actor=None,
        evidence=None,
        data={"replaced_by": other.order_no, "return_no": other.return_no},
    )


def _authorization(row: AuthorizationRow) -> TimelineItem:
    """Tell of what the office lets come back."""
    return TimelineItem(
        occurred_at=row.authorized_at,
        recorded_at=row.authorized_at,
        kind="operator",
        summary=f"{row.actor} authorized return {row.authorization_no} ({row.reason})",
        actor=row.actor,
        evidence=None,
        data={name: getattr(row, name) for name in ("authorization_no", "reason", "valid_until")},
    )


# -- postings --------------------------------------------------------------------------------------------------------


def _posting(posting: PostingView, words: Mapping[str, str]) -> TimelineItem:
    return TimelineItem(
        occurred_at=posting.occurred_at,
        recorded_at=posting.recorded_at,
        kind="posting",
        summary=f"{posting.reason.replace('_', ' ').capitalize()}: {_moves(posting.entries) or 'no stock moved'}",
        actor=posting.actor,
        evidence=posting.evidence,
        data={
            "posting_id": posting.posting_id,
            "reason": posting.reason,
            "reason_code": posting.reason_code,
            "reason_text": words.get("reason"),
            "note": words.get("note"),
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


def _erp_message(row: timeline.FeedMessage) -> TimelineItem:
    told = {"done": f"told, document {row.document_no}", "skipped": "skipped"}.get(row.state, "waits")
    return TimelineItem(
        occurred_at=row.done_at or row.created_at,
        recorded_at=row.created_at,
        kind="erp_message",
        summary=f"ERP message {row.number}, {row.kind}: {told}",
        actor=None,
        evidence=None,
        data={
            name: getattr(row, name)
            for name in (
                *(
                    "number",
                    "kind",
                    "reference",
                    "state",
                    "document_no",
                    "attempts",
                    "last_error",
                    "done_at",
                    "payload",
                ),
            )
        },
    )


def _carrier_event(row: CarrierEventRow) -> TimelineItem:
    place = f" in {row.location}" if row.location else ""
    signed = f", signed by {row.signed_by}" if row.signed_by else ""
    return TimelineItem(
        occurred_at=row.occurred_at,
        told_at=row.told_at,
        recorded_at=row.received_at,
        kind="carrier_event",
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


def _partner_words(said: PartnerWords) -> TimelineItem:
    """Tell what a partner said when it did not do what was asked: the last of it, where it first came."""
    words = "what is erased" if said.words is None else said.words
    return TimelineItem(
        occurred_at=said.said_at,
        recorded_at=said.first_said_at,
        kind="erp_message" if said.step.startswith("erp/") else "carrier_event",
        summary=f"{said.partner} said to {said.step} ({said.code}): {words}",
        actor=said.partner,
        evidence=None,
        data={"step": said.step, **said_view(said).model_dump(mode="json")},
    )


def _intercept(row: timeline.Intercept, said: PartnerWords | None) -> TimelineItem:
    step = row.step
    state, refusal = state_of(step), refusal_of(step, said)
    became = {"asked": "waits for its answer", "refused": f"refused, {refusal}"}.get(state, state)
    return TimelineItem(
        occurred_at=step.created_at if state == "asked" else step.updated_at,
        recorded_at=step.created_at,
        kind="carrier_event",
        summary=f"{step.carrier} is asked to send {row.tracking_number} back: {became}",
        actor=step.carrier,
        evidence=None,
        data={
            "intercept": state,
            "step_id": step.step_id,
            "reference": step.reference,
            "tracking_number": row.tracking_number,
            "shipment_no": step.shipment_no,
            "parcel_no": step.parcel_no,
            "attempts": step.attempts,
            "last_error": step.last_error,
            "refusal": refusal,
        },
    )

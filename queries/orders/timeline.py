"""An order's story, merged from the records and the ledger, in the order in which it was written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.connections import ConnectionKind, Flow, what_waits
from domain.errors import Rejected
from domain.payloads import Kept
from ledger.reads.balances import order_postings
from ledger.reads.views import PostingView
from queries.orders.order_lookup import FoundOrder
from records import partner_words, people, timeline
from records.access import connections
from records.access.connections import Named
from records.erp.messages import FeedMessage
from records.orders import replacements
from records.orders.inbox import InboxRow
from records.orders.replacements import Replacement
from records.partner_words import PartnerWords
from records.people import Words
from records.returns.return_authorizations import AuthorizationRow
from records.shipping.carrier_events import CarrierEventRow
from records.timeline import Intercept

Kind = Literal["push", "posting", "erp_message", "carrier_event", "operator"]

_RANK: Final = {kind: rank for rank, kind in enumerate(("push", "operator", "carrier_event", "posting", "erp_message"))}


@dataclass(frozen=True)
class CommandTold:
    """A command of an order, and the words that came with it."""

    row: InboxRow[Kept]
    words: Words

    @property
    def refusal(self) -> Rejected | None:
        """Return why it was refused, if it was."""
        return Rejected.from_json(self.row.answer or {}) if self.row.state == "refused" else None


@dataclass(frozen=True)
class PostingTold:
    """A posting that touched an order, and the words that came with it."""

    posting: PostingView
    words: Words


@dataclass(frozen=True)
class InterceptTold:
    """What a carrier was asked to send back, and what it said to that."""

    intercept: Intercept
    said: PartnerWords | None


Told = (
    CommandTold
    | PostingTold
    | FeedMessage
    | CarrierEventRow
    | Replacement
    | InterceptTold
    | PartnerWords
    | AuthorizationRow
)


@dataclass(frozen=True)
class Happening:
    """One thing that was said or happened, and when it was written down."""

    recorded_at: datetime
    kind: Kind
    told: Told


async def read_story(connection: AsyncConnection, order: FoundOrder) -> list[Happening]:
    """Return the whole story of an order: it only ever grows at its end."""
    name = (connection, order.order)
    commands = await timeline.commands(*name)
    postings = await order_postings(*name, keys={command.key for command in commands})
    keys = {*(command.key for command in commands), *(posting.key for posting in postings)}
    words = await people.words_about(connection, order.tenant, keys)
    said = await partner_words.of_orders(connection, order.tenant, [order.order_ref])
    others = await replacements.of_order(connection, order.tenant, order.source, order.order_no)
    story = [
        *(Happening(x.received_at, _of_command(x), CommandTold(x, words.get(x.key, Words()))) for x in commands),
        *(Happening(x.recorded_at, "posting", PostingTold(x, words.get(x.key, Words()))) for x in postings),
        *(Happening(x.created_at, "erp_message", x) for x in await _messages(connection, order)),
        *(Happening(x.received_at, "carrier_event", x) for x in await timeline.carrier_events(*name)),
        *(Happening(x.accepted_at, "push", x) for x in others),
        *(_intercept(x, said.get((order.order_ref, x.step.step_id))) for x in await timeline.intercepts(*name)),
        *(Happening(x.first_said_at, _of_partner(x), x) for x in said.values()),
        *(Happening(x.authorized_at, "operator", x) for x in await timeline.return_authorizations(*name)),
    ]
    return sorted(story, key=lambda happening: (happening.recorded_at, _RANK[happening.kind]))


async def _messages(connection: AsyncConnection, order: FoundOrder) -> list[FeedMessage]:
    """Return what the ERP is told. Where nothing leaves to it now, what waits says so: nobody tries it meanwhile."""
    messages = await timeline.erp_messages(connection, order.order)
    if all(message.state in _TOLD for message in messages):
        return messages
    erp = await connections.find(connection, Named(order.tenant, ConnectionKind.ERP, order.source))
    if erp is None or erp.flow.lets(Flow.BOTH):
        return messages
    waits = what_waits(erp.kind, erp.name, erp.flow)
    return [each if each.state in _TOLD else replace(each, last_error=waits) for each in messages]


_TOLD: Final = frozenset({"done", "skipped"})


def _of_command(row: InboxRow[Kept]) -> Kind:
    return "push" if row.kind == "submit" else "operator"


def _of_partner(said: PartnerWords) -> Kind:
    return "erp_message" if said.step.startswith("erp/") else "carrier_event"


def _intercept(asked: Intercept, said: PartnerWords | None) -> Happening:
    return Happening(asked.step.created_at, "carrier_event", InterceptTold(asked, said))

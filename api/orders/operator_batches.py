"""One act of an operator for many orders: looked at first, then accepted as a whole, and decided order by order.

Accepting it puts a command into the inbox of each order; the relay has them decided, as many at a time as any others.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any, Final, Literal

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.openapi import REFUSALS, WRITES, same_again
from api.door.paging import Cursor, Limit, Page, Utc, cut, position
from api.door.problems import document_of
from api.door.request_body import Said
from api.door.services import Services
from api.orders.views import AttentionView
from domain.commands import Key, OperatorVerb
from domain.errors import Conflict, Fault, Kind, Rejected
from domain.orders import OrderStatus
from domain.refusals import not_found, refusal
from domain.said import asked, digest
from domain.shapes import MOST_IN_A_BATCH, OperatorBatch
from ledger.reads.balances import orders_waiting_for
from records.access.api_keys import ApiKey
from records.orders import operator_batches
from records.orders.operator_batches import Act, ActedOn, Batch, BatchRow, Became, Meant, Wanted

router = behind_the_door("/api/operator-batches", "operators")

State = Literal["pending", "done", "refused"]

_MOST_CAUSES: Final = 50
_FIRST_PAGE: Final = 100


class MeantOrder(BaseModel):
    """An order of a batch as it is now."""

    order_no: str
    source: str
    status: OrderStatus
    needs_attention: bool
    attention: AttentionView | None


class CauseView(BaseModel):
    """What orders need a person for, and how many need one for that. `step` is the kind of the step that is stuck."""

    step: str | None
    reason: str | None
    orders: int


class PreviewTotals(BaseModel):
    """How many orders an act would be for."""

    orders: int


class PreviewView(Page[MeantOrder]):
    """The orders that a batch would be for if it were accepted now."""

    totals: PreviewTotals
    causes: list[CauseView]


class ActedOrder(MeantOrder):
    """An order of a batch as it is now, and what became of the act there: `problem` says why it was refused."""

    state: State
    problem: dict[str, Any] | None
    decided_at: Utc | None


class BatchTotals(BaseModel):
    """How many orders a batch is for, and what became of it; `needing_attention`: that need a person now, or again."""

    orders: int
    pending: int
    done: int
    refused: int
    needing_attention: int


class BatchView(Page[ActedOrder]):
    """An act for many orders, and what became of it in each."""

    batch_no: str
    verb: OperatorVerb
    by: str
    reason: str
    where: dict[str, Any]
    accepted_at: Utc
    totals: BatchTotals


Asked = Annotated[Said[OperatorBatch], Body(examples=[examples.OPERATOR_BATCH])]


@router.post("/preview", responses={**WRITES, **REFUSALS})
async def preview_batch(
    services: Services, caller: Caller, said: Asked, limit: Limit = 100, cursor: Cursor = None
) -> PreviewView:
    """Show which orders a batch would be for, and why they need a person. Nothing is written, and no number taken."""
    asked_for = said.settle()
    after = position(cursor, 1)
    async with services.reading() as connection:
        wanted = await _wanted(connection, caller, asked_for)
        await _check_named(connection, wanted)
        rows = await operator_batches.find(connection, wanted, limit + 1, after[0] if after else "")
        kept, following = cut(rows, limit, lambda order: [order.order_ref])
        causes = await operator_batches.causes(connection, wanted, _MOST_CAUSES)
        return PreviewView(
            totals=PreviewTotals(orders=await operator_batches.count(connection, wanted)),
            causes=[CauseView(**vars(cause)) for cause in causes],
            items=[MeantOrder(**_as_now(order)) for order in kept],
            next=following,
        )


@router.post("", status_code=202, responses=same_again(BatchView, 202))
async def accept_batch(services: Services, caller: Caller, response: Response, said: Asked) -> BatchView:
    """Act on every order that fulfills the conditions now. 202 while some have not decided, then 200."""
    if said.is_odd:
        async with services.reading() as connection:
            before = await _known(connection, caller, said.wordings[0].batch_no)
        said.repeats(lambda body: _batch(caller, body).digest, before and before.digest)
    asked_for = said.settle()
    batch = _batch(caller, asked_for)
    async with services.engine.begin() as connection:
        if await operator_batches.add(connection, batch):
            wanted = await _wanted(connection, caller, asked_for)
            await operator_batches.put_acts(connection, batch, await _acts(connection, wanted, asked_for))
    async with services.reading() as connection:
        known = await _known(connection, caller, batch.batch_no)
        if known is None or known.digest != batch.digest:
            raise Conflict(f"Batch {batch.batch_no} came before with other content.")
        view = await _view(connection, known, None, _FIRST_PAGE, "")
    response.status_code = 202 if view.totals.pending else 200
    return view


@router.get("/{batch_no}", responses=REFUSALS)
async def get_batch(
    services: Services,
    caller: Caller,
    batch_no: Annotated[Key, Path()],
    state: Annotated[State | None, Query(description="Only orders in which the act became that")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> BatchView:
    """Return a batch: how far it is, and what became of it in each order."""
    after = position(cursor, 1)
    async with services.reading() as connection:
        known = await _known(connection, caller, batch_no)
        if known is None:
            raise not_found(f"batch {batch_no}")
        return await _view(connection, known, state, limit, after[0] if after else "")


# -- which orders ----------------------------------------------------------------------------------------------------


def _source(caller: ApiKey, batch: OperatorBatch) -> str | None:
    """Return whose orders are meant: with a key of an ERP, that one's. Raises `Rejected` with code `forbidden`."""
    if caller.source is not None and batch.where.source not in {None, caller.source}:
        raise Rejected("forbidden", f"The key speaks for {caller.source} only.", kind=Kind.FORBIDDEN)
    return caller.source or batch.where.source


async def _wanted(connection: AsyncConnection, caller: ApiKey, batch: OperatorBatch) -> Wanted:
    """Return which orders are meant. What an order waits for, the ledger knows."""
    where = {**dict(batch.where), "source": _source(caller, batch)}
    sku = where.pop("waits_for")
    waiting = await orders_waiting_for(connection, caller.tenant, sku) if sku else None
    return Wanted(tenant=caller.tenant, verb=batch.verb, order_refs=waiting, **where)


async def _check_named(connection: AsyncConnection, wanted: Wanted) -> None:
    """Refuse orders that are named, but not meant: one that is misspelt or needs something else must not be missed."""
    if wanted.order_nos is None:
        return
    found = Counter(await operator_batches.order_nos(connection, wanted))
    faults = [
        fault
        for index, order_no in enumerate(wanted.order_nos)
        if (fault := _fault_of_name(f"/where/order_nos/{index}", order_no, found[order_no], wanted.verb))
    ]
    if faults:
        raise refusal(faults)


def _fault_of_name(pointer: str, order_no: str, matches: int, verb: str) -> Fault | None:
    if matches == 1:
        return None
    if matches:
        return Fault(pointer, "ambiguous_order", f"{order_no} is an order of several sources: name one as where.source")
    detail = f"There is no open order {order_no} that {verb} helps and that fulfills the other conditions"
    return Fault(pointer, "not_meant", detail)


async def _acts(connection: AsyncConnection, wanted: Wanted, batch: OperatorBatch) -> list[Act]:
    """Return what each order is told. Raises `Rejected` where none is meant, or more than may be."""
    await _check_named(connection, wanted)
    found = await operator_batches.find(connection, wanted, batch.at_most + 1)
    if not found:
        detail = f"is fulfilled by no open order that {batch.verb} helps"
        raise refusal([Fault("/where", "nothing_meant", detail)])
    if len(found) > batch.at_most:
        raise refusal([_too_many(await operator_batches.count(connection, wanted))])
    return [_act(order, batch) for order in found]


def _too_many(orders: int) -> Fault:
    if orders > MOST_IN_A_BATCH:
        advice = f"a batch takes {MOST_IN_A_BATCH}: narrow it, and send the rest as another"
    else:
        advice = "raise it if all are meant"
    return Fault("/at_most", "too_many_orders", f"{orders} orders fulfill the conditions; {advice}")


def _act(order: Meant, batch: OperatorBatch) -> Act:
    """Write an order's act, as an operator would send it to that order alone, for what it is flagged for now."""
    payload = {
        "act_no": batch.batch_no,
        "verb": batch.verb,
        "by": batch.by,
        "reason": batch.reason,
        "target": None,
        "batch_no": batch.batch_no,
        "flag": vars(order.flag) if order.flag else None,
    }
    return Act(order.order_ref, digest(json.dumps(payload, sort_keys=True)), payload)


# -- batches ---------------------------------------------------------------------------------------------------------


def _batch(caller: ApiKey, batch: OperatorBatch) -> Batch:
    source = _source(caller, batch)
    return Batch(
        tenant=caller.tenant,
        batch_no=batch.batch_no,
        source=source,
        digest=digest("\n".join((asked(batch), source or ""))),
        request=batch.model_dump(mode="json", exclude_none=True),
        actor=batch.by,
    )


async def _known(connection: AsyncConnection, caller: ApiKey, batch_no: str) -> BatchRow | None:
    """Return a batch, if it is of orders that the caller may see."""
    known = await operator_batches.get(connection, caller.tenant, batch_no)
    return known if known and caller.source in {None, known.source} else None


async def _view(connection: AsyncConnection, batch: BatchRow, state: State | None, limit: int, after: str) -> BatchView:
    name = (batch.tenant, batch.batch_no)
    rows = await operator_batches.page(connection, *name, _STORED[state] if state else None, limit + 1, after)
    kept, following = cut(rows, limit, lambda row: [row.order.order_ref])
    return BatchView(
        **{field: batch.request[field] for field in ("batch_no", "verb", "by", "reason", "where")},
        accepted_at=batch.accepted_at,
        totals=_totals(await operator_batches.became(connection, *name)),
        items=[_acted(row) for row in kept],
        next=following,
    )


def _totals(became: list[Became]) -> BatchTotals:
    of_state = {_STATES[part.state]: part.orders for part in became}
    return BatchTotals(
        orders=sum(of_state.values()),
        needing_attention=sum(part.needing_attention for part in became),
        **{state: of_state.get(state, 0) for state in _STORED},
    )


def _acted(row: ActedOn) -> ActedOrder:
    return ActedOrder(
        **_as_now(row.order),
        state=_STATES[row.state],
        problem=document_of(Rejected.from_json(row.answer)) if row.answer and row.state == "refused" else None,
        decided_at=row.decided_at,
    )


def _as_now(order: Meant) -> dict[str, Any]:
    """Return what a view shows of an order beside what became of the act."""
    attention = AttentionView(**order.attention.as_row()) if order.attention else None
    return {**vars(order), "attention": attention}


_STORED: Final[dict[State, str]] = {"pending": "queued", "done": "accepted", "refused": "refused"}
_STATES: Final[dict[str, State]] = {stored: state for state, stored in _STORED.items()}
"""What the inbox says of an act, in an operator's words."""

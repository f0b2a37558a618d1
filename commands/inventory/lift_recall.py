"""A recall is over."""

from __future__ import annotations

from dataclasses import dataclass

from commands.context import CommandContext
from commands.inventory.recall import recall_key
from commands.posting import Answer, Keyed, Posted, once, said_by, why
from commands.times import time_faults
from domain.reasons import code_of
from domain.refusals import not_found
from domain.said import Said
from domain.shapes import Lift
from ledger.reads import lots
from ledger.requests import UnblockLot
from ledger.writing.writer import Outcome
from records.access.api_keys import ApiKey


@dataclass(frozen=True)
class Lifted(Answer):
    """Of which lot a recall is over."""

    sku: str
    lot: str


async def lift_recall(context: CommandContext, caller: ApiKey, recall_no: str, said: Said[Lift]) -> Posted:
    """Post that a recall is over, once."""
    keyed = Keyed[Lift](UnblockLot, lambda _body: f"{recall_key(recall_no)}/lift")
    return await once(context, caller, said, keyed, lambda: _lift(context, caller, recall_no, said, keyed))


async def _lift(
    context: CommandContext, caller: ApiKey, recall_no: str, said: Said[Lift], keyed: Keyed[Lift]
) -> Outcome:
    async with context.reading() as connection:
        body = said.settle(await time_faults(connection, said.part, context.window))
        recalled = await lots.lot_of_recall(connection, caller.tenant, recall_key(recall_no))
        known = await lots.find_lot(connection, caller.tenant, *recalled) if recalled else None
    if recalled is None or known is None:
        raise not_found(f"recall {recall_no}")
    sku, lot = recalled
    request = UnblockLot(
        **said_by(caller, body),
        key=keyed.key(body),
        occurred_at=body.occurred_at,
        sku=sku,
        lot=lot,
        block_no=recall_no,
        cause=code_of(body.reason),
        sites=known.sites,
        reason_code=code_of(body.reason),
    )
    return await context.ledger.post(request, why(request.key, request.tenant, body.reason))

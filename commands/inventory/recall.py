"""A lot is kept from being sold, wherever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commands.context import CommandContext
from commands.posting import Answer, Keyed, Posted, anew, once, said_by, why
from commands.resolving import Faults, known_product, named
from commands.times import time_faults
from domain.errors import Fault
from domain.reasons import code_of
from domain.refusals import refusal
from domain.said import Said
from domain.shapes import Recall
from ledger.reads import lots
from ledger.requests import BlockLot
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey

_TRIES: Final = 5
"""How often a recall is tried while the lot comes to sites that had not known the sku."""


_RECALL: Final = Keyed[Recall](BlockLot, lambda body: recall_key(body.recall_no))


@dataclass(frozen=True)
class Recalled(Answer):
    """How much was kept from being sold, and the orders that it was promised to."""

    quarantined: int
    displaced: list[str]


async def recall_lot(context: CommandContext, caller: ApiKey, said: Said[Recall]) -> Posted:
    """Post a recall, once under its number."""
    return await once(context, caller, said, _RECALL, lambda: _recall(context, caller, said))


async def _recall(context: CommandContext, caller: ApiKey, said: Said[Recall]) -> Outcome:
    faults = Faults()
    async with context.reading() as connection:
        known_product(faults, said.part, await catalog.products(connection, caller.tenant, named([said.part], "sku")))
        faults.found += await time_faults(connection, said.part, context.window)
    return await _block(context, caller, said.settle(faults.found))


async def _block(context: CommandContext, caller: ApiKey, body: Recall) -> Outcome:
    async def block_where_it_is() -> Outcome:
        async with context.reading() as connection:
            lot = await lots.find_lot(connection, caller.tenant, body.sku, body.lot)
        if lot is None:
            raise refusal([Fault("/lot", "unknown_lot", f"Nothing of lot {body.lot} of {body.sku} has ever come")])
        request = BlockLot(
            **said_by(caller, body),
            key=_RECALL.key(body),
            occurred_at=body.occurred_at,
            sku=body.sku,
            lot=body.lot,
            block_no=body.recall_no,
            cause=code_of(body.reason),
            sites=lot.sites,
            reason_code=code_of(body.reason),
        )
        return await context.ledger.post(request, why(request.key, request.tenant, body.reason))

    return await anew("lot_moved", _TRIES, block_where_it_is)


def recall_key(recall_no: str) -> str:
    """Return the key of a recall's posting: the block bears it."""
    return f"recall/{recall_no}"

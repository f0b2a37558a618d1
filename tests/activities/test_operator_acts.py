from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.orders import OrderActivities
from commands.posting_effects import PostingEffects
from domain import messages as m
from ledger.writing.writer import LedgerWriter
from records.orders import inbox


async def test_an_act_is_kept_whatever_its_texts_hold(engine: AsyncEngine, tenant: str) -> None:
    """It came by the Temporal UI, past the door: what PostgreSQL can't keep must not be tried for ever."""
    house = OrderActivities(engine, LedgerWriter(engine, PostingEffects()))
    said = m.OperatorAct(by="Ada\n\x00", reason="half \x00 a\nreason", target="erp/1\x00")
    act = m.Act(order=m.OrderId(tenant=tenant, order_ref="SO-1"), verb="skip_step", act_no="A-1", said=said)
    kept = [await house.keep_act(act), await house.keep_act(act)]
    assert kept[0].inbox_id == kept[1].inbox_id
    async with engine.connect() as connection:
        row = await inbox.get(connection, kept[0].inbox_id)
    assert row.actor == "Ada\ufffd\ufffd"
    assert (row.payload.reason, row.payload.target) == ("half \ufffd a\nreason", "erp/1\ufffd")

"""A hundred orders wait for a sku while stock comes and goes from eight connections and more orders come."""

from __future__ import annotations

import asyncio
import random
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.requests import Request
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import Warehouse

CONNECTIONS = 8
WAITING = 100
HOLDING = 16
NEWCOMERS = 60

# Which line each promise in the bin went to, in the order of the stream; and all lines in the order of the queue.
PROMISES = """
select e.order_ref, e.reserved_delta from ledger.entry e join ledger.stream s using (stream_id)
where s.tenant = :tenant and s.location_id = 'A-01' and e.reserved_delta > 0 order by e.seq
"""
QUEUE = """
select order_ref from ledger.order_line where tenant = :tenant and order_ref not like 'HOLDS%'
order by priority desc, queued_at, order_ref, line_no
"""


async def _carry_out(writer: LedgerWriter, work: list[Request]) -> None:
    for request in work:
        await writer.post(request)


async def test_a_queue_is_served_in_its_order_whoever_serves_it(
    engine: AsyncEngine, warehouse: Warehouse, database: BackingServices
) -> None:
    dice = random.Random(11)
    writers = [LedgerWriter(engine) for _ in range(CONNECTIONS)]
    await warehouse.post(warehouse.receipt("MUG", 10 * HOLDING))
    for n in range(HOLDING):
        await warehouse.post(warehouse.order(f"HOLDS-{n}", (1, "MUG", 10)))
    wanted = {f"WAITS-{n:03}": dice.randint(1, 6) for n in range(WAITING)}
    for name, quantity in wanted.items():
        await warehouse.post(warehouse.order(name, (1, "MUG", quantity)))
    newcomers = {f"COMES-{n:03}": dice.randint(1, 6) for n in range(NEWCOMERS)}
    to_receive = sum(wanted.values()) + sum(newcomers.values()) - 5 * HOLDING

    work: list[list[Request]] = [[] for _ in writers]
    for n in range(to_receive):
        work[n % CONNECTIONS].append(warehouse.receipt("MUG", 1))
    for name, quantity in newcomers.items():
        dice.choice(work).append(warehouse.order(name, (1, "MUG", quantity)))
    for part in work:
        dice.shuffle(part)
    for n in range(HOLDING):  # each its own connection: a holder gives up one after the other, and never takes again
        part = work[n % CONNECTIONS]
        for place, quantity in zip(sorted(dice.sample(range(len(part)), 5)), (9, 8, 7, 6, 5), strict=True):
            part.insert(place, warehouse.order(f"HOLDS-{n}", (1, "MUG", quantity)))
    await asyncio.gather(*(_carry_out(writer, part) for writer, part in zip(writers, work, strict=True)))

    async with engine.connect() as connection:
        promises = (await connection.execute(text(PROMISES), {"tenant": warehouse.tenant})).all()
        queue = list((await connection.execute(text(QUEUE), {"tenant": warehouse.tenant})).scalars())
    served = [(name, sum(part for _, part in parts)) for name, parts in groupby(promises, key=lambda row: row[0])]
    assert served[HOLDING:] == [(name, (wanted | newcomers)[name]) for name in queue]
    assert (await warehouse.state("MUG"))["A-01"] == (10 * HOLDING + to_receive, 10 * HOLDING + to_receive)
    assert verify(database.database_url).findings == []

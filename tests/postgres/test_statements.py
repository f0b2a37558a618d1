"""Statements that go to the driver as they are, on SQLAlchemy's connections."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from postgres.statements import Query, adding, change
from records.tables import inbox, outbox

BACKEND = Query("select pg_backend_pid()")
END = text("select pg_terminate_backend(:pid)")
ADDED = Query.of(select(outbox).where(outbox.c.tenant == bindparam("tenant")))


async def test_what_it_writes_is_in_sqlalchemys_transaction(engine: AsyncEngine) -> None:
    row = {"tenant": "driver-undone", "order_ref": "SO-1", "signal": "carrier_event"}
    async with engine.connect() as connection, connection.begin() as transaction:
        await adding(outbox, tuple(row)).run(connection, **row)
        (written,) = await ADDED.mappings(connection, tenant="driver-undone")
        assert {name: written[name] for name in row} == row
        await transaction.rollback()
    async with engine.connect() as connection:
        assert await ADDED.rows(connection, tenant="driver-undone") == []


async def test_a_document_is_written_as_json_and_no_document_as_null(engine: AsyncEngine) -> None:
    given = {
        "tenant": "driver-documents",
        "order_ref": "SO-1",
        "kind": "ship",
        "key": "ship/SO-1/1",
        "attempt": 1,
        "digest": b"\x00\xff",
        "payload": {"quantity": 2, "note": None, "name": "Jürgen's"},
        "actor": "ida",
    }
    stored = Query.of(select(inbox.c.payload, inbox.c.digest, inbox.c.answer))
    async with engine.connect() as connection:
        await adding(inbox, tuple(given)).run(connection, **given)
        key = {"tenant": "driver-documents", "decided_at": None}
        assert await change(connection, inbox, key, {"answer": {"outcome": "done"}}) == 1
        first = Query(f"{stored.sql} where tenant = %(tenant)s", stored.columns)
        assert await first.mapping(connection, tenant="driver-documents") == {
            "payload": given["payload"],
            "digest": given["digest"],
            "answer": {"outcome": "done"},
        }
        await change(connection, inbox, key, {"answer": None})
        empty = Query("select answer is null from records.inbox where tenant = %(tenant)s")
        assert await empty.row(connection, tenant="driver-documents") == (True,)
        await connection.rollback()


async def test_a_connection_that_postgresql_hung_up_is_not_given_out_again(
    engine: AsyncEngine, owner: AsyncEngine
) -> None:
    async with engine.connect() as connection, owner.connect() as other:
        ((pid,),) = await BACKEND.rows(connection)
        await other.execute(END, {"pid": pid})
        with pytest.raises(OperationalError):
            await BACKEND.rows(connection)
    async with engine.connect() as connection:
        ((another,),) = await BACKEND.rows(connection)
    assert another != pid

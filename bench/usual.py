"""The usual design, written well: a stock row that is locked, checked and updated; one transaction a request."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, MetaData, String, Table, Uuid, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

metadata = MetaData(schema="usual")

stock = Table(
    "stock",
    metadata,
    Column("sku", String, primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    CheckConstraint("reserved <= on_hand", name="not_oversold"),
)

reservation = Table(
    "reservation",
    metadata,
    Column("reservation_id", Uuid, primary_key=True),
    Column("order_ref", String, nullable=False, unique=True),
    Column("sku", String, ForeignKey(stock.c.sku), nullable=False),
    Column("quantity", BigInteger, nullable=False),
)

LOOK = select(stock.c.on_hand, stock.c.reserved).with_for_update()


async def prepare(engine: AsyncEngine, skus: list[str]) -> None:
    """Make the tables, with plenty of stock."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(stock), [{"sku": sku, "on_hand": 10**12, "reserved": 0} for sku in skus])


async def reserve(engine: AsyncEngine, order_ref: str, sku: str, quantity: int) -> None:
    """Lock, check, insert, update, commit."""
    async with engine.begin() as connection:
        on_hand, reserved = (await connection.execute(LOOK.where(stock.c.sku == sku))).one()
        if on_hand - reserved < quantity:
            raise RuntimeError("insufficient stock")
        await connection.execute(
            insert(reservation).values(reservation_id=uuid4(), order_ref=order_ref, sku=sku, quantity=quantity)
        )
        await connection.execute(stock.update().where(stock.c.sku == sku).values(reserved=stock.c.reserved + quantity))

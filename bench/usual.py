"""The usual design: a stock row that is locked, checked and updated; one transaction a request.

`reserve` is what an application does that was written with SQLAlchemy's sessions and handlers that are plain functions,
which FastAPI runs in 40 threads. `reserve_lean` is the same with all that taken away which can be: statements without
mapped classes, on asyncio's one thread. Both lock, check, insert, update and commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, create_engine, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

THREADS: Final = 40
SCHEMA: Final = "usual"


class Base(DeclarativeBase):
    """The usual design's tables."""


class Stock(Base):
    """What there is of a sku, and how much of it is promised."""

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("reserved <= on_hand", name="not_oversold"), {"schema": SCHEMA})

    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int] = mapped_column(BigInteger)
    reserved: Mapped[int] = mapped_column(BigInteger)


class Reservation(Base):
    """What is promised to an order."""

    __tablename__ = "reservation"
    __table_args__ = ({"schema": SCHEMA},)

    reservation_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    order_ref: Mapped[str] = mapped_column(unique=True)
    sku: Mapped[str] = mapped_column(ForeignKey(Stock.sku))
    quantity: Mapped[int] = mapped_column(BigInteger)


class Usual:
    """The usual design at work."""

    def __init__(self, url: str, lean: AsyncEngine) -> None:
        self._engine = create_engine(url, pool_size=THREADS, max_overflow=0)
        self._sessions: Callable[[], Session] = sessionmaker(self._engine)
        self._threads = ThreadPoolExecutor(THREADS)
        self._lean = lean

    def prepare(self, skus: list[str]) -> None:
        """Make the tables, with plenty of stock."""
        Base.metadata.create_all(self._engine)
        with self._sessions() as session, session.begin():
            session.add_all(Stock(sku=sku, on_hand=10**12, reserved=0) for sku in skus)

    async def reserve(self, order_ref: str, sku: str) -> None:
        """Reserve one unit in a session, in a thread of its own."""
        await asyncio.get_running_loop().run_in_executor(self._threads, partial(self._reserve, order_ref, sku, 1))

    def _reserve(self, order_ref: str, sku: str, quantity: int) -> None:
        with self._sessions() as session, session.begin():
            stock = session.scalars(select(Stock).where(Stock.sku == sku).with_for_update()).one()
            if stock.on_hand - stock.reserved < quantity:
                raise RuntimeError("insufficient stock")
            session.add(Reservation(order_ref=order_ref, sku=sku, quantity=quantity))
            stock.reserved += quantity

    async def reserve_lean(self, order_ref: str, sku: str) -> None:
        """Reserve one unit with bare statements."""
        look = select(Stock.on_hand, Stock.reserved).where(Stock.sku == sku).with_for_update()
        async with self._lean.begin() as connection:
            on_hand, reserved = (await connection.execute(look)).one()
            if on_hand - reserved < 1:
                raise RuntimeError("insufficient stock")
            row = {"reservation_id": uuid4(), "order_ref": order_ref, "sku": sku, "quantity": 1}
            await connection.execute(insert(Reservation).values(row))
            await connection.execute(update(Stock).where(Stock.sku == sku).values(reserved=Stock.reserved + 1))

    def close(self) -> None:
        """Let the threads and connections go."""
        self._threads.shutdown()
        self._engine.dispose()

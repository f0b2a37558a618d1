"""Databases of a test's own: a ledger with checkpoints, and copies of it that may be damaged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ledger.canonical import entry_hash, posting_digest
from ledger.proving.checkpoints import Checkpoint
from ledger.proving.signing import SigningKey
from runtime.embedded.servers import BackingServices
from runtime.migrating import migrate
from runtime.settings import sqlalchemy_url

OURS = SigningKey(sha256(b"ours").digest())
THEIRS = SigningKey(sha256(b"theirs").digest())


@dataclass(frozen=True)
class Copy:
    """A database that may be damaged."""

    url: str

    def damage(self, *statements: str) -> None:
        """Run statements as a superuser with the triggers off."""
        with psycopg.connect(self.url) as connection:
            connection.execute("set session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def hash_anew(self, stream_id: UUID) -> None:
        """Recompute all hashes of a stream, as who rewrites it would."""
        ((last,),) = self.rows(f"select identity_hash from ledger.stream where stream_id = '{stream_id}'")
        for (
            seq,
            *entry,
            posting_id,
            tenant,
            key,
            digest,
            reason,
            actor,
            evidence,
            occurred,
            recorded,
            answer,
        ) in self.rows(
            f"""select e.seq, e.order_ref, e.line_no, e.on_hand_delta, e.reserved_delta, e.on_hand, e.reserved,
                       posting_id, p.tenant, idempotency_key, request_digest, reason, actor, evidence, occurred_at,
                       p.recorded_at, answer
                from ledger.entry e join ledger.posting p using (posting_id)
                where stream_id = '{stream_id}' order by seq"""
        ):
            of_posting = posting_digest(
                str(posting_id), tenant, key, digest, reason, actor, evidence, occurred, recorded, answer
            )
            last = entry_hash(last, of_posting, str(stream_id), seq, *entry)
            self.damage(
                f"update ledger.entry set hash = '\\x{last.hex()}' where stream_id = '{stream_id}' and seq = {seq}"
            )

    def sign_again(self, key: SigningKey, only: int | None = None) -> None:
        """Sign every checkpoint again as it stands, chained to the one before; or `only` one, as it is chained."""
        columns = "number, covers_until, previous_hash, root, tails, postings, public_key, signature"
        before = bytes(32)
        for row in self.rows(f"select {columns} from ledger.checkpoint order by number"):
            there = Checkpoint(*row)
            if only in {None, there.number}:
                previous_hash = there.previous_hash if only else before
                forged = replace(there, previous_hash=previous_hash, public_key=key.public_key)
                self.damage(
                    f"""update ledger.checkpoint
                        set previous_hash = '\\x{forged.previous_hash.hex()}', public_key = '\\x{key.public_key.hex()}',
                            signature = '\\x{key.sign(forged.form).hex()}', hash = '\\x{forged.hash.hex()}'
                        where number = {forged.number}"""
                )
                before = forged.hash


def new_database(database: BackingServices) -> str:
    """Make a database with the schema and nothing in it, and return its name."""
    name = f"own_{uuid4().hex[:8]}"
    _run(database, sql.SQL("create database {}").format(sql.Identifier(name)))
    migrate(named(database.database_admin_url, name))
    return name


@asynccontextmanager
async def database_of_its_own(database: BackingServices) -> AsyncIterator[tuple[str, AsyncEngine]]:
    """A database with the schema and nothing in it: its name, and connections as the owner."""
    name = new_database(database)
    engine = create_async_engine(sqlalchemy_url(named(database.database_admin_url, name)), pool_size=10)
    yield name, engine
    await engine.dispose()


@contextmanager
def copied(database: BackingServices, name: str) -> Iterator[Copy]:
    """A copy of a database that nobody is connected to."""
    copy = f"copy_{uuid4().hex[:8]}"
    with psycopg.connect(database.database_admin_url) as connection:  # the last sessions may still be leaving
        connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [name])
    _run(database, sql.SQL("create database {} template {}").format(sql.Identifier(copy), sql.Identifier(name)))
    yield Copy(named(database.database_admin_url, copy))
    _run(database, sql.SQL("drop database {} with (force)").format(sql.Identifier(copy)))


def named(url: str, database: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _run(database: BackingServices, statement: sql.Composed) -> None:
    with psycopg.connect(database.database_admin_url, autocommit=True) as connection:
        connection.execute(statement)

"""The page that tells anyone how to check a chain is itself checked: its query runs against real streams."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.stock import Place, PoolKey, StreamKey
from runtime.embedded.servers import BackingServices

from .warehouse import SITE, Warehouse

PAGE = Path(__file__).parents[2] / "docs/canonical-form.md"


def _check(url: str, stream_id: UUID, *damage: str) -> list[tuple[Any, ...]]:
    """Run the page's query, after damage that is rolled back."""
    query, _ = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with psycopg.connect(url) as connection:
        if damage:
            connection.execute("set session_replication_role = replica")
        for statement in damage:
            connection.execute(statement)  # type: ignore[call-overload]
        rows = connection.execute(query.replace(":'stream_id'", f"'{stream_id}'")).fetchall()
        connection.rollback()
    return rows


async def _some_stream(warehouse: Warehouse) -> UUID:
    lot = "L-ünï 1"
    await warehouse.post(warehouse.receipt("MUG", 10, lot=lot))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))
    return warehouse.stream("MUG", lot=lot).stream_id


async def test_the_pages_query_finds_nothing_in_a_real_stream(warehouse: Warehouse, database: BackingServices) -> None:
    assert _check(database.database_url, await _some_stream(warehouse)) == []


@pytest.mark.parametrize(
    ("damage", "seq"),
    [
        ("update ledger.entry set on_hand = 11 where stream_id = '{}' and seq = 2", 2),
        ("update ledger.entry set order_ref = 'SO-2' where stream_id = '{}' and seq = 3", 3),
        ("delete from ledger.entry where stream_id = '{}' and seq = 2", 3),
        ("update ledger.stream set lot = 'other' where stream_id = '{}'", 1),
    ],
)
async def test_the_pages_query_finds_damage(
    warehouse: Warehouse, database: BackingServices, damage: str, seq: int
) -> None:
    stream_id = await _some_stream(warehouse)

    found = _check(database.database_admin_url, stream_id, damage.format(stream_id))

    assert seq in [row[0] for row in found]


def test_an_identity_is_what_the_page_says() -> None:
    key = StreamKey("acme", "MUG", Place("A-01", SITE), "L-1")
    form = "stream\nacme\nMUG\nHAM\nA-01\nstorage\nL-1\n\navailable"

    assert key.identity_hash == sha256(form.encode()).digest()
    assert key.stream_id.bytes == key.identity_hash[:16]
    assert PoolKey("acme", SITE, "MUG").pool_id.bytes == sha256(b"pool\nacme\nHAM\nMUG").digest()[:16]

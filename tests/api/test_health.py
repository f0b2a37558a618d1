from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from api.app import create_app
from api.door.services import ApiServices
from ledger.writing.writer import LedgerWriter

from .doorway import DirectGateway, Door, code_of, push


async def test_the_process_says_that_it_lives_and_is_ready(door: Door) -> None:
    assert (await door.http.get("/healthz")).json() == {"status": "ok"}
    answer = await door.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"database": True, "temporal": True}}


async def test_it_is_not_ready_while_temporal_is_away(door: Door) -> None:
    door.gateway.down = True
    answer = await door.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": True, "temporal": False}


async def test_metrics_tell_what_waits(shop: Door) -> None:
    shop.gateway.down = True
    await shop.post("/api/orders/outbound", push())
    told = (await shop.http.get("/metrics")).text
    assert "stockbridge_undecided_commands" in told
    assert 'stockbridge_http_requests_total{method="POST",route="/api/orders/outbound",status="202"} 1.0' in told


@pytest.fixture
async def orphan() -> AsyncIterator[httpx.AsyncClient]:
    """The door of a process whose PostgreSQL is gone."""
    engine = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:9/nothing", connect_args={"connect_timeout": 1})
    ledger = LedgerWriter(engine)

    async def answers() -> bool:
        return True

    services = ApiServices(
        engine=engine,
        ledger=ledger,
        orders=DirectGateway(engine, ledger),
        carriers={},
        body_limit_bytes=1024,
        temporal_health=answers,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://hub") as http:
        yield http
    await engine.dispose()


async def test_without_postgresql_every_answer_is_503(orphan: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer some-key"}
    answers = [
        await orphan.post("/api/orders/outbound", json={}, headers=headers),
        await orphan.get("/api/inventory", headers=headers),
    ]
    for answer in answers:
        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
    assert (await orphan.get("/readyz")).json()["checks"] == {"database": False, "temporal": True}
    assert (await orphan.get("/healthz")).status_code == 200

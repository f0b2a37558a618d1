"""Whether we live, whether we can work, and how much waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel
from sqlalchemy import text

from stockbridge.api.services import ApiServices, Services
from stockbridge.records import gauges

CHECK_LIMIT_S: Final = 2.0

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """We live."""

    status: str = "ok"


class Readiness(BaseModel):
    """Whether what we stand on is there."""

    status: str
    checks: dict[str, bool]


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process lives."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(services: Services, response: Response) -> Readiness:
    """Say whether PostgreSQL and Temporal can be reached."""
    database, temporal = await asyncio.gather(_holds(_database_answers(services)), _holds(services.temporal_health()))
    checks = {"database": database, "temporal": temporal}
    ready = all(checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "not_ready", checks=checks)


async def _holds(check: Awaitable[bool]) -> bool:
    """Say whether a check holds; what fails, whichever way, does not."""
    try:
        async with asyncio.timeout(CHECK_LIMIT_S):
            return await check
    except Exception:  # noqa: BLE001 - a probe answers, whatever happens
        return False


async def _database_answers(services: ApiServices) -> bool:
    async with services.reading() as connection:
        return (await connection.execute(text("select true"))).scalar_one() is True


class WaitingMetrics:
    """How much is open and waits, read from PostgreSQL when it is asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("stockbridge_open_orders", "Orders not closed", ["status"], registry=registry)
        self._counts = {
            name: Gauge(f"stockbridge_{name}", words, registry=registry)
            for name, words in (
                ("needing_attention", "Open orders that need a person"),
                ("undecided_commands", "Commands that wait for a decision"),
                ("waiting_erp_messages", "Messages that the ERP has not been told"),
                ("undelivered_signals", "Signals that workflows have not been given"),
                ("unapplied_events", "Carrier events that were not dealt with"),
                ("open_counts", "Places where a picker missed something, and nobody has counted since"),
                ("open_discrepancies", "Differences between the ledger and what happened that nobody has settled"),
                ("missing_rows", "What workflows remember and PostgreSQL has not: a restore that nobody told of"),
            )
        }

    def set(self, read: gauges.Gauges) -> None:
        """Take what was counted."""
        self._open.clear()
        for status, count in read.open_orders.items():
            self._open.labels(status).set(count)
        for name, gauge in self._counts.items():
            gauge.set(getattr(read, name))


@router.get("/metrics", include_in_schema=False)
async def metrics(services: Services, request: Request) -> Response:
    """Return Prometheus' text format."""
    async with services.reading() as connection:
        request.app.state.waiting.set(await gauges.read(connection))
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)

"""Whether we live, whether we can work, and how much waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from api.door.services import Services
from postgres.statements import alone
from records import gauges
from records.probing import try_write

CHECK_LIMIT_S: Final = 2.0
TRY_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)

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
async def readyz(services: Services, request: Request, response: Response) -> Readiness:
    """Say whether PostgreSQL takes what is written, which takes room on its disk, and whether Temporal answers."""
    writing: WriteProbe = request.app.state.writing
    database, temporal = await asyncio.gather(_holds(writing.works()), _holds(services.temporal_health()))
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


class WriteProbe:
    """Tries a write at PostgreSQL: once in a while, whoever asks, and one at a time. Who asks meanwhile hears of it."""

    def __init__(self, engine: AsyncEngine, every_s: float = TRY_EVERY_S) -> None:
        self._engine = engine
        self._every_s = every_s
        self._began = 0.0
        self._trying: asyncio.Task[str | None] | None = None
        self._fault: str | None = None

    async def works(self) -> bool:
        """Say whether the last write worked, which is not long ago."""
        now = time.monotonic()
        if self._trying is None or (self._trying.done() and now - self._began >= self._every_s):
            self._began, self._trying = now, asyncio.create_task(self._try())
        return await asyncio.shield(self._trying) is None

    async def _try(self) -> str | None:
        """Return what went wrong, if anything did; a change is told in the log."""
        fault = None
        try:
            async with asyncio.timeout(CHECK_LIMIT_S), alone(self._engine).connect() as connection:
                await try_write(connection)
        except Exception as error:  # noqa: BLE001 - a probe answers, whatever happens
            fault = str(getattr(error, "orig", error)) or type(error).__name__
        if fault and not self._fault:
            log.warning("readiness.nothing_can_be_written", reason=fault)
        elif self._fault and not fault:
            log.info("readiness.writes_again")
        self._fault = fault
        return fault


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
    async with services.reporting() as connection:
        request.app.state.waiting.set(await gauges.read(connection))
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)

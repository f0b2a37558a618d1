"""What a process talks to: PostgreSQL, Temporal, and the tenants' ERPs and carriers, made from the settings."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Final, cast

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from commands.posting_effects import PostingEffects
from ledger.proving.signing import SigningKey, key_bytes
from ledger.writing.writer import LedgerWriter
from postgres.statements import Patience
from queries.inventory.site_days import site_days
from runtime.processes.codec import EncryptingCodec
from runtime.processes.live_connections import LiveConnections
from runtime.settings import Settings

_CONNECT_S: Final = "5"


def engine_of(settings: Settings, patience: Patience) -> AsyncEngine:
    """Make the pool of connections of a process, which is so patient.

    A broken connection is found when it is used: then the whole pool is made anew, and what was asked is asked again,
    by Temporal or by the caller of a 503. A ping before each use would cost every push a round trip for each step.
    The connection that was used last is used next: its statements are prepared, and its server process is warm. So few
    do more than many, and who finds none waits for one. What a statement is given is no part of its error's words.
    """
    return create_async_engine(
        patience.on(_within(settings.database_sqlalchemy_url)),
        pool_size=settings.database_connections,
        max_overflow=0,
        pool_use_lifo=True,
        hide_parameters=True,
    )


def thread_engine_of(settings: Settings, connections: int = 10) -> Engine:
    """Make the pool for activities that run on threads."""
    url = settings.working.on(_within(settings.database_sqlalchemy_url))
    return create_engine(url, pool_size=connections, pool_use_lifo=True, hide_parameters=True)


def _within(url: str) -> URL:
    """Say how long a connection may take, unless the address does: what is made from an engine's address keeps it."""
    given = make_url(url)
    return given if "connect_timeout" in given.query else given.update_query_dict({"connect_timeout": _CONNECT_S})


def ledger_of(engine: AsyncEngine) -> LedgerWriter:
    """Make the ledger's writer of this process, with the books of orders kept in step."""
    return LedgerWriter(engine, PostingEffects(), days=site_days(engine))


async def temporal_of(settings: Settings, *, lazy: bool = False, metrics: bool = False) -> Client:
    """Connect to Temporal; `lazy` connects at the first call, so that a door can open while Temporal is down."""
    return await Client.connect(
        settings.need("temporal_address"),
        namespace=settings.temporal_namespace,
        data_converter=converter_of(settings),
        lazy=lazy,
        runtime=_telling_metrics(settings) if metrics and settings.worker_metrics_port else None,
    )


def converter_of(settings: Settings) -> DataConverter:
    """Make what writes down all that Temporal keeps: in the open, or under a key.

    Words and traces of failures are no payload by themselves: with a key they are made one, and encrypted, too.
    """
    if settings.payload_key is None:
        return _CONVERTER
    return dataclasses.replace(
        _CONVERTER,
        payload_codec=EncryptingCodec(settings.need("payload_key")),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


@cache
def _pydantic() -> PydanticPayloadConverter:
    """Return the one of this process.

    The SDK makes one with each activation of a workflow, there and back, whose cache of types it never fills.
    """
    return PydanticPayloadConverter()


_CONVERTER: Final = dataclasses.replace(
    pydantic_data_converter, payload_converter_class=cast("type[PydanticPayloadConverter]", _pydantic)
)


def _telling_metrics(settings: Settings) -> Runtime:
    """Serve what the SDK counts (polls, latencies, failures) on a Prometheus page."""
    address = f"{settings.metrics_host}:{settings.worker_metrics_port}"
    return Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(bind_address=address)))


def signing_key_of(settings: Settings) -> SigningKey | None:
    """Make the key that signs checkpoints, where there is one."""
    return SigningKey.parse(settings.need("checkpoint_key")) if settings.checkpoint_key else None


def trusted_keys_of(settings: Settings) -> set[bytes]:
    """Return the public keys whose checkpoints are trusted: our own, and those that are named."""
    own = signing_key_of(settings)
    return {*map(key_bytes, settings.checkpoint_trusted_keys), *([own.public_key] if own else [])}


def connections_of(settings: Settings, engine: AsyncEngine) -> LiveConnections:
    """Make what knows the connections of all tenants, as they are now."""
    return LiveConnections(engine, settings.sealing, settings.egress, settings.connections_look_s)

"""A Temporal dev server of our own, tuned as a single node needs it; and what any Temporal server must be told."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.embedded import temporal_binary
from runtime.embedded.child_processes import ChildProcess, Command
from runtime.embedded.ports import LOOPBACK, preferred_or_free
from runtime.embedded.temporal_binary import Report
from runtime.errors import StartupError
from runtime.polling import until

DEFAULT_PORT = 7233
DEFAULT_UI_PORT = 8233
START_LIMIT_S = 60.0
CONNECT_LIMIT_S = 10.0

SEARCH_ATTRIBUTES: Mapping[str, str] = {
    "Tenant": "Keyword",
    "OrderStatus": "Keyword",
    "NeedsAttention": "Bool",
    "Skus": "KeywordList",
    "Carrier": "Keyword",
    "TrackingNumber": "KeywordList",
}

_VALUE_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
}

DYNAMIC_CONFIG: Mapping[str, str] = {
    # As it comes, the one shard polls its queues 20 times a second: a push takes 150 ms, and now and then 2 s.
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
    # One node has nothing to spread its task queues over.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "system.enableActivityEagerExecution": "true",
}


@dataclass(frozen=True)
class DevServer:
    """A running dev server: its process, its address (host:port) and its UI's."""

    process: ChildProcess
    address: str
    ui_url: str


async def start(
    folder: Path,
    *,
    log: Path,
    mark: str,
    report: Report,
    namespace: str = "default",
    port: int | None = DEFAULT_PORT,
    ui_port: int | None = DEFAULT_UI_PORT,
) -> DevServer:
    """Start the dev server with its data in `folder`, which is there; return once it knows our search attributes.

    The ports are the ones given or the next free ones; None means any. Raises `StartupError`.
    """
    program = await temporal_binary.find_or_get(report)
    port, ui_port = preferred_or_free(port), preferred_or_free(ui_port)
    process = await ChildProcess.start(_command(program, folder, namespace, port, ui_port), log=log, mark=mark)
    server = DevServer(process, f"{LOOPBACK}:{port}", f"http://{LOOPBACK}:{ui_port}")
    try:
        await _wait_until_ready(server, namespace)
    except BaseException:
        await process.stop()
        raise
    return server


async def stop(server: DevServer) -> None:
    """Stop the dev server; what it knows is on disk."""
    await server.process.stop()


def _command(program: Path, folder: Path, namespace: str, port: int, ui_port: int) -> Command:
    """Return how the dev server is run."""
    argv = [
        *(str(program), "server", "start-dev", "--log-level", "warn", "--ip", LOOPBACK),
        *("--port", str(port), "--ui-port", str(ui_port), "--namespace", namespace),
        *("--db-filename", str(folder / "temporal.db")),
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
    ]
    for name, kind in SEARCH_ATTRIBUTES.items():
        argv += ["--search-attribute", f"{name}={kind}"]
    for name, value in DYNAMIC_CONFIG.items():
        argv += ["--dynamic-config-value", f"{name}={value}"]
    return Command("temporal", tuple(argv), env={"GOGC": "400"}, stop_signal=signal.SIGTERM, stop_limit_s=15)


async def _wait_until_ready(server: DevServer, namespace: str) -> None:
    """Wait until the server answers; raise with the end of its log if it ends or takes too long."""

    async def ready() -> bool:
        if server.process.exit_code is not None:
            words = server.process.last_words()
            raise StartupError(f"The Temporal server ended at once ({server.process.exit_code}).\n{words}")
        return await knows_search_attributes(server.address, namespace)

    if not await until(ready, limit_s=START_LIMIT_S):
        raise StartupError(f"Temporal did not answer within {START_LIMIT_S:.0f} s.\n{server.process.last_words()}")


async def knows_search_attributes(address: str, namespace: str) -> bool:
    """Say whether the server at `address` answers, has the namespace and all our search attributes."""
    try:
        client = await asyncio.wait_for(Client.connect(address, namespace=namespace), CONNECT_LIMIT_S)
        return not await missing_search_attributes(client)
    except (RPCError, RuntimeError, TimeoutError):  # the SDK says RuntimeError when it cannot connect
        return False


async def missing_search_attributes(client: Client) -> dict[str, str]:
    """Return those of our search attributes that the client's namespace has not, with their types."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return {name: kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in answer.custom_attributes}


async def ensure_search_attributes(client: Client) -> None:
    """Register our search attributes where they are missing, and wait until the server knows them."""
    missing = await missing_search_attributes(client)
    if not missing:
        return
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={name: _VALUE_TYPES[kind] for name, kind in missing.items()},
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise

    async def known() -> bool:
        return not await missing_search_attributes(client)

    if not await until(known, limit_s=START_LIMIT_S):
        raise StartupError(f"Temporal did not take up the search attributes {', '.join(missing)}.")


async def prepare_external(address: str, namespace: str) -> None:
    """Check a server that others run, and register our search attributes there. Raises `StartupError`."""
    try:
        client = await asyncio.wait_for(Client.connect(address, namespace=namespace), CONNECT_LIMIT_S)
        await ensure_search_attributes(client)
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise StartupError(f"Temporal at {address}, namespace {namespace}, does not answer: {error}") from error

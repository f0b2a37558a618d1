"""Where the time of a request goes: Python, PostgreSQL, and waiting for the disk."""

from __future__ import annotations

import time
from collections import Counter

import psutil
import psycopg

from bench.report import Ask, Report, console, load
from runtime.embedded.servers import BackingServices
from runtime.embedded.stack import EmbeddedStack

CLIENTS = 32
PARTS = ("api", "worker", "partners", "relay", "sandbox")
"""Our own processes in the embedded stack; `partners` is the worker that tells the ERP."""


def postgresql_seconds(services: BackingServices) -> float:
    """Return the processor time of PostgreSQL, with all its processes that ended."""
    server = psutil.Process(services.processes[0].pid)
    while True:
        children = server.children()
        try:
            alive = [child.cpu_times() for child in children]
        except psutil.NoSuchProcess:
            continue
        times = server.cpu_times()
        if server.children() == children:  # else one that has just ended may be counted twice
            of_all = sum(spent.user + spent.system for spent in (times, *alive))
            return float(of_all + times.children_user + times.children_system)


async def where_time_goes(report: Report, services: BackingServices, name: str, ask: Ask, seconds: float) -> None:
    """Put a load on, and report the microseconds of a request: of each processor, and of syncing the log.

    They overlap: while PostgreSQL writes a batch, Python decides the next. Clients are part of Python's.
    """
    requests = 0

    async def counted(client: int) -> None:
        nonlocal requests
        await ask(client)
        requests += 1

    with psycopg.connect(services.database_admin_url, autocommit=True) as connection:
        connection.execute("alter system set track_wal_io_timing = on")
        connection.execute("select pg_reload_conf()")
        await load(ask, CLIENTS, 0.5)
        before = (time.process_time(), postgresql_seconds(services), *_synced(connection))
        await load(counted, CLIENTS, seconds)
        after = (time.process_time(), postgresql_seconds(services), *_synced(connection))
        connection.execute("alter system reset track_wal_io_timing")
        connection.execute("select pg_reload_conf()")
    python, postgresql, syncing, syncs = (late - early for early, late in zip(before, after, strict=True))
    shares = {
        "python_us": round(python / requests * 1e6, 1),
        "postgresql_us": round(postgresql / requests * 1e6, 1),
        "fsync_us": round(syncing / requests * 1e6, 1),
        "requests_a_commit": round(requests / syncs, 1) if syncs else None,
    }
    report.add_record(name, clients=CLIENTS, **shares)
    told = ", ".join(f"{what.removesuffix('_us')} {us} us" for what, us in shares.items() if what.endswith("_us"))
    console.print(f"{name} at {CLIENTS}: a request takes {told}; {shares['requests_a_commit']} share a commit")


def _synced(connection: psycopg.Connection) -> tuple[float, int]:
    """Return for how many seconds the log was synced, and how often."""
    connection.execute("select pg_stat_clear_snapshot()")
    found = connection.execute("select sum(fsync_time) / 1000, sum(fsyncs) from pg_stat_io where object = 'wal'")
    seconds, times = found.fetchone() or (0, 0)
    return float(seconds), int(times)


def processor_seconds(stack: EmbeddedStack) -> Counter[str]:
    """Return the processor time of each part of a stack so far."""
    temporal = psutil.Process(stack.services.processes[1].pid).cpu_times()
    spent = Counter({"postgresql": postgresql_seconds(stack.services), "temporal": temporal.user + temporal.system})
    for name in PARTS:
        times = psutil.Process(stack.supervisor.process(name).pid).cpu_times()
        spent[name] = times.user + times.system
    return spent

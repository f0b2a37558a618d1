"""Keeping the product's own processes running: started together, restarted when they end, stopped together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded.child_processes import ChildProcess, Command
from runtime.embedded.temporal_binary import Report
from runtime.errors import StartupError
from runtime.polling import until

READY_LIMIT_S = 90.0


@dataclass(frozen=True)
class RestartPolicy:
    """How often within how many seconds a part is started again, and after which pause (doubling up to the longest)."""

    restarts: int = 5
    within_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0

    def pause_s(self, ends: Sequence[float]) -> float | None:
        """Return the pause after the last of `ends` (the times at which a part ended); None if that was too often."""
        if len(ends) > self.restarts and ends[-1] - ends[-1 - self.restarts] < self.within_s:
            return None
        recent = sum(1 for end in ends if ends[-1] - end < self.within_s)
        return min(self.first_pause_s * 2.0 ** (recent - 1), self.longest_pause_s)


@dataclass(frozen=True)
class Part:
    """One process of the product: how to run it, where it logs, and how to see that it does its work."""

    command: Command
    log: Path
    ready: Callable[[], Awaitable[bool]]

    @property
    def name(self) -> str:
        """What people call it."""
        return self.command.name


class Supervisor:
    """Watches parts and the servers below them.

    A part that ends is started again, as the policy allows. A server that ends, or a part that will not stay up, makes
    `wait()` raise: then everything is to be stopped.
    """

    def __init__(self, mark: str, report: Report, policy: RestartPolicy) -> None:
        self._mark = mark
        self._report = report
        self._policy = policy
        self._running: dict[str, ChildProcess] = {}
        self._watches: list[asyncio.Task[None]] = []

    async def start(self, parts: Sequence[Part]) -> None:
        """Start all parts side by side and wait until each is ready. Raises the first one's `StartupError`."""
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self._start(part))
        except* StartupError as failures:
            raise failures.exceptions[0] from None
        self._watches += [asyncio.create_task(self._keep(part), name=part.name) for part in parts]

    def watch(self, servers: Sequence[ChildProcess]) -> None:
        """Watch processes that others start and stop."""
        self._watches += [asyncio.create_task(_expect_no_end(server), name=server.command.name) for server in servers]

    async def wait(self) -> None:
        """Wait for ever; raises `StartupError` once something ends for good."""
        done, _ = await asyncio.wait(self._watches, return_when=asyncio.FIRST_EXCEPTION)
        for watch in done:
            watch.result()

    async def stop(self) -> None:
        """Stop all parts side by side, each within its own limit."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await asyncio.gather(*(process.stop() for process in self._running.values()))

    def process(self, name: str) -> ChildProcess:
        """Return the process that a part runs as at the moment."""
        return self._running[name]

    async def _start(self, part: Part) -> None:
        """Start a part and wait until it is ready."""
        process = await ChildProcess.start(part.command, log=part.log, mark=self._mark)
        self._running[part.name] = process

        async def ready_or_ended() -> bool:
            return process.exit_code is not None or await part.ready()

        in_time = await until(ready_or_ended, limit_s=READY_LIMIT_S, interval_s=0.1)
        if process.exit_code is not None:
            raise StartupError(f"{part.name} ended ({process.exit_code}); its log {part.log} ends:\n{_words(process)}")
        if not in_time:
            raise StartupError(f"{part.name} is not ready after {READY_LIMIT_S:.0f} s; its log is {part.log}.")

    async def _keep(self, part: Part) -> None:
        """Start a part again whenever it ends, until it has ended too often."""
        loop, ends = asyncio.get_running_loop(), deque[float](maxlen=self._policy.restarts + 1)
        while True:
            process = self._running[part.name]
            code = await process.wait()
            await process.stop()
            ends.append(loop.time())
            pause = self._policy.pause_s(ends)
            if pause is None:
                raise StartupError(
                    f"{part.name} does not stay up ({code}); its log {part.log} ends:\n{_words(process)}"
                )
            self._report(f"{part.name} ended ({code}); starting it again in {pause:.1f} s. Its log is {part.log}.")
            await asyncio.sleep(pause)
            self._running[part.name] = await ChildProcess.start(part.command, log=part.log, mark=self._mark)


async def _expect_no_end(server: ChildProcess) -> None:
    """Raise when a server ends while it is needed."""
    code = await server.wait()
    raise StartupError(f"{server.command.name} ended ({code}); its log {server.log} ends:\n{_words(server)}")


def _words(process: ChildProcess) -> str:
    """Return the end of a log, set off from the message it is quoted in."""
    return "\n".join(f"  | {line}" for line in process.last_words().splitlines())


@asynccontextmanager
async def supervised(
    parts: Sequence[Part],
    servers: Sequence[ChildProcess],
    *,
    mark: str,
    report: Report,
    policy: RestartPolicy | None = None,
) -> AsyncIterator[Supervisor]:
    """Run `parts` on top of `servers` for as long as the block runs."""
    supervisor = Supervisor(mark, report, policy or RestartPolicy())
    try:
        await supervisor.start(parts)
        supervisor.watch(servers)
        yield supervisor
    finally:
        await supervisor.stop()

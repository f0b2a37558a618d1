"""Finding the `temporal` program, or getting it: by the SDK's download, else by building it with Go.

`python -m runtime.embedded.temporal_binary` gets it ahead of time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.embedded.child_processes import ChildProcess, Command
from runtime.errors import StartupError
from runtime.polling import until

VERSION = "v1.5.1"
GO_PACKAGE = f"github.com/temporalio/cli/cmd/temporal@{VERSION}"
DOWNLOAD_LIMIT_S = 90.0
BUILD_LIMIT_S = 1_800.0
TICK_S = 15.0

Report = Callable[[str], None]

NOT_FOUND = f"""\
There is no Temporal server to use. Any one of these helps:
  - set TEMPORAL_ADDRESS to a server that runs (host:port)
  - install the `temporal` program and have it on PATH: https://docs.temporal.io/cli
  - allow this machine to reach https://temporal.download, where the SDK gets it by itself
  - install Go and run: go install {GO_PACKAGE}"""


def cache_folder() -> Path:
    """Return where programs are kept for all projects of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "stockbridge" / "bin"


def find() -> Path | None:
    """Return the `temporal` program on PATH, else the one in the cache, else None."""
    on_path = shutil.which("temporal")
    if on_path:
        return Path(on_path)
    cached = cache_folder() / "temporal"
    return cached if os.access(cached, os.X_OK) else None


async def find_or_get(report: Report) -> Path:
    """Return the `temporal` program, getting it once if need be; `report` is told what takes long.

    Raises `StartupError` naming every way that is open to a person.
    """
    found = find()
    if found is not None:
        return found
    cache_folder().mkdir(parents=True, exist_ok=True)
    async with _one_at_a_time(report):
        found = find()  # the one before us may have got it
        return found or await _download(report) or await _build(report) or _give_up()


def _give_up() -> Path:
    """Say what would help."""
    raise StartupError(NOT_FOUND)


@asynccontextmanager
async def _one_at_a_time(report: Report) -> AsyncIterator[None]:
    """Let one process get the program while others wait; the lock ends with its holder."""
    with (cache_folder() / "getting.lock").open("w") as lock:

        async def taken() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not await taken():
            report("Another process is getting the Temporal server; waiting for it.")
            await until(taken, limit_s=BUILD_LIMIT_S, interval_s=0.5)
        yield


async def _download(report: Report) -> Path | None:
    """Get the program by the SDK's own download; None where that does not work."""
    report(f"No `temporal` program found; downloading {VERSION} by the Temporal SDK.")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="download-") as folder:
        argv = (sys.executable, "-P", "-m", "runtime.embedded.sdk_download", folder, VERSION)
        done = await _run(Command("sdk-download", argv, stop_limit_s=1), DOWNLOAD_LIMIT_S, report)
        program = _program_in(Path(folder))
        if not done or program is None:
            report("The download does not work here.")
            return None
        return _keep(program)


def _program_in(folder: Path) -> Path | None:
    """Return the program that was put into `folder`, under whatever name."""
    return next((path for path in folder.iterdir() if path.is_file() and os.access(path, os.X_OK)), None)


async def _build(report: Report) -> Path | None:
    """Build the program with Go; None where there is no Go or it cannot."""
    go = shutil.which("go")
    if go is None:
        return None
    report(f"Building the Temporal server {VERSION} with Go. This happens once and takes some minutes.")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="build-") as folder:
        command = Command("go-install", (go, "install", GO_PACKAGE), env={"GOBIN": folder}, stop_limit_s=2)
        if not await _run(command, BUILD_LIMIT_S, report):
            report("Go could not build it.")
            return None
        return _keep(Path(folder) / "temporal")


def _keep(program: Path) -> Path:
    """Move a finished program to its place in the cache, in one step."""
    kept = cache_folder() / "temporal"
    program.chmod(0o755)
    program.replace(kept)
    return kept


async def _run(command: Command, limit_s: float, report: Report) -> bool:
    """Run a command to its end, with a sign of life every `TICK_S`; say whether it succeeded within the limit."""
    log = cache_folder() / f"{command.name}.log"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    process = await ChildProcess.start(command, log=log, mark=str(cache_folder()))
    try:
        while process.exit_code is None and time.monotonic() - started < limit_s:
            await asyncio.wait([waiter := asyncio.ensure_future(process.wait())], timeout=TICK_S)
            waiter.cancel()
            if process.exit_code is None:
                report(f"  ... still at it ({time.monotonic() - started:.0f} s)")
    finally:
        await process.stop()
    if process.exit_code != 0:
        report(f"  {process.last_words(3)}  (log: {log})")
    return process.exit_code == 0


def main() -> int:
    """Get the program if it is not there; say what takes long, and what would help where nothing works."""
    if find() is not None:
        return 0
    try:
        asyncio.run(find_or_get(lambda message: print(message, flush=True)))  # noqa: T201 - a small tool's own output
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

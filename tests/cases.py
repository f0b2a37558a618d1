"""`make cases`: small inputs that went wrong, each a script of its own, against a stack of their own on free ports.

A script is run as `python NN_name.py BASE_URL KEY CARRIER ERP`; it exits 0 where the hub does right, 1 where not, and 2
where it could not be tried, which fails too.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.settings import Settings

NOT_YET: frozenset[str] = frozenset()
"""Cases whose kinds are known and not mended yet: they are tried, and named, but fail nothing."""
AT_ONCE = 2
LIMIT_S = 240


@dataclass(frozen=True)
class Tried:
    """What became of a script: its exit code (None where it took too long), and what it said."""

    name: str
    code: int | None
    said: str
    seconds: float

    @property
    def expected_to_fail(self) -> bool:
        return self.name.partition("_")[0] in NOT_YET

    @property
    def failed(self) -> bool:
        return self.code != 0 and not self.expected_to_fail

    def __str__(self) -> str:
        words = {0: "right", 1: "FAULT", 2: "NOT TRIED", None: f"longer than {LIMIT_S} s"}
        known = " (known, not mended yet)" if self.code and self.expected_to_fail else ""
        return f"{words.get(self.code, f'exit {self.code}')}{known}  {self.name}  {self.seconds:.0f} s"


async def try_all(scripts: list[Path], stack: EmbeddedStack) -> list[Tried]:
    """Try all scripts, a few at once, and say what became of each as it ends."""
    free = asyncio.Semaphore(AT_ONCE)

    async def tried(script: Path) -> Tried:
        async with free:
            result = await _try(script, stack)
        sys.stdout.write(f"{result}\n{_indented(result.said) if result.code else ''}")
        sys.stdout.flush()
        return result

    return list(await asyncio.gather(*map(tried, scripts)))


async def _try(script: Path, stack: EmbeddedStack) -> Tried:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), stack.api_url, stack.api_key, stack.carrier_url, stack.erp_url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Tried(script.stem, None, "", time.monotonic() - began)
    return Tried(script.stem, process.returncode, said.decode(), time.monotonic() - began)


def _indented(said: str) -> str:
    return "".join(f"    {line}\n" for line in said.splitlines())


async def main(scripts: list[Path]) -> int:
    """Try scripts on a stack. Returns 1 where anything failed, or there was nothing to try."""
    with tempfile.TemporaryDirectory(prefix="stockbridge-cases-") as data:
        plan = Plan(Path(data), api_port=None, erp_port=None, carrier_port=None)
        async with embedded_stack(plan, settings=Settings.model_construct()) as stack:
            results = await try_all(scripts, stack)
    failed = [result.name for result in results if result.failed]
    sys.stdout.write(f"{len(results)} cases tried, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}\n")
    return int(bool(failed) or not results)


if __name__ == "__main__":
    code = asyncio.run(main(sorted(Path(sys.argv[1]).glob("[0-9]*.py"))))
    sys.stdout.flush()
    os._exit(code)  # sdk-python 300: the Temporal SDK may abort the interpreter at its exit

"""`make soak`: schemathesis over the whole OpenAPI document, against a stack of its own, for so many seconds.

What is looked for: an answer of 5xx, and one with a status, a media type or a shape that the document does not have.
The seed is printed; the same one makes the same calls, one after the other. `SCHEMATHESIS` is how it is run: not from
our own environment, since what it installs there would take part in `make test`.
"""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import sys
import tempfile
from pathlib import Path

from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.settings import Settings

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
GRACE_S = 120
"""How long after its time it may still be at work on what it has begun."""


def command(stack: EmbeddedStack, seed: int, seconds: int) -> list[str]:
    return [
        *shlex.split(os.environ.get("SCHEMATHESIS", "schemathesis")),
        *("run", f"{stack.api_url}/openapi.json"),
        *("--header", f"Authorization: Bearer {stack.api_key}"),
        *("--checks", CHECKS, "--phases", "examples,coverage,fuzzing"),
        *("--seed", str(seed), "--max-time", str(seconds)),
        *("--rate-limit", "auto", "--request-timeout", "30", "--continue-on-failure", "--warnings", "off"),
    ]


async def main() -> int:
    """Soak a stack. Returns what schemathesis does: 1 where anything was found."""
    seed = int(os.environ.get("STOCKBRIDGE_SOAK_SEED") or random.randrange(2**31))
    seconds = int(os.environ.get("STOCKBRIDGE_SOAK_S") or 240)
    sys.stdout.write(f"STOCKBRIDGE_SOAK_SEED={seed} STOCKBRIDGE_SOAK_S={seconds}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="stockbridge-soak-") as data:
        plan = Plan(Path(data), api_port=None, erp_port=None, carrier_port=None)
        async with embedded_stack(plan, settings=Settings.model_construct()) as stack:
            process = await asyncio.create_subprocess_exec(*command(stack, seed, seconds), cwd=data)
            try:
                return await asyncio.wait_for(process.wait(), seconds + GRACE_S)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


if __name__ == "__main__":
    code = asyncio.run(main())
    sys.stdout.flush()
    os._exit(code)  # sdk-python 300: the Temporal SDK may abort the interpreter at its exit

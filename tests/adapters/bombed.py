"""A process that asks partners which mean it ill, and tells what became of each call and how much its memory grew.

`bombed.py URL NAME...` asks each partner at `URL/NAME`. It is a process of its own, for the peak of one that was larger
before would hide what grew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from pydantic import SecretStr

from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from adapters.egress import Egress
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.files import FILE, folder
from adapters.erp.mapping.file import load
from domain.errors import StockbridgeError
from tests.adapters.erp.connected import LOOPBACK

HONEST = "honest"
TIMEOUT_S = 0.4


def peak_kib() -> int:
    """Return the most that this program ever had in memory. `ru_maxrss` would begin with what its parent had."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].removesuffix(" kB"))


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except StockbridgeError as error:
        return type(error).__name__
    return "answered"


def erp_at(address: str) -> MappedErp:
    where = folder("sandbox")
    return MappedErp(
        ConnectedErp(
            load((where / FILE).read_text()),
            Bundle.from_folder(where),
            {"address": address, "user": "hub"},
            {"password": SecretStr("s")},
            Egress.parse(["127.0.0.0/8"]),
            timeout_s=TIMEOUT_S,
        )
    )


async def ask(url: str) -> list[str]:
    carrier = SandboxCarrier(
        SandboxCarrierSettings(base_url=url, token="t", secret="s", timeout_s=TIMEOUT_S, egress=LOOPBACK)
    )
    erp = erp_at(f"{url}/soap")
    heard = [
        await outcome(carrier.find("ours")),
        await outcome(carrier.void("SHP-1")),
        await outcome(asyncio.to_thread(erp.find, "ours")),
    ]
    await carrier.aclose()
    erp.close()
    return heard


async def main(url: str, names: list[str]) -> None:
    await ask(f"{url}/{HONEST}")  # what is loaded once for all is no growth
    before = peak_kib()
    for name in names:
        began = time.monotonic()
        heard = await ask(f"{url}/{name}")
        took_s = round(time.monotonic() - began, 2)
        told = {"name": name, "heard": heard, "grown_kib": peak_kib() - before, "took_s": took_s}
        sys.stdout.write(f"{json.dumps(told)}\n")


asyncio.run(main(sys.argv[1], sys.argv[2:]))

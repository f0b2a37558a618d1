"""The walkthrough in the README does what it says, command by command."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import httpx
import pytest
import pytest_asyncio

from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.polling import until
from runtime.settings import Settings

README = Path(__file__).parents[1] / "README.md"
LIMIT_S = 60
STORY = (
    "Revision 1 pushed: accepted",
    "Reservation: ",
    "Revision 2 pushed: amended",
    "Amendment: HAM-A-01 +24 reserved",
    "Pick: ",
    "Shipment SO-1-1 asked for: done",
    "Hand-over H-1 of SO-1-1: done",
    "Goods issue: ",
    "sandbox says delivered of ",
    "Delivery: ",
)
TOLD = ("accepted", "reserved", "amended", "shipped", "delivered")

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="the walkthrough is for bash and curl"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """What `make up` runs, on any free ports."""
    plan = Plan(tmp_path_factory.mktemp("up"), None, None, None)
    async with embedded_stack(plan, settings=Settings.model_construct()) as running:
        yield running


async def test_the_walkthrough_takes_an_order_from_the_push_to_the_proof_of_delivery(stack: EmbeddedStack) -> None:
    said = await run(walkthrough(stack))

    order = await ask(stack, "/api/orders/SO-1")
    assert (order["status"], order["revision"], order["needs_attention"]) == ("delivered", 2, False)
    assert [line["delivered"] for line in order["lines"]] == [48, 5]
    summaries = [item["summary"] for item in (await ask(stack, "/api/orders/SO-1/timeline"))["items"]]
    assert in_this_order(STORY, summaries), summaries
    assert all(f'"summary":"{summary}' in said for summary in STORY)
    assert "4500000001" in said, "the ERP's documents are shown"


async def test_the_walkthrough_may_run_again_and_nothing_happens_a_second_time(stack: EmbeddedStack) -> None:
    await run(walkthrough(stack))
    await until_closed(stack, "SO-1")
    before = await ask(stack, "/api/orders/SO-1/timeline")

    await run(walkthrough(stack))

    assert await ask(stack, "/api/orders/SO-1/timeline") == before
    told = [item["data"]["kind"] for item in before["items"] if item["kind"] == "erp_message"]
    assert tuple(told) == TOLD


def walkthrough(stack: EmbeddedStack) -> str:
    """Return the README's commands, with this stack's addresses for the default ones."""
    (script,) = re.findall(r"^```bash\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    ours = {
        "http://127.0.0.1:8900": stack.api_url,
        "http://127.0.0.1:8901": stack.erp_url,
        "http://127.0.0.1:8902": stack.carrier_url,
        "demo-erp-key": stack.api_key,
    }
    return replaced(script, ours)


def replaced(text: str, words: Mapping[str, str]) -> str:
    """Replace each word, which must be there, all at once."""
    missing = [word for word in words if word not in text]
    assert missing == []
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


async def run(script: str) -> str:
    """Run a script until its end, each command of it successful; return what it printed."""
    with TemporaryFile() as printed:
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", script, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                code = await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            code = await process.wait()
        printed.seek(0)
        said = printed.read().decode()
    assert code == 0, said
    return said


async def ask(stack: EmbeddedStack, path: str) -> dict:
    async with httpx.AsyncClient(base_url=stack.api_url, trust_env=False) as client:
        answer = await client.get(path, headers={"Authorization": f"Bearer {stack.api_key}"})
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


async def until_closed(stack: EmbeddedStack, order_no: str) -> None:
    async def closed() -> bool:
        return (await ask(stack, f"/api/orders/{order_no}"))["closed_at"] is not None

    assert await until(closed, limit_s=LIMIT_S)


def in_this_order(beginnings: tuple[str, ...], texts: list[str]) -> bool:
    rest = iter(texts)
    return all(any(text.startswith(beginning) for text in rest) for beginning in beginnings)

"""Let the Temporal SDK download its dev server into a folder, in a process that can be ended.

usage: python -m runtime.embedded.sdk_download FOLDER VERSION

The SDK offers the download only together with starting the server, and goes on with both when it is cancelled; so this
runs as a child of its own. It leaves by `os._exit`, since the SDK aborts the interpreter at exit now and then.
"""

from __future__ import annotations

import asyncio
import os
import sys

from temporalio.testing import WorkflowEnvironment


async def download(folder: str, version: str) -> None:
    """Download, start and stop the dev server; the program stays in `folder`."""
    server = await WorkflowEnvironment.start_local(download_dest_dir=folder, dev_server_download_version=version)
    await server.shutdown()


if __name__ == "__main__":
    code = 0
    try:
        asyncio.run(download(*sys.argv[1:]))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tries another way
        sys.stderr.write(f"{error}\n")
        code = 1
    sys.stderr.flush()
    os._exit(code)

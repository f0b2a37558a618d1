"""`python -m sandbox`: both servers, with settings from the environment, until told to stop."""

from __future__ import annotations

import asyncio
import sys

from sandbox.serve import SandboxUrls, serve
from sandbox.settings import SandboxSettings


def _announce(urls: SandboxUrls) -> None:
    sys.stdout.write(
        f"sandbox ERP at {urls.erp}, its WSDL at {urls.erp}/soap/orders?wsdl; another's REST at {urls.erp_rest}\n"
    )
    sys.stdout.write(f"sandbox carrier at {urls.carrier}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(SandboxSettings(), ready=_announce))

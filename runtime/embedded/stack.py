"""The whole product on one machine: PostgreSQL, Temporal, a legacy ERP and a carrier, and our own processes."""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from domain.api_keys import DEMO_ERP_KEY
from ledger.proving.signing import key_text
from runtime.embedded.child_processes import Command
from runtime.embedded.ports import LOOPBACK, preferred_or_free
from runtime.embedded.sandbox_connections import CARRIER, SandboxAccounts, connect_sandbox
from runtime.embedded.servers import BackingServices, backing_services, new_log, quiet
from runtime.embedded.supervising import Part, Supervisor, supervised
from runtime.embedded.temporal_binary import Report
from runtime.environment_keys import insist_on_good_keys
from runtime.settings import ApiKey, Settings

DEMO_KEY = ApiKey("demo", "erp", DEMO_ERP_KEY)
SOURCE = "erp"
"""The sandbox ERP's source, where the first key names none."""

EMBEDDED_DEFAULTS: dict[str, object] = {"api_keys": (DEMO_KEY,), "egress_allow": ("127.0.0.0/8",)}
"""What the embedded stack uses where nothing is set: known to all, since it listens to this machine only."""


@dataclass(frozen=True)
class Plan:
    """What an embedded stack is to be: its data folder, and the ports that people expect (None: any free one)."""

    data_dir: Path
    api_port: int | None = 8900
    erp_port: int | None = 8901
    carrier_port: int | None = 8902
    scan_interval_s: float | None = None


@dataclass(frozen=True)
class EmbeddedStack:
    """A running stack: where everything is, and with which keys.

    `settings` is what the product's processes run with; `accounts` has the sandbox's addresses, and whom it knows us
    as; `carrier_public_id` is the last part of its callbacks' address.
    """

    data_dir: Path
    api_url: str
    accounts: SandboxAccounts
    carrier_public_id: str
    temporal_ui_url: str
    settings: Settings
    services: BackingServices
    supervisor: Supervisor

    @property
    def erp_url(self) -> str:
        """The sandbox ERP's base address."""
        return self.accounts.erp_url

    @property
    def carrier_url(self) -> str:
        """The sandbox carrier's base address."""
        return self.accounts.carrier_url

    @property
    def callback_url(self) -> str:
        """Where the sandbox carrier calls back."""
        return f"{self.api_url}/api/callbacks/carriers/{CARRIER}/{self.carrier_public_id}"

    @property
    def api_key(self) -> str:
        """The key that pushes orders as the first tenant's ERP."""
        return self.settings.api_keys[0].key

    @property
    def tenant(self) -> str:
        """The tenant of `api_key`."""
        return self.settings.api_keys[0].tenant

    @property
    def logs(self) -> Path:
        """The folder of all logs."""
        return self.data_dir / "logs"

    async def wait(self) -> None:
        """Wait for ever; raises `StartupError` once something ends that cannot be started again."""
        await self.supervisor.wait()


@asynccontextmanager
async def embedded_stack(
    plan: Plan, *, settings: Settings | None = None, report: Report = quiet
) -> AsyncIterator[EmbeddedStack]:
    """Run everything for as long as the block runs. `settings` name servers of one's own, or keys; none by default.

    Raises `StartupError` in words for a person; afterwards nothing is left running.
    """
    given = settings or Settings.load()
    insist_on_good_keys(_with_defaults(given))
    async with backing_services(plan.data_dir, settings=given, default_ports=True, report=report) as services:
        folder = services.data_dir
        ports = Ports.choose(plan)
        own = _embedded_settings(given, services, ports, folder)
        accounts = SandboxAccounts(ports.erp_url, ports.carrier_url)
        first = own.api_keys[0]
        source = first.source or SOURCE
        public_id = await connect_sandbox(services.database_url, own.sealing, first.tenant, source, accounts)
        parts = _parts(
            folder, own, _sandbox_environment(folder / "sandbox", own, ports, plan, accounts, public_id), ports
        )
        report("Starting the sandbox, the worker, the relay and the API.")
        async with supervised(parts, services.processes, mark=str(folder), report=report) as supervisor:
            yield EmbeddedStack(
                data_dir=folder,
                api_url=ports.api_url,
                accounts=accounts,
                carrier_public_id=public_id,
                temporal_ui_url=services.temporal_ui_url,
                settings=own,
                services=services,
                supervisor=supervisor,
            )


SANDBOX = "sandbox"
PARTNERS = "partners"
FLOOR = ("orders", "stock", "carriers")
"""What people wait for: a picker for an order, a packer for a label."""
OUTSIDE = ("erp",)
"""What a second worker does, so that it takes no time from the floor."""


@dataclass(frozen=True)
class Ports:
    """The ports of this run."""

    api: int
    erp: int
    carrier: int

    @classmethod
    def choose(cls, plan: Plan) -> Ports:
        """Take the planned ports where they are free, else the next free ones, each once."""
        taken: list[int] = []
        for wanted in (plan.api_port, plan.erp_port, plan.carrier_port):
            taken.append(preferred_or_free(wanted, besides=taken))
        return cls(*taken)

    @property
    def api_url(self) -> str:
        """The API's base address."""
        return f"http://{LOOPBACK}:{self.api}"

    @property
    def erp_url(self) -> str:
        """The sandbox ERP's base address."""
        return f"http://{LOOPBACK}:{self.erp}"

    @property
    def carrier_url(self) -> str:
        """The sandbox carrier's base address."""
        return f"http://{LOOPBACK}:{self.carrier}"


def _checkpoint_key(folder: Path) -> SecretStr:
    """Return the key that signs this folder's checkpoints."""
    return _drawn_once(folder / "checkpoint.key", "")


def _sealing_keys(folder: Path) -> SecretStr:
    """Return the key that seals this folder's secrets."""
    return _drawn_once(folder / "sealing.key", "embedded:")


def _drawn_once(file: Path, prefix: str) -> SecretStr:
    """Return the key in a file; it is drawn once, and for its owner's eyes only."""
    if not file.exists():
        drawn = file.with_name(f"{file.name}.new")
        drawn.touch(mode=0o600)
        drawn.write_text(prefix + key_text(secrets.token_bytes(32)))
        drawn.rename(file)
    return SecretStr(file.read_text())


def _embedded_settings(given: Settings, services: BackingServices, ports: Ports, folder: Path) -> Settings:
    """Return the settings of the product's processes: what was given, and this folder's own for the rest."""
    return _with_defaults(given).model_copy(
        update={
            "database_url": services.database_url,
            "database_admin_url": None,
            "temporal_address": services.temporal_address,
            "api_port": ports.api,
            "checkpoint_key": given.checkpoint_key or _checkpoint_key(folder),
            "sealing_keys": given.sealing_keys or _sealing_keys(folder),
        }
    )


def _with_defaults(given: Settings) -> Settings:
    """Return settings with those of the embedded stack where nothing is set, and leave to take them."""
    filled = {name: value for name, value in EMBEDDED_DEFAULTS.items() if not getattr(given, name)}
    return given.model_copy(update={**filled, "well_known_keys": True})


def _parts(folder: Path, settings: Settings, sandbox_env: dict[str, str], ports: Ports) -> list[Part]:
    """Return the processes of the product."""
    run = folder / "run"
    run.mkdir(exist_ok=True)
    sandbox_health = (f"{ports.erp_url}/healthz", f"{ports.carrier_url}/healthz")
    return [
        Part(own_command(SANDBOX, sandbox_env), new_log(folder, "sandbox"), _answering(*sandbox_health)),
        _announcing_part("worker", "worker", settings.model_copy(update={"worker_queues": FLOOR}), folder),
        _announcing_part("worker", PARTNERS, settings.model_copy(update={"worker_queues": OUTSIDE}), folder),
        _announcing_part("relay", "relay", settings, folder),
        Part(own_command("api", settings.environment()), new_log(folder, "api"), _answering(f"{ports.api_url}/readyz")),
    ]


def _announcing_part(command: str, name: str, settings: Settings, folder: Path) -> Part:
    """Return a process that says by a file that it is ready."""
    ready = folder / "run" / f"{name}.ready"
    ready.unlink(missing_ok=True)

    async def announced() -> bool:
        return ready.exists()

    environment = settings.model_copy(update={"ready_file": str(ready)}).environment()
    return Part(own_command(command, environment, name), new_log(folder, name), announced)


def own_command(command: str, environment: dict[str, str], name: str = "") -> Command:
    """Return how one of our own commands is run."""
    return Command(
        name or command,
        (sys.executable, "-P", "-m", "runtime.cli", command),
        env={"PYTHONUNBUFFERED": "1", **environment},
        stop_limit_s=20,
        # The ERP can wait a moment, and would have a machine of its own; the floor can't.
        niceness=19 if (name or command) in {SANDBOX, PARTNERS} else 0,
    )


def _sandbox_environment(
    folder: Path, settings: Settings, ports: Ports, plan: Plan, accounts: SandboxAccounts, public_id: str
) -> dict[str, str]:
    """Return what the sandbox is told, so that it and the product agree on keys and secrets."""
    folder.mkdir(exist_ok=True)
    environment = {
        "SANDBOX_HOST": LOOPBACK,
        "SANDBOX_ERP_PORT": str(ports.erp),
        "SANDBOX_CARRIER_PORT": str(ports.carrier),
        "SANDBOX_DATA_DIR": str(folder),
        "SANDBOX_HUB_URL": ports.api_url,
        "SANDBOX_API_KEY": settings.api_keys[0].key,
        "SANDBOX_ERP_USER": accounts.erp_user,
        "SANDBOX_ERP_PASSWORD": accounts.erp_password.get_secret_value(),
        "SANDBOX_CARRIER_TOKEN": accounts.carrier_token.get_secret_value(),
        "SANDBOX_CARRIER_SECRET": accounts.carrier_secret.get_secret_value(),
        "SANDBOX_CARRIER_CONNECTION": public_id,
        # Whoever tries things out pushes orders past the ERP; it must not refuse to hear of them.
        "SANDBOX_ERP_UNKNOWN_ORDERS": "accept",
    }
    if plan.scan_interval_s is not None:
        environment["SANDBOX_SCAN_INTERVAL_S"] = str(plan.scan_interval_s)
    return environment


def _answering(*urls: str) -> Callable[[], Awaitable[bool]]:
    """Return a check that each of `urls` answers 200."""

    async def check() -> bool:
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                return all([(await client.get(url)).status_code == httpx.codes.OK for url in urls])
        return False

    return check

"""`stockbridge connection`: its commands and their options. What they do is imported when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domain.connections import ConnectionKind, Flow
from runtime.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Connect ERPs and carriers: add, try, switch, change and remove connections.

    A connection belongs to a tenant, and is with an [bold]erp[/bold] or a [bold]carrier[/bold]. An ERP's name is the
    source of its orders, a carrier's is what orders name as their carrier: neither ever changes. Its secrets are sealed
    with STOCKBRIDGE_SEALING_KEYS and never shown again. Running processes take up each change within seconds.

    Add one:       stockbridge connection add erp erp --tenant acme --adapter mapping --mapping sandbox --setting
                   address=https://erp.example.com/soap --setting user=hub --start-at now
    Does it work?  stockbridge connection test erp erp --tenant acme
    Let it in:     stockbridge connection switch erp erp inbound --tenant acme --reason "looks right"
    And out:       stockbridge connection switch erp erp both --tenant acme --reason "go live"
    The ERP moves: stockbridge connection switch erp erp off --tenant acme --reason "it moves tonight"
    """,
)

Kind = Annotated[ConnectionKind, typer.Argument(help="With whom it is.", show_default=False)]
Name = Annotated[str, typer.Argument(help="The source of the ERP's orders, or the carrier's name.", show_default=False)]
Tenant = Annotated[str, typer.Option(help="Whose connection it is.", show_default=False)]
By = Annotated[str | None, typer.Option("--by", help="Who does this, for the record; your login by default.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Setting = Annotated[
    list[str] | None, typer.Option("--setting", metavar="NAME=TEXT", help="What the adapter must know; NAME:=JSON too.")
]
Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=env:VARIABLE|@FILE",
        help="A secret, from a variable or a file; NAME alone is asked for. Never as an argument: others see those.",
    ),
]
Mapping = Annotated[
    str | None, typer.Option(metavar="FILE|NAME", help="A mapping's file, or one that comes with the hub (sandbox).")
]
Contracts = Annotated[
    Path | None,
    typer.Option(help="The folder with the mapping's WSDLs, schemas and OpenAPI documents; else the file's own."),
]
AtOnce = Annotated[int | None, typer.Option(min=1, max=200, help="Most calls at a time, of each worker.")]
Rate = Annotated[float | None, typer.Option("--calls-per-second", help="Most calls a second, over all workers.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", help="Longest silence of the other side.")
]


@app.command()
def add(
    kind: Kind,
    name: Name,
    tenant: Tenant,
    adapter: Annotated[str, typer.Option(help="What speaks to it: mapping (an ERP), or sandbox (a carrier).")],
    setting: Setting = None,
    secret: Secret = None,
    mapping: Mapping = None,
    contracts: Contracts = None,
    flow: Annotated[
        Flow | None, typer.Option(help="What goes through at first; observe for an ERP, both for a carrier.")
    ] = None,
    start_at: Annotated[
        str | None,
        typer.Option(help="An ERP's: what was closed there before never enters. A time with its offset, or now."),
    ] = None,
    at_once: AtOnce = None,
    calls_per_second: Rate = None,
    timeout: Timeout = None,
    public_id: Annotated[
        str | None, typer.Option(help="The one that the other side was told already; a new one is drawn without it.")
    ] = None,
    or_change: Annotated[
        bool, typer.Option("--or-change", help="Where it is there otherwise, change it to be so: for scripts.")
    ] = False,
    by: By = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Add a connection. Secrets that are not given are asked for. The same again does nothing.

    After an upgrade from a build that had one ERP and one carrier in its environment, it completes what is there.
    """
    from runtime.cli import connections

    connections.add(
        Settings.load(),
        connections.named_as(tenant, kind, name),
        as_json=as_json,
        or_change=or_change,
        public_id=public_id,
        secrets=secret or [],
        adapter=adapter,
        settings=connections.settings_of(setting or []),
        **connections.mapping_of(mapping, contracts),
        flow=flow,
        start_at=start_at,
        **_limits(at_once, calls_per_second, timeout),
        actor=by,
        reason=reason,
    )


@app.command()
def change(
    kind: Kind,
    name: Name,
    tenant: Tenant,
    adapter: Annotated[str | None, typer.Option(help="Another adapter.")] = None,
    setting: Setting = None,
    secret: Secret = None,
    mapping: Mapping = None,
    contracts: Contracts = None,
    start_at: Annotated[
        str | None, typer.Option(help="Another start of an ERP, as long as nothing has entered.")
    ] = None,
    at_once: AtOnce = None,
    calls_per_second: Rate = None,
    timeout: Timeout = None,
    by: By = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Change a connection; what is not named stays. With another address or adapter, give all its secrets again."""
    from runtime.cli import connections

    connections.change(
        Settings.load(),
        connections.named_as(tenant, kind, name),
        as_json=as_json,
        secrets=secret or [],
        adapter=adapter,
        settings=connections.settings_of(setting or []),
        **connections.mapping_of(mapping, contracts),
        start_at=start_at,
        **_limits(at_once, calls_per_second, timeout),
        actor=by,
        reason=reason,
    )


@app.command()
def secret(
    kind: Kind,
    name: Name,
    tenant: Tenant,
    secret: Secret = None,
    by: By = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Give a connection other secrets: --secret password is asked for. Those that are not named stay."""
    from runtime.cli import connections

    connections.secret(
        Settings.load(),
        connections.named_as(tenant, kind, name),
        as_json=as_json,
        secrets=secret or [],
        actor=by,
        reason=reason,
    )


@app.command()
def switch(
    kind: Kind,
    name: Name,
    flow: Annotated[Flow, typer.Argument(help="What is to go through.", show_default=False)],
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why, for the record.", show_default=False)],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Switch a connection: observe, then inbound, then both; off from anywhere, and back to what it was.

    While it is off, or lets nothing out, what the other side is to hear waits, and callbacks are to be sent again.
    """
    from runtime.cli import connections

    named = connections.named_as(tenant, kind, name)
    connections.switch(Settings.load(), named, as_json=as_json, flow=flow, reason=reason, actor=by)


@app.command()
def rotate(
    kind: Kind,
    name: Name,
    tenant: Tenant,
    grace: Annotated[
        int, typer.Option(min=0, max=2160, metavar="HOURS", help="How long the old one still works; 0: no more.")
    ] = 24,
    by: By = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Give a connection another public id, the last part of its callbacks' address: tell the other side."""
    from runtime.cli import connections

    named = connections.named_as(tenant, kind, name)
    connections.rotate(Settings.load(), named, grace, as_json=as_json, reason=reason, actor=by)


@app.command("test")
def try_out(kind: Kind, name: Name, tenant: Tenant, by: By = None, as_json: AsJson = False) -> None:
    """Ask the other side for something that it has not, which changes nothing. Exit code 1 if that does not work."""
    from runtime.cli import connections

    connections.try_out(Settings.load(), connections.named_as(tenant, kind, name), as_json=as_json, actor=by)


@app.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option(help="Of one tenant only.")] = None, as_json: AsJson = False
) -> None:
    """Show all connections: what speaks to them, and what goes through."""
    from runtime.cli import connections

    connections.list_all(Settings.load(), tenant, as_json=as_json)


@app.command()
def show(kind: Kind, name: Name, tenant: Tenant, as_json: AsJson = False) -> None:
    """Show a connection, and what was done to it: no secret."""
    from runtime.cli import connections

    connections.show(Settings.load(), connections.named_as(tenant, kind, name), as_json=as_json)


@app.command()
def remove(kind: Kind, name: Name, tenant: Tenant, by: By = None, reason: Reason = None) -> None:
    """Remove a connection. Refused while something is open on it: then switch it off."""
    from runtime.cli import connections

    connections.remove(Settings.load(), connections.named_as(tenant, kind, name), actor=by, reason=reason)


@app.command()
def reseal(tenant: Annotated[str | None, typer.Option(help="Of one tenant only.")] = None, by: By = None) -> None:
    """Seal all secrets under the first of STOCKBRIDGE_SEALING_KEYS; then the older ones may go."""
    from runtime.cli import connections

    connections.reseal(Settings.load(), tenant, actor=by)


def _limits(at_once: int | None, calls_per_second: float | None, timeout: float | None) -> dict[str, Any]:
    return {"at_once": at_once, "calls_per_second": calls_per_second, "timeout_s": timeout}

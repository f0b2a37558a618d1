"""The command line. Each command imports what it needs when it is called, so that `--help` is quick."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from domain.api_keys import Scope
from domain.errors import StockbridgeError
from runtime.cli import connection_commands, signals
from runtime.cli.erp import erp
from runtime.settings import Settings

DEFAULT_DATA_DIR = Path(".stockbridge/data")

app = typer.Typer(
    name="stockbridge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""An integration hub between a legacy ERP, a warehouse and its carriers.

    [bold]stockbridge demo[/bold] tells one order's story and ends.
    [bold]stockbridge up[/bold] runs everything on this machine until Ctrl-C.
    Neither needs a server: PostgreSQL and Temporal come along.

    In production: [bold]migrate[/bold] once for each release, then as many [bold]api[/bold],
    [bold]worker[/bold] and [bold]relay[/bold] processes as you like. Settings come from the
    environment; docs/deploying.md lists them.
    """,
)
ledger = typer.Typer(no_args_is_help=True, help="Check, rebuild or read the stock ledger.")
app.add_typer(ledger, name="ledger", rich_help_panel="Look after it")

keys = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Make, list, replace and end the API's keys.

    A key belongs to a tenant, and is for an ERP ([bold]--source[/bold]), the floor, the office, or an administrator,
    who manages keys over the API and can do nothing else there. It is shown once, when it is made; only its hash
    is kept. The commands take DATABASE_URL, as the API has it; [bold]up[/bold] prints its own.

    Change a key:    stockbridge keys rotate erp --tenant acme
    One has leaked:  stockbridge keys revoke erp --tenant acme --reason "was in a mail"
    """,
)
app.add_typer(keys, name="keys", rich_help_panel="Look after it")
app.add_typer(erp, name="erp", rich_help_panel="Look after it")
app.add_typer(connection_commands.app, name="connection", rich_help_panel="Look after it")

Tenant = Annotated[str, typer.Option(help="Whose key it is.", show_default=False)]
KeyName = Annotated[str, typer.Argument(help="The key's name, as `list` shows it.", show_default=False)]
By = Annotated[str | None, typer.Option("--by", help="Who does this, for the record; your login by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

DataDir = Annotated[
    Path, typer.Option(help="Where PostgreSQL and Temporal keep their data, and where the logs are.", show_default=True)
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (also: STOCKBRIDGE_DEBUG=1).")] = False,
) -> None:
    """Take what holds for every command; children inherit it by the environment."""
    if debug:
        os.environ["STOCKBRIDGE_DEBUG"] = "1"


@app.command(rich_help_panel="Look around")
def demo(
    orders: Annotated[int, typer.Option(min=20, max=5000, help="How many orders the ERP pushes.")] = 25,
    seed: Annotated[int, typer.Option(help="Another seed is another story; the same one is the same.")] = 2026,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the data and the logs, and say where.")] = False,
) -> None:
    """Tell the story of some orders, from push to proof of delivery, on a stack that is gone afterwards.

    Every line is a promise that is checked when it is told; the exit code is 1 if one did not hold.
    """
    from runtime.demo import demo as told

    signals.run(told(Settings.load(), orders=orders, seed=seed, keep=keep))


@app.command(rich_help_panel="Look around")
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    api_port: Annotated[int, typer.Option(help="Port of the API; the next free one if it is taken.")] = 8900,
    erp_port: Annotated[int, typer.Option(help="Port of the sandbox ERP, likewise.")] = 8901,
    carrier_port: Annotated[int, typer.Option(help="Port of the sandbox carrier, likewise.")] = 8902,
) -> None:
    """Run everything on this machine until Ctrl-C, and say where it is.

    DATABASE_URL with DATABASE_ADMIN_URL, and TEMPORAL_ADDRESS, use servers of your own in place of the embedded ones.
    What is in the data folder is there again the next time.
    """
    from runtime.cli import up as embedded
    from runtime.embedded.stack import Plan

    signals.run(embedded.up(Plan(data_dir, api_port, erp_port, carrier_port), Settings.load()))


@app.command(rich_help_panel="Run it")
def api() -> None:
    """Serve the HTTP API: the ERP's pushes, the carriers' callbacks, the floor and the office."""
    from runtime.processes.api import serve_api

    signals.run_fast(serve_api(Settings.load()))


@app.command(rich_help_panel="Run it")
def worker() -> None:
    """Work on the orders: run workflows and activities for Temporal."""
    from runtime.processes.worker import run_worker

    _run_announcing(run_worker)


@app.command(rich_help_panel="Run it")
def relay() -> None:
    """Run the loops between tables and Temporal: inbox, outbox, ERP polls, silent parcels."""
    from runtime.processes.relay import run_relay

    _run_announcing(run_relay)


@app.command(rich_help_panel="Look around")
def sandbox() -> None:
    """Serve a legacy ERP (SOAP) and a carrier (HTTP with callbacks) to try things on. Settings: SANDBOX_..."""
    from sandbox.serve import serve
    from sandbox.settings import SandboxSettings

    signals.run_fast(serve(SandboxSettings(), handle_signals=False))


@app.command(rich_help_panel="Look around")
def openapi() -> None:
    """Print the OpenAPI document of the API; no server is needed."""
    from api.app import described

    typer.echo(json.dumps(described(), indent=1, ensure_ascii=False))


@app.command(rich_help_panel="Run it")
def migrate() -> None:
    """Bring the schema at DATABASE_ADMIN_URL up to date, and what else a release needs to be there.

    That is the limited role that DATABASE_URL names, and the search attributes at TEMPORAL_ADDRESS, where these are
    set. Several at once are safe: one does it, the others wait and find nothing to do.
    """
    from runtime import migrating
    from runtime.embedded import temporal

    settings = Settings.load()
    admin_url = settings.need("database_admin_url")
    migrating.migrate(admin_url)
    typer.echo("The schema is up to date.")
    if settings.database_url:
        name, password = migrating.login_of(settings.database_url)
        migrating.ensure_login_role(admin_url, name, password)
        typer.echo(f"Role {name} may do what API, worker and relay must, and no more.")
    if settings.temporal_address:
        signals.run(temporal.prepare_external(settings.temporal_address, settings.temporal_namespace))
        typer.echo(f"Temporal at {settings.temporal_address} knows our search attributes.")


@app.command(rich_help_panel="Look after it")
def restored(
    finish: Annotated[
        bool, typer.Option("--finish", help="All that came since the backup was said again; refused while some waits.")
    ] = False,
) -> None:
    """Say that the database at DATABASE_ADMIN_URL was restored from a backup, before anything runs on it again.

    Partners and Temporal know more than it then. So nothing is bought, voided or told before it was asked for by its
    reference, and orders that run begin anew from what the database has: until --finish, which also lists what only
    others know.
    """
    from runtime.cli import restoring

    settings = Settings.load()
    (restoring.finish if finish else restoring.restored)(settings)


@app.command(rich_help_panel="Look after it")
def replay(
    query: Annotated[
        str, typer.Option(help="Which of our workflows, as the Temporal UI filters them.", show_default=True)
    ] = "ExecutionStatus = 'Running'",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the latest first; all without it.")] = None,
) -> None:
    """Replay the histories of open orders with this build; exit code 1 if one differs, naming each that does.

    Run it with a new build before that gets any work: an order that does not replay could not go on with it. It only
    reads; orders go on meanwhile. It takes TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and, where what Temporal keeps is
    encrypted, STOCKBRIDGE_PAYLOAD_KEY, as the workers have them; no database.

    Some of many:  stockbridge replay --query "ExecutionStatus = 'Running' AND Tenant = 'acme'" --limit 500
    """
    from runtime.cli import replaying

    replaying.replay(Settings.load(), query, limit)


@ledger.command()
def verify(
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="How many connections check at once, on one snapshot; by default one a processor."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Where to note what is done, and to go on from; removed when all is done."),
    ] = None,
) -> None:
    """Check every rule and every hash of the ledger; exit code 1 if one does not hold.

    Writers may go on. With --resume FILE, a run that was interrupted (Ctrl-C, a crash) goes on with the parts that were
    not done; parts that were count as they were then, unless they have more or fewer rows now.
    """
    from runtime.cli import ledger_checks

    ledger_checks.verify(Settings.load(), workers, resume)


@ledger.command()
def rebuild() -> None:
    """Compute from the entries what is kept beside them, and put right what differs."""
    from runtime.cli import ledger_checks

    ledger_checks.rebuild(Settings.load())


@ledger.command()
def show(stream: Annotated[str, typer.Argument(help="The id of a stream, as the API shows it.")]) -> None:
    """Print the entries of a stream with their balances and hashes."""
    from runtime.cli import ledger_checks

    ledger_checks.show(Settings.load(), stream)


@ledger.command()
def checkpoint(
    from_the_start: Annotated[
        bool,
        typer.Option(
            "--from-the-start", help="Look through the whole ledger: after the database's clock was set back."
        ),
    ] = False,
) -> None:
    """Sign what was recorded since the last checkpoint. STOCKBRIDGE_CHECKPOINT_KEY is the key."""
    from runtime.cli import checkpoints

    checkpoints.checkpoint(Settings.load(), from_the_start=from_the_start)


@ledger.command()
def prove(
    tenant: Annotated[str, typer.Option(help="The order's tenant.")],
    order: Annotated[str, typer.Option(help="The order's name in its tenant (order_ref).")],
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output without it.")] = None,
) -> None:
    """Write the proof that an order's entries are in the ledger, under signed checkpoints: JSON, ids only."""
    from runtime.cli import checkpoints

    checkpoints.prove(Settings.load(), tenant, order, output)


@ledger.command()
def check_proof(
    file: Annotated[Path, typer.Argument(help="What `prove` has written.", exists=True, dir_okay=False)],
    public_key: Annotated[list[str], typer.Option(help="A key that is trusted, in base64; more than one if need be.")],
) -> None:
    """Check a proof with public keys alone: it needs no database. Exit code 1 if it does not hold."""
    from runtime.cli import checkpoints

    checkpoints.check_proof(file, public_key)


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What to call it; unique in its tenant, for ever.", show_default=False)],
    tenant: Tenant,
    owner: Annotated[str, typer.Option(help="Whom it is for, and who is told when it changes.", show_default=False)],
    source: Annotated[str | None, typer.Option(help="The ERP whose orders it pushes.")] = None,
    scope: Annotated[Scope | None, typer.Option(help="What it is for, if not for an ERP.")] = None,
    expires_at: Annotated[
        str | None, typer.Option(help="When it ends by itself, such as 2027-11-30T00:00:00Z; never without it.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It goes to standard output, this once; what is said of it goes to standard error.

    stockbridge keys add erp --tenant acme --source erp --owner "Team SAP"

    stockbridge keys add ida --tenant acme --scope administrator --owner "Ida"
    """
    from runtime.cli import api_keys

    wanted = {"name": name, "owner": owner, "source": source, "scope": scope, "expires_at": expires_at, "actor": by}
    api_keys.add(Settings.load(), tenant, as_json=as_json, **wanted)


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Of one tenant only.")] = None, as_json: AsJson = False
) -> None:
    """Show all keys: for whom and what, when they were made and last used (to a minute), and when they end."""
    from runtime.cli import api_keys

    api_keys.list_keys(Settings.load(), tenant, as_json=as_json)


@keys.command("revoke")
def revoke_key(
    name: KeyName,
    tenant: Tenant,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """End a key for ever: within seconds no process takes it any more. Once more does no harm."""
    from runtime.cli import api_keys

    api_keys.revoke(Settings.load(), tenant, name, as_json=as_json, reason=reason, actor=by)


@keys.command("rotate")
def rotate_key(
    name: KeyName,
    tenant: Tenant,
    grace: Annotated[
        int,
        typer.Option(min=0, max=2160, metavar="HOURS", help="How long the old one still works beside it; 0: no more."),
    ] = 24,
    successor: Annotated[
        str | None, typer.Option("--as", help="The new key's name; the old one with a number without it.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Make a key's successor, for the same and as long. The old one works until the grace is over; list shows both.

    One that has leaked gets no grace: --grace 0.
    """
    from runtime.cli import api_keys

    api_keys.rotate(Settings.load(), tenant, name, grace, as_json=as_json, successor=successor, actor=by)


def _run_announcing(work: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a process that says by a file that it is ready; the file of a run before does not count."""
    from runtime.processes.readiness import withdraw_ready

    settings = Settings.load()
    withdraw_ready(settings)
    try:
        signals.run_fast(work(settings))
    finally:
        withdraw_ready(settings)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code. What goes wrong is told in one line, unless in debug."""
    try:
        app(args=arguments, prog_name="stockbridge")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    except StockbridgeError as error:
        return _tell(str(error))
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last stop: nobody above would tell it better
        return _tell(f"{type(error).__name__}: {error}\n(a fault of ours; --debug shows where)")
    return 0


def _tell(message: str) -> int:
    """Say what went wrong; return the exit code for it."""
    if os.environ.get("STOCKBRIDGE_DEBUG", "").lower() in {"1", "true", "yes", "on"}:
        traceback.print_exc()
    typer.echo(f"stockbridge: {message}", err=True)
    return 1


def main() -> NoReturn:
    """Run the command line of this process and leave.

    By `os._exit`, after everything is stopped and flushed: the Temporal SDK's threads abort the interpreter's own way
    out now and then. So nothing here may count on `atexit`.
    """
    code = run(sys.argv[1:])
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads it any more
            code = code or 1
    os._exit(code)

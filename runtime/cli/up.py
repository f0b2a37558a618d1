"""`stockbridge up`: the embedded stack, its addresses, and then patience."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.markup import escape

from ledger.proving.signing import SigningKey, key_text
from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.settings import Settings

console = Console(highlight=False, soft_wrap=True)


async def up(plan: Plan, settings: Settings) -> None:
    """Run the stack until this is cancelled, or something in it cannot be kept up."""
    try:
        async with embedded_stack(plan, settings=settings, report=_say) as stack:
            _show(stack)
            try:
                await stack.wait()
            finally:
                _say("Stopping.")
    except asyncio.CancelledError:
        _say("Everything is stopped.")
        raise


def _say(message: str) -> None:
    """Print a line as it is, without reading markup into it."""
    console.print(message, markup=False)


def _show(stack: EmbeddedStack) -> None:
    """Print where everything is, one address a line."""
    console.print("\n[bold green]Stockbridge is up.[/bold green]\n")
    for label, value in addresses(stack).items():
        console.print(f"  [bold]{label:<20}[/bold] {escape(value)}")  # not a table: it would cut the long ones
    console.print("\nCtrl-C stops it; the data stays for the next time.\n")


def addresses(stack: EmbeddedStack) -> dict[str, str]:
    """Return what a person needs to know to use the stack."""
    settings = stack.settings
    return {
        "API": stack.api_url,
        "API, documented": f"{stack.api_url}/docs",
        "API key": f"{stack.api_key}   (tenant {stack.tenant})",
        "Temporal UI": stack.temporal_ui_url or "(your own server's)",
        "Temporal": settings.need("temporal_address"),
        "sandbox ERP": stack.accounts.erp_service,
        "sandbox carrier": stack.carrier_url,
        "carrier's callbacks": stack.callback_url,
        "carrier's secret": stack.accounts.carrier_secret.get_secret_value(),
        "ledger's public key": key_text(SigningKey.parse(settings.need("checkpoint_key")).public_key),
        "PostgreSQL": settings.need("database_url"),
        "PostgreSQL, owner": stack.services.database_admin_url,
        "logs": str(stack.logs),
    }

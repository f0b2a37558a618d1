"""`stockbridge erp check | schema | functions`: for whoever writes a mapping file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adapters.erp.mapping.file import FileFault

erp = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Look after mapping files, each of which connects a kind of ERP.

    None of this calls anybody: a file is held against its contract and its examples, which lie beside it.
    """,
)

_MAPPING = "mapping.yaml"


@erp.command("check")
def check_file(
    file: Annotated[
        str,
        typer.Argument(help="A mapping file, a folder with a mapping.yaml, or a mapping that comes along (sandbox)."),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(help="The folder with its WSDLs, schemas, OpenAPI documents and examples; else the file's own."),
    ] = None,
) -> None:
    """Find everything that is wrong with a mapping file, each with its pointer. Exit code 1 if there is anything.

    stockbridge erp check sandbox
    """
    from rich.console import Console

    path = _found(file)
    faults = _faults(path, bundle or path.parent)
    console = Console(soft_wrap=True, highlight=False)
    for fault in faults:
        where = f"{path}:{fault.line}"
        console.print(f"[bold]{_plain(where)}[/bold] [cyan]{_plain(fault.pointer or '/')}[/cyan]: {_plain(fault.why)}")
    if faults:
        raise typer.Exit(1)
    console.print(f"{_plain(str(path))}: nothing is wrong with it", style="green")


@erp.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of mapping files, for an editor that completes and explains their words."""
    from adapters.erp.mapping.schema import schema

    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


@erp.command("functions")
def print_functions() -> None:
    """Print what the functions of the language do, as docs/erp/functions.md has it."""
    from adapters.erp.language.reference import page

    typer.echo(page(), nl=False)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _found(name: str) -> Path:
    """Return the file that is meant: a path, else a folder, else one that comes along."""
    from adapters.erp.files import folder, shipped

    given = Path(name)
    inside = given / _MAPPING
    path = inside if inside.is_file() else given
    if not path.is_file() and name in shipped():
        path = folder(name) / _MAPPING
    if not path.is_file():
        raise typer.BadParameter(f"there is no such file, nor a mapping {name}: there are {', '.join(shipped())}")
    return path


def _faults(path: Path, bundle: Path) -> list[FileFault]:
    from adapters.erp.checking.check import check
    from adapters.erp.contracts.bundle import Bundle, UnusableContract
    from adapters.erp.mapping.file import BadMapping, FileFault, load

    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return [FileFault("", 1, "it isn't UTF-8")]
    try:
        return check(load(text), Bundle.from_folder(bundle))
    except BadMapping as bad:
        return list(bad.faults)
    except UnusableContract as error:
        raise typer.BadParameter(f"{bundle}: {error}") from None

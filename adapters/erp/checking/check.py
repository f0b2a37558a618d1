"""All that is wrong with a mapping file, by itself, by its contract, and by its golden examples. Nobody is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from adapters.erp.checking.calls import Calls
from adapters.erp.checking.doors import Doors
from adapters.erp.checking.examples import Examples
from adapters.erp.checking.findings import Findings, Named
from adapters.erp.checking.inbound import Incoming
from adapters.erp.checking.steps import Steps
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.mapping.file import FileFault, Loaded, MappingFile
from adapters.erp.mapping.yaml_text import Node, pointer_to


def check(loaded: Loaded, bundle: Bundle, examples: Mapping[str, bytes] | None = None) -> list[FileFault]:
    """Return everything that is wrong, in the order of the file.

    `examples` are the files that its golden examples name, with their names; without any they are the bundle's own.
    """
    file, findings = loaded.file, Findings(loaded)
    calls = Calls(file, bundle, findings)
    doors, steps = Doors(file, calls, findings), Steps(file, calls, findings)
    doors.check()
    for name in file.calls:
        calls.named(name)
    Incoming(file, calls, steps, findings).check()
    steps.check()
    doors.check_what_is_said()
    for name in _shapes_in({section: part for section, part in _sections(loaded).items() if section != "shapes"}):
        findings.uses("shape", name)
    _find_orphans(loaded, findings)
    Examples(file, bundle.files if examples is None else examples, findings).check()
    return findings.in_order()


_WHERE: Final[dict[Named, str]] = {
    "setting": "settings",
    "table": "tables",
    "shape": "shapes",
    "door": "doors",
    "table of faults": "faults",
    "call": "calls",
}


def _find_orphans(loaded: Loaded, findings: Findings) -> None:
    """Find what has a name that nothing says: one of the two is misspelt."""
    for what, section in _WHERE.items():
        used = findings.used(what)
        for name in _named(loaded.file, section):
            if name not in used:
                findings.add(
                    pointer_to(f"/{section}", name),
                    f"nothing uses this {what}: is it misspelt, here or where it is meant?",
                )


def _sections(loaded: Loaded) -> Mapping[str, Node]:
    tree = loaded.document.tree
    return tree if isinstance(tree, dict) else {}


def _shapes_in(node: Mapping[str, Node] | Node) -> Iterator[str]:
    """Yield the shapes that are named. By now they stand where they are named, so the text is asked."""
    if isinstance(node, Mapping):
        named = node.get("shape")
        if isinstance(named, str) and len(node) == 1:
            yield str(named)
        for inner in node.values():
            yield from _shapes_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _shapes_in(inner)


def _named(file: MappingFile, section: str) -> Mapping[str, object]:
    named: Mapping[str, object] = getattr(file, section)
    return named

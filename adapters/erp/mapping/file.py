"""A mapping file as a whole, and everything that is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.doors import Door
from adapters.erp.mapping.faults import FaultRow
from adapters.erp.mapping.inbound import AllInbound
from adapters.erp.mapping.parts import Part, Shape, Word
from adapters.erp.mapping.steps import AnyRecall, Plan, Recall
from adapters.erp.mapping.yaml_text import Document, Node, NotYaml, like, pointer_of, pointer_to, read
from domain.erp import ErpMessageKind

SettingKind = Literal["text", "secret", "url", "whole", "time_zone"]


class Outbound(Part):
    """How each kind of message is told. Silence is an error of the file: say `nothing` where nothing is told."""

    accepted: Plan
    refused: Plan
    reserved: Plan
    backordered: Plan
    amended: Plan
    shipped: Plan
    delivered: Plan
    cancelled: Plan
    returned: Plan

    def plan(self, kind: ErpMessageKind) -> Plan:
        """Return how this kind of message is told."""
        plan: Plan = getattr(self, kind)
        return plan


class Example(Part):
    """A golden example: what an inbound document gives, by files beside the mapping."""

    given: str
    of: Literal["orders", "products"]
    gives: str


class MappingFile(Part):
    """A mapping file: everything that the hub knows of a kind of ERP."""

    format: Literal["1"]
    erp: Word
    about: str
    settings: dict[Word, SettingKind]
    tables: dict[Word, dict[str, str]] = Field(default_factory=dict)
    shapes: dict[Word, Shape] = Field(default_factory=dict)
    doors: Annotated[dict[Word, Door], Field(min_length=1)]
    faults: dict[Word, tuple[FaultRow, ...]]
    calls: dict[Word, Call] = Field(default_factory=dict)
    inbound: AllInbound = AllInbound()
    outbound: Outbound
    recall: AnyRecall | None = None
    examples: tuple[Example, ...] = ()

    @property
    def recalls(self) -> tuple[Recall, ...]:
        """Every way in which the ERP is asked by our reference."""
        return self.recall if isinstance(self.recall, tuple) else (self.recall,) if self.recall else ()


@dataclass(frozen=True)
class FileFault:
    """One thing that is wrong with a file: where it is (a JSON pointer, and the line), and in what way."""

    pointer: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.pointer or '/'}: {self.why}"


class BadMapping(ValueError):  # noqa: N818 - it says what the file is
    """The file isn't a mapping file. `faults` are all that were found, in the order of the file."""

    def __init__(self, faults: list[FileFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Loaded:
    """A mapping file that is one, with the text that it was read from and what names it: the digest of that text."""

    file: MappingFile
    document: Document
    digest: str

    def fault(self, pointer: str, why: str) -> FileFault:
        """Say that something is wrong with it."""
        return _at(self.document, pointer, why)


def digest_of(text: str) -> str:
    """Return what names a mapping: the SHA-256 of its text."""
    return sha256(text.encode()).hexdigest()


def load(text: str) -> Loaded:
    """Read a mapping file. `BadMapping` with all faults of its form where it is none."""
    try:
        document = read(text)
    except NotYaml as error:
        raise BadMapping([FileFault("", error.line, error.why)]) from None
    tree, faults = _in_full(document)
    try:
        file = MappingFile.model_validate(tree)
    except ValidationError as error:
        faults += [_fault(document, one) for one in error.errors(include_url=False)]
    if faults:
        raise BadMapping(sorted(faults, key=lambda fault: fault.line))
    return Loaded(file, document, digest_of(text))


def _in_full(document: Document) -> tuple[Node, list[FileFault]]:
    """Put shapes where they are named: `{shape: <name>}`. Each stays where it stands; none names another."""
    tree = document.tree
    named = tree.get("shapes") if isinstance(tree, dict) else None
    shapes = named if isinstance(named, dict) else {}
    faults: list[FileFault] = []

    def whole(node: Node) -> Node:
        if isinstance(node, list):
            return like(node, [whole(each) for each in node])
        if not isinstance(node, dict):
            return node
        if set(node) != {"shape"}:
            return like(node, {key: whole(value) for key, value in node.items()})
        name = node["shape"]
        if isinstance(name, str) and name in shapes:
            return shapes[name]
        pointer = pointer_to(pointer_of(node), "shape")
        faults.append(
            FileFault(pointer, document.line_of(pointer), f"there is no shape `{name}`" + nearest(name, shapes))
        )
        return node

    if not isinstance(tree, dict):
        return tree, faults
    return {key: value if key == "shapes" else whole(value) for key, value in tree.items()}, faults


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a hint at what a name may have been meant to be: the nearest that there is, else all, if they are few."""
    names = sorted(known)
    close = get_close_matches(str(name), names, n=1)
    if close:
        return f": is it `{close[0]}`?"
    return f": there are {', '.join(names)}" if 0 < len(names) <= _FEW else ""


_FEW: Final = 12
_UNKNOWN: Final = "extra_forbidden"
_MISSING: Final = "missing"
_TAGS: Final = (2, 4)
"""Where pydantic's location says them: ("outbound", kind, plan, number, step, ...)."""


def _at(document: Document, pointer: str, why: str) -> FileFault:
    written = _written_at(document, pointer)
    return FileFault(written, document.line_of(written), why)


def _written_at(document: Document, pointer: str) -> str:
    """Return where a part is written that stands at a pointer: what a shape holds, where that shape is."""
    node, written = document.tree, ""
    for step in pointer.split("/")[1:]:
        if isinstance(node, dict) and set(node) == {"shape"} and step != "shape":
            written = pointer_to("/shapes", str(node["shape"]))
            node = _inside(_inside(document.tree, "shapes"), str(node["shape"]))
        written = f"{written}/{step}"
        node = _inside(node, step.replace("~1", "/").replace("~0", "~"))
    return written


def _inside(node: Node, step: str) -> Node:
    if isinstance(node, list) and step.isdigit() and int(step) < len(node):
        return node[int(step)]
    return node.get(step, "") if isinstance(node, dict) else ""


def _fault(document: Document, error: Mapping[str, Any]) -> FileFault:
    pointer = error.get("ctx", {}).get("pointer") or _pointer(document, _without_tags(error["loc"]))
    why = str(error["msg"])
    if error["type"] == _UNKNOWN:
        why = f"there is no word `{error['loc'][-1]}` here"
    elif error["type"] == _MISSING:
        why = "it is missing"
    return _at(document, pointer, why)


def _without_tags(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leave out what pydantic calls a plan, and a step: a step has a word of the same name."""
    if location[:1] != ("outbound",):
        return location
    return tuple(part for place, part in enumerate(location) if place not in _TAGS)


def _pointer(document: Document, location: tuple[int | str, ...]) -> str:
    """Turn pydantic's location into a pointer: it also names which kind of part it had tried."""
    pointer = ""
    for number, part in enumerate(location):
        further = pointer_to(pointer, part)
        if further in document.lines or number == len(location) - 1:
            pointer = further
    return pointer

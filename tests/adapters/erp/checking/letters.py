"""Every key of a mapping file with one letter changed, by class, and whether a check finds it where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from adapters.erp.checking.check import check
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.mapping.file import BadMapping, FileFault, load
from adapters.erp.mapping.yaml_text import pointer_to

FORMAT, NAME, TARGET, ELEMENT, PARAMETER, BODY, HEADER, ROW = (
    *("format words", "names", "target fields", "elements of a WSDL", "parameters of an OpenAPI"),
    *("body keys", "headers", "rows of tables"),
)
OWN = "what an ERP wants to hear"
PATH, INSIDE = "paths of an OpenAPI", "names in expressions"

_OF_TREES = {"each", "as", "where", "into", "when", "then", "else", "shape"}
_NAMES = re.compile(
    r"/(settings|tables|shapes|doors|faults|calls)/[^/]+"
    r"|/doors/[^/]+/(let|session/keep)/[^/]+"
    r"|.*/(with|keep|let)/[^/]+"
)
_ROWS = re.compile(r"/tables/[^/]+/[^/]+")
_HEADERS = re.compile(r"/doors/[^/]+/headers/[^/]+")
_TARGETS = re.compile(r"/inbound/[^/]+/gives/\d+/(order|cancel|product)/.*|/recall/into/.*")
_SAID = re.compile(r"(.*/(send|always)|/shapes/[^/]+|.*/let/[^/]+)/.*")
_HEARD = re.compile(r"/inbound/[^/]+/push/answer/.*")
_ASKED = re.compile(r".*/query/[^/]+")


@dataclass(frozen=True)
class Change:
    """One letter of a key, or of a word in a value, changed."""

    pointer: str
    kind: str
    old: str
    new: str
    text: str


def another(word: str) -> str:
    """Return a word with its middle letter changed."""
    place = len(word) // 2
    while not word[place].isalnum():
        place -= 1
    letter = word[place]
    new = {"z": "y", "Z": "Y", "9": "8"}.get(letter) or chr(ord(letter) + 1)
    return word[:place] + new + word[place + 1 :]


def keys(text: str) -> Iterator[Change]:
    """Yield a change of each key."""
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    for pointer, key in _keys(root, ""):
        new = another(key.value)
        start = text.index(key.value, key.start_mark.index)  # behind its quotes, where it has any
        end = start + len(key.value)
        yield Change(pointer, kind_of(pointer, text), key.value, new, text[:start] + new + text[end:])


def paths(text: str) -> Iterator[Change]:
    """Yield a change of each word in each path of a REST call."""
    for found in re.finditer(r'\b(?:get|post|put|patch|delete): "?(/[^\s,"]*)', text):
        for word in re.finditer(r"(?<=/)[a-z]+(?=[/,\s\"}]|$)", found[1]):
            start = found.start(1) + word.start()
            end = start + len(word[0])
            new = another(word[0])
            yield Change("", PATH, word[0], new, text[:start] + new + text[end:])


def inside(text: str) -> Iterator[Change]:
    """Yield a change of each name in a path of an expression, behind its first: what is asked of a value."""
    for found in re.finditer(r"(?<=[a-z_A-Z]\.)[A-Za-z_]+", text):
        start = text.rfind("\n", 0, found.start()) + 1
        line = text[start : text.find("\n", found.start())]
        if "${" in line or re.match(r".*\b(when|unless|take|keep|rows|each|where|confirm|still|next|expect):", line):
            new = another(found[0])
            yield Change("", INSIDE, found[0], new, text[: found.start()] + new + text[found.end() :])


def kind_of(pointer: str, text: str) -> str:
    """Return the class of a key."""
    last = pointer.rpartition("/")[2]
    for kind, pattern in (
        (ROW, _ROWS),
        (OWN, _HEARD),
        (HEADER, _HEADERS),
        (PARAMETER, _ASKED),
        (TARGET, _TARGETS),
        (NAME, _NAMES),
    ):
        if pattern.fullmatch(pointer):
            return FORMAT if kind == TARGET and last in _OF_TREES else kind
    if _SAID.fullmatch(pointer):
        return FORMAT if last in _OF_TREES else ELEMENT if _is_soap(pointer, text) else BODY
    return FORMAT


def _is_soap(pointer: str, text: str) -> bool:
    """Say whether it is said by SOAP: in a call of an operation, else in a mapping that has such a door."""
    call, said, _ = pointer.partition("/send/")
    if not said:
        return "protocol: soap" in text
    node = yaml.load(text, Loader=yaml.BaseLoader)
    for step in call.split("/")[1:]:
        node = node[int(step)] if isinstance(node, list) else node[step.replace("~1", "/").replace("~0", "~")]
    return "operation" in node


def faults_of(text: str, bundle: Bundle) -> list[FileFault]:
    """Return everything that is wrong with a file's text."""
    try:
        return check(load(text), bundle)
    except BadMapping as bad:
        return list(bad.faults)


def is_found(change: Change, faults: list[FileFault]) -> bool:
    """Say whether one of the faults is at a changed key, below it, or directly above; of a name, at one of its uses."""
    at = change.pointer.rpartition("/")[0]
    places = {change.pointer, pointer_to(at, change.new)}
    for fault in faults:
        if fault.pointer == at or any(f"{fault.pointer}/".startswith(f"{place}/") for place in places):
            return True
        if change.kind in {NAME, PATH, INSIDE} and re.search(rf"\b({change.old}|{change.new})\b", fault.why):
            return True
    return False


def _keys(node: yaml.Node, pointer: str) -> Iterator[tuple[str, yaml.ScalarNode]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            under = pointer_to(pointer, key.value)
            yield under, key
            yield from _keys(value, under)
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _keys(item, pointer_to(pointer, place))

"""YAML read as text alone: every scalar stays what was written, whatever YAML would make of it.

`NO` is no boolean, `021` no number in eights, `1.10` keeps its digits. Anchors, tags and a key that comes twice are
refused: each lets a file say something else than a reader sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

Node: TypeAlias = "str | list[Node] | dict[str, Node]"
"""What a file consists of. Each part knows where it stands: `pointer_of`."""

_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_LONGEST: Final = 1_000_000
_DEEPEST: Final = 64
_MOST_NODES: Final = 50_000


class NotYaml(ValueError):  # noqa: N818 - it says what the text is
    """It isn't YAML that we take. `line` counts from 1."""

    def __init__(self, why: str, line: int) -> None:
        super().__init__(f"line {line}: {why}")
        self.why = why
        self.line = line


@dataclass(frozen=True)
class Document:
    """A file as it was written: its tree, and the line of each part by its JSON pointer."""

    tree: Node
    lines: Mapping[str, int] = field(repr=False)

    def line_of(self, pointer: str) -> int:
        """Return the line of a part, or of the nearest part around it that is there."""
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)


def read(text: str) -> Document:
    """Read a file. `NotYaml` where it is none, or more than a mapping file has any use for."""
    if len(text) > _LONGEST:
        raise NotYaml(f"the file has more than {_LONGEST} characters", 1)
    try:
        _check_events(text)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(error.problem or "not YAML", mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise NotYaml(str(error), 1) from None
    if root is None:
        raise NotYaml("the file is empty", 1)
    lines: dict[str, int] = {}
    return Document(_tree(root, "", lines), lines)


class _Scalar(str):  # noqa: SLOT000 - it has to know where it stands
    pointer: str


class _Rows(list[Node]):
    pointer: str


class _Fields(dict[str, Node]):
    pointer: str


def pointer_of(node: object) -> str:
    """Return where a part stands in its file (RFC 6901)."""
    return str(getattr(node, "pointer", ""))


def like(node: Node, made: Node) -> Node:
    """Return what was made of a part as it stands where that part does."""
    placed = _Rows(made) if isinstance(made, list) else _Fields(made) if isinstance(made, dict) else _Scalar(made)
    placed.pointer = pointer_of(node)
    return placed


def pointer_to(pointer: str, key: str | int) -> str:
    """Return the pointer of a part within another (RFC 6901)."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _check_events(text: str) -> None:
    """Refuse what is deeper, larger or other than we take, before anything is made of it."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotYaml("anchors and aliases are not taken: write it twice", line)
        if (tag := getattr(event, "tag", None)) is not None:
            raise NotYaml(f"tags are not taken: {tag}", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > _DEEPEST:
            raise NotYaml(f"it is deeper than {_DEEPEST} levels", line)
        if nodes > _MOST_NODES:
            raise NotYaml(f"it has more than {_MOST_NODES} parts", line)


def _line(part: yaml.Event | yaml.Node) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


def _tree(node: yaml.Node, pointer: str, lines: dict[str, int]) -> Node:
    lines.setdefault(pointer, _line(node))
    made: _Scalar | _Rows | _Fields
    if isinstance(node, yaml.MappingNode):
        made = _Fields()
        for key, line, value in _pairs(node):
            lines[pointer_to(pointer, key)] = line  # where its key is, not where what is under it begins
            made[key] = _tree(value, pointer_to(pointer, key), lines)
    elif isinstance(node, yaml.SequenceNode):
        made = _Rows(_tree(item, pointer_to(pointer, number), lines) for number, item in enumerate(node.value))
    else:
        made = _Scalar(node.value)
    made.pointer = pointer
    return made


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[str, int, yaml.Node]]:
    seen = set()
    for key, value in node.value:
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode):
            raise NotYaml("a key must be a plain word", line)
        if key.value in seen:
            raise NotYaml(f"the key {key.value} comes twice", line)
        seen.add(key.value)
        yield key.value, line, value

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from adapters.erp.files import FILE, folder, shipped
from adapters.erp.mapping.schema import schema

FILES = [folder(name) / FILE for name in shipped()] + [Path(__file__).parents[1] / "checking" / "rest" / FILE]


class Yaml12(yaml.SafeLoader):
    pass


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if first not in "yYnNoO" or not tag.endswith(":bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(file: Path) -> Any:
    """Read a file as editors do: by YAML 1.2, where `no` is a word."""
    return yaml.load(file.read_text(), Loader=Yaml12)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_an_editor_takes_what_is_a_mapping_as_its_own_yaml_reads_it(file: Path) -> None:
    jsonschema.validate(read(file), schema())


def test_an_editor_refuses_a_word_that_there_is_not() -> None:
    mapping = read(FILES[0])
    mapping["doors"]["orders"]["adress"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(mapping, schema())


def test_each_part_and_what_stands_in_it_is_explained() -> None:
    told = schema()
    parts = [part for part in told["$defs"].values() if part.get("type") == "object"]
    assert parts
    assert all(part["description"] for part in parts)

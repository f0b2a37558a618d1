"""What was typed at the command line, read as the shape that it is to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from domain.commands import Shape

Read = TypeVar("Read", bound=Shape)


def read(shape: type[Read], given: dict[str, Any], options: Mapping[str, str]) -> Read:
    """Read what was typed, or say which option is wrong: `options` names those that aren't called as their field."""
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        option = str(fault["loc"][0]) if fault["loc"] else ""
        raise typer.BadParameter(fault["msg"], param_hint=options.get(option, f"--{option}")) from None

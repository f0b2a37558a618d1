"""What stands behind the question mark: parameters that are known, each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query


class KnownParameters:
    """The parameters of a call. Whoever misspells a filter would get an answer to another question."""

    def __init__(self, dependant: Dependant) -> None:
        self._fields = [field for field in get_flat_params(dependant) if isinstance(field.field_info, Query)]
        self._names = {field.alias for field in self._fields}

    def check(self, request: Request) -> None:
        """Refuse parameters that the call does not have, or that come twice, with all else that is wrong with them."""
        stray = list(self._stray(request))
        if stray:
            _, invalid = request_params_to_args(self._fields, request.query_params)
            raise RequestValidationError([*invalid, *stray])

    def _stray(self, request: Request) -> Iterator[dict[str, Any]]:
        for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
            if name not in self._names:
                yield _stray_parameter("unknown_parameter", name, "is not a parameter of this request")
            elif times > 1:
                yield _stray_parameter("repeated_parameter", name, f"comes {times} times, and has one value")


def _stray_parameter(code: str, name: str, words: str) -> dict[str, Any]:
    return {"type": code, "loc": ("query", name), "msg": words}

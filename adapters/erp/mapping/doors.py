"""Doors: where an ERP is reached, by which protocol, and as whom. Only here a secret may stand."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from adapters.erp.mapping.calls import Saying
from adapters.erp.mapping.parts import Expr, File, Part, Shape, Text, Word

_PROTOCOLS: Final = ("rest", "json_rpc", "soap")


class Limits(Part):
    """How much at once, and how many in a second, the ERP takes."""

    at_once: Annotated[int, Field(ge=1, le=64)] | None = None
    calls_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None


class Basic(Part):
    """User and password as HTTP has them (RFC 7617)."""

    user: Text
    password: Text


class Session(Part):
    """A log-in whose answer the door's headers or `always` go on with, as `session.<name>`.

    It is kept for as long as it holds: a call that is locked out logs in once more, and is built anew.
    """

    log_in: Saying
    keep: dict[Word, Expr]


class _Door(Part):
    """What all doors have. `let` gives names to what its headers say; secrets may stand in it, and in `always`."""

    address: Text
    faults: Word
    headers: dict[str, Text] = Field(default_factory=dict)
    basic: Basic | None = None
    session: Session | None = None
    let: dict[Word, Shape] = Field(default_factory=dict)
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 20
    limits: Limits = Limits()
    encoding: Literal["utf-8", "iso-8859-1", "iso-8859-15", "windows-1252"] = "utf-8"

    @model_validator(mode="after")
    def _one_way_in(self) -> Any:
        if self.basic is not None and any(name.lower() == "authorization" for name in self.headers):
            raise PydanticCustomError("two_ways_in", "has both `basic` and a header Authorization")
        return self


class RestDoor(_Door):
    """JSON over HTTP. `values` names how the ERP writes what JSON has no word for."""

    protocol: Literal["rest"]
    openapi: File | None = None
    values: Literal["plain", "tryton"] = "plain"
    lists: Literal["repeat", "comma"] = "repeat"
    media: tuple[str, ...] = ("application/json",)


class JsonRpcDoor(_Door):
    """JSON-RPC: one address, a method with its parameters."""

    protocol: Literal["json_rpc"]
    path: Text | None = None
    values: Literal["plain", "tryton"] = "plain"
    always: tuple[Shape, ...] = ()


class SoapDoor(_Door):
    """SOAP 1.1 by a WSDL of the bundle. `always` is in every call, beside what the call says itself."""

    protocol: Literal["soap"]
    wsdl: File
    binding: str | None = None
    always: Shape | None = None


def _protocol(given: Any) -> str:
    if isinstance(given, _Door):
        return str(given.protocol)  # type: ignore[attr-defined]
    named = given.get("protocol") if isinstance(given, dict) else None
    return named if named in _PROTOCOLS else ""


Door = Annotated[
    Annotated[RestDoor, Tag("rest")] | Annotated[JsonRpcDoor, Tag("json_rpc")] | Annotated[SoapDoor, Tag("soap")],
    Discriminator(
        _protocol,
        custom_error_type="protocol",
        custom_error_message="must be a door with a `protocol`, which is one of rest, json_rpc, soap",
    ),
]

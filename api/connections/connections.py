"""A tenant's connections, for its administrators. What is secret of them is told to us, and never told again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel, Field

from api.door import examples
from api.door.auth import AdministratorsDoor, Caller, behind_the_door
from api.door.created import created
from api.door.openapi import REFUSALS, WRITES, same_again
from api.door.paging import Cursor, Limit, Page, Utc, cut, position
from api.door.request_body import Said
from api.door.services import Services
from commands.connections.add import add
from commands.connections.change import change, set_secrets
from commands.connections.context import By, Shown, shown
from commands.connections.look import look
from commands.connections.remove import remove
from commands.connections.rotate import rotate
from commands.connections.switch import switch
from domain.commands import Key
from domain.connections import (
    ConnectionChange,
    ConnectionKind,
    ConnectionRotation,
    ConnectionSwitch,
    Flow,
    NewConnection,
    SecretsGiven,
)
from domain.texts import Name, Phrase
from records.access import connections
from records.access.api_keys import ApiKey
from records.access.connections import Act, Connection, Named

router = behind_the_door("/api/connections", "connections", AdministratorsDoor)

ConnectionName = Annotated[Key, Path(description="The connection's name")]


class ConnectionItem(BaseModel):
    """A connection: what it speaks to, and what goes through it."""

    kind: ConnectionKind
    name: str
    public_id: Annotated[str, Field(description="It alone stands in inbound paths")]
    adapter: Annotated[str | None, Field(description="Null: from an older build; add it")]
    settings: dict[str, Any]
    mapping: Annotated[str | None, Field(description="SHA-256 of the mapping, in hex")]
    flow: Flow
    off_reason: str | None
    start_at: Utc | None
    at_once: int
    calls_per_second: float
    timeout_s: float
    made_at: Utc
    changed_at: Utc


class SecretView(BaseModel):
    """A secret that is there, and the id of the key that it is sealed with."""

    name: str
    key_id: str


class FormerIdView(BaseModel):
    """A public id that the connection had before."""

    public_id: str
    works_until: Utc


class ConnectionActView(BaseModel):
    """What was done to the connection."""

    act: str
    at: Utc
    actor: str
    by_key: str | None
    what: dict[str, Any]
    reason: str | None


class ConnectionView(ConnectionItem):
    """A connection, with the names of its secrets and what was done to it, the latest first."""

    secrets: list[SecretView]
    former_ids: list[FormerIdView]
    acts: list[ConnectionActView]


class TestAnswer(BaseModel):
    """What came of a look at the other side."""

    works: bool
    reason: str | None
    took_ms: int


class TestAsked(BaseModel):
    """Who looks."""

    model_config = {"extra": "forbid"}

    actor: Name | None = None


@router.post("", status_code=201, responses=same_again(ConnectionView))
async def add_connection(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[NewConnection], Body(examples=[examples.NEW_ERP, examples.NEW_CARRIER])],
) -> ConnectionView:
    """Add a connection: processes take it up within seconds. The same again shows it; other content is 409."""
    wanted = said.settle()
    async with services.engine.begin() as connection:
        added = await add(connection, services.sealing, caller.tenant, wanted, _by(caller, wanted.actor))
    response.status_code = created(is_new=added.is_new)
    return _view(added)


@router.get("", responses=REFUSALS)
async def list_connections(
    services: Services, caller: Caller, limit: Limit = 100, cursor: Cursor = None
) -> Page[ConnectionItem]:
    """List the tenant's connections by kind and name."""
    kind, name = position(cursor, 2) or ["", ""]
    async with services.reading() as connection:
        rows = await connections.page(connection, caller.tenant, (kind, name), limit + 1)
    items, following = cut(rows, limit, lambda row: [row.kind.value, row.name])
    return Page(items=[ConnectionItem(**_item(row)) for row in items], next=following)


@router.get("/{kind}/{name}", responses=REFUSALS)
async def read_connection(
    services: Services, caller: Caller, kind: ConnectionKind, name: ConnectionName
) -> ConnectionView:
    """Show a connection."""
    async with services.reading() as connection:
        return _view(await shown(connection, Named(caller.tenant, kind, name)))


@router.patch("/{kind}/{name}", responses={**WRITES, **REFUSALS})
async def change_connection(
    services: Services,
    caller: Caller,
    kind: ConnectionKind,
    name: ConnectionName,
    said: Annotated[Said[ConnectionChange], Body(examples=[examples.CONNECTION_CHANGE])],
) -> ConnectionView:
    """Change a connection. Where it is to speak to another address, or by another adapter, give its secrets again."""
    wanted, named = said.settle(), Named(caller.tenant, kind, name)
    async with services.engine.begin() as connection:
        return _view(await change(connection, services.sealing, named, wanted, _by(caller, wanted.actor)))


@router.put("/{kind}/{name}/secrets", responses={**WRITES, **REFUSALS})
async def set_connection_secrets(
    services: Services,
    caller: Caller,
    kind: ConnectionKind,
    name: ConnectionName,
    said: Annotated[Said[SecretsGiven], Body(examples=[examples.CONNECTION_SECRETS])],
) -> ConnectionView:
    """Give a connection other secrets; those that are not named stay."""
    wanted, named = said.settle(), Named(caller.tenant, kind, name)
    async with services.engine.begin() as connection:
        return _view(await set_secrets(connection, services.sealing, named, wanted, _by(caller, wanted.actor)))


@router.post("/{kind}/{name}/switch", responses={**WRITES, **REFUSALS})
async def switch_connection(
    services: Services,
    caller: Caller,
    kind: ConnectionKind,
    name: ConnectionName,
    said: Annotated[Said[ConnectionSwitch], Body(examples=[examples.CONNECTION_SWITCH])],
) -> ConnectionView:
    """Switch what goes through a connection: one step further at a time; back, and off, from anywhere."""
    wanted, named = said.settle(), Named(caller.tenant, kind, name)
    async with services.engine.begin() as connection:
        return _view(await switch(connection, named, wanted, _by(caller, wanted.actor)))


@router.post("/{kind}/{name}/rotate", status_code=201, responses=same_again(ConnectionView))
async def rotate_public_id(
    services: Services,
    caller: Caller,
    response: Response,
    kind: ConnectionKind,
    name: ConnectionName,
    said: Annotated[Said[ConnectionRotation], Body(examples=[examples.CONNECTION_ROTATION])],
) -> ConnectionView:
    """Give a connection another public id. The old one works until its grace is over."""
    wanted, named = said.settle(), Named(caller.tenant, kind, name)
    async with services.engine.begin() as connection:
        rotated = await rotate(connection, named, wanted, _by(caller, wanted.actor))
    response.status_code = created(is_new=rotated.is_new)
    return _view(rotated)


@router.post("/{kind}/{name}/test", responses={**WRITES, **REFUSALS})
async def test_connection(
    services: Services,
    caller: Caller,
    kind: ConnectionKind,
    name: ConnectionName,
    said: Annotated[Said[TestAsked], Body(examples=[{"actor": "ida"}])],
) -> TestAnswer:
    """Ask the other side for something that it has not: nothing changes there. Says whether that worked, or why not."""
    wanted, named = said.settle(), Named(caller.tenant, kind, name)
    looked = await look(services.engine, services.sealing, named, _by(caller, wanted.actor), services.egress)
    return TestAnswer(works=looked.works, reason=looked.reason, took_ms=looked.took_ms)


@router.delete("/{kind}/{name}", status_code=204, responses={**REFUSALS, 409: WRITES[409]})
async def remove_connection(
    services: Services,
    caller: Caller,
    kind: ConnectionKind,
    name: ConnectionName,
    reason: Annotated[Phrase | None, Query(description="Why, for the record")] = None,
    actor: Annotated[Name | None, Query(description="Who does it")] = None,
) -> None:
    """Remove a connection on which nothing is open. Its history stays."""
    async with services.engine.begin() as connection:
        await remove(connection, Named(caller.tenant, kind, name), _by(caller, actor), reason)


def _by(caller: ApiKey, actor: str | None) -> By:
    return By(actor or caller.name, caller.name)


def _view(shown: Shown) -> ConnectionView:
    return ConnectionView(
        **_item(shown.row),
        secrets=[SecretView(name=each.field, key_id=each.key_id) for each in shown.secrets],
        former_ids=[FormerIdView(public_id=each, works_until=until) for each, until in shown.former_ids.items()],
        acts=[_act(act) for act in shown.acts],
    )


def _item(row: Connection) -> dict[str, Any]:
    shared = {name: getattr(row, name) for name in ConnectionItem.model_fields if name != "mapping"}
    return {**shared, "mapping": row.mapping.hex() if row.mapping else None}


def _act(act: Act) -> ConnectionActView:
    return ConnectionActView(**vars(act))

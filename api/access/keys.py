"""Keys of a tenant, for its administrators. What a key is sent as is shown once, to whom made it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Response
from pydantic import BaseModel, Field

from api.door import examples
from api.door.auth import AdministratorsDoor, Caller, behind_the_door
from api.door.created import created
from api.door.openapi import REFUSALS, WRITES, same_again
from api.door.paging import Cursor, Limit, Page, Utc, cut, position
from api.door.request_body import Said
from api.door.services import Services
from domain.api_keys import KeyRevocation, KeyRotation, NewKey, Scope
from domain.commands import Key
from records.access import key_ring
from records.access.api_keys import ApiKey
from records.access.key_ring import By, Held, KeyStatus, Made

router = behind_the_door("/api/keys", "keys", AdministratorsDoor)

KeyName = Annotated[Key, Path(description="The key's name")]


class KeyView(BaseModel):
    """A key as it is now: never what it is sent as."""

    name: str
    scope: Scope
    source: str | None
    owner: str | None
    status: KeyStatus
    created_at: Utc | None
    created_by: str | None
    expires_at: Annotated[Utc | None, Field(description="As it was made; null: never")]
    ends_at: Annotated[Utc | None, Field(description="When it ends, by its expiry, its successor's grace or an act")]
    last_used_at: Annotated[Utc | None, Field(description="To a minute")]
    replaces: str | None
    replaced_by: str | None
    revoked_at: Utc | None
    revoked_by: str | None
    revoked_for: str | None


class MadeKeyView(KeyView):
    """A key that was asked for."""

    key: Annotated[str | None, Field(description="What it is sent as: in the answer 201 alone, and never again")]


@router.post("", status_code=201, responses=same_again(MadeKeyView))
async def make_key(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[NewKey], Body(examples=[examples.NEW_KEY, examples.NEW_ADMINISTRATOR])],
) -> MadeKeyView:
    """Make a key. The same again shows it without what it is sent as: who has lost that asks for a successor."""
    wanted = said.settle()
    async with services.engine.begin() as connection:
        made = await key_ring.make(connection, caller.tenant, wanted, _by(caller, wanted.actor))
    return _shown(response, made)


@router.get("", responses=REFUSALS)
async def list_keys(services: Services, caller: Caller, limit: Limit = 100, cursor: Cursor = None) -> Page[KeyView]:
    """List the tenant's keys by name, those that have ended too."""
    (after,) = position(cursor, 1) or [""]
    async with services.reading() as connection:
        rows = await key_ring.page(connection, caller.tenant, after, limit + 1)
    items, following = cut(rows, limit, lambda held: [held.name])
    return Page(items=[_view(held) for held in items], next=following)


@router.post("/{name}/rotate", status_code=201, responses=same_again(MadeKeyView))
async def rotate_key(
    services: Services,
    caller: Caller,
    response: Response,
    name: KeyName,
    said: Annotated[Said[KeyRotation], Body(examples=[examples.KEY_ROTATION])],
) -> MadeKeyView:
    """Make a key's successor. The old one works until its grace is over; each key has one successor."""
    wanted = said.settle()
    async with services.engine.begin() as connection:
        made = await key_ring.rotate(connection, caller.tenant, name, wanted, _by(caller, wanted.actor))
    return _shown(response, made)


@router.post("/{name}/revoke", responses={**WRITES, **REFUSALS})
async def revoke_key(
    services: Services,
    caller: Caller,
    name: KeyName,
    said: Annotated[Said[KeyRevocation], Body(examples=[examples.KEY_REVOCATION])],
) -> KeyView:
    """End a key for ever: within seconds no process takes it any more."""
    wanted = said.settle()
    async with services.engine.begin() as connection:
        return _view(await key_ring.revoke(connection, caller.tenant, name, wanted, _by(caller, wanted.actor)))


def _by(caller: ApiKey, actor: str | None) -> By:
    return By(actor or caller.name, caller.name)


def _shown(response: Response, made: Made) -> MadeKeyView:
    response.status_code = created(is_new=made.secret is not None)
    return MadeKeyView(**_view(made.held).model_dump(), key=made.secret)


def _view(held: Held) -> KeyView:
    return KeyView.model_validate({name: getattr(held, name) for name in KeyView.model_fields})

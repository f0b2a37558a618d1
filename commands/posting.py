"""What is said at the door and goes to the ledger as it is: once under each key, and tried anew where that helps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from commands.context import CommandContext
from domain.commands import FromTheFloor
from domain.errors import Conflict, Rejected
from domain.reasons import words_of
from domain.said import Said, asked
from domain.stock import Evidence
from ledger.reads.repeats import Repeated, find_posted
from ledger.requests import Request
from ledger.writing.writer import Attachment, Outcome
from records import catalog, people
from records.access.api_keys import ApiKey, actor_of
from records.catalog import Product

Told = TypeVar("Told", bound=BaseModel)

Posted = Outcome | Repeated
"""What became of what was said: now, or the first time."""


@dataclass(frozen=True)
class Answer:
    """What the answer of a posting tells, or a part of it: subclasses have a field for each name that they read."""

    @classmethod
    def of(cls, outcome: Posted) -> Self:
        """Read it. What older builds did not tell has a default."""
        told = outcome.answer
        return cls(**{field.name: told[field.name] for field in fields(cls) if field.name in told})


_TRIES: Final = 5
"""How often something is resolved anew while the catalog changes what its skus are counted in."""


@dataclass(frozen=True)
class Keyed(Generic[Told]):
    """What a body asks of the ledger: which request, under which key; `about` is what the address adds to its words."""

    kind: type[Request]
    key: Callable[[Told], str]
    about: str = ""

    def asked(self, body: Told) -> str:
        """Write what is asked, in its own words: the posting's digest is over them."""
        return self.about + asked(body)


async def once(
    context: CommandContext,
    caller: ApiKey,
    said: Said[Told],
    keyed: Keyed[Told],
    post: Callable[[], Awaitable[Outcome]],
) -> Posted:
    """Have something posted, unless it was before: a repeat is answered from what was stored.

    That is looked up before anything is resolved by a catalog, a clock or stock that may have changed since; and again
    before a refusal, which may be for what a twin of it did meanwhile. Raises `Conflict` where the key came before with
    other content.
    """
    before = await _posted_before(context, caller, said, keyed)
    if before is not None:
        return before
    try:
        return await anew("product_changed", _TRIES, post)
    except Rejected:
        twin = await _posted_before(context, caller, said, keyed)
        if twin is None:
            raise
        return twin


async def _posted_before(
    context: CommandContext, caller: ApiKey, said: Said[Told], keyed: Keyed[Told]
) -> Repeated | None:
    if not said.wordings:
        return None
    key = keyed.key(said.wordings[0])
    async with context.reading() as connection:
        before = await find_posted(connection, caller.tenant, key)
    if before is None or said.repeats(lambda body: keyed.kind.digest_of(keyed.asked(body)), before.request_digest):
        return before
    if said.body is None:
        return None
    raise Conflict(f"{key} was posted before with other content.")


def said_by(caller: ApiKey, body: FromTheFloor) -> dict[str, Any]:
    """Return what every posting is told: whose it is, who did it, how we know, and what was asked."""
    return {
        "tenant": caller.tenant,
        "actor": actor_of(caller, body.actor),
        "evidence": Evidence.SCANNED if body.device else Evidence.CONFIRMED,
        "asked": asked(body),
    }


def why(key: str, tenant: str, reason: str | None, note: str | None = None) -> Attachment | None:
    """Return what keeps the words that come with a posting, if any come."""
    if words_of(reason) is None and note is None:
        return None

    async def keep(connection: AsyncConnection, _outcome: Outcome) -> None:
        await people.keep_words(connection, tenant, key, reason=reason, note=note)

    return keep


def posted(outcome: Posted) -> UUID:
    """Return the id of a posting: something moved, or its key is kept though nothing did."""
    assert outcome.posting_id is not None
    return outcome.posting_id


def counted_in(tenant: str, products: Mapping[str, Product], then: Attachment | None = None) -> Attachment:
    """Return what insists, in a posting's transaction, that its skus are still counted in what it was resolved by."""

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await catalog.insist_on_units(connection, tenant, products)
        if then is not None:
            await then(connection, outcome)

    return attach


async def anew(code: str, times: int, ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Ask again what is refused with this code, so often at most: something changed while it was being asked."""

    async def asking() -> Outcome:  # tenacity awaits only what it knows for a coroutine's function
        return await ask()

    overtaken = retry_if_exception(lambda error: isinstance(error, Rejected) and error.code == code)
    return await AsyncRetrying(retry=overtaken, stop=stop_after_attempt(times), reraise=True)(asking)

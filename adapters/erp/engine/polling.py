"""Polls: what changed in an ERP is asked for page by page, and each row is held against what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from adapters.erp.engine.connected import SYSTEM
from adapters.erp.engine.mapped import mapped
from adapters.erp.engine.places import Passage, Place
from adapters.erp.engine.speaking import Speaker, settled
from adapters.erp.language.budget import CannotSay
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.functions import FUNCTIONS
from adapters.erp.language.functions.function import Call as Use
from adapters.erp.language.leaves import Hole, Leaf, says_yes
from adapters.erp.language.trees import Items, Scalar, Tree
from adapters.erp.language.values import Result, Value, fixed, is_there
from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.file import Loaded
from adapters.erp.mapping.inbound import Pages, Poll
from adapters.erp.mapping.kept_form import kept
from adapters.erp.port import Found, InboundKind, Page, Polling
from domain.errors import Rejected

_LONGEST_ID: Final = 200
_LONGEST_SHOWN: Final = 200


class Poller:
    """Asks an ERP for what changed, as its mapping says."""

    def __init__(self, mapping: Loaded, speaker: Speaker) -> None:
        self._polls: Mapping[InboundKind, Poll] = {
            kind: how.poll for kind, how in mapping.file.inbound.kinds() if how.poll is not None
        }
        self._digest = mapping.digest
        self._speaker = speaker

    def polling(self) -> Mapping[InboundKind, Polling]:
        """Return how often each kind is polled."""
        return {kind: Polling(poll.every_s, poll.overlap_s, poll.sweep_s) for kind, poll in self._polls.items()}

    def page(self, kind: InboundKind, since: datetime, following: str | None) -> Page:
        """Return a page of what changed, as `ErpSource.page` does.

        The page before is read again, after this one, and what moved there is told with this one: where a row before
        it went away, or to the end, all others have moved up by one.
        """
        poll = self._polls.get(kind)
        if poll is None:
            raise Rejected("erp_mapping", f"The mapping polls no {kind}.")
        passage = None if following is None else Passage.read(following, self._digest)
        place = _first(poll.pages) if passage is None else passage.to
        asking = _Asking(poll, fixed(since), self._speaker)
        found, onward = asking.at(place)
        moved: tuple[Found, ...] = ()
        if passage is not None:
            if passage.leads_back(found):
                detail = f"{SYSTEM} gives the same page of its {kind} again and again: see /inbound/{kind}/poll/pages."
                raise Rejected("erp_pages_repeat", detail)
            if poll.pages is not None and poll.pages.stay is None:
                again, _ = asking.at(passage.by)
                moved = passage.unseen(again, found)
        if onward is None:
            return Page(found + moved, None)
        way_on = Passage.after(found, mapping=self._digest, by=place, to=onward)
        return Page(found + moved, way_on.model_dump_json())


class _Asking:
    """One asking for what changed since a time."""

    def __init__(self, poll: Poll, since: datetime, speaker: Speaker) -> None:
        self._poll = poll
        self._since = since
        self._speaker = speaker

    def at(self, place: Place) -> tuple[tuple[Found, ...], Place | None]:
        """Return the documents of a page, and where it goes on."""
        poll = self._poll
        call = poll.call if poll.pages is None else _paged(poll.call, poll.pages, place)
        scope = self._speaker.scope(since=self._since)
        if poll.pages is not None:
            scope = scope.within(page=Decimal(place.number))
        told = settled(lambda: self._speaker.call(call, scope, scope, changes=False))
        if told.absent:
            return (), None
        found = tuple(self._found(number, row) for number, row in enumerate(self._rows(told.answer)))
        if poll.pages is None:
            return found, None
        if poll.pages.next is None:
            step = 1 if poll.pages.number is not None else len(found)
            return found, Place(number=place.number + step) if found else None
        return found, self._linked(call, scope, poll.pages.next, told.answer, place)

    def _rows(self, answer: Result) -> list[Value]:
        with mapped():
            rows = self._poll.rows.value(self._speaker.scope(answer=answer))
            if not isinstance(rows, list):
                why = "the rows are a list: a server that sends one alone needs `| list`"
                raise CannotSay(why, None, self._poll.rows.pointer)
            return [kept(row, self._poll.rows.pointer) for row in rows]

    def _found(self, number: int, row: Value) -> Found:
        """Read a row. One that can't be told from others, or wasn't asked for, makes the page one not to rely on."""
        scope = self._speaker.scope(row=row, since=self._since)
        try:
            with mapped():
                their_id = self._poll.id.text(scope, str)
                if not is_there(their_id) or len(their_id) > _LONGEST_ID:
                    raise CannotSay(f"an id is 1 to {_LONGEST_ID} characters", None, self._poll.id.pointer)
                stamp = self._stamp(self._poll.stamp.value(scope))
                is_asked_for = says_yes(self._poll.still, scope)
        except Rejected as error:
            raise Rejected(error.code, error.detail, said=f"row {number}: {error.said}") from None
        if not is_asked_for:
            detail = f"{SYSTEM} has ignored what was asked for: a row does not fit {self._poll.still.pointer}."
            raise Rejected("erp_filter_ignored", detail, said=f"row {number}: {their_id[:_LONGEST_SHOWN]}, {stamp}")
        return Found(their_id, stamp, row)

    def _stamp(self, value: Result) -> datetime:
        """Read a stamp, which is a time or, as all that is kept, a text of one."""
        pointer, scope = self._poll.stamp.pointer, self._speaker.scope()
        try:
            time = FUNCTIONS["time"](Use(value, (), scope.tables, scope.budget))
            stamp = time.astimezone(UTC) if isinstance(time, datetime) else None
        except CannotSay as error:
            raise CannotSay(error.why, error.position, pointer) from None
        except OverflowError:
            raise CannotSay("there is no such day or time", None, pointer) from None
        if stamp is None:
            raise CannotSay("a row has no stamp, so nobody can tell when it changed", None, pointer)
        return stamp

    def _linked(self, call: Call, asked: Scope, link: Hole, answer: Result, place: Place) -> Place | None:
        with mapped():
            named = link.value(self._speaker.scope(answer=answer))
            if not is_there(named):
                return None
            if not isinstance(named, str):
                raise CannotSay("a link is text", None, link.pointer)
            assert call.path is not None
            at = call.path.text(asked, lambda text: quote(text, safe=""))
        path, query = self._speaker.link(call.door, named, at)
        return Place(number=place.number + 1, path=path, query=query)


def _first(pages: Pages | None) -> Place:
    return Place(number=pages.first if pages is not None and pages.number is not None else 0)


def _paged(call: Call, pages: Pages, place: Place) -> Call:
    """Return the call for a page: through a link that was named, else with the parameters that say which one it is."""
    if call.verb is None:
        return call
    if place.path is not None:
        return call.model_copy(update={call.verb: Leaf((place.path,)), "query": _query(place)})
    named = {pages.size: pages.rows, pages.number: place.number, pages.skip: place.number}
    more = {name: _said(str(number)) for name, number in named.items() if name is not None}
    return call.model_copy(update={"query": {**call.query, **more}})


def _query(place: Place) -> dict[str, Tree]:
    values: dict[str, list[Tree]] = {}
    for name, value in place.query:
        values.setdefault(name, []).append(_said(value))
    return {name: said[0] if len(said) == 1 else Items("", tuple(said)) for name, said in values.items()}


def _said(text: str) -> Scalar:
    return Scalar("", Leaf((text,)))

"""Documents, read whole: all that is needed to say what they are here, as a tree that may be kept."""

from __future__ import annotations

from typing import Final

from adapters.erp.engine.connected import SYSTEM
from adapters.erp.engine.looking import found_by, says
from adapters.erp.engine.mapped import mapped
from adapters.erp.engine.speaking import Speaker, settled
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.values import MISSING, Result, Value, is_there
from adapters.erp.mapping.file import MappingFile
from adapters.erp.mapping.giving import given
from adapters.erp.mapping.inbound import Inbound
from adapters.erp.mapping.kept_form import kept
from adapters.erp.mapping.scopes import ID, ROW
from adapters.erp.mapping.steps import Look
from adapters.erp.port import Gives, InboundKind
from domain.errors import Rejected, Unavailable

_TRIES: Final = 3


class Reader:
    """Reads documents as a mapping says, and says what they are."""

    def __init__(self, file: MappingFile, speaker: Speaker) -> None:
        self._kinds = dict(file.inbound.kinds())
        self._speaker = speaker

    def read(self, kind: InboundKind, their_id: str, row: Value | None) -> Value | None:
        """Return a document, or None where it isn't there any more, as `ErpSource.read` does."""
        how = self._how(kind)
        if how.has_row and row is None:
            detail = f"A document of {kind} is read by its row in a poll alone: see /inbound/{kind}/fetch."
            raise Rejected("erp_mapping", detail)
        return settled(lambda: self._attempt(kind, how, their_id, row), _TRIES)

    def gives(self, kind: InboundKind, document: Value, *, known: bool) -> Gives:
        """Return what a document is here, as `ErpSource.gives` does."""
        with mapped():
            return given(kind, self._how(kind), document, self._speaker.scope(), known=known)

    def _attempt(self, kind: InboundKind, how: Inbound, their_id: str, row: Value | None) -> Value | None:
        document: dict[str, Value] = {ID: their_id, **({ROW: row} if how.has_row else {})}
        scope = self._speaker.scope(**document)
        for number, look in enumerate(how.fetch):
            found: Result = MISSING
            if look.unless is None or not says(look.unless, scope):
                found = found_by(self._speaker, look, scope)
                if look.look == how.itself and not is_there(found):
                    return None
                found = self._confirmed(look, found, scope, f"/inbound/{kind}/fetch/{number}")
            if found is not MISSING:
                document[look.look] = found
            scope = scope.within(**{look.look: found})
        return document

    def _confirmed(self, look: Look, found: Result, scope: Scope, pointer: str) -> Result:
        """Return what was found as it is kept. What it isn't now it may be when it is asked for again."""
        if found is not MISSING:
            with mapped():
                found = kept(found, pointer)
        if look.confirm is not None and not says(look.confirm, scope.within(**{look.look: found})):
            raise Unavailable(
                f"{SYSTEM} gave something else as {look.look} than it was asked for: see {pointer}/confirm."
            )
        return found

    def _how(self, kind: InboundKind) -> Inbound:
        how = self._kinds.get(kind)
        if how is None:
            raise Rejected("erp_mapping", f"The mapping takes in no {kind}.")
        return how

"""Steps, carried out: every attempt goes from the top, so that it does only what is not done yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from adapters.erp.engine.looking import called, looked, not_kept, says
from adapters.erp.engine.mapped import mapped
from adapters.erp.engine.speaking import Speaker, settled
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import Leaf
from adapters.erp.language.values import MISSING, Result, Value, as_value, is_there
from adapters.erp.mapping.file import MappingFile
from adapters.erp.mapping.steps import Attention, Do, Document, Done, Let, Look, Refusal, Step
from domain.erp import ErpMessage
from domain.errors import Rejected

_TRIES: Final = 3
_BY_HAND: Final = "erp_by_hand"


@dataclass
class _Attempt:
    """One attempt: what it has found so far, and the message itself."""

    scope: Scope
    message: ErpMessage

    def name(self, **names: Result) -> None:
        self.scope = self.scope.within(**names)


class _Ended(Exception):  # noqa: N818 - how an attempt ends well
    """There is nothing more to do. The ERP's number of what it made, where it made something."""

    def __init__(self, document_no: str | None) -> None:
        super().__init__(document_no)
        self.document_no = document_no


class Teller:
    """Tells an ERP messages as its mapping says."""

    def __init__(self, file: MappingFile, speaker: Speaker) -> None:
        self._outbound = file.outbound
        self._speaker = speaker

    def tell(self, message: ErpMessage) -> str | None:
        """Tell a message, unless it was told. Returns the ERP's document number, None where nothing is told.

        Raises as `ErpPort.tell` does.
        """
        return settled(lambda: self._attempt(message), _TRIES)

    def _attempt(self, message: ErpMessage) -> str | None:
        plan = self._outbound.plan(message.kind)
        if plan == "nothing":
            return None
        attempt = _Attempt(self._speaker.scope(message=_as_said(message)), message)
        try:
            for step in [plan] if isinstance(plan, Attention) else plan:
                self._step(step, attempt)
        except _Ended as end:
            return end.document_no
        raise Rejected("erp_mapping", f"The steps of {message.kind} end without a document_no.")

    def _step(self, step: Step, attempt: _Attempt) -> None:
        match step:
            case Look():
                attempt.name(**{step.look: looked(self._speaker, step, attempt.scope)})
            case Do():
                self._do(step, attempt)
            case Let():
                _let(step, attempt)
            case Document():
                raise _Ended(_document_no(step, attempt.scope))
            case Refusal() | Attention() | Done():
                _stop(step, attempt.scope)

    def _do(self, do: Do, attempt: _Attempt) -> None:
        attempt.name(**{name: attempt.scope.names.get(name, MISSING) for name in do.keep})
        for scope in _items(do, attempt):
            if do.unless is not None and says(do.unless, scope):
                continue
            if do.attention and attempt.message.repeated:
                detail = f"An earlier attempt may have done {do.do} already, and nothing there shows it: look it up."
                raise Rejected(_BY_HAND, detail)
            told = called(self._speaker, do, scope, changes=True)
            inside = scope.within(answer=told.answer)
            with mapped():
                kept = {name: expression.value(inside) for name, expression in do.keep.items()}
            attempt.name(**kept)
            if do.confirm is not None and not says(do.confirm, scope.within(**kept)):
                raise not_kept(f"What came of {do.do}")


def _let(step: Let, attempt: _Attempt) -> None:
    with mapped():
        for name, tree in step.let.items():
            attempt.name(**{name: tree.render(attempt.scope)})


def _stop(step: Refusal | Attention | Done, scope: Scope) -> None:
    """End an attempt here, where the step says so."""
    match step:
        case Refusal() if says(step.when, scope):
            detail, said = _words(step.text, "The mapping refuses this: read its words.", scope)
            raise Rejected(step.refuse, detail, said=said)
        case Attention() if step.when is None or says(step.when, scope):
            raise _by_hand(step.attention, scope)
        case Done() if says(step.nothing, scope):
            raise _Ended(None)


def _as_said(message: ErpMessage) -> Value:
    """Return a message as expressions have it: what it doesn't have is missing, and its time is one."""
    told = _without_nothing(asdict(message))
    with suppress(ValueError):  # what isn't an instant is left to the contract
        told["occurred_at"] = as_value(datetime.fromisoformat(message.occurred_at.upper()))
    return as_value(told)


def _without_nothing(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _inside(value) for name, value in told.items() if value is not None}


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _without_nothing(value)
    return [_inside(item) for item in value] if isinstance(value, list | tuple) else value


def _items(do: Do, attempt: _Attempt) -> Iterator[Scope]:
    """Return the scope of each time that something is done. What an item keeps the next one sees, by its name."""
    if do.each is None or do.as_ is None:
        yield attempt.scope
        return
    with mapped():
        items = do.each.value(attempt.scope)
    if items is MISSING or items is None:
        return
    if not isinstance(items, list):
        raise Rejected("erp_mapping", f"The step {do.do} is done for each of what is no list.")
    for item in items:
        yield attempt.scope.within(**{do.as_: item})


def _by_hand(text: Leaf, scope: Scope) -> Rejected:
    detail, said = _words(text, "The mapping leaves this to a person: read its words.", scope)
    return Rejected(_BY_HAND, detail, said=said)


def _words(text: Leaf, instead: str, scope: Scope) -> tuple[str, str | None]:
    """Return a mapping's words: where they hold nothing but its own, for everybody; else apart."""
    if text.literal is not None:
        return text.literal, None
    with mapped():
        value = text.value(scope)
    return instead, None if value is MISSING or value is None else str(value)


def _document_no(step: Document, scope: Scope) -> str:
    with mapped():
        number = step.document_no.value(scope)
    if not is_there(number) or isinstance(number, list | Mapping):
        raise Rejected("erp_mapping", "The mapping finds no number of the document that the ERP made.")
    return step.document_no.text(scope, str)

"""How a repeat finds what an earlier attempt did: by our reference, or by the state of what it changed.

An attempt may end between a call and its answer, and the next one begins at the top. So what a `do` says in `unless`
must show whether it was done, and there are two ways in which it can:

- It speaks of something **traced**: what a look found by `message.reference`, by what such a look had found, or what a
  `do` has kept that was itself safe. This is needed where a call makes a document, for another attempt would make
  another one.
- It speaks of something that a look found in any way, and the call is about that very thing: it names it in its path or
  in what it sends, as `/shipments/${shipment.id}/close` does. That moves something from a state into the next one, and
  `unless: shipment.state == 'done'` shows it. A POST to a path without such a name makes something new, whatever it
  sends, and is no change of state. Which SOAP operation or method makes something, nobody can tell: those that send
  what was found are taken for changes of it.

Any other `do` can't be found again: it is done once, and says `attention`. One that could be found says no `attention`,
which would call a person for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from adapters.erp.checking.calls import expressions_of, roots
from adapters.erp.language.expressions import Expression, paths
from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.scopes import MESSAGE
from adapters.erp.mapping.steps import Do, Look

_REFERENCE: Final = (MESSAGE, "reference")
_Calling: TypeAlias = "Look | Do"


class Trace:
    """What the steps of a plan have found so far, and how."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self._calls = calls
        self._found: set[str] = set()
        self._traced: set[str] = set()
        self._by_reference = False

    def faults_of(self, do: Do) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with how a `do` is found again: the word that is wrong, and why."""
        if do.attention is not None and self._by_reference:
            yield "attention", "what was done is found by our reference before it: say so in `unless`"
        if do.unless is None:
            return
        spoken_of = roots(do.unless.expression)
        if not spoken_of & (self._found | self._traced):
            yield (
                "unless",
                "it speaks of nothing that a step before has read or kept, so it shows nothing of an earlier attempt",
            )
        elif not self._is_safe(do):
            why = (
                "what this makes isn't found again by it: it must speak of what is looked up by `message.reference`,"
                " or of what this call changes; else say `attention` in its place"
            )
            yield "unless", why

    def goes_on_from(self, step: _Calling) -> None:
        """Take account of what a step finds."""
        if isinstance(step, Look):
            self._found.add(step.look)
            if self._by_what_is_traced(step):
                self._traced.add(step.look)
            elif step.unless is None:
                self._traced.discard(step.look)
        else:
            self._found |= step.keep.keys()
            if step.unless is not None and self._is_safe(step):
                self._traced |= step.keep.keys()

    def _by_what_is_traced(self, look: Look) -> bool:
        said = list(_said(look))
        by_reference = any(path.names == _REFERENCE for each in said for path in paths(each))
        self._by_reference |= by_reference
        return by_reference or any(roots(each) & self._traced for each in said)

    def _is_safe(self, do: Do) -> bool:
        if do.unless is None:
            return False
        spoken_of = roots(do.unless.expression)
        return bool(spoken_of & self._traced or spoken_of & self._found & self._changed_by(do))

    def _changed_by(self, do: Do) -> frozenset[str]:
        """Return the names of what a call is about."""
        call = self._calls.get(do.call) if isinstance(do.call, str) else do.call
        if call is None:
            return frozenset()
        posted = call.post.expressions if call.post is not None else None
        if posted is not None and isinstance(do.call, Call):
            return frozenset().union(*map(roots, posted)) if posted else frozenset()
        return frozenset().union(*map(roots, _said(do)))


def _said(step: _Calling) -> Iterator[Expression]:
    """Yield what a step says in its call: what it is given there, too, and what of the answer it takes."""
    for leaf in step.given.values():
        yield from leaf.expressions
    if isinstance(step.call, Call):
        yield from expressions_of(step.call, with_take=isinstance(step, Look))

"""What an inbound document is here, by the first of its kind's `gives` that fits. It calls nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from adapters.erp.language.budget import CannotSay, a
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import Leaf, says_yes
from adapters.erp.language.trees import CannotRender, Tree
from adapters.erp.language.values import MISSING, Result, Value
from adapters.erp.mapping import inbound as words
from adapters.erp.mapping.kept_form import kept
from adapters.erp.mapping.scopes import ID, KNOWN, ROW
from adapters.erp.port import Gives as Given
from adapters.erp.port import (
    GivesAttention,
    GivesCancel,
    GivesNothing,
    GivesOrder,
    GivesProduct,
    InboundKind,
)

__all__ = ["Given", "GivesAttention", "GivesCancel", "GivesNothing", "GivesOrder", "GivesProduct", "give", "given"]

Document: TypeAlias = Mapping[str, Value]
"""Its `id`, its `row` where a poll's row is to be had, and what each look of `fetch` found; as it is kept."""


def given(kind: InboundKind, inbound: words.Inbound, document: Value, scope: Scope, *, known: bool) -> Given:
    """Return what a document is here. `scope` has the settings that are no secrets.

    Raises `CannotRender` or `CannotSay`, with the pointer of what is why, also where nothing fits.
    """
    if not isinstance(document, Mapping):
        raise CannotSay("a document is a tree of what was read of it", None, f"/inbound/{kind}")
    said = give(inbound, scope.within(**_names(inbound, document), **{KNOWN: known}))
    if said is None:
        why = "none of them fits this document: say what it is, or `nothing`, or `attention`"
        raise CannotSay(why, None, f"/inbound/{kind}/gives")
    return said


def give(inbound: words.Inbound, scope: Scope) -> Given | None:
    """Return what a document gives, by the first row that fits; None where none does.

    `scope` has what is named in `gives` (see `scopes`). Raises `CannotRender` or `CannotSay`, with the pointer of what
    is why.
    """
    fits = next((each for each in inbound.gives if says_yes(each.when, scope)), None)
    return None if fits is None else _given(fits, scope)


def _names(inbound: words.Inbound, document: Document) -> dict[str, Result]:
    """Return the names that a document stands for. What a look did not find is not there, as it is while reading."""
    wanted = [ID, *([ROW] if inbound.has_row else []), *(look.look for look in inbound.fetch)]
    return {name: document.get(name, MISSING) for name in wanted}


def _given(gives: words.Gives, scope: Scope) -> Given:
    if gives.order is not None:
        return GivesOrder(_rendered(gives.order, scope))
    if gives.product is not None:
        return GivesProduct(_rendered(gives.product, scope))
    if gives.cancel is not None:
        return _cancel(gives.cancel, scope)
    if gives.attention is not None:
        return GivesAttention(_text(gives.attention, scope))
    assert gives.nothing is not None
    return GivesNothing(_text(gives.nothing, scope))


def _rendered(tree: Tree, scope: Scope) -> Document:
    said = tree.render(scope)
    if not isinstance(said, Mapping):
        raise CannotRender(f"it is a tree of fields, not {a(said)}", tree.pointer)
    return {name: kept(value, tree.pointer) for name, value in said.items()}


def _cancel(tree: Tree, scope: Scope) -> GivesCancel:
    fields = _rendered(tree, scope)
    order_no, reason = fields.get("order_no"), fields.get("reason")
    if not isinstance(order_no, str) or not isinstance(reason, str):
        raise CannotRender(f"`order_no` and `reason` are texts, not {a(order_no)} and {a(reason)}", tree.pointer)
    return GivesCancel(order_no, reason)


def _text(text: Leaf, scope: Scope) -> str:
    return text.text(scope, lambda said: said)

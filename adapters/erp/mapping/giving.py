"""What an inbound document is here: an order, the cancelling of one, a product, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from adapters.erp.language.budget import a
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.trees import CannotRender, Tree
from adapters.erp.language.values import MISSING, Value
from adapters.erp.mapping.inbound import Gives, Inbound


@dataclass(frozen=True)
class GivesOrder:
    """An order as it should be now, in the shape of a push without a revision."""

    body: Value


@dataclass(frozen=True)
class GivesCancel:
    """An order of this number is to be cancelled."""

    order_no: str
    reason: str


@dataclass(frozen=True)
class GivesProduct:
    """A product as it should be now."""

    body: Value


@dataclass(frozen=True)
class GivesNothing:
    """It is none of ours, and why."""

    why: str


Given: TypeAlias = GivesOrder | GivesCancel | GivesProduct | GivesNothing


def give(inbound: Inbound, scope: Scope) -> Given | None:
    """Return what a document gives, by the first row that fits; None where none does.

    `scope` has what is named in `gives` (see `scopes`). Raises `CannotRender` or `CannotSay`, with the pointer of what
    is why.
    """
    fits = next((each for each in inbound.gives if says_yes(each.when, scope)), None)
    return None if fits is None else _given(fits, scope)


def _given(gives: Gives, scope: Scope) -> Given:
    if gives.order is not None:
        return GivesOrder(_rendered(gives.order, scope))
    if gives.product is not None:
        return GivesProduct(_rendered(gives.product, scope))
    if gives.cancel is not None:
        return _cancel(gives.cancel, scope)
    assert gives.nothing is not None
    return GivesNothing(gives.nothing.text(scope, lambda text: text))


def _rendered(tree: Tree, scope: Scope) -> Value:
    value = tree.render(scope)
    if value is MISSING:
        raise CannotRender("it gives nothing", tree.pointer)
    return value


def _cancel(tree: Tree, scope: Scope) -> GivesCancel:
    said = _rendered(tree, scope)
    fields = said if isinstance(said, dict) else {}
    order_no, reason = fields.get("order_no"), fields.get("reason")
    if not isinstance(order_no, str) or not isinstance(reason, str):
        raise CannotRender(f"`order_no` and `reason` are texts, not {a(order_no)} and {a(reason)}", tree.pointer)
    return GivesCancel(order_no, reason)

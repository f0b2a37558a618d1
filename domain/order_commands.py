"""Every command that can be said to an order: in which shape, under which key, and how it is told of.

Nothing else lists them. `commands.decide` binds a handler to each, and the order's workflow has an update for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from domain import commands as shapes

CommandKind = Literal[
    "submit", "cancel", "confirm_pick", "put_back", "ship", "hand_over", "intercept", "lose", "return", "operate"
]

Payload = Mapping[str, Any]
"""What was said, as the inbox keeps it."""


@dataclass(frozen=True)
class OrderCommand:
    """What there is to know of a kind of command, wherever it comes by. Temporal carries it as the update of this name.

    `said` is the shape in which it comes. `key_word` begins its key in the inbox. `words` tells a timeline of it. One
    that `may_be_first` starts its order's workflow; after one that `unblocks`, what waits for a person is tried again.
    """

    kind: CommandKind
    said: type[shapes.Shape]
    key_word: str
    words: Callable[[Payload], str]
    may_be_first: bool = False
    unblocks: bool = False

    def key(self, order_ref: str, *numbers: str) -> str:
        """Return its key in its order: the same whenever it is said."""
        return "/".join((self.key_word, order_ref, *numbers))


def _of_revision(payload: Payload) -> str:
    original = payload.get("replaces")
    instead = f" in place of {original['order_no']}{for_return(original['return_no'])}" if original else ""
    return f"Revision {payload['revision']} pushed{instead}"


def for_return(return_no: str | None) -> str:
    """Tell of the return that a replacement is for, if any."""
    return f", for return {return_no}" if return_no else ""


def _of_intercept(payload: Payload) -> str:
    named = f"{payload['intercept_no']} of {payload['shipment_no']}"
    return f"{payload['by']}: intercept {named} ({payload['reason']})"


def _of_return(payload: Payload) -> str:
    number = payload.get("authorization_no")
    return f"Return {payload['return_no']}{f' by authorization {number}' if number else ''}"


def _of_act(payload: Payload) -> str:
    number = payload.get("batch_no")
    batch = f" in batch {number}" if number else ""
    return f"{payload['by']}: {payload['verb'].replace('_', ' ')} ({payload['reason']}){batch}"


_EVERY: Final = (
    OrderCommand("submit", shapes.Push, "push", _of_revision, may_be_first=True, unblocks=True),
    OrderCommand(
        "cancel",
        shapes.Cancel,
        "cancel",
        lambda payload: f"Cancel {payload['cancel_no']} ({payload['reason']})",
        unblocks=True,
    ),
    OrderCommand(
        "confirm_pick",
        shapes.Pick,
        "pick",
        lambda payload: f"Pick {payload['pick_no']}{' (short)' if payload.get('short') else ''}",
    ),
    OrderCommand("put_back", shapes.PutBackDone, "put_back", lambda payload: f"Put-back {payload['put_back_no']}"),
    OrderCommand("ship", shapes.Ship, "ship", lambda payload: f"Shipment {payload['shipment_no']} asked for"),
    OrderCommand(
        "hand_over",
        shapes.HandOver,
        "hand_over",
        lambda payload: f"Hand-over {payload['handover_no']} of {payload['shipment_no']}",
    ),
    OrderCommand("intercept", shapes.Intercept, "intercept", _of_intercept),
    OrderCommand(
        "lose",
        shapes.Loss,
        "loss",
        lambda payload: f"Loss {payload['loss_no']} of {payload['shipment_no']} ({payload['reason']})",
    ),
    OrderCommand("return", shapes.Return, "return", _of_return, may_be_first=True),
    OrderCommand("operate", shapes.OperatorAct, "operate", _of_act, unblocks=True),
)

ORDER_COMMANDS: Final[Mapping[str, OrderCommand]] = {command.kind: command for command in _EVERY}
"""Each command by its kind."""

MAY_BE_FIRST: Final = frozenset(command.kind for command in _EVERY if command.may_be_first)
UNBLOCKING: Final = frozenset(command.kind for command in _EVERY if command.unblocks)

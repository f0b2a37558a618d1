"""Every command that can be said to an order: what is kept of it, and under which key.

Nothing else lists them. `commands.decide` binds a handler to each, and the order's workflow has an update for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from domain import payloads

CommandKind = Literal[
    "submit", "cancel", "confirm_pick", "put_back", "ship", "hand_over", "intercept", "lose", "return", "operate"
]


@dataclass(frozen=True)
class OrderCommand:
    """What there is to know of a kind of command, wherever it comes by. Temporal carries it as the update of this name.

    `payload` is what the inbox keeps of it, with the words that a timeline has for it. `key_word` begins its key there.
    One that `may_be_first` starts its order's workflow; after one that `unblocks`, what waits for a person is tried
    again.
    """

    kind: CommandKind
    payload: type[payloads.Kept]
    key_word: str
    may_be_first: bool = False
    unblocks: bool = False

    def key(self, order_ref: str, *numbers: str) -> str:
        """Return its key in its order: the same whenever it is said."""
        return "/".join((self.key_word, order_ref, *numbers))


_EVERY: Final = (
    OrderCommand("submit", payloads.KeptPush, "push", may_be_first=True, unblocks=True),
    OrderCommand("cancel", payloads.KeptCancel, "cancel", unblocks=True),
    OrderCommand("confirm_pick", payloads.KeptPick, "pick"),
    OrderCommand("put_back", payloads.KeptPutBack, "put_back"),
    OrderCommand("ship", payloads.KeptShip, "ship"),
    OrderCommand("hand_over", payloads.KeptHandOver, "hand_over"),
    OrderCommand("intercept", payloads.KeptIntercept, "intercept"),
    OrderCommand("lose", payloads.KeptLoss, "loss"),
    OrderCommand("return", payloads.KeptReturn, "return", may_be_first=True),
    OrderCommand("operate", payloads.KeptAct, "operate", unblocks=True),
)

ORDER_COMMANDS: Final[Mapping[str, OrderCommand]] = {command.kind: command for command in _EVERY}
"""Each command by its kind."""


def kept(kind: str, document: Mapping[str, Any]) -> payloads.Kept:
    """Read what the inbox keeps of a command of a kind; as far as every kind is the same, of one of a newer build."""
    command = ORDER_COMMANDS.get(kind)
    return (command.payload if command else payloads.Kept).model_validate(document)


MAY_BE_FIRST: Final = frozenset(command.kind for command in _EVERY if command.may_be_first)
UNBLOCKING: Final = frozenset(command.kind for command in _EVERY if command.unblocks)

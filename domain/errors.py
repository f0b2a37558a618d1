"""The one tree of errors.

StockbridgeError
├── Rejected            business says no; never retried. Its kind says in which way
│   └── Conflict        the same key came with other content
├── Unavailable         not now; retried
├── OutcomeUnknown      sent, but no answer was heard: ask by our reference before sending again
└── InvariantViolated   our own bug: stop and alarm

Adapters, the ledger and the records raise these. One place translates them for Temporal
(`activities/failures.py`), one for HTTP (`api/door/problems.py`).

Their words are ours, for they go into histories and logs. What a partner said goes with an error as `said`, and from
there into `records` only (`commands/hearing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID


@dataclass(frozen=True)
class Fault:
    """One reason for a refusal: where in the request (an RFC 6901 pointer), a code, and words for a person."""

    pointer: str
    code: str
    detail: str

    def as_json(self) -> dict[str, str]:
        """Return the fault as the `errors` member of a problem document shows it."""
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class StockbridgeError(Exception):
    """Something that Stockbridge itself says, as opposed to a driver or a library.

    `said` is what a partner said, word for word; `said_id` is the id under which it was kept.
    """

    said_id: UUID | None = None

    def __init__(self, detail: str = "", *, said: str | None = None) -> None:
        super().__init__(detail)
        self.said = said


class Kind(Enum):
    """What a refusal means to whoever asked. With which HTTP status it is answered, `api/door/problems.py` says."""

    INVALID = auto()
    """Wrong in itself, by the catalog or by the rules; or it can't be done, whatever comes."""
    CONFLICT = auto()
    """Against what is there: the order's state, the stock's, or what came before under the same key."""
    UNKNOWN = auto()
    """What it is about is not there."""
    MALFORMED = auto()
    """It can't be read."""
    UNPROVEN = auto()
    """Who asks has not proved who he is."""
    FORBIDDEN = auto()
    """Who asks is known, and may not."""
    TOO_MANY = auto()
    """Too many of them at once; later it may go."""
    BUG = auto()
    """Our own bug."""


class Rejected(StockbridgeError):  # noqa: N818 - the design's own word
    """Business says no. Sending the same again, unchanged, gets the same answer.

    `code` names the reason (docs/problems.md lists all).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        faults: Sequence[Fault] = (),
        kind: Kind = Kind.INVALID,
        *,
        said: str | None = None,
    ) -> None:
        super().__init__(detail, said=said)
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.kind = kind

    def as_json(self) -> dict[str, Any]:
        """Return what a row or a message must carry for the refusal to be told again later."""
        return {
            "code": self.code,
            "detail": self.detail,
            "status": _WRITTEN_AS[self.kind],
            "errors": [fault.as_json() for fault in self.faults],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rejected:
        """Make the refusal again from `as_json`."""
        faults = [Fault(fault["pointer"], fault["code"], fault["detail"]) for fault in data.get("errors", [])]
        return Rejected(data["code"], data["detail"], faults, _READ_AS.get(data.get("status"), Kind.INVALID))


_WRITTEN_AS: Final = {
    Kind.INVALID: 422,
    Kind.CONFLICT: 409,
    Kind.UNKNOWN: 404,
    Kind.MALFORMED: 400,
    Kind.UNPROVEN: 401,
    Kind.FORBIDDEN: 403,
    Kind.TOO_MANY: 429,
    Kind.BUG: 500,
}
"""How rows and histories have a kind, as `status`. Builds that knew no kinds wrote down there how they answered it.

They may run beside this one during a rollout and read what it writes, so the numbers stay, whatever the door says.
"""

_READ_AS: Final[Mapping[object, Kind]] = {written: kind for kind, written in _WRITTEN_AS.items()}


class Conflict(Rejected):
    """The same key came before, with other content."""

    def __init__(self, detail: str, code: str = "conflict") -> None:
        super().__init__(code, detail, kind=Kind.CONFLICT)


class Unavailable(StockbridgeError):  # noqa: N818 - the design's own word
    """Not now: the other side is down, busy or slow, and nothing was done there.

    `retry_after_s` says when it may be worth asking again; `ours` that its words are our own, for whoever asked.
    """

    def __init__(
        self, detail: str = "", *, retry_after_s: int = 1, ours: bool = False, said: str | None = None
    ) -> None:
        super().__init__(detail, said=said)
        self.retry_after_s = retry_after_s
        self.ours = ours


class OutcomeUnknown(StockbridgeError):  # noqa: N818 - the design's own word
    """The request may have been carried out, but its answer was not heard."""


class InvariantViolated(StockbridgeError):  # noqa: N818 - the design's own word
    """Something that must never be true is: our own bug, not the caller's."""

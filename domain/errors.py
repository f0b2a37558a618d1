"""The one tree of errors.

StockbridgeError
├── Rejected            business says no; never retried (422, or 409 where the state forbids it)
│   └── Conflict        the same key came with other content (409)
├── Unavailable         not now; retried (503)
├── OutcomeUnknown      sent, but no answer was heard: ask by our reference before sending again
└── InvariantViolated   our own bug: stop and alarm

Adapters, the ledger and the records raise these. One place translates them for Temporal
(`activities/failures.py`), one for HTTP (`api/door/problems.py`).

Their words are ours, for they go into histories and logs. What a partner said goes with an error as `said`, and from
there into `records` only (`commands/hearing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
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


class Rejected(StockbridgeError):  # noqa: N818 - the design's own word
    """Business says no. Sending the same again, unchanged, gets the same answer.

    `code` names the reason (docs/problems.md lists all), `status` the HTTP status it is shown with.
    """

    def __init__(
        self, code: str, detail: str, faults: Sequence[Fault] = (), status: int = 422, *, said: str | None = None
    ) -> None:
        super().__init__(detail, said=said)
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.status = status

    def as_json(self) -> dict[str, Any]:
        """Return what a row or a message must carry for the refusal to be told again later."""
        return {
            "code": self.code,
            "detail": self.detail,
            "status": self.status,
            "errors": [fault.as_json() for fault in self.faults],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rejected:
        """Make the refusal again from `as_json`."""
        faults = [Fault(**fault) for fault in data.get("errors", [])]
        return Rejected(data["code"], data["detail"], faults, data.get("status", 422))


class Conflict(Rejected):
    """The same key came before, with other content."""

    def __init__(self, detail: str, code: str = "conflict") -> None:
        super().__init__(code, detail, status=409)


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

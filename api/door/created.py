"""201 or 200: as the transaction says, which wrote what a key names, or found it there."""

from __future__ import annotations

from starlette.responses import Response

from commands.posting import Posted


def created(*, is_new: bool) -> int:
    """Return 201 for the one request whose transaction wrote what its key names, 200 for every other one.

    What is true of the whole is no answer to one of thirty that were sent at once: each is told what it did itself.
    """
    return 201 if is_new else 200


def answer_posted(response: Response, outcome: Posted) -> None:
    """Answer for what went to the ledger, which says itself whether it was posted before."""
    response.status_code = created(is_new=not outcome.replayed)

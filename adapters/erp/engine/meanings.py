"""What an answer means, by its door's table: the first row that fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from adapters.erp.engine.connected import SYSTEM
from adapters.erp.language.evaluating import CannotSay, Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.values import MISSING, Value
from adapters.erp.mapping.faults import FaultRow, Meaning
from adapters.erp.transports.http import Heard
from adapters.erp.transports.spoken import Spoken
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable

_REFUSED: Final = f"{SYSTEM} refused: read what it said."
LOCKED_OUT: Final = f"{SYSTEM} refuses our user, password or key, which an operator must set right."
_BUSY: Final = f"{SYSTEM} is busy and did nothing."


@dataclass(frozen=True)
class Meant:
    """What an answer means, and by which row; None where none fits."""

    means: Meaning
    row: FaultRow | None = None


def meant(rows: Iterable[FaultRow], spoken: Spoken, scope: Scope, *, changes: bool) -> Meant:
    """Return what an answer means. One that fits no row is fine if it is one at all, else it isn't understood.

    What isn't an answer is never fine, whatever a row says: a fault, a page for people.
    """
    about = {
        "status": Decimal(spoken.status),
        "kind": spoken.kind,
        "body": spoken.body,
        "media_type": spoken.media_type,
        "changes": changes,
    }
    try:
        row = next((row for row in rows if _fits(row, _afresh(scope, **about))), None)
    except CannotSay:
        return Meant("not_understood")
    if row is None:
        return Meant("fine" if spoken.kind == "answer" else "not_understood")
    if row.means == "fine" and spoken.kind != "answer":
        return Meant("not_understood", row)
    return Meant(row.means, row)


def failure(meaning: Meant, spoken: Spoken, heard: Heard, scope: Scope, *, changes: bool) -> StockbridgeError:
    """Return what an answer is that isn't what was asked for, and that who asked can't deal with."""
    said = _words(meaning.row, spoken, scope)
    match meaning.means:
        case "refused":
            assert meaning.row is not None
            return Rejected(meaning.row.code or "erp_refused", meaning.row.why or _REFUSED, said=said)
        case "busy":
            after_s = meaning.row.after_s if meaning.row else None
            detail = _BUSY if spoken.kind != "other" else _in_front(spoken.status)
            return Unavailable(detail, retry_after_s=after_s or heard.retry_after_s or 1, said=said)
        case "locked_out":
            return Unavailable(LOCKED_OUT, said=said)
        case _:
            unheard: type[StockbridgeError] = OutcomeUnknown if changes else Unavailable
            return unheard(f"{SYSTEM} gave no usable answer: HTTP {spoken.status}, {spoken.kind}", said=said)


def _afresh(scope: Scope, **about: Value) -> Scope:
    """Return a scope whose budget nobody used yet: a row for which none is left would be one that doesn't fit."""
    return Scope({**scope.names, **about}, scope.tables)


def _in_front(status: int) -> str:
    """Say that it isn't the ERP itself that did nothing: a gateway, or nobody of ours is at its address."""
    return f"{SYSTEM}'s address answered HTTP {status}, and nothing that is an answer: nothing was done."


def _fits(row: FaultRow, scope: Scope) -> bool:
    """Say whether a row fits. An answer of which it can't be said is another one than the row is about.

    Raises `CannotSay` of an answer that is so large that it isn't known whether it is.
    """
    try:
        return says_yes(row.when, scope)
    except CannotSay as error:
        if error.spent:
            raise
        return False


def _words(row: FaultRow | None, spoken: Spoken, scope: Scope) -> str:
    """Return what the ERP said: what the row picks of it, else all of it that a person may read."""
    if row is None or row.text is None:
        return spoken.said
    try:
        picked = row.text.value(_afresh(scope, body=spoken.body, status=Decimal(spoken.status)))
    except CannotSay:
        return spoken.said
    return spoken.said if picked is MISSING or picked is None else str(picked)

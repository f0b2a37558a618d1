"""Looks, carried out: what is read in an ERP, and what it means that there is nothing, or more than one."""

from __future__ import annotations

from adapters.erp.engine.connected import SYSTEM
from adapters.erp.engine.mapped import mapped
from adapters.erp.engine.speaking import Speaker, Told
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import Hole, says_yes
from adapters.erp.language.values import MISSING, Result, is_there, present
from adapters.erp.mapping.steps import Absent, Do, Look
from adapters.erp.port import NotThereYet
from domain.errors import Rejected, StockbridgeError


def looked(speaker: Speaker, look: Look, scope: Scope) -> Result:
    """Return what a look finds; where it need not look, what its name stands for already.

    Raises as `found_by` does, and `Rejected` where it isn't what has to be.
    """
    if look.unless is not None and says(look.unless, scope):
        return scope.names.get(look.look, MISSING)
    found = found_by(speaker, look, scope)
    if look.confirm is not None and not says(look.confirm, scope.within(**{look.look: found})):
        raise not_kept(f"What was read as {look.look}")
    return found


def found_by(speaker: Speaker, look: Look, scope: Scope) -> Result:
    """Look, and return what is found, whether or not that is what has to be.

    Raises as `Speaker.call` does, `NotThereYet` or `Rejected` where the mapping says so of what is absent, and
    `Rejected` where there is more than one.
    """
    found = called(speaker, look, scope, changes=False).answer
    if look.one:
        found = _only_one(look, found)
    if not is_there(found) and look.absent is not None:
        raise _absence(look.look, look.absent)
    return found


def called(speaker: Speaker, step: Look | Do, scope: Scope, *, changes: bool) -> Told:
    """Make the call of a step, with what it is given."""
    with mapped():
        given = {name: text.value(scope) for name, text in step.given.items()}
    about = Scope({"settings": scope.names["settings"], "given": present(given)}, scope.tables, scope.budget)
    return speaker.call(step.call, scope, about, changes=changes)


def not_kept(what: str) -> Rejected:
    """Return what is raised where something that was read back isn't what was told."""
    return Rejected("erp_not_kept", f"{what} is not what was told: {SYSTEM} has dropped or changed some of it.")


def says(condition: Hole, scope: Scope) -> bool:
    """Return what a condition of the mapping says."""
    with mapped():
        return says_yes(condition, scope)


def _only_one(look: Look, found: Result) -> Result:
    if not isinstance(found, list):
        return found
    if len(found) > 1:
        detail = f"{SYSTEM} has {len(found)} of what should be one ({look.look}): a person decides which counts."
        raise Rejected("erp_doubled", detail)
    return found[0] if found else MISSING


def _absence(name: str, absent: Absent) -> StockbridgeError:
    if absent.wait_s is not None:
        return NotThereYet(f"{SYSTEM} hasn't made it yet ({name}).", wait_s=absent.wait_s)
    assert absent.refuse is not None
    return Rejected(absent.refuse, absent.why or f"{SYSTEM} has none ({name}).")

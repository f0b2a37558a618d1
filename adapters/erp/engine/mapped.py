"""How the engine says that a mapping has no answer: where in the file, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.erp.contracts.writing import ContractBroken
from adapters.erp.language.evaluating import CannotSay
from adapters.erp.language.trees import CannotRender
from domain.errors import Rejected


@contextmanager
def mapped() -> Iterator[None]:
    """Turn what a mapping can't say of some data, or what its contract has no room for, into `Rejected`.

    Where in the file that is may be told to everybody. Why may quote the data, so it goes with the error as `said`.
    """
    try:
        yield
    except (CannotSay, CannotRender) as error:
        detail = f"The mapping can't say this: see {error.pointer or 'the file'} in it."
        raise Rejected("erp_mapping", detail, said=str(error.why)) from None
    except ContractBroken as error:
        where = f" ({error.path})" if error.path else ""
        detail = f"The ERP's contract has no room for this message{where}."
        raise Rejected("erp_contract", detail, said=str(error)) from None

"""SOAP 1.1 as HTTP requests and answers: one POST to the door's address for each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.erp.contracts.envelopes import SoapFault
from adapters.erp.contracts.wsdl import SoapContract
from adapters.erp.language.values import Value
from adapters.erp.transports.http import Heard, Request
from adapters.erp.transports.spoken import Spoken
from adapters.wire import Unreadable

_LONGEST_EXCERPT: Final = 2000


def write(
    contract: SoapContract, operation: str, send: Value, headers: Mapping[str, str], *, changes: bool = True
) -> Request:
    """Make the request of a call. `ContractBroken` where the contract has no room for what is sent.

    `headers` are the door's own. Those of SOAP count more.
    """
    envelope = contract.write(operation, send)
    ours = {name.lower() for name in envelope.headers}
    others = {name: value for name, value in headers.items() if name.lower() not in ours}
    return Request("POST", "", (), {**others, **envelope.headers}, envelope.content, changes)


def read(contract: SoapContract, operation: str, heard: Heard) -> Spoken:
    """Tell what came back by what is in it: the HTTP status says nothing of SOAP's.

    A fault's body has the fields `code`, `text` and `detail`.
    """
    try:
        body = contract.read(operation, heard.content, heard.charset)
    except SoapFault as fault:
        told: Value = {"code": fault.code, "text": fault.text, "detail": fault.detail}
        return Spoken("fault", heard.status, told, str(fault)[:_LONGEST_EXCERPT], heard.media_type)
    except Unreadable as error:
        said = f"{error}: {error.said or _excerpt(heard)}"
        return Spoken("other", heard.status, _excerpt(heard), said, heard.media_type)
    return Spoken("answer", heard.status, body, _excerpt(heard), heard.media_type)


def _excerpt(heard: Heard) -> str:
    return heard.content[: 4 * _LONGEST_EXCERPT].decode(errors="replace")[:_LONGEST_EXCERPT]

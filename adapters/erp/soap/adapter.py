"""The legacy ERP behind the ERP port."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from adapters.erp.soap import mapping
from adapters.erp.soap.client import SoapClient
from adapters.erp.soap.contract import ContractBroken, SoapContract, SoapFault
from adapters.wire import Unreadable, unheard_answers
from domain.erp import ErpMessage, ErpReceipt

_SYSTEM = "The ERP"
_loading = Lock()


class SoapErpSettings(BaseModel):
    """Where the service is (the WSDL's own address isn't used), whom it knows us as, and how long we wait for it.

    `wsdl` is the contract that it keeps to: a file, which is never fetched.
    """

    model_config = ConfigDict(frozen=True)

    url: str = Field(pattern=r"^https?://")
    user: str
    password: SecretStr
    timeout_s: float = Field(gt=0)
    wsdl: Path = Path(__file__).with_name("contract.wsdl")


class SoapErp:
    """Implements `ErpPort`. Threads may share one; `close` when done."""

    def __init__(self, settings: SoapErpSettings) -> None:
        self._credentials = {"User": settings.user, "Password": settings.password.get_secret_value()}
        self._client = SoapClient(settings.url, settings.timeout_s)
        self._wsdl = settings.wsdl

    def tell(self, message: ErpMessage) -> ErpReceipt:
        """Tell the ERP one message. It isn't idempotent: `find` before a second attempt.

        A message that the contract has no room for is `Rejected` with code `erp_contract`, and not sent.
        """
        operation = mapping.OPERATIONS[message.kind]
        with unheard_answers(_SYSTEM, changes=True):
            return mapping.receipt(self._call(operation, mapping.message_fields(message)), message.reference)

    def find(self, reference: str) -> ErpReceipt | None:
        """Return the receipt of the oldest document under this reference."""
        with unheard_answers(_SYSTEM, changes=False):
            return mapping.oldest_receipt(self._call(mapping.FIND, {"Reference": reference}), reference)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        contract = _contract(self._wsdl)
        try:
            envelope = contract.write(operation, {"Credentials": self._credentials, **fields})
        except ContractBroken as error:
            raise mapping.broken(error) from error
        answer = self._client.post(envelope.content, envelope.headers)
        try:
            return contract.read(operation, answer.body)
        except SoapFault as fault:
            raise mapping.refusal(fault) from fault
        except Unreadable as error:
            raise mapping.not_soap(answer, error) from error


def _contract(wsdl: Path) -> SoapContract:
    """Return a contract, loaded on first use and once, whoever comes first."""
    with _loading:
        return _load_contract(wsdl)


@cache
def _load_contract(wsdl: Path) -> SoapContract:
    return SoapContract(wsdl, not_everywhere=mapping.NOT_EVERYWHERE)

"""The SOAP endpoint: one URL, which serves its WSDL to a GET and does the operations of a POST."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.erp import contract, soap
from sandbox.erp.desk import OrderDesk, ResultRefusedError
from sandbox.erp.soap import SoapFaultError
from sandbox.faults import Fault, FaultBoard, Refusals, served
from sandbox.hangup import Hangup
from sandbox.settings import SandboxSettings

WSDL = "wsdl"
"""What faults call the fetching of the WSDL."""

_XML = "text/xml; charset=utf-8"
_LARGEST_MESSAGE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Login:
    """Whom the ERP lets in."""

    user: str
    password: str

    def check(self, credentials: dict[str, Any]) -> None:
        """Refuse a stranger, in a time that does not tell how close the guess was."""
        user = secrets.compare_digest(credentials["user"].encode(), self.user.encode())
        password = secrets.compare_digest(credentials["password"].encode(), self.password.encode())
        if not (user and password):
            raise SoapFaultError("Client.Authentication", "User or password is wrong.")


def soap_routes(settings: SandboxSettings, desk: OrderDesk, faults: FaultBoard) -> APIRouter:
    """Make the routes of the SOAP service."""
    router = APIRouter()
    login = Login(settings.erp_user, settings.erp_password)

    @router.get("/soap/orders")
    async def wsdl(request: Request) -> Response:
        if faults.is_on("down", WSDL):
            return Hangup()
        return Response(contract.wsdl_at(f"{request.base_url}soap/orders"), media_type=_XML)

    @router.post("/soap/orders")
    async def call(request: Request) -> Response:
        try:
            message = soap.read_request(await _body_of(request))
        except SoapFaultError as error:
            return _fault(error)
        operation = soap.operation_of(message)
        return await served(faults, operation, lambda: _perform(desk, login, operation, message), _refusals(operation))

    return router


async def _body_of(request: Request) -> bytes:
    """Read the message, but no more of it than an honest caller would send."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_MESSAGE:
            raise SoapFaultError("Client", f"The message is larger than {_LARGEST_MESSAGE} bytes.")
    return bytes(body)


async def _perform(desk: OrderDesk, login: Login, operation: str, message: Any) -> Response:
    try:
        _check_contract(operation, message)
        fields = soap.fields_of(message)
        login.check(fields.pop("credentials"))
        return _answer(operation, "0", None, await desk.perform(operation, fields))
    except ResultRefusedError as refusal:
        return _answer(operation, refusal.code, refusal.text)
    except SoapFaultError as error:
        return _fault(error)


def _check_contract(operation: str, message: Any) -> None:
    if operation not in contract.operations():
        raise SoapFaultError("Client", f"Element '{operation}': no such operation.")
    broken = contract.faults_in(message)
    if broken:
        raise SoapFaultError("Client", " ".join(broken))


def _refusals(operation: str) -> Refusals:
    def on_demand(fault: Fault) -> Response:
        if fault.form == "result":
            return _answer(operation, fault.code, fault.message)
        status = 200 if fault.form == "fault_200" else 500
        return _fault(SoapFaultError("Client.Business", fault.message, http_status=status, business=fault.code))

    return Refusals(
        busy=lambda: _fault(SoapFaultError("Server.Busy", "All work processes are busy. Nothing was done; try again.")),
        fault=on_demand,
    )


def _answer(operation: str, code: str, text: str | None, *results: Any) -> Response:
    return Response(soap.answer(operation, code, text, *results), media_type=_XML)


def _fault(error: SoapFaultError) -> Response:
    return Response(soap.fault(error), status_code=error.http_status, media_type=_XML)

"""The ERP's published contract: the WSDL, the operations in it, and the schema that it holds requests against."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

NAMESPACE = "urn:legacy-erp:orders:v1"
_WSDL_PATH = Path(__file__).with_name("legacy_erp.wsdl")
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"
_SCHEMA = "{http://www.w3.org/2001/XMLSchema}schema"
_MOST_FAULTS_TOLD = 5


def wsdl_at(address: str) -> bytes:
    """Give the WSDL as a client should see it: with the address that it was fetched from."""
    document = deepcopy(_wsdl())
    document.find(f".//{_SOAP}address").set("location", address)
    return bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8"))


@cache
def operations() -> frozenset[str]:
    """Name the operations that the WSDL offers."""
    return frozenset(operation.get("name") for operation in _wsdl().iterfind(f"{_WSDL}portType/{_WSDL}operation"))


def faults_in(request: Any) -> list[str]:
    """Say where a request element breaks the schema; empty if it does not. Each fault names its element."""
    schema = _schema()
    if schema.validate(request):
        return []
    return [_plain(error.message) for error in schema.error_log][:_MOST_FAULTS_TOLD]


def _plain(message: str) -> str:
    return message.replace(f"{{{NAMESPACE}}}", "")


@cache
def _wsdl() -> Any:
    return etree.parse(_WSDL_PATH, etree.XMLParser(resolve_entities=False, no_network=True))


@cache
def _schema() -> Any:
    return etree.XMLSchema(etree.ElementTree(deepcopy(_wsdl().find(f"{_WSDL}types/{_SCHEMA}"))))

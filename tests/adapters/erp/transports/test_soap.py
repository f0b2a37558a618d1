from __future__ import annotations

import pytest

from adapters.erp.contracts.writing import ContractBroken
from adapters.erp.contracts.wsdl import SoapContract
from adapters.erp.transports import soap
from adapters.erp.transports.http import Heard
from adapters.erp.transports.spoken import Spoken
from tests.adapters.erp.contracts.small_wsdls import book, enveloped

BOOK = SoapContract(book(), "book.wsdl")
FAULT = "<S:Fault><faultcode>S:Server</faultcode><faultstring>session expired</faultstring></S:Fault>"
LOGIN = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def heard(status: int, content: bytes, media_type: str = "text/xml") -> Spoken:
    return soap.read(BOOK, "put", Heard(status, media_type, None, {}, content))


def test_a_call_is_a_post_with_the_doors_headers_and_soaps_own() -> None:
    request = soap.write(BOOK, "put", {"login": "x"}, {"Authorization": "Basic eA==", "soapaction": "mine"})
    assert (request.method, request.path, request.query, request.changes) == ("POST", "", (), True)
    assert request.headers == {
        "Authorization": "Basic eA==",
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": '"urn:book#put"',
    }
    assert b"<login" in request.content
    assert not soap.write(BOOK, "put", None, {}, changes=False).changes


def test_what_doesnt_fit_is_not_written() -> None:
    with pytest.raises(ContractBroken):
        soap.write(BOOK, "put", {"log": "x"}, {})


@pytest.mark.parametrize("status", [200, 500])
def test_a_fault_is_one_whatever_the_status(status: int) -> None:
    spoken = heard(status, enveloped(FAULT))
    assert (spoken.kind, spoken.status, spoken.said) == ("fault", status, "Server: session expired")
    assert spoken.body == {"code": "Server", "text": "session expired", "detail": None}


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_is_one_whatever_the_status(status: int) -> None:
    spoken = heard(status, enveloped("<t:putResponse><code>KO</code></t:putResponse>"))
    assert (spoken.kind, spoken.status, spoken.body) == ("answer", status, {"code": "KO"})


@pytest.mark.parametrize(
    "content",
    [
        LOGIN,
        b"",
        b"\xff\xfe\x00",
        enveloped(""),
        enveloped('<t:putResponse><order><rows E:arrayType=":[2]"><item/></rows></order></t:putResponse>'),
    ],
)
def test_anything_else_is_something_other(content: bytes) -> None:
    assert heard(200, content, "text/html").kind == "other"


def test_of_something_other_a_person_may_read_the_beginning_and_why() -> None:
    spoken = heard(200, LOGIN * 1000, "text/html")
    assert "Please log in" in spoken.said
    assert "not XML that we accept" in spoken.said
    assert len(spoken.said) < 3000
    assert spoken.media_type == "text/html"

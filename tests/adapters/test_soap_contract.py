"""WSDLs load offline, and nothing that an answer holds is lost on the way to plain values."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.erp.soap import adapter, contract, mapping
from adapters.erp.soap.contract import NotBundled, SoapContract
from adapters.wire import Unreadable
from domain.erp import ErpLine, ErpMessage

OURS = Path(adapter.__file__).with_name("contract.wsdl")
THEIRS = Path(__file__).parents[3] / "shared" / "contracts" / "wsdl"
NS = "urn:legacy-erp:orders:v1"

REAL = [
    "dolibarr-24/server_order.wsdl",
    "dynamics-nav-customer/Customer.wsdl",
    "sap-bydesign/QueryMaterialIn.wsdl",
    "netsuite-2017_1/netsuite.wsdl",
]


def theirs(name: str) -> Path:
    if not THEIRS.is_dir():
        pytest.skip(f"{THEIRS} is missing: the real contracts aren't shipped with the project")
    return THEIRS / name


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_our_contract_loads_offline() -> None:
    assert SoapContract(OURS)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", REAL)
def test_real_contracts_load_offline(name: str) -> None:
    assert contract.load_offline(theirs(name)).bindings


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("location", ["http://schemas.xmlsoap.org/soap/encoding/", "ftp://example.com/types.xsd"])
def test_a_contract_that_refers_to_the_network_is_refused_instead_of_fetched(tmp_path: Path, location: str) -> None:
    schema = f'<xs:import namespace="urn:elsewhere" schemaLocation="{location}"/>'
    wsdl = tmp_path / "far.wsdl"
    wsdl.write_text(OURS.read_text().replace("<!-- Simple types -->", schema))
    with pytest.raises(NotBundled, match=urlsplit(location).netloc):
        contract.load_offline(wsdl)


@pytest.mark.usefixtures("no_network")
def test_what_an_older_contract_has_no_room_for_is_left_out(tmp_path: Path) -> None:
    wsdl = tmp_path / "older.wsdl"
    newer = ("LineQuantity", "LineUom")
    kept = [line for line in OURS.read_text().splitlines() if not any(f'name="{name}"' in line for name in newer)]
    wsdl.write_text("\n".join(kept))
    line = ErpLine(1, "MUG-WHITE", 24, 24, "EA", line_quantity="2", line_uom="CASE")
    told = ErpMessage("acme/SO-1/1", "SO-1", 1, "returned", 1, "2026-01-05T09:12:00+01:00", (line,))
    fields = {"Credentials": {"User": "hub", "Password": "s3cret"}, **mapping.message_fields(told)}

    def written(to: Path) -> str:
        return SoapContract(to, not_everywhere=mapping.NOT_EVERYWHERE).write("ReportReturn", fields).content.decode()

    assert "<ns0:LineUom>CASE</ns0:LineUom>" in written(OURS)
    assert not any(name in written(wsdl) for name in newer)
    assert "<ns0:Uom>EA</ns0:Uom>" in written(wsdl)


def envelope(content: str, prolog: str = "") -> bytes:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'{prolog}<S:Envelope xmlns:S="{soap}"><S:Body>{content}</S:Body></S:Envelope>'.encode()


def found(documents: str) -> bytes:
    inside = f"<ResultCode>0</ResultCode><Documents>{documents}</Documents>"
    return envelope(f'<FindDocumentsResponse xmlns="{NS}">{inside}</FindDocumentsResponse>')


def document(at: str) -> str:
    fields = "<DocumentNo>1</DocumentNo><Reference>r</Reference><Kind>k</Kind><OrderNo>o</OrderNo>"
    return f"<Document>{fields}<CreatedAt>{at}</CreatedAt></Document>"


@pytest.fixture(scope="module")
def ours() -> SoapContract:
    return SoapContract(OURS)


def test_as_many_documents_are_read_as_were_sent(ours: SoapContract) -> None:
    values = ours.read("FindDocuments", found(document("2026-01-05T09:12:00Z") * 3))
    assert len(values["Documents"]["Document"]) == 3


def test_what_the_schema_allows_but_zeep_drops_without_a_word_is_noticed(ours: SoapContract) -> None:
    with pytest.raises(Unreadable, match="holds more than could be read"):
        ours.read("FindDocuments", found(document("2026-01-05T24:00:00Z")))


def test_entities_are_refused_before_they_expand(ours: SoapContract) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    bomb = envelope("<x>&l8;</x>", f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>')
    with pytest.raises(Unreadable):
        ours.read("FindDocuments", bomb)


def test_files_are_not_read_on_behalf_of_an_answer(ours: SoapContract) -> None:
    with pytest.raises(Unreadable):
        ours.read("FindDocuments", envelope("<x>&f;</x>", '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'))

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.erp.contracts import bundle
from adapters.erp.contracts.bundle import Bundle, NotBundled, UnusableContract
from adapters.erp.contracts.wsdl import SoapContract, soap_contract
from tests.adapters.erp.contracts.small_wsdls import BOOK_FILES, DEPOT_FILES, depot


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(("files", "name"), [(DEPOT_FILES, "depot.wsdl"), (BOOK_FILES, "book.wsdl")])
def test_a_contract_loads_from_its_bundle_alone(files: Mapping[str, bytes], name: str) -> None:
    assert SoapContract(Bundle(files), name).operations()


@pytest.mark.parametrize("missing", ["schemas/goods.xsd", "units/units.xsd"])
def test_what_isnt_in_the_bundle_is_named_and_never_fetched(missing: str) -> None:
    with pytest.raises(NotBundled, match=missing):
        SoapContract(Bundle({name: content for name, content in DEPOT_FILES.items() if name != missing}), "depot.wsdl")


@pytest.mark.parametrize("far", ["http://far.test/goods.xsd", "https://far.test/goods.xsd", "file:///etc/goods.xsd"])
def test_a_far_document_is_known_by_its_whole_address_only(far: str) -> None:
    wsdl = DEPOT_FILES["depot.wsdl"].replace(b"schemas/goods.xsd", far.encode())
    files = {**DEPOT_FILES, "depot.wsdl": wsdl}
    with pytest.raises(NotBundled, match=r"goods\.xsd"):
        SoapContract(Bundle(files), "depot.wsdl")
    goods = DEPOT_FILES["schemas/goods.xsd"].replace(b"../units/units.xsd", b"units.xsd")
    nearby = far.replace("goods.xsd", "units.xsd")
    there = {far: goods, nearby: DEPOT_FILES["units/units.xsd"]}
    assert SoapContract(Bundle({"depot.wsdl": wsdl, **there}), "depot.wsdl").operations() == ("PutOrder", "Ping")


def test_a_folder_is_a_bundle_and_links_out_of_it_are_not(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "contract"
    for name, content in DEPOT_FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "linked.xsd").symlink_to(tmp_path / "secret")
    assert Bundle.from_folder(folder).files == DEPOT_FILES
    assert Bundle.from_folder(folder) == depot()


def test_the_same_documents_are_loaded_once_and_others_are_not_taken_for_them() -> None:
    first = soap_contract(depot(), "depot.wsdl")
    other = {**DEPOT_FILES, "units/units.xsd": DEPOT_FILES["units/units.xsd"].replace(b"CASE", b"BOX")}
    assert soap_contract(depot(), "depot.wsdl") is first
    assert soap_contract(Bundle(other), "depot.wsdl") is not first


def test_a_bundle_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_MOST_BYTES", 10)
    with pytest.raises(UnusableContract):
        Bundle({"a": b"12345", "b": b"123456"})


def test_a_contract_with_a_document_type_is_refused() -> None:
    prolog = b'<!DOCTYPE definitions [<!ENTITY x "y">]><definitions'
    wsdl = DEPOT_FILES["depot.wsdl"].replace(b"<definitions", prolog, 1)
    with pytest.raises(UnusableContract):
        SoapContract(Bundle({**DEPOT_FILES, "depot.wsdl": wsdl}), "depot.wsdl")
    units = b"<!DOCTYPE s>" + DEPOT_FILES["units/units.xsd"]
    with pytest.raises(UnusableContract):
        SoapContract(Bundle({**DEPOT_FILES, "units/units.xsd": units}), "depot.wsdl")


@pytest.mark.parametrize("content", [b"", b"<html/>", b"not xml", b"{}", b"<definitions xmlns='urn:x'/>"])
def test_what_is_no_contract_is_unusable(content: bytes) -> None:
    with pytest.raises(UnusableContract):
        SoapContract(Bundle({"x.wsdl": content}), "x.wsdl")


def test_the_binding_is_the_soap_1_1_one_or_the_one_that_is_named() -> None:
    assert SoapContract(depot(), "depot.wsdl").operations() == ("PutOrder", "Ping")
    assert SoapContract(depot(), "depot.wsdl", "Old").operations() == ("PutOrder", "Ping")
    with pytest.raises(UnusableContract, match="there are: Old"):
        SoapContract(depot(), "depot.wsdl", "New")

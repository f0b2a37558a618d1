"""Answers that mean it ill: small on the wire, and more than there is memory or time for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.erp.contracts.wsdl import SoapContract
from adapters.wire import Unreadable
from tests.adapters.erp.contracts.small_wsdls import MESSAGES, book, depot, enveloped

BOOK = SoapContract(book(), "book.wsdl")
DEPOT = SoapContract(depot(), "depot.wsdl")


def answer(order: str, beside: str = "", prolog: str = "") -> bytes:
    return enveloped(f"<t:putResponse><order>{order}</order></t:putResponse>{beside}", prolog)


def unfolding() -> str:
    """Return rows of rows, each naming the next ten times: sixteen of them would be ten thousand million million."""
    inside = [f'<r id="r{n}" E:arrayType="x[10]">' + f'<i href="#r{n + 1}"/>' * 10 + "</r>" for n in range(16)]
    return "".join([*inside, '<r id="r16">boom</r>'])


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BOMBS = {
    "entities": answer("<ref>&l11;</ref>", prolog=f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'),
    "entities in an attribute": answer('<ref x="&l11;"/>', prolog=f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'),
    "a file": answer("<ref>&f;</ref>", prolog='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'),
    "a far document type": answer("<ref/>", prolog='<!DOCTYPE x SYSTEM "http://far.test/x.dtd">'),
    "an empty document type": answer("<ref/>", prolog="<!DOCTYPE x>"),
    "depth": answer("<a>" * 100_000 + "</a>" * 100_000),
    "some depth": answer("<a>" * 150 + "</a>" * 150),
    "many elements": answer("<a/>" * 400_000),
    "many attributes": answer("<a " + " ".join(f"a{n}=''" for n in range(301_000)) + "/>"),
    "references": answer('<more href="#r0"/>', unfolding()),
    "an encoding that hides its marks": answer("<ref/>").decode().encode("cp037"),
    "a declared one": answer("<ref/>", prolog='<?xml version="1.0" encoding="utf-7"?>'),
    "a long text": answer(f"<ref>{'x' * 11_000_000}</ref>"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_unreadable_and_soon_known_to_be(name: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unreadable):
        BOOK.read("put", BOMBS[name])
    assert time.monotonic() - began < 10


def test_an_honest_large_answer_is_read() -> None:
    row = "<item><sku>A</sku><qty>1</qty><count>1</count><due>2026-01-05</due></item>"
    values = BOOK.read("put", answer(f'<rows E:arrayType="t:row[9000]">{row * 9000}</rows>'))
    assert isinstance(values, dict)
    assert isinstance(values["order"], dict)
    assert isinstance(values["order"]["rows"], list)
    assert len(values["order"]["rows"]) == 9000


def test_threads_may_share_a_contract() -> None:
    def read(number: int) -> object:
        return DEPOT.read(
            "PutOrder", enveloped(f'<PutOrderAnswer xmlns="{MESSAGES}"><Number>{number}</Number></PutOrderAnswer>')
        )

    with ThreadPoolExecutor(8) as threads:
        values = list(threads.map(read, range(200)))
    assert values == [{"Number": str(number), "Line": []} for number in range(200)]

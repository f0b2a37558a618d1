"""A connection's settings: all that the mapping needs, nothing else, and no secret where it could be seen."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.egress import Egress
from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from domain.errors import Rejected
from tests.adapters.erp.engine.tiny import ACKED, DO, END, LOOK, MESSAGE, PUT, Tiny, mapping, says

GET_ORDER = "GET /orders/SO-1"
TYPED = {"address": "url", "days": "whole", "zone": "time_zone", "name": "text", "key": "secret"}


def with_settings(tiny: Tiny, settings: dict[str, str], secrets: dict[str, str]) -> ConnectedErp:
    erp = tiny.connected(mapping("nothing", settings=TYPED))
    return replace(erp, settings=settings, secrets={name: SecretStr(secret) for name, secret in secrets.items()})


RIGHT = {"address": "http://127.0.0.1:1/x/", "days": "30", "zone": "Europe/Berlin", "name": "A"}


async def test_each_setting_is_what_its_kind_says(tiny: Tiny) -> None:
    public = with_settings(tiny, RIGHT, {"key": "k"}).public()
    assert dict(public) == {"address": "http://127.0.0.1:1/x", "days": 30, "zone": "Europe/Berlin", "name": "A"}


@pytest.mark.parametrize(
    ("settings", "secrets", "faults"),
    [
        ({"address": RIGHT["address"]}, {}, ["/secrets/key", "/settings/days", "/settings/name", "/settings/zone"]),
        ({**RIGHT, "colour": "red"}, {"key": "k"}, ["/settings/colour"]),
        ({**RIGHT, "key": "k"}, {}, ["/secrets/key", "/settings/key"]),
        (RIGHT, {"key": "k", "name": "A"}, ["/secrets/name"]),
        ({**RIGHT, "address": "erp.example.org"}, {"key": "k"}, ["/settings/address"]),
        ({**RIGHT, "address": "ftp://erp.example.org"}, {"key": "k"}, ["/settings/address"]),
        (
            {**RIGHT, "days": "x", "zone": "Berlin", "name": " "},
            {"key": "k"},
            ["/settings/days", "/settings/name", "/settings/zone"],
        ),
    ],
)
async def test_all_that_is_wrong_is_told_at_once(
    tiny: Tiny, settings: dict[str, str], secrets: dict[str, str], faults: list[str]
) -> None:
    with pytest.raises(Rejected) as refusal:
        MappedErp(with_settings(tiny, settings, secrets))
    assert refusal.value.code == "connection_settings"
    assert [fault.pointer for fault in refusal.value.faults] == faults


async def test_no_fault_repeats_a_secret(tiny: Tiny) -> None:
    erp = with_settings(tiny, RIGHT, {"key": "s3cret", "other": "s3cret"})
    assert "s3cret" not in repr(erp)
    with pytest.raises(Rejected) as refusal:
        MappedErp(erp)
    assert "s3cret" not in str(refusal.value.as_json())


async def test_a_secret_may_stand_in_what_its_door_says(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(ACKED))
    await tiny.tell([LOOK, DO, END])
    assert tiny.headers()[0]["x-key"] == "s3cret"


@pytest.mark.parametrize("secret", ["${settings.key}", "a ${settings.key}", "${settings.key ?? 'none'}"])
@pytest.mark.parametrize("where", ["path", "query", "send", "deep", "given", "take"])
async def test_a_secret_can_stand_nowhere_else(tiny: Tiny, where: str, secret: str) -> None:
    calls: dict[str, Any] = {
        "path": {"door": "api", "get": f"/orders/{secret}"},
        "query": {"door": "api", "get": "/orders/SO-1", "query": {"key": secret}},
        "send": {"door": "api", "post": "/orders/SO-1", "send": secret},
        "deep": {"door": "api", "post": "/orders/SO-1", "send": {"a": [{"b": secret}]}},
        "given": {"door": "api", "get": "/orders/${given.key}"},
        "take": {"door": "api", "get": "/orders/SO-1", "take": "settings.key"},
    }
    tiny.to(GET_ORDER, says({}))
    look = {"look": "order", "call": "order", "with": {"key": secret if where == "given" else "1"}}
    with pytest.raises(Rejected) as refusal:
        await tiny.tell([look, END], calls={"order": calls[where]})
    assert refusal.value.code == "erp_mapping"
    assert tiny.calls == ([GET_ORDER] if where == "take" else [])
    assert "s3cret" not in f"{refusal.value.as_json()} {refusal.value.said}"


async def test_an_address_that_is_not_to_be_called_is_refused_when_the_erp_is_opened(tiny: Tiny) -> None:
    erp = replace(tiny.connected(mapping([LOOK, END])), egress=Egress())
    with pytest.raises(Rejected) as refusal:
        await asyncio.to_thread(MappedErp(erp).tell, MESSAGE)
    assert refusal.value.code == "egress_refused"
    assert tiny.calls == []


async def test_a_connections_rows_stand_before_the_mappings_own(tiny: Tiny) -> None:
    sent = {"mug": "${'MUG' | table('skus')}", "cup": "${'CUP' | table('skus')}"}
    steps = [{"do": "tell", "repeatable": "true", "call": {**PUT, "send": sent}}, END]
    tiny.to("PUT /orders/SO-1", says({}))
    text = mapping(steps, tables={"skus": {"MUG": "1", "CUP": "2"}})
    erp = replace(tiny.connected(text), tables={"skus": {"CUP": "22"}, "unknown": {"A": "B"}})
    await asyncio.to_thread(tiny.open(erp).tell, MESSAGE)
    assert tiny.bodies("PUT /orders/SO-1") == [{"mug": "1", "cup": "22"}]

"""A GTIN names one packaging of one sku, however it is written."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.api.doorway import Door, faults_of, product

CASE = "09506000134369"
"""Of the mugs' case."""


async def test_a_gtin_is_one_packaging_of_one_sku(shop: Door) -> None:
    for gtin in (CASE, CASE.removeprefix("0")):
        packed = [{"uom": "BOX", "factor": 6, "gtin": gtin}]
        answer = await shop.post("/api/products", product("CUP", packagings=packed))
        assert faults_of(answer) == [("/packagings/0/gtin", "gtin_taken")]
        assert "MUG-WHITE, CASE" in answer.json()["detail"]
        assert faults_of(await shop.post("/api/products", product("CUP", gtin=gtin))) == [("/gtin", "gtin_taken")]
    twice = product("CUP", gtin="96385074", packagings=[{"uom": "BOX", "factor": 6, "gtin": "00000096385074"}])
    assert faults_of(await shop.post("/api/products", twice)) == [("/packagings/0/gtin", "gtin_taken")]


async def test_a_gtin_moves_to_another_packaging_and_is_free_once_it_is_dropped(shop: Door) -> None:
    mug = {"uom": "CASE", "factor": 12}
    for packed in ([mug | {"gtin": CASE}], [mug, {"uom": "BOX", "factor": 6, "gtin": CASE}], [mug]):
        await shop.made("/api/products", product("MUG-WHITE", packagings=packed))
    await shop.made("/api/products", product("CUP", gtin=CASE))
    answer = await shop.post("/api/products", product("MUG-WHITE", packagings=[mug | {"gtin": CASE}]))
    assert faults_of(answer) == [("/packagings/0/gtin", "gtin_taken")]


async def test_of_two_that_claim_a_gtin_at_once_one_gets_it(shop: Door) -> None:
    claims = [shop.post("/api/products", product(f"CUP-{number}", gtin="96385074")) for number in range(6)]
    answers = await asyncio.gather(*claims)
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422, 422]


async def test_gtins_that_were_doubled_before_are_kept_listed_and_given_to_nobody_else(
    shop: Door, owner: AsyncEngine
) -> None:
    for sku in ("CUP-A", "CUP-B"):
        await shop.made("/api/products", product(sku))
    async with owner.begin() as connection:  # as the migration found them
        await connection.execute(text("set local session_replication_role = replica"))
        given = {"tenant": shop.tenant, "skus": ["CUP-A", "CUP-B"]}
        await connection.execute(
            text("update records.product set gtin = '96385074' where tenant = :tenant and sku = any(:skus)"), given
        )
        await connection.execute(
            text(
                "insert into records.product_gtin (tenant, gtin, sku, uom, doubled) select tenant, lpad(gtin, 14, '0'),"
                " sku, base_uom, sku = 'CUP-B' from records.product where tenant = :tenant and sku = any(:skus)"
            ),
            given,
        )
    listed = (await shop.get("/api/products", gtin_doubled=True)).json()["items"]
    assert [item["sku"] for item in listed] == ["CUP-A", "CUP-B"]
    await shop.made("/api/products", product("CUP-B", gtin="96385074", description="another"))
    await shop.made("/api/products", product("CUP-A", gtin=None))
    assert (await shop.get("/api/products", gtin_doubled=True)).json()["items"] == []
    refused = await shop.post("/api/products", product("CUP-C", gtin="96385074"))
    assert faults_of(refused) == [("/gtin", "gtin_taken")]
    assert "CUP-B" in refused.json()["detail"]

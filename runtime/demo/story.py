"""The story, chapter by chapter. A promise that does not hold does not stop it; a chapter that breaks off does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from runtime.demo.chapters import (
    amending,
    catching_up,
    competing,
    delivering,
    pushing,
    regretting,
    settling,
    stocking,
    waiting,
)
from runtime.demo.tale import Tale

Chapter = Callable[[Tale], Awaitable[None]]

CHAPTERS: Final[tuple[tuple[str, Chapter], ...]] = (
    ("The warehouse opens", stocking.the_warehouse_opens),
    ("The ERP pushes its orders", pushing.the_erp_pushes),
    ("Customers change their minds", amending.customers_change_their_minds),
    ("Others want the stock of an order that is being amended", competing.others_want_its_stock),
    ("Stock arrives for those who wait", waiting.stock_arrives_for_those_who_wait),
    ("A picker finds too little", waiting.a_picker_finds_too_little),
    ("Parcels leave and arrive", delivering.parcels_leave_and_arrive),
    ("Minds change when labels are bought already", regretting.minds_change_late),
    ("The ERP goes down for a while", catching_up.the_erp_goes_down),
    ("Goods come back", regretting.goods_come_back),
    ("Everything settles", settling.everything_settles),
)


async def tell(tale: Tale) -> None:
    """Tell the whole story."""
    for number, (title, chapter) in enumerate(CHAPTERS, 1):
        with tale.checks.display.chapter(number, title):
            try:
                await chapter(tale)
            except Exception as error:  # noqa: BLE001 - whatever it is, the chapter's promises did not hold
                tale.checks.failed(title, error)
                return

"""What the ERP is told: one message of an order's feed at a time, each exactly once in effect."""

from __future__ import annotations

from sqlalchemy import Engine
from temporalio import activity

from activities.failures import as_failures
from adapters.erp.port import Erps
from commands.erp.tell import ErpFeed
from domain import messages as m


class ErpActivities:
    """The ERP's verb."""

    def __init__(self, engine: Engine, erps: Erps) -> None:
        self._feed = ErpFeed(engine, erps)

    @activity.defn
    def tell_erp(self, step: m.ErpStep) -> m.Told:
        """Tell the ERP a message of the feed, and what waits behind it. Who tells the last of an order closes it."""
        with as_failures():
            return self._feed.tell(step)

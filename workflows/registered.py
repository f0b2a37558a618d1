"""Every workflow that a worker runs, and whose histories a new build must be able to replay."""

from __future__ import annotations

from typing import Final

from workflows.ledger_check import LedgerCheck
from workflows.ledger_checkpoint import LedgerCheckpoint
from workflows.order_lifecycle import OrderLifecycle
from workflows.return_lifecycle import ReturnLifecycle

WORKFLOWS: Final = (OrderLifecycle, ReturnLifecycle, LedgerCheckpoint, LedgerCheck)

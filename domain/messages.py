"""What workflows and activities say to each other. It stays in histories: ids and numbers, never people's data.

Messages only ever gain optional fields, and ignore unknown ones: an older worker may read them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A message that a history keeps."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class OrderId(Message):
    """An order, by its name in its tenant."""

    tenant: str
    order_ref: str


class OfOrder:
    """What is of one order, and has its name among its fields."""

    tenant: str
    order_ref: str

    @property
    def order(self) -> OrderId:
        """Name the order."""
        return OrderId(tenant=self.tenant, order_ref=self.order_ref)


class Decided(Message):
    """A command that was decided, by its row and when it came: a row of another life is not it."""

    inbox_id: int
    received_at: datetime


class Command(OfOrder, Message):
    """A command as the inbox has it; what it says is read there.

    `after` and `epoch` are what its order's workflow remembers: what it had decided last, and the restore before that.
    """

    tenant: str
    order_ref: str
    inbox_id: int
    kind: str
    key: str
    received_at: datetime | None = None
    after: Decided | None = None
    epoch: int = 0


class CarrierStep(OfOrder, Message):
    """A label to be bought or voided, or a parcel to be intercepted."""

    tenant: str
    order_ref: str
    step_id: str
    kind: str
    shipment_no: str
    carrier: str = ""
    """Whom it is asked of; one thing at a time."""
    connected: bool = False
    """Whether the carrier has a connection, and so a queue of its own."""
    epoch: int = 0
    """The restore of the database before it was read."""


class ErpStep(OfOrder, Message):
    """A message that the ERP has not been told yet. It may wait for the tracking numbers that it is to name."""

    tenant: str
    order_ref: str
    number: int
    kind: str
    waits_for_label: bool = False
    source: str = ""
    """The ERP that is told, where it has a connection, and so a queue of its own."""
    epoch: int = 0


class Attention(Message):
    """What is stuck, why, and which named actions unstick it. `step` is what a retry or a skip is about.

    `said_id` is the id under which `records` has what a partner said.
    """

    reason: str
    actions: tuple[str, ...]
    step: str
    said_id: str | None = None


class Stuck(Message):
    """Ask for a person: this order, this reason."""

    order: OrderId
    attention: Attention


class OperatorAct(Message):
    """What a person decides in the Temporal UI: who, and why. `target` names a step where another one is not meant.

    `address_id` names an address that was stored before: no name enters a history.
    """

    by: str = ""
    reason: str = ""
    target: str | None = None
    address_id: str | None = None


class Act(Message):
    """An operator's act on an order, with the number that makes it one act however often it is heard of."""

    order: OrderId
    verb: str
    act_no: str
    said: OperatorAct


class LineBrief(Message):
    """A line as an operator reads it in the Temporal UI."""

    line_no: int
    sku: str
    quantities: dict[str, int]


class OrderWork(Message):
    """An order as PostgreSQL has it: what it is, and what is still to be done outside the house.

    `over` says that nothing is left to do for it but that: it may be closed then.
    """

    exists: bool = False
    closed: bool = False
    over: bool = False
    status: str = "received"
    needs_attention: bool = False
    attention: dict[str, Any] | None = None
    revision: int = 0
    site: str = ""
    carrier: str = ""
    lines: tuple[LineBrief, ...] = ()
    tracking_numbers: tuple[str, ...] = ()
    carrier_steps: tuple[CarrierStep, ...] = ()
    erp_steps: tuple[ErpStep, ...] = ()
    events_waiting: bool = False
    epoch: int = 0
    """The restore of the database before it was read: what was remembered of it before that may be wrong."""


class Told(Message):
    """How far the ERP has been told an order's feed, and whether that closed the order.

    `work` is the order as it is, where it has no such message any more: the database was restored from a backup.
    """

    number: int
    closed: bool = False
    work: OrderWork | None = None


class Decision(Message):
    """What became of a command. `problem` tells why it was refused."""

    inbox_id: int
    kind: str
    key: str
    accepted: bool
    outcome: str = ""
    problem: dict[str, Any] | None = None
    work: OrderWork
    received_at: datetime | None = None


class CommandAnswer(Message):
    """The typed answer of an update."""

    accepted: bool
    outcome: str = ""
    status: str = ""
    problem: dict[str, Any] | None = None


class CheckpointHead(Message):
    """A checkpoint of the ledger, as it is remembered outside the database. `hash` is hex."""

    number: int
    hash: str
    covers_until: str


class LedgerCheck(Message):
    """What a check of the ledger, or the next checkpoint, must still find there."""

    known: CheckpointHead | None = None


class CheckpointTaken(Message):
    """What became of a checkpoint. `newest` is there also where nothing had changed since it."""

    newest: CheckpointHead | None
    words: str


class LedgerChecked(Message):
    """What a check of the ledger found; at most the first `findings`, of `found`."""

    words: str
    found: int = 0
    findings: tuple[str, ...] = ()
    newest: CheckpointHead | None = None

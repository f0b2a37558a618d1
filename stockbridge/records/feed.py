"""The ERP feed as its sender sees it. Synchronous: it is used on a thread, beside a synchronous SOAP client."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, update

from stockbridge.records.tables import carrier_step, erp_message, orders, parcel

_FINAL = ("done", "skipped")


def claim(connection: Connection, tenant: str, order_ref: str, number: int) -> dict[str, Any] | None:
    """Mark a message as sent, before it is. Returns it as it was, with its order; None if it is done with."""
    query = (
        select(erp_message, orders.c.source, orders.c.order_no, orders.c.revision)
        .join(orders, (orders.c.tenant == erp_message.c.tenant) & (orders.c.order_ref == erp_message.c.order_ref))
        .where(*_this(tenant, order_ref, number))
        .with_for_update(of=erp_message)
    )
    row = dict(connection.execute(query).mappings().one())
    if row["state"] in _FINAL:
        return None
    connection.execute(
        update(erp_message).where(*_this(tenant, order_ref, number)).values(state="sent", attempts=row["attempts"] + 1)
    )
    return {**row, "parcels": _parcels(connection, row), "label_is_to_come": _label_is_to_come(connection, row)}


def next_waiting(connection: Connection, tenant: str, order_ref: str, after: int) -> tuple[int, str] | None:
    """Return number and kind of the feed's next message that is not done, if it comes behind `after`."""
    query = (
        select(erp_message.c.number, erp_message.c.kind)
        .where(
            erp_message.c.tenant == tenant,
            erp_message.c.order_ref == order_ref,
            erp_message.c.state.not_in(_FINAL),
        )
        .order_by(erp_message.c.number)
        .limit(1)
    )
    found = connection.execute(query).one_or_none()
    return (found.number, found.kind) if found and found.number > after else None


def _label_is_to_come(connection: Connection, row: dict[str, Any]) -> bool:
    """Say whether the message tells of a shipment that the carrier has not answered for."""
    if row["kind"] != "shipped":
        return False
    query = select(carrier_step.c.step_id).where(
        carrier_step.c.tenant == row["tenant"],
        carrier_step.c.order_ref == row["order_ref"],
        carrier_step.c.shipment_no == row["payload"]["shipment_no"],
        carrier_step.c.kind == "label",
        carrier_step.c.state.in_(("intended", "sent", "unknown")),
    )
    return connection.execute(query).first() is not None


def _parcels(connection: Connection, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the labeled parcels of the shipment that the message is about."""
    query = (
        select(parcel.c.parcel_no, parcel.c.tracking_number)
        .where(
            parcel.c.tenant == row["tenant"],
            parcel.c.order_ref == row["order_ref"],
            parcel.c.shipment_no == row["payload"].get("shipment_no", ""),
            parcel.c.tracking_number.is_not(None),
        )
        .order_by(parcel.c.parcel_no)
    )
    return [dict(found) for found in connection.execute(query).mappings()]


def done(connection: Connection, tenant: str, order_ref: str, number: int, document_no: str) -> None:
    """Note the document that the ERP made of a message."""
    connection.execute(
        update(erp_message)
        .where(*_this(tenant, order_ref, number), erp_message.c.state.not_in(_FINAL))
        .values(state="done", document_no=document_no, done_at=func.clock_timestamp(), last_error=None)
    )


def failed(connection: Connection, tenant: str, order_ref: str, number: int, state: str, reason: str) -> None:
    """Note why a message is not done: `unknown` if the ERP may have it, `intended` if it surely has not."""
    connection.execute(
        update(erp_message)
        .where(*_this(tenant, order_ref, number), erp_message.c.state.not_in(_FINAL))
        .values(state=state, last_error=reason)
    )


def _this(tenant: str, order_ref: str, number: int) -> tuple[Any, ...]:
    return (erp_message.c.tenant == tenant, erp_message.c.order_ref == order_ref, erp_message.c.number == number)
